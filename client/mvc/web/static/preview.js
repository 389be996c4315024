// What is in a file, as far as a browser shows it without running anything of it.
import { useEffect, useRef, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { raw, rawAddress } from '/static/api.js';
import { Dialog, Failed, Table, Waiting, html, safe, size } from '/static/parts.js';

const PREVIEW = 256 * 1024, PICTURE = /\.(png|jpe?g|gif|webp)$/i, TABLE = /\.(csv|tsv)$/i;

export function Preview({ rev, file, onClose }) {
  const [shown, set] = useState(null), [error, fail] = useState(null), picture = PICTURE.test(file.path);
  useEffect(() => {
    if (picture) return;
    raw(rev, file.path, file.size ? `bytes=0-${PREVIEW - 1}` : null).then((found) => found.arrayBuffer()).then((bytes) => set(read(new Uint8Array(bytes), file)), fail);
  }, [file]);
  return html`<${Dialog} wide title=${safe(file.path)} onClose=${onClose}>
    <p class="sub">${size(file.size)} · ${file.component} <a href=${rawAddress(rev, file.path)} download>Download</a></p>
    ${error && html`<${Failed} error=${error}/>`}
    ${picture ? html`<img class="picture" alt=${safe(file.path)} src=${rawAddress(rev, file.path)}/>` : shown || (!error && html`<${Waiting}/>`)}<//>`;
}

function read(bytes, file) {
  if (bytes.subarray(0, 4096).includes(0)) return html`<pre tabindex="0">${hex(bytes.subarray(0, 512))}</pre>`;
  const text = new TextDecoder().decode(bytes), cut = file.size > PREVIEW;
  const note = cut && html`<p class="sub">The first ${size(PREVIEW)}.</p>`;
  if (TABLE.test(file.path)) {
    const mark = file.path.toLowerCase().endsWith('.tsv') ? '\t' : ',';
    const [head, ...rows] = text.split(/\r?\n/).slice(0, 101).filter(Boolean).map((line) => line.split(mark).map(safe));
    return html`${note}<${Table} label="First rows" heads=${head || []} rows=${rows}/>`;
  }
  if (!cut && /\.(json|ipynb)$/i.test(file.path)) try {
    const value = JSON.parse(text);
    return value.cells && /\.ipynb$/i.test(file.path) ? html`<${Notebook} book=${value}/>` : html`<div class="tree mono"><${Tree} value=${value} open/></div>`;
  } catch { /* not JSON after all: as text */ }
  return html`${note}<pre tabindex="0">${safe(text)}</pre>`;
}

const joined = (text) => safe([text].flat().join(''));

// Cells of a notebook with what they printed and drew; what would run, such as HTML, is not shown.
function Notebook({ book }) {
  return html`<div class="notebook">${book.cells.slice(0, 200).map((cell) => html`<h3>${cell.cell_type === 'code' ? `In [${cell.execution_count ?? ' '}]` : safe(cell.cell_type)}</h3>
    <pre tabindex="0" class="wrap">${joined(cell.source)}</pre>${(cell.outputs || []).map((one) => html`<${Output} one=${one}/>`)}`)}</div>`;
}

function Output({ one }) {
  const data = one.data || {}, kind = ['image/png', 'image/jpeg'].find((name) => typeof data[name] === 'string');
  if (kind) return html`<${Drawn} kind=${kind} packed=${data[kind]}/>`;
  const text = one.text ?? data['text/plain'] ?? (one.traceback ? [one.ename, ': ', one.evalue] : null);
  return text == null ? html`<p class="sub">An output of another kind: ${Object.keys(data).map(safe).join(', ')}</p>` : html`<pre tabindex="0" class="wrap out">${joined(text)}</pre>`;
}

// A picture inside a notebook, drawn by hand: the page's policy lets images come from the server alone.
function Drawn({ kind, packed }) {
  const box = useRef();
  useEffect(() => {
    const bytes = Uint8Array.from(atob(packed.replace(/\s/g, '')), (c) => c.charCodeAt(0));
    createImageBitmap(new Blob([bytes], { type: kind })).then((drawn) => {
      Object.assign(box.current, { width: drawn.width, height: drawn.height });
      box.current.getContext('2d').drawImage(drawn, 0, 0);
    }, () => {});
  }, [packed]);
  return html`<canvas class="picture" ref=${box} role="img" aria-label="Picture in the notebook"></canvas>`;
}

function Tree({ name, value, open }) {
  const label = name != null && html`<span class="key">${safe(name)}</span>: `;
  if (value === null || typeof value !== 'object') return html`<div class="leaf">${label}${safe(JSON.stringify(value))}</div>`;
  const entries = Object.entries(value);
  return html`<details open=${open}><summary>${label}<small>${Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`}</small></summary>${entries.slice(0, 500).map(([k, one]) => html`<${Tree} name=${k} value=${one}/>`)}</details>`;
}

const hex = (bytes) => Array.from({ length: Math.ceil(bytes.length / 16) }, (_, i) => {
  const line = [...bytes.subarray(i * 16, i * 16 + 16)];
  return `${(i * 16).toString(16).padStart(6, '0')}  ${line.map((b) => b.toString(16).padStart(2, '0')).join(' ').padEnd(47)}  ${line.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : '.')).join('')}`;
}).join('\n');

// One version: what it is, where it came from, what is in it, and how to use it.
import { useEffect, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { get, go, post, query, raw, rawAddress, seg, useData } from '/static/api.js';
import { Act, Age, Better, COMPONENTS, Copy, Dialog, Failed, Parts, Refs, Screen, Table, Tabs, Waiting, clock, firstLine, html, number, person,
  plural, safe, short, size, useKeys, versionLink } from '/static/parts.js';
import { RECORDED } from '/static/source.js';
import { Promote } from '/static/promote.js';

export default function Version({ place }) {
  const rev = place.path.slice(1).join('/') || 'HEAD';
  const { data: v, error, reload } = useData(`/r/v/${seg(rev)}`, ['ref', 'stage']);
  useKeys({ d: () => v && go(`/diff/${v.parents[0] || 'v0'}..${v.version}`), u: () => go('/') });
  if (error) return html`<${Screen} title="No such version"><${Failed} error=${error} reload=${reload}/><//>`;
  if (!v) return html`<${Waiting}/>`;
  const name = v.numbered ? `v${v.number}` : short(v.version);
  const [subject, ...rest] = v.message.split('\n');
  const body = rest.join('\n').trim();
  return html`<${Screen} title=${`${name}  ${safe(subject)}`} sub=${html`<${Refs} refs=${v.refs}/> ${person(v.author)} · <${Age} time=${v.time}/> · ${v.trigger} · <span class="mono">${short(v.version)}</span> <${Copy} text=${v.version} label="Copy id"/>`}
    aside=${html`<a class="button" href="/diff/${v.parents[0] || 'v0'}..${v.version}">What it changed</a><${Tag} v=${v} reload=${reload}/><${Describe} v=${v} reload=${reload}/><${Promote} rev=${v.version} name=${name} done=${reload}/>`}>
    ${v.pruned && html`<p class="panel">${v.pruned.here ? `Its content goes on ${clock(v.pruned.until)}` : 'Its content is not kept here any more'}: rule ${safe(v.pruned.rule)}. Its record stays.</p>`}
    ${v.annotations.description && html`<section class="panel"><h2>Description</h2><pre class="wrap plain">${safe(v.annotations.description)}</pre></section>`}
    ${body && html`<section class="panel"><pre class="wrap plain">${safe(body)}</pre></section>`}
    <div class="tiles"><div class="tile"><b>${size(v.bytes)}</b><span>in ${plural(v.files, 'file')}</span></div>
      <div class="tile"><b><${Parts} changed=${v.changed}/></b><span>${v.changed.length ? 'changed against the parent' : 'equal to the parent'}</span></div>
      ${v.signatures.length > 0 && html`<div class="tile"><b class=${v.signatures[0].state === 'good' ? 'good' : 'bad'}>${safe(v.signatures[0].state)}</b><span>signature of ${safe(v.signatures[0].principal || v.signatures[0].fingerprint || 'an unknown key')}</span></div>`}</div>
    <div class="grid"><${Values} title="Metrics" values=${v.metrics} changes=${v.changes.metrics} better=${v.better}/>
      <${Values} title="Hyperparameters" values=${v.hyperparameters} changes=${v.changes.hyperparameters} better=${{}}/></div>
    <div class="grid"><${Made} v=${v}/><${Family} rev=${v.version}/></div>
    <${Contents} v=${v} place=${place}/>
    <${Use} v=${v} name=${name}/>
  <//>`;
}

function Values({ title, values, changes, better }) {
  const keys = Object.keys(values), [all, show] = useState(false);
  const shown = all ? keys : keys.slice(0, 16);
  return html`<section class="panel"><h2>${title} <small>${keys.length}</small></h2>
    ${keys.length ? html`<${Table} label=${title} heads=${['Key', 'Value', 'Before']} right=${[1, 2]} rows=${shown.map((key) => [safe(key),
      html`${number(values[key])} <${Better} better=${better[key]}/>`, changes[key] ? changes[key].old === null ? 'new' : number(changes[key].old) : html`<span class="sub">same</span>`])}/>`
    : html`<p class="sub">None recorded.</p>`}
    ${keys.length > shown.length && html`<button class="quiet" onClick=${() => show(true)}>All ${keys.length}</button>`}</section>`;
}

function Made({ v }) {
  const made = v.provenance, command = made.command.join(' ');
  const facts = [['When', clock(v.time)], ['Who', safe(v.author)], ['How', v.trigger], command && ['Command', html`<code>${safe(command)}</code>`],
    made.git_commit && ['Git', html`<code>${safe(made.git_commit.slice(0, 12))}</code>${made.git_dirty ? ' with changes' : ''}`],
    made.host && ['Host', safe(made.host)], made.python && ['Python', safe(made.python)],
    made.packages_digest && ['Packages', html`<code>${made.packages_digest.slice(0, 12)}</code>`],
    ...Object.entries(v.annotations).filter(([key]) => key !== 'description').map(([key, said]) => [safe(key), html`<span class="note">${safe(said)}</span>`])];
  return html`<section class="panel"><h2>How it was made</h2><dl class="facts">${facts.filter(Boolean).map(([what, said]) => html`<dt>${what}</dt><dd>${said}</dd>`)}</dl></section>`;
}

function Family({ rev }) {
  const { data, error } = useData(`/r/lineage/${seg(rev)}`);
  const kin = (one) => html`<li><a href=${versionLink(one.version)}>v${one.number}</a> ${firstLine(one.message)} <${Refs} refs=${one.names}/></li>`;
  return html`<section class="panel"><h2>Lineage</h2>${error && html`<${Failed} error=${error}/>`}${data && html`
    <h3>${data.parents.length > 1 ? 'Parents' : 'Parent'}</h3><ul class="plain">${data.parents.length ? data.parents.map(kin) : html`<li class="sub">none: it is the first</li>`}</ul>
    <h3>Unchanged since</h3><ul class="plain">${data.origins.map((one) => html`<li><i class="swatch ${one.component}" aria-hidden="true"></i>${one.component} <small>since</small> ${one.since === rev ? 'this version' : html`<a href=${versionLink(one.since)}>v${one.since_number}</a>`}</li>`)}</ul>
    <h3>Children</h3><ul class="plain">${data.children.length ? data.children.slice(0, 20).map(kin) : html`<li class="sub">none yet</li>`}</ul>`}</section>`;
}

// ---------------------------------------------------------------- files

function Contents({ v, place }) {
  const there = COMPONENTS.filter((name) => v.components[name]?.files);
  const [tab, pick] = useState(place.query.get('part') || there[0] || 'weights'), [file, open] = useState(null);
  return html`<section class="panel"><h2 class="unseen">Contents</h2>
    <${Tabs} label="Parts" current=${tab} pick=${pick} names=${[...COMPONENTS.map((name) => [name, name[0].toUpperCase() + name.slice(1), v.components[name]?.files || 0]), ['tensors', 'Tensors']]}/>
    <div role="tabpanel" aria-label=${tab}>${tab === 'tensors' ? html`<${Tensors} rev=${v.version}/>` : html`<${Files} key=${tab} rev=${v.version} component=${tab} open=${open}/>`}</div>
    ${file && html`<${Preview} rev=${v.version} file=${file} onClose=${() => open(null)}/>`}</section>`;
}

function Files({ rev, component, open }) {
  const [rows, set] = useState(null), [next, more] = useState(null), [error, fail] = useState(null);
  const load = (after) => get(`/r/files/${seg(rev)}${query({ component, after })}`).then((found) => {
    set((old) => (after ? old.concat(found.files) : found.files)); more(found.next); }, fail);
  useEffect(() => { load(null); }, [rev, component]);
  if (error) return html`<${Failed} error=${error}/>`;
  if (!rows) return html`<${Waiting}/>`;
  if (!rows.length) return html`<p class="sub">No files of this part.</p>`;
  return html`<${Table} label="Files" heads=${['File', 'Size', '']} right=${[1, 2]} rows=${rows.map((file) => [
    html`${RECORDED ? html`<span class="mono">${safe(file.path)}</span>` : html`<button class="link mono" onClick=${() => open(file)}>${safe(file.path)}</button>`}${file.mode !== 'regular' && file.mode !== 'file' && html` <small>${file.mode}</small>`}`,
    size(file.size), RECORDED ? '' : html`<a href=${rawAddress(rev, file.path)} download aria-label="Download ${safe(file.path)}">Download</a>`])}/>
    ${next && html`<button class="quiet" onClick=${() => load(next)}>More files</button>`}`;
}

const PREVIEW = 256 * 1024, PICTURE = /\.(png|jpe?g|gif|webp)$/i, TABLE = /\.(csv|tsv)$/i;

function Preview({ rev, file, onClose }) {
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
    return value.cells && /\.ipynb$/i.test(file.path) ? html`<div>${value.cells.map((cell) => html`<h3>${safe(cell.cell_type)}</h3><pre tabindex="0" class="wrap">${safe([cell.source].flat().join(''))}</pre>`)}</div>` : html`<div class="tree mono"><${Tree} value=${value} open/></div>`;
  } catch { /* not JSON after all: as text */ }
  return html`${note}<pre tabindex="0">${safe(text)}</pre>`;
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

// ---------------------------------------------------------------- tensors

function Tensors({ rev }) {
  const { data, error } = useData(`/r/tensors/${seg(rev)}`);
  const [words, find] = useState(''), [count, more] = useState(200), [figures, set] = useState({});
  if (error) return html`<${Failed} error=${error}/>`;
  if (!data) return html`<${Waiting} what="Reading headers"/>`;
  const found = data.tensors.filter((one) => one.label.toLowerCase().includes(words.toLowerCase()));
  const elements = (one) => one.shape.reduce((a, b) => a * b, 1);
  const measure = (one) => get(`/r/tensor/${seg(rev)}${query({ label: one.label })}`).then((got) => set((old) => ({ ...old, [one.label]: got.statistics })),
    (failed) => set((old) => ({ ...old, [one.label]: { failed: failed.message } })));
  if (!data.tensors.length) return html`<p class="sub">No file of this version has tensors that can be read.</p>`;
  const total = data.tensors.filter((one) => !one.state).reduce((sum, one) => sum + elements(one), 0);
  return html`<p class="sub">${plural(data.tensors.length, 'tensor')}, ${total.toLocaleString('en')} parameters</p>
    <p><input type="search" aria-label="Find a tensor" placeholder="Find a tensor" value=${words} onInput=${(e) => find(e.target.value)}/></p>
    <${Table} label="Tensors" heads=${['Tensor', 'Type', 'Shape', 'Size', 'Mean', 'Std', 'NaN']} right=${[3, 4, 5, 6]} rows=${found.slice(0, count).map((one) => {
      const got = figures[one.label];
      const cells = got ? (got.failed ? [html`<small>${safe(got.failed)}</small>`, '', ''] : [number(got.mean), number(got.std), number(got.nan)])
        : RECORDED ? ['', '', ''] : [html`<button class="link" onClick=${() => measure(one)} aria-label="Measure ${safe(one.label)}">measure</button>`, '', ''];
      return [html`<span class="mono">${safe(one.label)}</span>${one.state && html` <small>training state</small>`}`, one.dtype, html`<span class="mono">${one.shape.join(' × ') || 'scalar'}</span>`, size(one.bytes), ...cells];
    })}/>${found.length > count && html`<button class="quiet" onClick=${() => more(count + 1000)}>${found.length - count} more</button>`}`;
}

// ---------------------------------------------------------------- actions

function Tag({ v, reload }) {
  const [name, set] = useState(''), [message, say] = useState('');
  return html`<${Act} label="Tag" title="Tag v${v.number}" confirm="Make the tag" action="tag" rehearse=${() => post('/r/tag', { name, rev: v.version, message, dry_run: true })} act=${() => post('/r/tag', { name, rev: v.version, message }).then(reload)}>
    <label class="field"><span>Name</span><input type="text" required value=${name} onInput=${(e) => set(e.target.value)}/></label>
    <label class="field"><span>Message</span><input type="text" value=${message} onInput=${(e) => say(e.target.value)}/></label>
    <p class="sub">The tag will point to v${v.number} ${short(v.version)}, and never moves. Undo takes it back.</p><//>`;
}

function Describe({ v, reload }) {
  const [text, set] = useState(v.annotations.description || '');
  return html`<${Act} label="Describe" title="Describe v${v.number}" confirm="Save" action="annotate" rehearse=${() => post('/r/annotate', { rev: v.version, texts: { description: text.trim() || null }, dry_run: true })} act=${() => post('/r/annotate', { rev: v.version, texts: { description: text.trim() || null } }).then(reload)}>
    <label class="field"><span>Description</span><textarea rows="8" value=${text} onInput=${(e) => set(e.target.value)}></textarea></label>
    <p class="sub">It is written beside the version, whose id stays. Empty removes it.</p><//>`;
}

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

function Use({ v, name }) {
  const { data } = useData('/repos');
  const [tab, pick] = useState('mvc');
  if (!data) return null;
  const root = data.repos[0].root, id = v.version.slice(0, 12), at = RECORDED ? '' : `-C ${quoted(root)} `;
  const snippets = {
    mvc: `mvc ${at}export ${id} ./${name}`,
    Python: `import mvc\n\nrepo = mvc.Repo(${JSON.stringify(root)})\nwith repo.open("PATH", "${id}") as file:\n    ...`,
    fsspec: `import fsspec\n\nwith fsspec.open("mvc://${root.startsWith('/') ? root : '/' + root}@${id}/PATH") as file:\n    ...`,
    transformers: `mvc ${at}export ${id} ./${name}\n\nfrom transformers import AutoModel\nmodel = AutoModel.from_pretrained("./${name}")`,
  };
  return html`<section class="panel"><h2>Use it</h2><${Tabs} label="Ways to use it" current=${tab} pick=${pick} names=${Object.keys(snippets).map((one) => [one, one])}/>
    <div role="tabpanel" aria-label=${tab}><pre tabindex="0">${safe(snippets[tab])}</pre><${Copy} text=${snippets[tab]}/></div></section>`;
}

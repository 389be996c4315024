// What screens are made of: how values are written, and the small parts that return on each of them.
import { html as plain, useEffect, useRef, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { get, seg, useEvents } from '/static/api.js';
import { RECORDED, ROOT } from '/static/source.js';

// Templates write addresses of the page as they are below its root; where that is not "/", links get it in front.
const rooted = new Map();
const link = (to) => (typeof to === 'string' && to.startsWith('/') && !to.startsWith(`${ROOT}/`) ? ROOT + to : to);

function linked(parts, ...values) {
  if (!rooted.has(parts)) {
    const found = parts.map((part) => part.replace(/\bhref="\//g, `href="${ROOT}/`));
    rooted.set(parts, [found, found.flatMap((part, i) => (/\bhref=$/.test(part) ? [i] : []))]);
  }
  const [found, at] = rooted.get(parts);
  at.forEach((i) => { values[i] = link(values[i]); });
  return plain(found, ...values);
}

export const html = ROOT ? linked : plain;

// ---------------------------------------------------------------- writing

// Control characters, and marks that turn the direction of writing, are shown as what they are.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
export const safe = (text) =>
  String(text).replace(HIDDEN, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
export const firstLine = (text) => safe(text.split('\n', 1)[0]);
export const short = (id) => id.slice(0, 10);
export const person = (author) => safe(author.split(' <')[0]);
export const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ','); // toLocaleString takes 20 times as long
export const plural = (n, word, many = `${word}s`) => `${grouped(n)} ${n === 1 ? word : many}`;

export function size(bytes) {
  if (bytes == null) return '';
  let unit = 0;
  for (; Math.abs(bytes) >= 1024 && unit < 5; unit++) bytes /= 1024;
  const shown = unit && Math.abs(bytes) < 10 ? bytes.toFixed(1) : Math.round(bytes);
  return `${shown} ${['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'][unit]}`;
}

const shortest = (value) => (+value.toPrecision(4)).toExponential(); // 1e-5, not 1.000e-5

// A value of a key, as it was written: a seed of 1936 is no quantity, so its digits are not grouped.
export function number(value) {
  if (value == null) return '';
  if (typeof value !== 'number') return safe(typeof value === 'string' ? value : JSON.stringify(value));
  if (Number.isInteger(value)) return Math.abs(value) < 1e15 ? String(value) : shortest(value);
  const small = Math.abs(value);
  return small < 1e-4 || small >= 1e7 ? shortest(value) : String(+value.toPrecision(6));
}

export const percent = (share) =>
  share == null ? '' : share > 0 && share < 0.001 ? '<0.1 %' : `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

export function ago(time, now = Date.now()) {
  const seconds = Math.max(0, (now - new Date(time)) / 1000);
  if (seconds < 60) return 'now';
  const steps = [[60, 'min'], [24, 'h'], [7, 'd'], [4.35, 'wk'], [12, 'mo'], [1e9, 'yr']];
  let value = seconds / 60;
  for (const [most, unit] of steps) {
    if (value < most) return `${Math.floor(value)} ${unit}`;
    value /= most;
  }
  return '';
}

export function span(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

export const clock = (time) => time.slice(0, 19).replace('T', ' ') + ' ' + time.slice(19).replace(/^\.\d+/, '');

// ---------------------------------------------------------------- small parts

export const versionLink = (id) => `/v/${seg(id)}`;
export const COMPONENTS = ['architecture', 'weights', 'hyperparameters', 'data', 'results'];

export function Age({ time }) {
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 30000);
    return () => clearInterval(timer);
  }, []);
  return html`<time datetime=${time} title=${clock(time)}>${ago(time)}</time>`;
}

export function Parts({ changed }) {
  const said = changed.length ? `changed: ${changed.join(', ')}` : 'nothing changed';
  return html`<span class="dots" role="img" aria-label=${said} title=${said}>
    ${COMPONENTS.map((name) => html`<i class=${changed.includes(name) ? `on ${name}` : ''}>${name[0].toUpperCase()}</i>`)}
  </span>`;
}

export function Refs({ refs }) {
  return (refs || []).map((name) => {
    const stage = name.startsWith('stage: ');
    const kind = stage ? 'stage' : name.startsWith('tag: ') ? 'tag' : name.startsWith('HEAD') ? 'here' : 'branch';
    const mark = { stage: '\u25b2', tag: '#', here: '\u25cf', branch: '\u2387' }[kind];
    const shown = safe(name.replace(/^(stage|tag): |^HEAD -> /, ''));
    return html`<span class="ref ${kind}" title=${safe(name)}><span aria-hidden="true">${mark}</span> ${shown}</span>`;
  });
}

export function Better({ better }) {
  if (better == null) return null;
  return html`<span class=${better ? 'better' : 'worse'} title=${better ? 'better than its parent' : 'worse than its parent'}><span aria-hidden="true">${better ? '\u25b2' : '\u25bc'}</span
    ><span class="unseen">${better ? ' better' : ' worse'}</span></span>`;
}

export function Spark({ values, label, width = 72, height = 18 }) {
  if (!values || values.length < 2) return null;
  const low = Math.min(...values), high = Math.max(...values);
  const at = (v, i) => `${(1 + (i * (width - 2)) / (values.length - 1)).toFixed(1)},${
    (height - 2 - ((v - low) / (high - low || 1)) * (height - 4)).toFixed(1)}`;
  return html`<svg class="spark" width=${width} height=${height} viewBox="0 0 ${width} ${height}" role="img"
    aria-label="${label}: from ${number(values[0])} to ${number(values.at(-1))}">
    <polyline points=${values.map(at).join(' ')}/></svg>`;
}

export function Failed({ error, reload }) {
  const said = error.said || {};
  return html`<div class="failed" role="alert">
    <strong>${safe(error.message)}</strong>
    ${said.cause && html`<p>${safe(said.cause)}</p>`}
    ${said.help && html`<p>What helps: <code>${safe(said.help)}</code></p>`}
    ${reload && !RECORDED && html`<button onClick=${reload}>Try again</button>`}
  </div>`;
}

export const Waiting = ({ what = 'Loading' }) => html`<p class="waiting" role="status">${what} …</p>`;
export const Empty = ({ title, children }) =>
  html`<div class="empty"><p class="big">${title}</p>${children}</div>`;

export function Screen({ title, sub, aside, children, wide }) {
  useEffect(() => { document.title = `${typeof title === 'string' ? title : 'mvc'} · mvc`; }, [title]);
  return html`<div class="screen ${wide ? 'wide' : ''}">
    <header class="head"><div><h1 tabindex="-1">${title}</h1>${sub && html`<p class="sub">${sub}</p>`}</div>
      ${aside && html`<div class="aside">${aside}</div>`}</header>
    ${children}</div>`;
}

export function Copy({ text, label = 'Copy' }) {
  const [done, set] = useState(false);
  const copy = () => Promise.resolve(typeof text === 'function' ? text() : text)
    .then((found) => navigator.clipboard.writeText(found)).then(() => set(true));
  useEffect(() => { if (done) { const timer = setTimeout(() => set(false), 1500); return () => clearTimeout(timer); } }, [done]);
  return html`<button class="quiet" onClick=${copy}><span aria-live="polite">${done ? 'Copied' : label}</span></button>`;
}

export function Dialog({ title, onClose, children, wide }) {
  const box = useRef();
  useEffect(() => { box.current.showModal(); }, []);
  return html`<dialog ref=${box} class=${wide ? 'wide' : ''} aria-label=${title} onClose=${onClose}
    onClick=${(event) => event.target === box.current && box.current.close()}>
    <div class="inner"><header><h2>${title}</h2>
      <button class="quiet" aria-label="Close" onClick=${() => box.current.close()}>✕</button></header>${children}</div></dialog>`;
}

// What an action may do here; a server that asks nobody lets its owner do all.
export const allowed = { can: null, team: false };
export const may = (action) => !RECORDED && (!allowed.can || allowed.can.includes(action)); // nothing happens in a report

// What an action would move, as the server judged it.
const Rehearsed = ({ found }) => html`<div class="gate" role="status"><b>What changes</b>
  <ul class="plain">${found.moves.length ? found.moves.map(([name, old, now]) => html`<li><code>${safe(name)}</code>
    <small class="mono">${old ? old.slice(0, 10) : 'nothing'} → ${now ? now.slice(0, 10) : 'nothing'}</small></li>`) : html`<li>Nothing: it is so already</li>`}</ul>
  <small>It is recorded in the audit log under your name.</small></div>`;

// A button that asks before it acts; `children` says what will change. On a team's server it is shown first what `rehearse` answers.
export function Act({ label, title, confirm, action, act, rehearse, children, quiet }) {
  const [open, set] = useState(false), [error, fail] = useState(null), [busy, work] = useState(false), [found, tell] = useState(null);
  const asks = allowed.team && rehearse && !found;
  const run = async (event) => {
    event.preventDefault();
    work(true); fail(null);
    try { if (asks) tell(await rehearse()); else { await act(); set(false); } } catch (failed) { if (!failed.asked) fail(failed); } finally { work(false); }
  };
  if (action && !may(action)) return null;
  return html`<button class=${quiet ? 'quiet' : ''} onClick=${() => { fail(null); tell(null); set(true); }}>${label}</button>
    ${open && html`<${Dialog} title=${title || label} onClose=${() => set(false)}>
      <form onSubmit=${run} onInput=${() => tell(null)}>${children}${found && html`<${Rehearsed} found=${found}/>`}${error && html`<${Failed} error=${error}/>`}
        <p class="buttons"><button class="main" disabled=${busy}>${busy ? 'Working …' : asks ? 'Show what changes' : confirm || label}</button></p>
      </form><//>`}`;
}

export function Tabs({ names, current, pick, label }) {
  const keys = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = names[(names.findIndex((n) => n[0] === current) + step + names.length) % names.length][0];
    pick(next);
    event.currentTarget.querySelector(`[data-tab="${next}"]`)?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} onKeyDown=${keys}>${names.map(([id, shown, note]) => html`
    <button role="tab" data-tab=${id} aria-selected=${id === current} tabindex=${id === current ? 0 : -1}
      onClick=${() => pick(id)}>${shown}${note != null && html` <small>${note}</small>`}</button>`)}</div>`;
}

export function Table({ heads, rows, label, right = [] }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${label}><table>
    <thead><tr>${heads.map((head, i) => (head === '' ? html`<td></td>` : html`<th scope="col" class=${right.includes(i) ? 'num' : ''}>${head}</th>`))}</tr></thead>
    <tbody>${rows.map((row) => html`<tr>${row.map((cell, i) => html`<td class=${right.includes(i) ? 'num' : ''}>${cell}</td>`)}</tr>`)}</tbody>
  </table></div>`;
}

export const Bar = ({ share, kind = '' }) =>
  html`<span class="bar" aria-hidden="true"><i class=${kind} style=${{ width: `${Math.max(share > 0 ? 1 : 0, 100 * share)}%` }}></i></span>`;

// ---------------------------------------------------------------- keyboard

export function useKeys(keys) {
  const kept = useRef(keys);
  kept.current = keys;
  useEffect(() => {
    const hear = (event) => {
      const inside = event.target.closest?.('input, textarea, select, dialog, [role=listbox]');
      if (inside || event.ctrlKey || event.metaKey || event.altKey) return;
      const act = kept.current[event.key];
      if (act && act(event) !== false) event.preventDefault();
    };
    addEventListener('keydown', hear);
    return () => removeEventListener('keydown', hear);
  }, []);
}

export function useWidth() {
  const [wide, set] = useState(innerWidth);
  useEffect(() => {
    const hear = () => set(innerWidth);
    addEventListener('resize', hear);
    return () => removeEventListener('resize', hear);
  }, []);
  return wide;
}

// Names of versions by id, from the first event on: until then rows know their own.
export function useNames() {
  const [names, set] = useState(null);
  useEvents((event) => event.kind !== 'live' && get('/r/names').then((found) => set(found.names), () => {}));
  return names;
}

// Figures of tensors between two versions: how far each one moved, alone and by module.
import { useEffect, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { get, query } from '/static/api.js';
import { Bar, Failed, Table, Waiting, grouped, html, number, percent, plural, safe } from '/static/parts.js';
import { Histogram } from '/static/histogram.js';

const MODULES = 24;

export const elements = (t) => (t.new || t.old).shape.reduce((p, n) => p * n, 1);
export const relative = (t) => { const r = t.statistics?.relative_l2; return r === 'Infinity' ? 1 : typeof r === 'number' ? r : null; };
export const moduleOf = (name) => /^(.*?[./])?\d+(?=[./])/.exec(name)?.[0] || name.slice(0, Math.max(name.lastIndexOf('.'), name.lastIndexOf('/'), 0)) || name;

// The tensors of each module, by the module's name in its natural order.
export function byModule(model) {
  const found = new Map();
  model.forEach(([label, t], i) => { const name = moduleOf(t.name); found.set(name, [...(found.get(name) || []), [label, t, i]]); });
  return [...found].sort(([x], [y]) => x.localeCompare(y, 'en', { numeric: true }));
}

// A module's norms from its tensors': squares add up.
function rolled([name, cells]) {
  const measured = cells.map(([, t]) => t.statistics).filter((s) => typeof s?.l2 === 'number');
  const moved = Math.sqrt(measured.reduce((sum, s) => sum + s.l2 ** 2, 0)), before = Math.sqrt(measured.reduce((sum, s) => sum + (s.norm_old || 0) ** 2, 0));
  const changed = cells.filter(([, t]) => t.kind !== 'unchanged' && t.kind !== 'renamed').length;
  const most = cells.reduce((best, one) => ((relative(one[1]) ?? -1) > (relative(best[1]) ?? -1) ? one : best), cells[0]);
  return { name, changed, of: cells.length, parameters: cells.reduce((sum, [, t]) => sum + elements(t), 0), share: before ? moved / before : null, most };
}

export function Modules({ modules }) {
  const [all, show] = useState(false), rows = modules.map(rolled).sort((a, b) => (b.share ?? -1) - (a.share ?? -1) || b.changed - a.changed);
  const most = Math.max(...rows.map((one) => one.share ?? 0)) || 1, shown = all ? rows : rows.slice(0, MODULES);
  return html`<details class="modules"><summary>By module: ${plural(modules.length, 'module')}</summary>
    <p class="sub">The change of a measured module is the norm of its tensors' changes, as a share of their norm before.</p>
    <${Table} label="Change by module" heads=${['Module', 'Changed', 'Parameters', 'Relative', '', 'Most']} right=${[1, 2, 3]} rows=${shown.map((one) => [html`<span class="mono">${safe(one.name)}</span>`, `${one.changed} of ${one.of}`, number(one.parameters),
      one.share == null ? '' : number(+one.share.toPrecision(4)), html`<${Bar} share=${(one.share ?? 0) / most} kind="weights"/>`, html`<span class="mono">${safe(one.most[0])}</span>`])}/>
    ${rows.length > shown.length && html`<button class="quiet" onClick=${() => show(true)}>${rows.length - shown.length} more</button>`}</details>`;
}

// How far the elements of one tensor moved; its data is read when it is asked for.
export function Moved({ path, label, kind, onClose }) {
  const [found, set] = useState(null), [error, fail] = useState(null);
  useEffect(() => {
    const leave = new AbortController();
    set(null); fail(null);
    get(`${path}/tensor${query({ label })}`, leave.signal).then(set, (failed) => failed.name === 'AbortError' || fail(failed));
    return () => leave.abort();
  }, [path, label]);
  const both = kind === 'changed' || kind === 'retyped', s = found?.statistics;
  return html`<section class="moved" aria-label="Distribution of ${safe(label)}"><header><h3 class="mono">${safe(label)}</h3><button class="quiet" aria-label="Close the distribution" onClick=${onClose}>✕</button></header>
    ${error ? html`<${Failed} error=${error}/>` : !found ? html`<${Waiting} what="Reading the tensor"/>` : html`<${Histogram} title=${both ? 'new − old' : 'Values'} found=${found.distribution}/>
      ${s && both && html`<p class="sub">${percent(s.changed_fraction)} of ${grouped(s.elements)} elements changed, by ${number(s.max_abs)} at most</p>`}`}</section>`;
}

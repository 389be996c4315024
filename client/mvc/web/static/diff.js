// Two versions: the five differences in the order of `mvc diff`.
import { useEffect, useMemo, useRef, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { get, go, lines, query, seg, shownPath, text, useData } from '/static/api.js';
import { Modules, Moved, byModule, elements, relative } from '/static/heat.js';
import { Overlay } from '/static/overlay.js';
import { RECORDED } from '/static/source.js';
import { Better, Copy, Empty, Failed, Screen, Table, Waiting, firstLine, html, number, percent, plural, safe, short, size, versionLink } from '/static/parts.js';

export default function Diff({ place }) {
  const said = place.path.slice(1).join('/');
  const [a, b] = said.includes('..') ? said.split('..') : [said, null];
  const path = `/r/diff/${seg(a)}${b ? `/${seg(b)}` : ''}`;
  const { data, error, reload } = useData(path), old = useData(data ? shownPath(data.old) : null), fresh = useData(data?.new ? shownPath(data.new) : null);
  const [columns, read] = useState(null);
  if (error) return html`<${Screen} title="These cannot be compared"><${Failed} error=${error} reload=${reload}/><//>`;
  if (!data) return html`<${Waiting} what="Comparing"/>`;
  const side = (id, v) => (id === null ? 'workspace' : v ? `v${v.number}` : short(id));
  const names = [side(data.old, old.data), side(data.new, fresh.data)];
  const d = columns || data;
  const jump = (part) => document.getElementById(part)?.scrollIntoView({ block: 'start' });
  const counts = PARTS.map(([id, title]) => [id, title, changedFiles(d.components[id])]);
  return html`<${Screen} title=${`${names[0]} → ${names[1]}`} sub=${html`<${Side} id=${data.old} v=${old.data}/> → <${Side} id=${data.new} v=${fresh.data}/>`}
    aside=${data.new && html`${!RECORDED && html`<button onClick=${() => go(`/diff/${seg(b)}..${seg(a)}`)}>Swap</button><${Copy} label="Copy as Markdown" text=${() => text(path + '/markdown')}/>`}`}>
    <nav class="jumps" aria-label="Parts">${counts.map(([id, title, n]) => html`<button onClick=${() => jump(id)}><i class="swatch ${id}" aria-hidden="true"></i>${title} <small>${n ? plural(n, 'file') : 'equal'}</small></button>`)}</nav>
    ${!data.changed && html`<${Empty} title="Nothing differs"/>`}
    ${data.absent.help && html`<p class="panel">Some of the content is not here: <code>${safe(data.absent.help)}</code></p>`}
    ${data.changed && html`
      <${Part} id="architecture" d=${d}><${Architecture} found=${d.architecture}/><//>
      <${Part} id="weights" d=${d}>${data.new && d.components.weights?.changed && (!RECORDED || data.measured) && html`<${Tensors} path=${path}/>`}<//>
      <${Part} id="hyperparameters" d=${d}><${Changes} label="Hyperparameters" values=${d.hyperparameters}/><//>
      <${Part} id="data" d=${d}><${Data} found=${d.data} read=${columns || RECORDED ? null : () => get(path + '?columns=1').then(read)}/><//>
      <${Part} id="results" d=${d}><${Changes} label="Metrics" values=${d.metrics}/>${data.new && !RECORDED && html`<${Overlay} sides=${[{ id: data.old, name: names[0] }, { id: data.new, name: names[1] }]} metrics=${Object.keys(d.metrics).filter((key) => d.metrics[key].old != null && d.metrics[key].new != null)}/>`}${data.new && html`<a href=${'/plots' + query({ metric: Object.keys(d.metrics).slice(0, 4), rev: data.new })}>Plot them over versions</a>`}<//>`}
  <//>`;
}

const PARTS = [['architecture', 'Architecture'], ['weights', 'Weights'], ['hyperparameters', 'Hyperparameters'], ['data', 'Data'], ['results', 'Results']];
const changedFiles = (files) => (files ? ['added', 'modified', 'deleted', 'renamed', 'moved'].reduce((sum, kind) => sum + files[kind].length, 0) : 0);
const Side = ({ id, v }) => (id === null ? 'the files as they are now' : html`<a href=${versionLink(id)}>${v ? html`<b>v${v.number}</b> ${firstLine(v.message)}` : short(id)}</a>`);

function Part({ id, d, children }) {
  const files = d.components[id], total = d.totals[id];
  if (!files) return null;
  const count = changedFiles(files);
  const grown = total ? total.new.bytes - total.old.bytes : 0;
  return html`<section class="panel part ${id}" id=${id}><header><h2>${PARTS.find((one) => one[0] === id)[1]}</h2>
    <span class="sub">${count ? `${plural(count, 'file')} of ${total.new.files}` : files.changed ? 'differs' : 'equal'}${grown ? ` · ${grown > 0 ? '+' : '−'}${size(Math.abs(grown))}` : ''}</span></header>
    ${files.changed && html`<${Files} files=${files}/>${children}`}</section>`;
}

function Files({ files }) {
  const rows = [...files.added.map((p) => ['+', 'added', p]), ...files.modified.map((p) => ['~', 'modified', p]), ...files.deleted.map((p) => ['−', 'deleted', p]),
    ...files.renamed.map(([p, q]) => ['→', 'renamed', `${p} → ${q}`]), ...files.moved.map((m) => ['⇄', `was ${m.from}`, m.path])];
  const [all, show] = useState(false), shown = all ? rows : rows.slice(0, 12);
  return html`<ul class="plain files">${shown.map(([sign, what, path]) => html`<li class=${what}><b aria-label=${what} title=${what}>${sign}</b> <span class="mono">${safe(path)}</span></li>`)}</ul>
    ${rows.length > shown.length && html`<button class="quiet" onClick=${() => show(true)}>${rows.length - shown.length} more</button>`}`;
}

function Changes({ values, label }) {
  const keys = Object.keys(values);
  if (!keys.length) return null;
  return html`<${Table} label=${label} heads=${['Key', 'Old', 'New', 'Difference', '']} right=${[1, 2, 3, 4]} rows=${keys.map((key) => {
    const c = values[key];
    return [safe(key), c.old === null ? '–' : number(c.old), c.new === null ? '–' : number(c.new), c.diff == null ? '' : (c.diff > 0 ? '+' : '') + number(c.diff),
      html`${c.percent == null ? '' : `${c.percent > 0 ? '+' : ''}${c.percent.toFixed(1)} %`} <${Better} better=${c.better}/>${c.better != null && html` <small>${c.better ? 'better' : 'worse'}</small>`}`];
  })}/>`;
}

// ---------------------------------------------------------------- architecture, data

const form = (layer) => html`<span class="mono">${safe(layer.name)}</span> <small>${layer.dtype} ${layer.shape.join(' × ')}</small>`;

function Architecture({ found }) {
  return html`${found.models.map((model) => {
    const l = model.layers;
    const rows = [...l.added.map((one) => ['+', 'added', form(one)]), ...l.removed.map((one) => ['−', 'removed', form(one)]),
      ...l.renamed.map((p) => ['→', 'renamed', html`${form(p.old)} → ${form(p.new)}`]), ...l.reshaped.map((p) => ['~', 'reshaped', html`${form(p.old)} → ${form(p.new)}`]), ...l.retyped.map((p) => ['~', 'retyped', html`${form(p.old)} → ${form(p.new)}`])];
    return html`<h3>${safe(model.new || model.old || 'model')}: ${model.parameters.old.toLocaleString('en')} → ${model.parameters.new.toLocaleString('en')} parameters, ${l.same} layers the same</h3>
      <ul class="plain files">${rows.slice(0, 60).map(([sign, what, shown]) => html`<li class=${what}><b aria-label=${what}>${sign}</b> ${shown}</li>`)}</ul>${rows.length > 60 && html`<p class="sub">and ${rows.length - 60} more layers</p>`}`;
  })}
  ${Object.entries(found.config).map(([path, keys]) => html`<h3>${safe(path)}</h3><${Changes} label=${safe(path)} values=${keys}/>`)}
  ${found.source.length > 0 && html`<h3>Source</h3><ul class="plain">${found.source.map((one) => html`<li><span class="mono">${safe(one.path)}</span> <span class="good">+${one.lines_added}</span> <span class="bad">−${one.lines_removed}</span> <small>lines</small></li>`)}</ul>`}
  ${found.environment.length > 0 && html`<h3>Packages</h3><${Table} label="Packages" heads=${['Package', 'Old', 'New']} rows=${found.environment.map((p) => [safe(p.package), safe(p.old || '–'), safe(p.new || '–')])}/>`}`;
}

function Data({ found, read }) {
  const rows = (t) => (t ? (t.rows == null ? '?' : t.rows.toLocaleString('en')) : '–');
  return html`${found.tables.length > 0 && html`<${Table} label="Tables" heads=${['Table', 'Rows before', 'Rows now', 'Columns']} right=${[1, 2]} rows=${found.tables.map((t) => [html`<span class="mono">${safe(t.path)}</span>`, rows(t.old), rows(t.new),
      [...t.columns_added.map((c) => `+ ${safe(c)}`), ...t.columns_removed.map((c) => `− ${safe(c)}`), ...t.columns_retyped.map((c) => `~ ${safe(c)}`)].join(', ') || 'the same'])}/>`}
    ${found.tables.flatMap((t) => (t.new?.columns || []).filter((c) => c.summary).length ? [html`<h3>${safe(t.path)}</h3><${Summaries} table=${t}/>`] : [])}
    ${Object.entries(found.images).length > 0 && html`<${Table} label="Pictures" heads=${['Directory', 'Before', 'Now']} right=${[1, 2]} rows=${Object.entries(found.images).map(([path, n]) => [safe(path), n.old, n.new])}/>`}
    ${[...found.overlaps, ...found.near_overlaps].map((o) => html`<p class="leak"><b>⚠ Leak</b> ${safe(o.splits.join(' and '))} share ${plural(o.files, 'file')}</p>`)}
    ${found.repeated > 0 && html`<p class="sub">${plural(found.repeated, 'file')} equal to another one</p>`}
    ${found.tables.length > 0 && read && html`<button class="quiet" onClick=${read}>Read columns</button>`}`;
}

function Summaries({ table }) {
  const before = Object.fromEntries((table.old?.columns || []).map((c) => [c.name, c.summary]));
  const kinds = ['missing', 'distinct', 'min', 'max', 'mean'];
  return html`<${Table} label="Columns of ${safe(table.path)}" heads=${['Column', 'Type', ...kinds]} right=${[2, 3, 4, 5, 6]} rows=${table.new.columns.map((c) => [safe(c.name), safe(c.type || ''), ...kinds.map((k) => {
    const now = c.summary?.[k], was = before[c.name]?.[k];
    return was != null && was !== now ? html`${number(was)} → <b>${number(now)}</b>` : number(now);
  })])}/>`;
}

// ---------------------------------------------------------------- tensors

const STEPS = 6;
// 0 for no change, then 1 to 6 for relative changes of 1e-6 to 1 on a log scale.
const heat = (r) => (!r ? 0 : Math.max(1, Math.min(STEPS, Math.ceil(Math.log10(Math.min(r, 1)) + STEPS) || 1)));

function Tensors({ path }) {
  const [run, start] = useState(() => (RECORDED ? new AbortController() : null)), [state, set] = useState(null), [error, fail] = useState(null);
  useEffect(() => {
    if (!run) return undefined;
    let found = { order: [], tensors: {}, done_bytes: 0, total_bytes: 0 };
    set(found);
    lines(`${path}/tensors`, (line) => {
      found = { ...found, ...line, tensors: { ...found.tensors, ...line.tensors } };
      set(found);
    }, run.signal).catch((failed) => (failed.name === 'AbortError' ? set((old) => ({ ...old, stopped: true })) : fail(failed)));
    return () => run.abort();
  }, [run]);
  if (error) return html`<${Failed} error=${error}/>`;
  if (!state) return html`<p><button class="main" onClick=${() => start(new AbortController())}>Measure every tensor</button> <span class="sub">reads the data of those that changed</span></p>`;
  const all = state.order.map((label) => [label, state.tensors[label]]).filter(([, t]) => t);
  const ready = state.finished || state.stopped;
  return html`${!ready && html`<p class="progress"><progress aria-label="Tensors measured" max=${state.total_bytes || 1} value=${state.done_bytes}></progress>
      ${size(state.done_bytes)} of ${size(state.total_bytes)} <button onClick=${() => run.abort()}>Cancel</button></p>`}
    ${state.stopped && html`<p class="sub">Cancelled: what was measured so far. <button class="quiet" onClick=${() => start(new AbortController())}>Again</button></p>`}
    ${all.length > 0 && html`<${Strip} all=${all} path=${path}/>`}`;
}

function Strip({ all, path }) {
  const [at, point] = useState(-1), [count, more] = useState(40), [opened, open] = useState(-1), box = useRef();
  const model = useMemo(() => { const found = all.filter(([, t]) => !t.state); return found.length ? found : all; }, [all]);
  const modules = useMemo(() => byModule(model), [model]);
  const ranked = useMemo(() => model.map(([label, t], i) => [label, t, i]).filter(([, t]) => t.kind !== 'unchanged').sort((x, y) => (relative(y[1]) ?? 2) - (relative(x[1]) ?? 2)), [model]);
  const show = (i) => { point(i); if (!RECORDED) open(i); };
  const keys = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -1e9, End: 1e9 }[event.key];
    if (event.key === 'Enter' && at >= 0) { event.preventDefault(); show(at); }
    if (step) { event.preventDefault(); point((i) => Math.max(0, Math.min(model.length - 1, i + step))); }
  };
  const cell = ([label, t, i]) => {
    const r = relative(t), level = t.kind === 'unchanged' || t.kind === 'renamed' ? 0 : r == null ? null : heat(r);
    const said = `${label}: ${t.kind}${r == null ? '' : `, relative change ${number(r)}`}`;
    return html`<i role="option" id="cell-${i}" aria-selected=${i === at} aria-label=${safe(said)} title=${safe(said)} class="${level == null ? `k-${t.kind}` : `h${level}`}" style=${{ flexGrow: Math.max(1, Math.log2(elements(t) + 1)) }}
      onMouseEnter=${() => point(i)} onClick=${() => show(i)}><b style=${{ height: level == null ? '100%' : `${(100 * level) / STEPS}%` }}></b></i>`;
  };
  const [, now] = model[at] || [];
  return html`<div class="strip" role="listbox" tabindex="0" ref=${box} aria-label="Tensors in model order; colour and height: relative change" aria-activedescendant=${at >= 0 ? `cell-${at}` : undefined} onKeyDown=${keys} onFocus=${() => at < 0 && point(0)}>
      ${modules.map(([name, cells]) => html`<div class="module" role="group" aria-label=${safe(name)} style=${{ flexGrow: cells.length, maxWidth: `${Math.max(72, 44 * cells.length)}px` }}><div class="cells" role="presentation">${cells.map(cell)}</div><small aria-hidden="true">${safe(name)}</small></div>`)}</div>
    <p class="legend"><span aria-hidden="true">${['same', 'to 1e-5', 'to 1e-4', 'to 1e-3', 'to 0.01', 'to 0.1', 'more'].map((shown, i) => html`<i class="h${i}"></i>${shown} `)}<i class="k-added"></i>added <i class="k-removed"></i>removed <i class="k-reshaped"></i>other shape</span></p>
    <p class="sub now" aria-live="polite">${now ? html`<span class="mono">${safe(model[at][0])}</span> ${now.kind}${relative(now) == null ? '' : ` · ${number(relative(now))} of its norm`}` : `Point at a cell, or use the arrow keys${RECORDED ? '' : '; a click or Enter shows its distribution'}.`}</p>
    ${opened >= 0 && model[opened] && html`<${Moved} path=${path} label=${model[opened][0]} kind=${model[opened][1].kind} onClose=${() => open(-1)}/>`}
    <${Modules} modules=${modules}/>
    <${Figures} rows=${ranked.slice(0, count)} at=${at}/>
    ${ranked.length > count && html`<button class="quiet" onClick=${() => more(count + 500)}>${ranked.length - count} more</button>`}
    <p class="sub">${plural(model.filter(([, t]) => t.kind === 'unchanged').length, 'tensor')} unchanged${model.length < all.length ? ` · ${plural(all.length - model.length, 'tensor')} of training state left out` : ''}</p>`;
}

function Figures({ rows, at }) {
  const share = (s) => s?.changed_fraction;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Tensors by relative change"><table><thead><tr><th scope="col">Tensor</th><th scope="col" class="num">Relative</th><th scope="col" class="num">Changed</th><th scope="col" class="num">Max abs</th><th scope="col" class="num">Cosine</th><th scope="col" class="num">Mean</th><th scope="col" class="num">Std</th></tr></thead>
    <tbody>${rows.map(([label, t, i]) => { const s = t.statistics, pair = (a, b) => (a == null ? '' : `${number(+a.toPrecision(3))} → ${number(+b.toPrecision(3))}`);
      return html`<tr id="tensor-${i}" class=${i === at ? 'active' : ''}><td><span class="mono">${safe(label)}</span> <small>${t.kind === 'changed' ? '' : t.kind === 'renamed' ? `was ${safe(t.old_name)}` : t.kind}</small></td>
        <td class="num">${s ? number(relative(t)) : ''}</td><td class="num">${s ? percent(share(s)) : ''}</td><td class="num">${s ? number(s.max_abs) : ''}</td><td class="num">${s?.cosine == null ? '' : s.cosine.toFixed(6)}</td><td class="num">${s ? pair(s.mean_old, s.mean_new) : ''}</td><td class="num">${s ? pair(s.std_old, s.std_new) : ''}</td></tr>`; })}</tbody></table></div>`;
}

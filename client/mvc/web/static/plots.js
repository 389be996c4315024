// Metrics over versions, time or steps.
import { useEffect, useMemo, useRef, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { ask, get, query, useData } from '/static/api.js';
import { Empty, Failed, Screen, Table, Waiting, html, number, plural, safe, short } from '/static/parts.js';
import { Chart, Key, csvOf, picture, save, saveText } from '/static/draw.js';

const AXES = [['version', 'Version'], ['time', 'Time'], ['step', 'Step']];
const TWIN_ROWS = 200, POINTS = 4000, EVERY = 10 ** 8;

// Exponential smoothing, as TensorBoard does it: corrected for its beginning.
function smooth(points, weight) {
  if (!weight) return points;
  let kept = 0, mass = 0;
  return points.map(([x, y]) => {
    kept = kept * weight + (1 - weight) * y; mass = mass * weight + (1 - weight);
    return [x, kept / mass];
  });
}

const along = { version: (p) => p.number, time: (p) => Date.parse(p.time) / 1000, step: (p) => p.step };

export default function Plots({ place }) {
  const asked = place.query, revs = asked.getAll('rev');
  const keys = useData('/r/keys' + query({ limit: 1000 }), ['version']);
  const known = (keys.data?.keys || []).map((one) => one.key);
  const chosen = asked.getAll('metric').length ? asked.getAll('metric') : known.slice(0, 2);
  const axis = asked.get('x') || 'version', log = asked.get('log') === '1', together = asked.get('together') === '1', weight = Number(asked.get('smooth') || 0);
  const found = useData(chosen.length ? '/r/series' + query({ metric: chosen, rev: revs, steps: axis === 'step' ? 1 : null, limit: POINTS }) : null, ['version']);
  const [names, know] = useState([]), [words, find] = useState('');
  useEffect(() => { get('/r/names').then((got) => know([...new Set(Object.values(got.names).flat().filter((n) => !n.includes(': ')).map((n) => n.replace('HEAD -> ', '')))]), () => {}); }, []);
  const panels = useMemo(() => {
    const curves = (found.data?.series || []).map((one) => ({
      metric: one.metric, name: revs.length > 1 || together ? `${safe(one.metric)} · ${safe(one.rev)}` : safe(one.metric), source: one.points,
      points: smooth(one.points.filter((p) => along[axis](p) != null && (!log || p.value > 0)).map((p) => [along[axis](p), p.value]).sort((p, q) => p[0] - q[0]).filter((p, i, every) => !i || p[0] !== every[i - 1][0]), weight),
    }));
    if (together) return curves.length ? [[chosen.map(safe).join(', '), curves]] : [];
    const by = new Map();
    curves.forEach((one) => by.set(one.metric, [...(by.get(one.metric) || []), one]));
    return [...by].map(([metric, own]) => [safe(metric), own]);
  }, [found.data, axis, log, together, weight]);
  const toggle = (key) => ask({ metric: chosen.includes(key) ? chosen.filter((one) => one !== key) : [...chosen, key] });
  const rest = known.filter((key) => !chosen.includes(key) && key.toLowerCase().includes(words.toLowerCase()));
  if (keys.error) return html`<${Screen} title="Plots"><${Failed} error=${keys.error}/><//>`;
  if (keys.data && !known.length) return html`<${Screen} title="Plots"><${Empty} title="No version records a metric yet"/><//>`;
  return html`<${Screen} title="Plots" wide>
    <div class="controls">
      <label>Across <select value=${axis} onChange=${(e) => ask({ x: e.target.value === 'version' ? null : e.target.value })}>${AXES.map(([id, shown]) => html`<option value=${id}>${shown}</option>`)}</select></label>
      <label>Smoothing <input type="range" min="0" max="0.95" step="0.05" value=${weight} onChange=${(e) => ask({ smooth: +e.target.value ? e.target.value : null })}/> <output>${weight}</output></label>
      <label class="check"><input type="checkbox" checked=${log} onChange=${(e) => ask({ log: e.target.checked ? '1' : null })}/> Logarithmic</label>
      <label class="check"><input type="checkbox" checked=${together} onChange=${(e) => ask({ together: e.target.checked ? '1' : null })}/> In one chart</label>
      <label>Lines <select aria-label="Add a branch" value="" onChange=${(e) => e.target.value && ask({ rev: [...(revs.length ? revs : ['HEAD']), e.target.value] })}><option value="">${revs.length ? revs.map(safe).join(', ') : 'HEAD'}</option>${names.filter((n) => !revs.includes(n)).map((n) => html`<option value=${n}>+ ${safe(n)}</option>`)}</select></label>
      ${revs.length > 0 && html`<button class="quiet" onClick=${() => ask({ rev: null })}>HEAD only</button>`}
    </div>
    <div class="chips" role="group" aria-label="Metrics">${chosen.map((key) => html`<button class="chip on" aria-pressed="true" onClick=${() => toggle(key)}>${safe(key)} <span aria-hidden="true">✕</span></button>`)}
      ${known.length > 24 && html`<input type="search" class="small" aria-label="Find a metric" placeholder="Find a metric" value=${words} onInput=${(e) => find(e.target.value)}/>`}
      ${rest.slice(0, 24).map((key) => html`<button class="chip" aria-pressed="false" onClick=${() => toggle(key)}>${safe(key)}</button>`)}</div>
    ${found.error && html`<${Failed} error=${found.error} reload=${found.reload}/>`}
    ${!found.data && !found.error && html`<${Waiting}/>`}
    <div class="charts ${panels.length > 1 ? 'several' : ''}">${panels.map(([title, curves]) => html`<${Panel} key=${title} title=${title} curves=${curves} axis=${axis} log=${log} revs=${revs}/>`)}</div><//>`;
}

// All points, where the picture has the least and the greatest of each stretch alone.
async function whole(curves, revs, axis) {
  const found = await get('/r/series' + query({ metric: [...new Set(curves.map((one) => one.metric))], rev: revs, steps: axis === 'step' ? 1 : null, limit: EVERY }));
  return found.series.flatMap((one) => one.points.map((p) => [`${safe(one.metric)} · ${safe(one.rev)}`, `v${p.number}`, p.version, p.step, p.value]));
}

function Panel({ title, curves, axis, log, revs }) {
  const box = useRef(), [open, show] = useState(false);
  const rows = curves.flatMap((one) => one.source.map((p) => [one.name, `v${p.number}`, short(p.version), p.step, p.value]));
  const file = title.replace(/[^\w.-]+/g, '_').slice(0, 60);
  const empty = curves.every((one) => !one.points.length);
  return html`<section class="panel" ref=${box}><header><h2>${title}</h2><span>
      <button class="quiet" onClick=${() => save(`${file}.png`, picture(box.current))}>PNG</button>
      <button class="quiet" onClick=${() => whole(curves, revs, axis).then((all) => saveText(`${file}.csv`, csvOf([['line', 'version', 'id', 'step', 'value'], ...all])))}>CSV</button></span></header>
    ${empty ? html`<p class="sub">${log ? 'No value is above 0: a logarithmic axis has no place for others.' : 'No version records a step.'}</p>` : html`<${Chart} title=${title} curves=${curves} log=${log} time=${axis === 'time'} sync="plots"/>`}
    ${!empty && html`<p class="hint">Drag to zoom; Shift and drag, or ← →, to move; double-click for all</p>`}
    ${curves.length > 1 && html`<${Key} names=${curves.map((one) => one.name)}/>`}
    <details open=${open} onToggle=${(e) => show(e.target.open)}><summary>${plural(rows.length, 'value')} as a table</summary>
      ${open && html`<${Table} label="Values of ${title}" heads=${['Line', 'Version', 'Id', 'Step', 'Value']} right=${[3, 4]} rows=${rows.slice(-TWIN_ROWS).reverse().map(([line, v, id, step, value]) => [line, html`<a href="/v/${id}">${v}</a>`, html`<span class="mono">${id}</span>`, step == null ? '' : number(step), number(value)])}/>
      ${rows.length > TWIN_ROWS && html`<p class="sub">The newest ${TWIN_ROWS}; CSV has all.</p>`}`}</details></section>`;
}

// Two keys of many versions against each other; the table of the screen has the same values.
import { ask } from '/static/api.js';
import { html, number, safe } from '/static/parts.js';

const WIDTH = 720, HEIGHT = 320, LEFT = 70, BOTTOM = 40, TOP = 22, TICKS = 5;

// A scale from values to a stretch of pixels; logarithmic where all are above 0 and span three decades.
function scale(values, from, to) {
  const low = Math.min(...values), high = Math.max(...values), log = low > 0 && high / low >= 1000, bend = log ? Math.log10 : (v) => v;
  const span = bend(high) - bend(low) || 1, at = (v) => from + ((bend(v) - bend(low)) / span) * (to - from);
  const ticks = Array.from({ length: TICKS }, (_, i) => bend(low) + (i * (bend(high) - bend(low))) / (TICKS - 1)).map((v) => (log ? 10 ** v : v));
  return { at, ticks: low === high ? [low] : ticks, log };
}

// `rows`: [[column, values], ...] as the table has them.
export function Scatter({ data, rows, title, name, query, off }) {
  const numeric = rows.filter(([, values]) => values.filter((one) => typeof one === 'number').length > 1);
  if (numeric.length < 2) return null;
  const named = (key) => numeric.find(([c]) => title(c) === key), first = (kind, not) => numeric.find(([c]) => c.kind === kind && title(c) !== not);
  const y = named(query.get('y')) || first('metric') || numeric[0], x = named(query.get('x')) || first('hyperparameter', title(y[0])) || numeric.find((one) => one !== y);
  const points = data.versions.map((v, i) => ({ v, i, x: x[1][i], y: y[1][i] })).filter((p) => typeof p.x === 'number' && typeof p.y === 'number' && !off.includes(p.v.version));
  const across = scale(points.map((p) => p.x), LEFT + 10, WIDTH - 40), up = scale(points.map((p) => p.y), HEIGHT - BOTTOM - 8, TOP);
  const chooser = (axis, now) => html`<label>${axis === 'x' ? 'Across' : 'Up'} <select value=${title(now[0])} onChange=${(e) => ask({ [axis]: e.target.value })}>${numeric.map(([c]) => html`<option value=${title(c)}>${safe(title(c))}</option>`)}</select></label>`;
  return html`<section class="panel"><header><h2>Scatter</h2></header><div class="controls">${chooser('x', x)}${chooser('y', y)}</div>
    ${!points.length ? html`<p class="sub">No version that is shown has both.</p>` : html`<div class="scroll" tabindex="0" role="region" aria-label="Scatter"><svg class="scatter" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${safe(title(y[0]))} against ${safe(title(x[0]))}, ${points.length} versions; the table above has the same values">
      ${across.ticks.map((v) => html`<g><line x1=${across.at(v)} x2=${across.at(v)} y1=${TOP} y2=${HEIGHT - BOTTOM}/><text x=${across.at(v)} y=${HEIGHT - BOTTOM + 16} text-anchor="middle">${number(+v.toPrecision(3))}</text></g>`)}
      ${up.ticks.map((v) => html`<g><line x1=${LEFT} x2=${WIDTH - 8} y1=${up.at(v)} y2=${up.at(v)}/><text x=${LEFT - 6} y=${up.at(v) + 4} text-anchor="end">${number(+v.toPrecision(3))}</text></g>`)}
      <text class="axis" x=${(LEFT + WIDTH) / 2} y=${HEIGHT - 6} text-anchor="middle">${safe(title(x[0]))}${across.log ? ' (logarithmic)' : ''}</text>
      <text class="axis" x="14" y=${HEIGHT / 2} text-anchor="middle" transform="rotate(-90 14 ${HEIGHT / 2})">${safe(title(y[0]))}${up.log ? ' (logarithmic)' : ''}</text>
      ${points.map((p) => html`<g><circle class="line-${p.i % 6}" cx=${across.at(p.x)} cy=${up.at(p.y)} r="5"><title>${name(p.v)}: ${number(p.x)}, ${number(p.y)}</title></circle>${points.length <= 40 && html`<text class="point" text-anchor=${across.at(p.x) > WIDTH - 90 ? 'end' : 'start'} x=${across.at(p.x) + (across.at(p.x) > WIDTH - 90 ? -8 : 8)} y=${up.at(p.y) - 6}>${name(p.v)}</text>`}</g>`)}</svg></div>`}</section>`;
}

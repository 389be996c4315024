// Where a version came from and what came from it: a drawing, and the same in words.
import { seg, useData } from '/static/api.js';
import { Failed, Refs, firstLine, html, plural, safe, versionLink } from '/static/parts.js';

const WIDTH = 560, STEP = 44, BOX = 106, MOST = 8;
const brief = (text) => (text.length > 9 ? `${text.slice(0, 8)}…` : text);

export function Family({ rev, number }) {
  const { data, error } = useData(`/r/lineage/${seg(rev)}`);
  const kin = (one) => html`<li><a href=${versionLink(one.version)}>v${one.number}</a> ${firstLine(one.message)} <${Refs} refs=${one.names}/></li>`;
  return html`<section class="panel"><h2>Lineage</h2>${error && html`<${Failed} error=${error}/>`}${data && html`
    <${Drawing} data=${data} rev=${rev} number=${number}/>
    <h3>${data.parents.length > 1 ? 'Parents' : 'Parent'}</h3><ul class="plain">${data.parents.length ? data.parents.map(kin) : html`<li class="sub">none: it is the first</li>`}</ul>
    <h3>Unchanged since</h3><ul class="plain">${data.origins.map((one) => html`<li><i class="swatch ${one.component}" aria-hidden="true"></i>${one.component} <small>since</small> ${one.since === rev ? 'this version' : html`<a href=${versionLink(one.since)}>v${one.since_number}</a>`}</li>`)}</ul>
    <h3>Children</h3><ul class="plain">${data.children.length ? data.children.slice(0, 20).map(kin) : html`<li class="sub">none yet</li>`}</ul>`}</section>`;
}

// Columns from the left: versions that parts come from unchanged, parents, the version itself, children.
function columnsOf(data, rev, number) {
  const parents = new Set(data.parents.map((one) => one.version));
  const origins = new Map(data.origins.filter((one) => one.since !== rev && !parents.has(one.since)).map((one) => [one.since, { version: one.since, number: one.since_number }]));
  const older = [...origins.values()].sort((a, b) => a.number - b.number);
  return [older, data.parents, [{ version: rev, number, here: true }], data.children].filter((column) => column.length).map((column) => column.slice(0, MOST));
}

function Drawing({ data, rev, number }) {
  const columns = columnsOf(data, rev, number), tall = Math.max(...columns.map((column) => column.length)), height = tall * STEP + 8;
  const places = new Map(columns.flatMap((column, i) => column.map((one, k) => [one.version, {
    ...one, x: columns.length > 1 ? (i * (WIDTH - BOX)) / (columns.length - 1) : 0, y: (height - column.length * STEP) / 2 + k * STEP + 6 }])));
  const here = places.get(rev);
  const line = (from, to, kind) => html`<path class=${kind} d=${`M${from.x + BOX},${from.y + 16} C${from.x + BOX + 40},${from.y + 16} ${to.x - 40},${to.y + 16} ${to.x},${to.y + 16}`}/>`;
  const among = (list) => list.map((one) => places.get(one.version)).filter(Boolean);
  const parts = data.origins.filter((one) => one.since !== rev && places.has(one.since));
  const hidden = data.children.length - Math.min(MOST, data.children.length);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Lineage as a drawing"><svg class="lineage" viewBox="0 0 ${WIDTH} ${height}" role="group" aria-label="${plural(data.parents.length, 'parent')}, this version, ${plural(data.children.length, 'child', 'children')}; the lists below say the same">
    ${parts.map((one, i) => { const from = places.get(one.since); return line({ ...from, y: from.y + 2 * i - parts.length }, { ...here, y: here.y + 2 * i - parts.length }, `part ${one.component}`); })}
    ${among(data.parents).map((one) => line(one, here, 'kin'))}${among(data.children).map((one) => line(here, one, 'kin'))}
    ${[...places.values()].map((one) => html`<a href=${versionLink(one.version)}><rect class=${one.here ? 'here' : ''} x=${one.x} y=${one.y} width=${BOX} height="32" rx="6"/>
      <text x=${one.x + 10} y=${one.y + 20}><tspan class="strong">v${one.number}</tspan> ${brief(safe((one.message || (one.here ? 'this one' : 'parts')).split('\n')[0]))}</text></a>`)}
  </svg></div>${hidden > 0 && html`<p class="sub">${plural(hidden, 'more child', 'more children')} in the list</p>`}`;
}

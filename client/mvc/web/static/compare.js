// Versions side by side: columns are versions, rows the keys that differ.
import { useState } from '/static/vendor/htm-preact-3.1.1.js';
import { ask, query, useData } from '/static/api.js';
import { Copy, Empty, Failed, Screen, Waiting, firstLine, html, number, plural, safe, versionLink } from '/static/parts.js';
import { csvOf, saveText } from '/static/draw.js';
import { Scatter } from '/static/scatter.js';

export default function Compare({ place }) {
  const revs = place.query.getAll('v'), full = place.query.get('full') === '1';
  const { data, error, reload } = useData(revs.length ? '/r/compare' + query({ v: revs, full: full ? 1 : null }) : null, ['ref']);
  const [off, hide] = useState([]);
  if (!revs.length) return html`<${Screen} title="Compare"><${Empty} title="No version is chosen"><p>Tick two or more in <a href="/">the list of versions</a>, then press Compare.</p><//><//>`;
  if (error) return html`<${Screen} title="Compare"><${Failed} error=${error} reload=${reload}/><//>`;
  if (!data) return html`<${Waiting}/>`;
  const twice = new Set(data.columns.map((c) => c.key).filter((key, i, every) => every.indexOf(key) !== i));
  const title = (c) => (twice.has(c.key) ? `${c.kind === 'metric' ? 'metrics' : 'params'}.${c.key}` : c.key);
  const rows = data.columns.map((c) => [c, data.versions.map((v) => v.values[title(c)])]);
  const name = (v) => `v${v.number}`;
  const md = () => [`| key | ${data.versions.map(name).join(' | ')} |`, `|---|${data.versions.map(() => '---:|').join('')}`, ...rows.map(([c, values]) => `| ${[title(c), ...values.map((one) => (one == null ? '' : String(one)))].map((one) => one.replace(/([|\\])/g, '\\$1').replace(/\n/g, ' ')).join(' | ')} |`)].join('\n') + '\n';
  const csv = () => csvOf([['key', 'kind', ...data.versions.map(name)], ...rows.map(([c, values]) => [title(c), c.kind, ...values])]);
  return html`<${Screen} wide title=${`Compare ${plural(data.versions.length, 'version')}`} sub=${data.hidden_columns ? `${plural(data.hidden_columns, 'key')} not shown: alike in all` : 'All keys are shown'}
    aside=${html`<label class="check"><input type="checkbox" checked=${!full} onChange=${(e) => ask({ full: e.target.checked ? null : '1' })}/> Only what differs</label>
      ${data.versions.length === 2 && html`<a class="button" href="/diff/${data.versions[0].version}..${data.versions[1].version}">Diff</a>`}<button class="quiet" onClick=${() => saveText('compare.csv', csv())}>CSV</button><${Copy} label="Copy as Markdown" text=${md}/>`}>
    ${!rows.length && html`<${Empty} title="Their settings and metrics are alike"/>`}
    ${rows.length > 0 && html`<section class="panel"><div class="scroll" tabindex="0" role="region" aria-label="Values"><table class="compare"><thead><tr><th scope="col">Key</th>${data.versions.map((v) => html`<th scope="col" class="num"><a href=${versionLink(v.version)}>${name(v)}</a><br/><small>${firstLine(v.message).slice(0, 24)}</small></th>`)}</tr></thead>
      <tbody>${rows.map(([c, values]) => { const numbers = values.filter((one) => typeof one === 'number'), low = Math.min(...numbers), high = Math.max(...numbers);
        return html`<tr><th scope="row">${safe(title(c))} <small>${c.kind === 'metric' ? '' : 'setting'}</small></th>${values.map((one) => html`<td class="num">${one == null ? '–' : number(one)}${c.kind === 'metric' && numbers.length > 1 && low !== high && one === high ? html` <small>max</small>` : ''}${c.kind === 'metric' && numbers.length > 1 && low !== high && one === low ? html` <small>min</small>` : ''}</td>`)}</tr>`; })}</tbody></table></div></section>`}
    ${data.versions.length > 2 && rows.length > 1 && html`<${Parallel} data=${data} rows=${rows} title=${title} name=${name} off=${off} hide=${hide}/><${Scatter} data=${data} rows=${rows} title=${title} name=${name} query=${place.query} off=${off}/>`}<//>`;
}

// One axis a key, one line a version; the table above has the same values.
function Parallel({ data, rows, title, name, off, hide }) {
  const axes = rows.filter(([, values]) => values.filter((one) => typeof one === 'number').length > 1).slice(0, 12);
  if (axes.length < 2) return null;
  const width = 1000, height = 260, x = (i) => 60 + (i * (width - 120)) / (axes.length - 1);
  const scale = axes.map(([, values]) => { const n = values.filter((one) => typeof one === 'number'); const low = Math.min(...n), high = Math.max(...n); return (v) => height - 30 - ((v - low) / (high - low || 1)) * (height - 70); });
  const toggle = (id) => hide((old) => (old.includes(id) ? old.filter((one) => one !== id) : [...old, id]));
  return html`<section class="panel"><header><h2>Parallel coordinates</h2><span><button class="quiet" onClick=${() => hide([])}>All</button><button class="quiet" onClick=${() => hide(data.versions.map((v) => v.version))}>None</button></span></header>
    <div class="chips" role="group" aria-label="Versions">${data.versions.map((v, i) => html`<button class="chip ${off.includes(v.version) ? '' : 'on'}" aria-pressed=${!off.includes(v.version)} onClick=${() => toggle(v.version)}><i class="line-${i % 6}" aria-hidden="true"></i>${name(v)}</button>`)}</div>
    <div class="scroll" tabindex="0" role="region" aria-label="Parallel coordinates"><svg class="parallel" viewBox="0 0 ${width} ${height}" role="img" aria-label="Parallel coordinates; the table above has the same values">
      ${axes.map(([c, values], i) => html`<g><line x1=${x(i)} x2=${x(i)} y1="40" y2=${height - 30}/><text x=${x(i)} y=${i % 2 ? 14 : 28} text-anchor="middle">${safe(title(c)).slice(0, 18)}</text></g>`)}
      ${data.versions.map((v, k) => !off.includes(v.version) && html`<polyline class="line-${k % 6}" points=${axes.map(([, values], i) => (typeof values[k] === 'number' ? `${x(i)},${scale[i](values[k])}` : null)).filter(Boolean).join(' ')}><title>${name(v)}</title></polyline>`)}
    </svg></div></section>`;
}

// The operation log, with undo.
import { useEffect, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { get, post, query, useEvents } from '/static/api.js';
import { Act, Age, Empty, Failed, Screen, Waiting, html, person, safe, short } from '/static/parts.js';

const written = (name) => safe(name.replace(/^workspaces\/[^/]+\//, '').replace(/[0-9a-f]{64}/, (id) => short(id)).replace(/=$/, ''));

export default function Operations() {
  const [rows, set] = useState(null), [next, more] = useState(null), [error, fail] = useState(null);
  const load = (before) => get('/r/ops' + query({ before })).then((found) => { set((old) => (before ? old.concat(found.operations) : found.operations)); more(found.next); }, fail);
  useEffect(() => { load(null); }, []);
  useEvents((event) => event.kind !== 'live' && load(null));
  if (error) return html`<${Screen} title="Operations"><${Failed} error=${error} reload=${() => { fail(null); load(null); }}/><//>`;
  if (!rows) return html`<${Waiting}/>`;
  const undone = new Map(rows.filter((op) => op.undoes).map((op) => [op.undoes, op.number]));
  return html`<${Screen} title="Operations" sub="Every change of branches, tags, stages or files. Undo is an operation too, and can be undone.">
    ${!rows.length && html`<${Empty} title="Nothing was done yet"/>`}
    ${rows.length > 0 && html`<section class="panel"><div class="scroll" tabindex="0" role="region" aria-label="Operations"><table class="folds"><thead><tr><th scope="col" class="num">No.</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th><th scope="col">Moved</th><th scope="col"><span class="unseen">Undo</span></th></tr></thead>
      <tbody>${rows.map((op) => html`<tr class=${undone.has(op.number) ? 'gone' : ''}><td class="num">${op.number}</td><td class="beside"><${Age} time=${op.time}/></td><td class="beside">${person(op.author)}</td><td>${safe(op.detail)}${undone.has(op.number) ? html` <small>undone by ${undone.get(op.number)}</small>` : ''}</td>
        <td><small class="mono">${op.refs.map(written).join(', ')}</small>${op.files ? html` <small>files</small>` : ''}</td>
        <td class="num act"><${Act} quiet label="Undo" title="Undo operation ${op.number}" confirm="Undo it" action="undo" rehearse=${() => post('/r/undo', { number: op.number, dry_run: true })} act=${() => post('/r/undo', { number: op.number })}>
          <p><b>${safe(op.detail)}</b> is taken back.</p><ul class="plain">${op.refs.map((name) => html`<li><code>${written(name)}</code> goes back to where it was</li>`)}${op.files && html`<li>Files of the workspace become what they were.</li>`}</ul>
          <p class="sub">If something moved since, nothing is changed and you are told what.</p><//></td></tr>`)}</tbody></table></div>
      ${next && html`<button class="quiet" onClick=${() => load(next)}>Older ones</button>`}</section>`}<//>`;
}

// The tensors of a version: from headers, and figures of those that are asked for, read from their data.
import { useState } from '/static/vendor/htm-preact-3.1.1.js';
import { get, query, seg, useData } from '/static/api.js';
import { Dialog, Failed, Table, Waiting, html, number, plural, safe, size } from '/static/parts.js';
import { Histogram } from '/static/histogram.js';
import { RECORDED } from '/static/source.js';

export function Tensors({ rev }) {
  const { data, error } = useData(`/r/tensors/${seg(rev)}`);
  const [words, find] = useState(''), [count, more] = useState(200), [figures, set] = useState({}), [shown, show] = useState(null);
  if (error) return html`<${Failed} error=${error}/>`;
  if (!data) return html`<${Waiting} what="Reading headers"/>`;
  const found = data.tensors.filter((one) => one.label.toLowerCase().includes(words.toLowerCase()));
  const elements = (one) => one.shape.reduce((a, b) => a * b, 1);
  const measure = (one) => get(`/r/tensor/${seg(rev)}${query({ label: one.label })}`).then((got) => set((old) => ({ ...old, [one.label]: { ...got.statistics, distribution: got.distribution } })),
    (failed) => set((old) => ({ ...old, [one.label]: { failed: failed.message } })));
  if (!data.tensors.length) return html`<p class="sub">No file of this version has tensors that can be read.</p>`;
  const total = data.tensors.filter((one) => !one.state).reduce((sum, one) => sum + elements(one), 0);
  return html`<p class="sub">${plural(data.tensors.length, 'tensor')}, ${total.toLocaleString('en')} parameters</p>
    <p><input type="search" aria-label="Find a tensor" placeholder="Find a tensor" value=${words} onInput=${(e) => find(e.target.value)}/></p>
    <${Table} label="Tensors" heads=${['Tensor', 'Type', 'Shape', 'Size', 'Min', 'Max', 'Mean', 'Std', 'NaN', '']} right=${[3, 4, 5, 6, 7, 8]} rows=${found.slice(0, count).map((one) => {
      const got = figures[one.label];
      const cells = got?.failed ? [html`<small>${safe(got.failed)}</small>`, '', '', '', '', '']
        : got ? [number(got.distribution?.low), number(got.distribution?.high), number(got.mean), number(got.std), number(got.nan), got.distribution ? html`<button class="link" onClick=${() => show(one.label)} aria-label="Distribution of ${safe(one.label)}">distribution</button>` : '']
        : [RECORDED ? '' : html`<button class="link" onClick=${() => measure(one)} aria-label="Measure ${safe(one.label)}">measure</button>`, '', '', '', '', ''];
      return [html`<span class="mono">${safe(one.label)}</span>${one.state && html` <small>training state</small>`}`, one.dtype, html`<span class="mono">${one.shape.join(' × ') || 'scalar'}</span>`, size(one.bytes), ...cells];
    })}/>${shown && figures[shown]?.distribution && html`<${Dialog} wide title=${safe(shown)} onClose=${() => show(null)}><${Histogram} title="Values" found=${figures[shown].distribution}/><//>`}
    ${found.length > count && html`<button class="quiet" onClick=${() => more(count + 1000)}>${found.length - count} more</button>`}`;
}

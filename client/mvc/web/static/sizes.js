// What is largest in a version, and what collection and retention would free.
import { useState } from '/static/vendor/htm-preact-3.1.1.js';
import { post, query, seg, useData } from '/static/api.js';
import { Act, Failed, Table, Waiting, firstLine, html, plural, safe, size, versionLink } from '/static/parts.js';

export function Largest({ rev }) {
  const [count, more] = useState(12);
  const { data, error } = useData(`/r/largest/${seg(rev)}${query({ limit: count })}`);
  if (error) return html`<section class="panel"><h2>Largest</h2><${Failed} error=${error}/></section>`;
  if (!data) return html`<section class="panel"><h2>Largest</h2><${Waiting}/></section>`;
  const all = Math.max(data.files.length, data.tensors.length) < count;
  return html`<div class="grid"><section class="panel"><h2>Largest files <small>of ${safe(rev)}</small></h2><${Table} label="Largest files" heads=${['File', 'Part', 'Size']} right=${[2]} rows=${data.files.map((f) => [html`<span class="mono">${safe(f.path)}</span>`, html`<span class="held"><i class="swatch ${f.component}" aria-hidden="true"></i>${f.component}</span>`, size(f.size)])}/></section>
    <section class="panel"><h2>Largest tensors <small>of ${safe(rev)}</small></h2>${data.tensors.length ? html`<${Table} label="Largest tensors" heads=${['Tensor', 'Type', 'Shape', 'Size']} right=${[3]} rows=${data.tensors.map((t) => [html`<span class="mono">${safe(t.label)}</span>`, t.dtype, html`<span class="mono">${t.shape.join(' × ') || 'scalar'}</span>`, size(t.bytes)])}/>` : html`<p class="sub">No file of it has tensors that can be read.</p>`}</section></div>
    ${!all && html`<p><button class="quiet" onClick=${() => more(count + 50)}>More of them</button></p>`}`;
}

export function Freeable({ reload }) {
  const { data, error, reload: again } = useData('/r/freeable');
  if (error) return html`<section class="panel"><h2>What would be freed</h2><${Failed} error=${error} reload=${again}/></section>`;
  if (!data) return html`<section class="panel"><h2>What would be freed</h2><${Waiting} what="Looking for what nothing needs"/></section>`;
  const { gc, prune } = data;
  return html`<section class="panel"><header><h2>What would be freed</h2>${prune.pruned?.length > 0 && html`<${Act} label="Prune" title="Prune ${plural(prune.pruned.length, 'version')}" confirm="Let go of their content" action="prune" act=${() => post('/r/prune', {}).then(() => { again(); reload(); })}>
      <p>${plural(prune.pruned.length, 'version')} lose their content, ${size(prune.bytes_freed)}; their records stay. Until ${prune.until.slice(0, 16).replace('T', ' ')} undo takes it back; then <code>mvc gc</code> frees it.</p>
      <ul class="plain">${prune.pruned.slice(0, 12).map((one) => html`<li>v${one.number} ${firstLine(one.message)}</li>`)}${prune.pruned.length > 12 && html`<li class="sub">and ${prune.pruned.length - 12} more</li>`}</ul><//>`}</header>
    <dl class="facts"><dt><code>mvc gc</code></dt><dd>${gc.objects ? html`<b>${size(gc.bytes_freed)}</b> in ${plural(gc.objects, 'object')} that nothing reaches` : 'nothing: all that is here is needed'}</dd>
      <dt><code>mvc prune</code></dt><dd>${prune.pruned ? (prune.pruned.length ? html`<b>${size(prune.bytes_freed)}</b>: ${plural(prune.pruned.length, 'automatic version')} that no rule of retention keeps` : `nothing: the rules (${safe(prune.rules)}) keep all that is there`) : html`${safe(prune.message)}${prune.help ? html` <code>${safe(prune.help)}</code>` : ''}`}</dd></dl>
    ${prune.pruned?.length > 0 && html`<details><summary>Which versions</summary><${Table} label="Versions that would be pruned" heads=${['Version', 'Message', 'Files']} right=${[2]} rows=${prune.pruned.slice(0, 200).map((one) => [html`<a href=${versionLink(one.version)}>v${one.number}</a>`, firstLine(one.message), size(one.bytes)])}/></details>`}
    ${prune.unsafe && Object.keys(prune.unsafe).length > 0 && html`<p class="sub">${plural(Object.keys(prune.unsafe).length, 'version')} more would go, but too few remotes have them.</p>`}</section>`;
}

// The catalogue: models that were published, a card each.
import { useState } from '/static/vendor/htm-preact-3.1.1.js';
import { rawAddress, useData } from '/static/api.js';
import { Copy, Empty, Failed, Refs, Screen, Waiting, firstLine, html, number, plural, safe, short, size, versionLink } from '/static/parts.js';

export default function Models() {
  const { data, error, reload } = useData('/r/catalogue', ['stage', 'ref']);
  const [words, find] = useState('');
  if (error) return html`<${Screen} title="Models"><${Failed} error=${error} reload=${reload}/><//>`;
  if (!data) return html`<${Waiting} what="Reading cards"/>`;
  if (!data.models.length) return html`<${Screen} title="Models"><${Empty} title="Nothing was published yet"><p>A version with a tag, or one that was ever on a stage, is in the catalogue.</p><p><code>mvc tag v1.0</code> or <code>mvc promote HEAD staging</code></p><//><//>`;
  const said = (m) => [m.model, m.message, m.license, m.intended_use, m.annotations.description, m.version, ...m.networks.map((n) => n.name)].join(' ').toLowerCase();
  const shown = data.models.filter((m) => words.toLowerCase().split(/\s+/).every((word) => said(m).includes(word)));
  return html`<${Screen} wide title="Models" sub="Every version that has a tag or was ever on a stage, newest first."
    aside=${data.models.length > 3 && html`<input type="search" class="small" aria-label="Find a model" placeholder="Find a model" value=${words} onInput=${(e) => find(e.target.value)}/>`}>
    <p class="unseen" role="status">${plural(shown.length, 'model')}</p>
    <ul class="garden">${shown.map((m) => html`<${Card} key=${m.version} m=${m}/>`)}</ul>
    ${!shown.length && html`<${Empty} title="No model has these words"/>`}<//>`;
}

const bytes = (m) => m.weight_files.filter((f) => !f.state).reduce((sum, f) => sum + f.bytes, 0);
const counts = (m) => [...Object.entries(m.parameters).map(([dtype, n]) => `${big(n)} ${safe(dtype)}`), bytes(m) ? size(bytes(m)) : ''].filter(Boolean).join(', ');
const big = (n) => { for (const [unit, sign] of [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'k']]) if (n >= unit) return `${+(n / unit).toPrecision(3)} ${sign}`; return String(n); };

function Card({ m }) {
  const values = m.leading_metrics.map((key) => [key, m.metrics[key]]), about = (m.annotations.description || m.message).trim();
  const facts = [['Parameters', counts(m)], ['Licence', m.license && safe(m.license)], ['Intended use', m.intended_use && safe(m.intended_use)]].filter((row) => row[1]);
  return html`<li class="panel model"><div class="face">${m.picture ? html`<img class="picture" loading="lazy" alt="Picture of ${safe(m.model)}" src=${m.picture_address || rawAddress(m.version, m.picture)}/>` : html`<${Shape} network=${m.networks[0]}/>`}</div>
    <h2><a href=${versionLink(m.version)}>${safe(m.model)}</a> <small>v${m.number} <span class="mono">${short(m.version)}</span></small></h2>
    <p class="refs"><${Refs} refs=${m.refs}/></p>
    <p class="about">${firstLine(about)}</p>
    ${values.length > 0 && html`<dl class="values">${values.map(([key, value]) => html`<div><dt>${safe(key)}</dt><dd>${number(value)}</dd></div>`)}</dl>`}
    ${facts.length > 0 && html`<dl class="facts">${facts.map(([what, text]) => html`<dt>${what}</dt><dd>${text}</dd>`)}</dl>`}
    <p class="get"><code>${safe(m.download.replace(m.version, short(m.version)))}</code> <${Copy} text=${m.download}/></p></li>`;
}

// A network without a picture: its parts, as wide as they have parameters.
function Shape({ network }) {
  const parts = network?.modules.filter((one) => one.parameters) || [];
  const all = parts.reduce((sum, one) => sum + one.parameters, 0);
  return html`<div class="shape" role="img" aria-label=${parts.length ? `${plural(parts.length, 'part')} of the network, by parameters` : 'No picture'}>${parts.slice(0, 24).map((one, i) => html`<i class="h${1 + ((i * 5) % 6)}" title="${safe(one.module || '(top)')}: ${big(one.parameters)} parameters" style=${{ flexGrow: Math.max(0.02, one.parameters / all) }}></i>`)}</div>`;
}

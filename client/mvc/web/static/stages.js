// Stages: who held which, when, and why.
import { useState } from '/static/vendor/htm-preact-3.1.1.js';
import { post, useData } from '/static/api.js';
import { Record } from '/static/record.js';
import { Act, Age, Empty, Failed, Screen, Waiting, clock, html, number, person, plural, safe, short, versionLink } from '/static/parts.js';

export default function Stages() {
  const { data, error, reload } = useData('/r/stages', ['stage']);
  const [at, slide] = useState(1), [opened, open] = useState(null);
  if (error) return html`<${Screen} title="Stages"><${Failed} error=${error} reload=${reload}/><//>`;
  if (!data) return html`<${Waiting}/>`;
  if (!data.stages.length) return html`<${Screen} title="Stages"><${Empty} title="Nothing was promoted yet"><p>A stage is a name like <b>production</b> that moves from version to version, with a record each time.</p><p>Open a version and press Promote, or <code>mvc promote HEAD staging --reason '...'</code></p><//><//>`;
  const first = Math.min(...data.stages.flatMap((s) => s.records.map((r) => Date.parse(r.time)))), end = Math.max(Date.now(), first + 1000);
  const span = end - first, x = (time) => `${(100 * (Date.parse(time) - first)) / span}%`;
  const moment = first + at * span;
  const holder = (s) => s.records.find((r) => Date.parse(r.time) <= moment && (!r.until || Date.parse(r.until) > moment) && r.step !== 'withdraw');
  return html`<${Screen} title="Stages" sub="Who held which stage, when, and why. Records only grow.">
    <section class="panel"><h2>Lanes</h2>
      ${data.stages.map((s) => html`<div class="lane"><b>${safe(s.stage)}</b><div class="track" role="img" aria-label="${safe(s.stage)}: ${plural(s.records.length, 'record')}, in the table below">
        ${s.records.filter((r) => r.step !== 'withdraw').map((r) => html`<b class=${r.live ? 'now' : ''} onClick=${() => open([s.stage, r])} title="v${r.number}, ${clock(r.time)}" style=${{ left: x(r.time), width: `calc(${(100 * ((r.until ? Date.parse(r.until) : end) - Date.parse(r.time))) / span}% - 2px)` }}><span>v${r.number}</span></b>`)}
        <i style=${{ left: `${100 * at}%` }}></i></div><span class="held">${holder(s) ? html`<a href=${versionLink(holder(s).version)}>v${holder(s).number}</a>` : 'nobody'}</span></div>`)}
      <label class="slide"><span>Held at ${at === 1 ? 'this moment' : clock(new Date(moment).toISOString())}</span><input type="range" min="0" max="1" step="0.001" value=${at} onInput=${(e) => slide(+e.target.value)}/></label></section>
    ${data.stages.map((s) => html`<${History} s=${s} reload=${reload} open=${(r) => open([s.stage, r])}/>`)}
    ${opened && html`<${Record} stage=${opened[0]} record=${opened[1]} onClose=${() => open(null)}/>`}<//>`;
}

function History({ s, reload, open }) {
  const [reason, say] = useState('');
  const held = s.records.filter((r) => r.step !== 'withdraw');
  const before = s.records[0].step === 'promote' && held.find((r) => r.version !== s.records[0].version);
  return html`<section class="panel"><header><h2>${safe(s.stage)}</h2><span class="aside">
      <span class=${s.chain.ok ? 'good' : 'bad'} title=${safe(s.chain.head || '')}>${s.chain.ok ? `✓ chain of ${plural(s.chain.records, 'record')} whole` : `✗ chain broken: ${s.chain.problems.map(safe).join('; ')}`}</span>
      ${before && html`<${Act} label="Roll back" title="Roll ${safe(s.stage)} back" confirm="Give it back to v${before.number}" action="rollback" rehearse=${() => post('/r/rollback', { stage: s.stage, reason, dry_run: true })} act=${() => post('/r/rollback', { stage: s.stage, reason }).then(reload)}>
        <p>v${s.records[0].number} leaves, and v${before.number} ${short(before.version)} holds ${safe(s.stage)} again. A record is added; nothing is taken out of history.</p>
        <label class="field"><span>Why</span><input type="text" value=${reason} onInput=${(e) => say(e.target.value)}/></label><//>`}</span></header>
    <div class="scroll" tabindex="0" role="region" aria-label="Records of ${safe(s.stage)}"><table class="folds"><thead><tr><th scope="col">Record</th><th scope="col">Step</th><th scope="col">Version</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">Why</th><th scope="col">What was checked</th></tr></thead>
      <tbody>${s.records.map((r) => html`<tr id="${s.stage}-${r.record}" class=${r.live ? 'live' : ''}><td class="num"><button class="link" aria-label="Record ${r.record} in full" onClick=${() => open(r)}>${r.record}</button></td><td class="beside">${r.step}${r.restores ? ` to ${r.restores}` : ''}${r.live ? html` <b class="good">● live</b>` : ''}</td>
        <td class="beside"><a href=${versionLink(r.version)}>v${r.number}</a> <small class="mono">${short(r.version)}</small></td><td class="beside"><${Age} time=${r.time}/></td><td class="beside">${person(r.author)}</td><td>${safe(r.reason)}</td>
        <td>${r.requirements.map((q) => html`<div>✓ <code>${safe(q.expression)}</code> <small>${Object.entries(q.found).map(([k, v]) => `${safe(k)} ${number(v)}`).join(', ')}</small></div>`)}${r.signatures.map((f) => html`<div>signed <small class="mono">${safe(f)}</small></div>`)}</td></tr>`)}</tbody></table></div>
    <p class="sub mono">${s.chain.head ? `seal ${s.chain.head}` : ''}</p></section>`;
}

// The dialog that promotes a version: first what the gate says, then the promotion.
import { useState } from '/static/vendor/htm-preact-3.1.1.js';
import { post } from '/static/api.js';
import { Act, html, safe } from '/static/parts.js';

export function Promote({ rev, name, done }) {
  const [stage, set] = useState(''), [reason, say] = useState(''), [need, want] = useState(''), [found, tell] = useState(null);
  const fields = () => ({ rev, stage, reason, require: need.split('\n').map((one) => one.trim()).filter(Boolean) });
  const change = (then) => (event) => { then(event.target.value); tell(null); };
  const act = async () => {
    if (found?.allowed) { await post('/r/promote', fields()); tell(null); return done(); }
    tell(await post('/r/promote', { ...fields(), dry_run: true }));
    throw Object.assign(new Error(), { asked: true }); // the dialog stays
  };
  return html`<${Act} label="Promote" title="Promote ${name}" confirm=${found?.allowed ? `Promote ${name} to ${safe(stage)}` : 'Check the gate'} action="promote" act=${act}>
    <label class="field"><span>Stage</span><input type="text" required list="stages" value=${stage} onInput=${change(set)}/></label>
    <datalist id="stages"><option value="staging"/><option value="production"/></datalist>
    <label class="field"><span>Why</span><input type="text" value=${reason} onInput=${change(say)}/></label>
    <label class="field"><span>Requirements, one a line</span><textarea rows="2" class="mono" placeholder="val_acc >= 0.9" value=${need} onInput=${change(want)}></textarea></label>
    ${found && html`<div class=${found.allowed ? 'gate' : 'gate shut'} role="status"><b>${found.allowed ? 'The gate is open' : 'The gate is shut'}</b>
      <ul class="plain">${found.checked.map((one) => html`<li>${one.met ? '✓ met' : '✗ not met'} <code>${safe(one.expression)}</code> <small>${safe(one.why || '')}${one.rule ? ' (mvc.toml)' : ''}</small></li>`)}</ul>
      ${!found.allowed && found.why && html`<p>${safe(found.why)}</p>`}
      ${found.allowed && html`<p>${safe(stage)} will name ${name} from then on. A record is added to its history, which only grows.</p>`}</div>`}<//>`;
}

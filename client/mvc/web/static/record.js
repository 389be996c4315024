// One record of a stage's history, in full.
import { Dialog, clock, html, number, person, safe, short, versionLink } from '/static/parts.js';

export function Record({ stage, record: r, onClose }) {
  const facts = [['Step', html`${r.step}${r.restores ? ` to record ${r.restores}` : ''}${r.live ? html` <b class="good">● live</b>` : ''}`], ['Version', html`<a href=${versionLink(r.version)}>v${r.number}</a> <span class="mono">${short(r.version)}</span>`],
    ['From', clock(r.time)], ['Until', r.until ? clock(r.until) : 'now'], ['Who', safe(r.author)], ['Why', r.reason ? html`<span class="note">${safe(r.reason)}</span>` : '–'],
    ['Checked', r.requirements.length ? r.requirements.map((q) => html`<div>✓ <code>${safe(q.expression)}</code> <small>${Object.entries(q.found).map(([k, v]) => `${safe(k)} ${number(v)}`).join(', ')}${q.rule ? ' (mvc.toml)' : ''}</small></div>`) : 'nothing was required'],
    ['Signatures', r.signatures.length ? r.signatures.map((one) => html`<div class="mono">${safe(one)}</div>`) : 'none'],
    ['Digest', html`<code>${r.digest}</code>`], ['Record before', r.previous ? html`<code>${r.previous}</code>` : 'none: it is the first']];
  return html`<${Dialog} wide title="${safe(stage)}, record ${r.record}" onClose=${onClose}><dl class="facts">${facts.map(([what, said]) => html`<dt>${what}</dt><dd>${said}</dd>`)}</dl>
    <p class="sub">The digest is over all of this and the record before: nothing of it can change unseen.</p><//>`;
}

// The daemon: what it watches, what waits for what, and what it missed.
import { useEffect } from '/static/vendor/htm-preact-3.1.1.js';
import { useData } from '/static/api.js';
import { Age, Empty, Failed, Screen, Table, Waiting, firstLine, html, plural, safe, size, span } from '/static/parts.js';

const TURN = 2000;
const when = (us) => html`<${Age} time=${new Date(us / 1000).toISOString()}/>`;

export default function Daemon() {
  const { data, error, reload } = useData('/r/daemon', ['version']);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && reload(), TURN);
    return () => clearInterval(timer);
  }, []);
  if (error) return html`<${Screen} title="Daemon"><${Failed} error=${error} reload=${reload}/><//>`;
  if (!data) return html`<${Waiting}/>`;
  const [w] = data.workspaces;
  if (!data.running || !w) return html`<${Screen} title="Daemon"><${Empty} title=${data.running ? 'This workspace is not watched' : 'mvcd is not running'}><p>It saves each complete checkpoint by itself: <code>mvc watch</code></p><//><//>`;
  const push = w.push;
  return html`<${Screen} title="Daemon" sub=${`mvcd ${safe(data.mvcd)}, process ${data.pid}`}>
    <div class="tiles"><div class="tile"><b>${safe(w.state)}</b><span>${safe(w.why || '')}</span></div><div class="tile"><b>${w.ledger.saved}</b><span>saved</span></div>
      <div class="tile"><b>${w.captured_count + w.waiting_count}</b><span>waiting</span></div><div class="tile"><b class=${w.ledger.missed ? 'bad' : ''}>${w.ledger.missed}</b><span>missed</span></div>
      ${w.looked_ago != null && html`<div class="tile"><b>${span(w.looked_ago)}</b><span>since it looked${w.looks_in != null ? `; again in ${span(w.looks_in)}${w.looks_for ? ` for ${safe(w.looks_for)}` : ''}` : ''}</span></div>`}</div>
    ${w.last_save && html`<section class="panel"><h2>Last save</h2><p><a href="/v/v${w.last_save.number}"><b>v${w.last_save.number}</b></a> ${when(w.last_save.time_us)} · ${firstLine(w.last_save.message)}</p></section>`}
    ${push && html`<section class="panel"><h2>Push</h2><p>${push.state === 'waiting' ? `waiting for ${safe(push.remote)}: ${safe(push.why)}; next try in ${span(push.next_seconds)}` : `${push.state} ${push.number ? `v${push.number} ` : ''}to ${safe(push.remote)} ${safe(push.why || '')}`}</p></section>`}
    ${w.captured.length > 0 && html`<section class="panel"><h2>Captured, to be saved</h2><${Table} label="Captured" heads=${['What', 'Size', 'Age']} right=${[1, 2]} rows=${w.captured.map((c) => [c.sets.map(safe).join(', ') || 'what was removed', size(c.bytes), span(c.age)])}/></section>`}
    ${w.waiting.length > 0 && html`<section class="panel"><h2>Waiting</h2><${Table} label="Waiting" heads=${['What', 'For what', 'Since']} right=${[2]} rows=${w.waiting.map((c) => [html`<span class="mono">${safe(c.set)}</span>`, html`${safe(c.reason)}${c.stuck ? html` <b class="bad">stuck</b>` : ''}`, span(c.age)])}/></section>`}
    ${w.ledger.misses.length > 0 && html`<section class="panel"><h2>Missed</h2><${Table} label="Missed" heads=${['What', 'Why', 'When']} rows=${[...w.ledger.misses].reverse().slice(0, 50).map((m) => [html`<span class="mono">${safe(m.path)}</span>`, safe(m.reason), when(m.time_us)])}/></section>`}
    ${w.skipped.length > 0 && html`<section class="panel"><h2>Not saved by itself</h2><${Table} label="Skipped" heads=${['What', 'Why']} rows=${w.skipped.map((m) => [html`<span class="mono">${safe(m.path)}</span>`, safe(m.reason)])}/></section>`}
    ${!w.waiting.length && !w.captured.length && html`<p class="sub">Nothing waits. ${plural(w.ledger.saved, 'version')} saved since it began.</p>`}<//>`;
}

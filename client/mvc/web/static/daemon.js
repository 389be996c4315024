// The daemon: what it watches, what waits for what, and what it missed.
import { useEffect, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { get, post, query, useData } from '/static/api.js';
import { Act, Age, Empty, Failed, Screen, Table, Waiting, firstLine, html, plural, safe, size, span } from '/static/parts.js';

const TURN = 2000, LOG_LINES = 60;
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
  if (!data.running || !w) return html`<${Screen} title="Daemon" aside=${data.running && html`<${Resume} reload=${reload}/>`}><${Empty} title=${data.running ? 'This workspace is not watched' : 'mvcd is not running'}><p>It saves each complete checkpoint by itself: <code>mvc watch</code></p><//>${data.running && html`<${Log}/>`}<//>`;
  const push = w.push;
  return html`<${Screen} title="Daemon" sub=${`mvcd ${safe(data.mvcd)}, process ${data.pid}`} aside=${html`<${Pause} reload=${reload} w=${w}/>`}>
    <div class="tiles"><div class="tile"><b>${safe(w.state)}</b><span>${safe(w.why || '')}</span></div><div class="tile"><b>${w.ledger.saved}</b><span>saved</span></div>
      <div class="tile"><b>${w.captured_count + w.waiting_count}</b><span>waiting</span></div><div class="tile"><b class=${w.ledger.missed ? 'bad' : ''}>${w.ledger.missed}</b><span>missed</span></div>
      ${w.looked_ago != null && html`<div class="tile"><b>${span(w.looked_ago)}</b><span>since it looked${w.looks_in != null ? `; again in ${span(w.looks_in)}${w.looks_for ? ` for ${safe(w.looks_for)}` : ''}` : ''}</span></div>`}</div>
    ${w.last_save && html`<section class="panel"><h2>Last save</h2><p><a href="/v/v${w.last_save.number}"><b>v${w.last_save.number}</b></a> ${when(w.last_save.time_us)} · ${firstLine(w.last_save.message)}</p></section>`}
    ${push && html`<section class="panel"><h2>Push</h2><p>${push.state === 'waiting' ? `waiting for ${safe(push.remote)}: ${safe(push.why)}; next try in ${span(push.next_seconds)}` : `${push.state} ${push.number ? `v${push.number} ` : ''}to ${safe(push.remote)} ${safe(push.why || '')}`}</p></section>`}
    ${w.captured.length > 0 && html`<section class="panel"><h2>Captured, to be saved</h2><${Table} label="Captured" heads=${['What', 'Size', 'Age']} right=${[1, 2]} rows=${w.captured.map((c) => [c.sets.map(safe).join(', ') || 'what was removed', size(c.bytes), span(c.age)])}/></section>`}
    ${w.waiting.length > 0 && html`<section class="panel"><h2>Waiting</h2><${Table} label="Waiting" heads=${['What', 'For what', 'Since']} right=${[2]} rows=${w.waiting.map((c) => [html`<span class="mono">${safe(c.set)}</span>`, html`${safe(c.reason)}${c.stuck ? html` <b class="bad">stuck</b>` : ''}`, span(c.age)])}/></section>`}
    ${w.ledger.misses.length > 0 && html`<section class="panel"><h2>Missed</h2><${Table} label="Missed" heads=${['What', 'Why', 'When']} rows=${[...w.ledger.misses].reverse().slice(0, 50).map((m) => [html`<span class="mono">${safe(m.path)}</span>`, safe(m.reason), when(m.time_us)])}/></section>`}
    ${w.skipped.length > 0 && html`<section class="panel"><h2>Not saved by itself</h2><${Table} label="Skipped" heads=${['What', 'Why']} rows=${w.skipped.map((m) => [html`<span class="mono">${safe(m.path)}</span>`, safe(m.reason)])}/></section>`}
    ${!w.waiting.length && !w.captured.length && html`<p class="sub">Nothing waits. ${plural(w.ledger.saved, 'version')} saved since it began.</p>`}
    <${Log}/><//>`;
}

function Pause({ w, reload }) {
  const left = w.captured_count + w.waiting_count;
  return html`<${Act} label="Pause" title="Pause saving" confirm="Stop watching this workspace" act=${() => post('/r/watch', { watch: false }).then(reload)}>
    <p>mvcd no longer looks at <code>${safe(w.root)}</code>: no checkpoint is saved and nothing is pushed by itself until you resume, also after a restart. A save that is under way is finished first.</p>
    <p class="sub">${left ? `${plural(left, 'checkpoint')} not saved yet ${left === 1 ? 'stays' : 'stay'} in the files; ` : ''}What is overwritten meanwhile is lost to history. Training programs go on, and mvc commit works as always. On the command line: <code>mvc unwatch</code></p><//>`;
}

function Resume({ reload }) {
  return html`<${Act} label="Resume" title="Resume saving" confirm="Watch this workspace" act=${() => post('/r/watch', { watch: true }).then(reload)}>
    <p>mvcd looks at the whole workspace at once, saves what is complete and differs from the newest version, and goes on watching, also after a restart.</p>
    <p class="sub">On the command line: <code>mvc watch</code></p><//>`;
}

// The end of the daemon's log, which is about all workspaces that it watches.
function Log() {
  const [lines, set] = useState(null), [error, fail] = useState(null);
  useEffect(() => {
    const read = () => document.visibilityState === 'visible' && get('/r/daemon/log' + query({ limit: LOG_LINES })).then((found) => set(found.lines), fail);
    read();
    const timer = setInterval(read, 2 * TURN);
    return () => clearInterval(timer);
  }, []);
  if (error) return html`<section class="panel"><h2>Log</h2><${Failed} error=${error}/></section>`;
  return lines && html`<section class="panel"><h2>Log</h2>${lines.length ? html`<pre tabindex="0" class="log" aria-label="The last lines of the log">${safe(lines.slice().reverse().join('\n'))}</pre><p class="sub">Newest first; all of it: <code>mvcd logs -f</code></p>` : html`<p class="sub">The daemon keeps no log: it runs in the foreground.</p>`}</section>`;
}

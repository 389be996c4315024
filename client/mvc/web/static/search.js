// Search in all of history, of one repository or of all that a team has: words, or the versions that a file is of.
import { useEffect, useRef, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { ask, get, query, seg } from '/static/api.js';
import { ROOT } from '/static/source.js';
import { Age, Empty, Failed, Screen, allowed, grouped, html, plural, safe, short, size, useKeys, versionLink } from '/static/parts.js';
import { sha256 } from '/static/sha256.js';

const ENOUGH = 200;
const KINDS = { version: 'Versions', name: 'Branches, tags and stages', message: 'Messages', annotation: 'Annotations', metric: 'Metrics',
  hyperparameter: 'Hyperparameters', path: 'Files', tensor: 'Tensors', content: 'Files with these bytes' };

// On a team's server this screen is there for each repository, and for all of them.
const everywhere = () => allowed.team && !ROOT;

// Asks page by page, until there is enough, or nothing is left to look at.
async function look(fields, leave, tell, cursor = null, before = { hits: [], looked: 0, repositories: 0, unreadable: [] }) {
  let found = { ...before, next: cursor, done: false };
  do {
    const page = await get((everywhere() ? '' : '/r') + '/search' + query({ ...fields, cursor: found.next }), leave.signal);
    found = { hits: found.hits.concat(page.hits), looked: found.looked + page.looked, repositories: found.repositories + (page.repositories || 0),
      unreadable: found.unreadable.concat(page.unreadable || []), next: page.next, done: !page.next };
    tell({ ...found, busy: !found.done });
  } while (!found.done && found.hits.length - before.hits.length < ENOUGH);
  tell({ ...found, busy: false });
  return found;
}

export default function Search({ place }) {
  const asked = place.query.get('q') || '', [words, set] = useState(asked), [found, tell] = useState(null), [error, fail] = useState(null);
  const [file, take] = useState(null), [over, hover] = useState(false), input = useRef(), under = useRef(new AbortController());
  const run = (work) => {
    under.current.abort();
    const leave = under.current = new AbortController(), mine = (then) => (value) => leave === under.current && then(value);
    fail(null);
    work(leave, mine(tell)).catch((failed) => failed.name !== 'AbortError' && mine(fail)(failed));
  };
  const search = (leave, told) => { told(null); return look({ q: asked }, leave, told); };
  useEffect(() => { set(asked); if (asked) { take(null); run(search); } else if (!file) { under.current.abort(); tell(null); } return undefined; }, [asked]);
  useEffect(() => { input.current?.focus(); return () => under.current.abort(); }, []);
  useEffect(() => { const timer = setTimeout(() => words.trim() !== asked && (words.trim() || !file) && ask({ q: words.trim() }), 250); return () => clearTimeout(timer); }, [words]);
  useKeys({ '/': () => input.current.focus() });
  const which = (one) => run(async (leave, told) => {
    const about = { name: one.name, size: one.size };
    told(null); take({ ...about, read: 0 }); set(''); ask({ q: null });
    const near = await look({ size: one.size, limit: 1 }, leave, (page) => { if (page.hits.length) throw near_; }).catch((thrown) => { if (thrown !== near_) throw thrown; return null; });
    if (near) { take({ ...about, other: true }); return told({ ...near, hits: [] }); }
    const digest = await sha256(one, (read) => take({ ...about, read }), leave.signal);
    take({ ...about, digest });
    return look({ size: one.size, sha256: digest }, leave, told);
  });
  const drop = (event) => { event.preventDefault(); hover(false); const [one] = event.dataTransfer.files; if (one) which(one); };
  const choose = ({ target }) => { const [one] = target.files; if (one) which(one); target.value = ''; }; // so that the same one can be chosen again
  const more = () => run((leave, told) => look(file ? { size: file.size, sha256: file.digest } : { q: asked }, leave, told, found.next, found));
  return html`<div class="dropping ${over ? 'over' : ''}" onDragOver=${(e) => { e.preventDefault(); hover(true); }} onDragLeave=${(e) => e.target === e.currentTarget && hover(false)} onDrop=${drop}>
    <${Screen} title="Search" sub="Ids, messages, names, annotations, metrics, hyperparameters, files and tensors of all versions${everywhere() ? ' in all repositories that you may read' : ''}; or drop a file here."
      aside=${allowed.team && ROOT && html`<a href=${`${location.origin}/search${query({ q: asked })}`}>In all repositories</a>`}>
    <form class="controls finding" role="search" onSubmit=${(e) => { e.preventDefault(); ask({ q: words.trim() }); }}>
      <input ref=${input} type="search" aria-label="Search in all of history" placeholder="Words, the beginning of an id, a SHA-256" spellcheck="false" autocomplete="off" value=${words} onInput=${(e) => set(e.target.value)}/>
      <label class="button file">Which version is this file?<input class="unseen" type="file" onChange=${choose}/></label></form>
    ${file && html`<${Dropped} file=${file} found=${found} stop=${() => { under.current.abort(); take(null); }}/>`}
    ${error && html`<${Failed} error=${error}/>`}
    <p class="sub" role="status">${found && `${plural(found.hits.length, 'hit')} in ${plural(found.looked, 'version')}${everywhere() ? ` (${plural(found.repositories, 'repository', 'repositories')} looked through)` : ''}${found.busy ? ' so far' : found.done ? '' : ', and there are more versions to look at'}`}</p>
    ${found?.unreadable.length > 0 && html`<p class="failed">Cannot be read, and was not looked through: ${safe(found.unreadable.join(', '))}. The server’s log says more.</p>`}
    ${found && html`<${Hits} hits=${found.hits} words=${asked.toLowerCase().split(/\s+/).filter(Boolean)}/>`}
    ${found && !found.busy && !found.done && html`<button onClick=${more}>Look further</button>`}
    ${found?.done && !found.hits.length && !file && html`<${Empty} title="Nothing has all of these words"/>`}<//></div>`;
}

const near_ = { near: true };

function Dropped({ file, found, stop }) {
  return html`<section class="panel"><h2 class="mono">${safe(file.name)}</h2><p class="sub">${size(file.size)} <small>(${grouped(file.size)} bytes)</small></p>
    ${file.other ? html`<p>No version has a file of this size, so none has this one.</p>`
    : !file.digest ? html`<p class="progress"><progress aria-label="Bytes read" max=${file.size || 1} value=${file.read}></progress> Reading it here; it is not sent anywhere. <button onClick=${stop}>Cancel</button></p>`
    : html`<p class="sub">SHA-256 <span class="mono digest">${file.digest}</span></p>${found?.done && !found.hits.length && html`<p>No version has this file. Some have another one of this size.</p>`}`}</section>`;
}

function Hits({ hits, words }) {
  const groups = new Map(Object.keys(KINDS).map((kind) => [kind, new Map()]));
  for (const hit of hits) {
    const group = groups.get(hit.kind) || groups.set(hit.kind, new Map()).get(hit.kind), key = ['version', 'message', 'annotation'].includes(hit.kind) ? `${hit.repo} ${hit.version} ${hit.what}` : `${hit.repo} ${hit.component} ${hit.what}`;
    const known = group.get(key);
    if (!known) group.set(key, { ...hit, versions: 1, oldest: hit });
    else if (hit.kind === 'content') Object.assign(known, { versions: known.versions + 1, oldest: hit }); // others are told once, and again only behind a page
  }
  return [...groups].filter(([, group]) => group.size).map(([kind, group]) => html`<section class="panel hits"><h2>${KINDS[kind] || safe(kind)} <small>${group.size}</small></h2><ul class="plain">${[...group.values()].map((hit) => html`
    <li><a href=${address(hit)}><${Marked} text=${shown(hit, words)} words=${words}/></a> <small>${hit.versions > 1 ? html`in ${plural(hit.versions, 'version')}: <${Name} hit=${hit.oldest}/> to <${Name} hit=${hit}/>` : html`<${Name} hit=${hit}/>${['metric', 'hyperparameter', 'path', 'tensor'].includes(kind) ? ' has it last' : ''}`}${hit.repo && html` in <a href=${within(hit)}>${safe(hit.repo)}</a>`} · <${Age} time=${hit.time}/></small></li>`)}</ul></section>`);
}

const within = (hit) => (hit.repo ? `/${hit.repo}/-/` : '/');
const Name = ({ hit }) => html`<a href=${within(hit) + versionLink(hit.version).slice(1)}>${hit.numbered ? `v${hit.number}` : short(hit.version)}</a>`;

function address(hit) {
  if (hit.kind === 'metric') return `${within(hit)}plots` + query({ metric: hit.what });
  const part = hit.kind === 'tensor' ? 'tensors' : hit.component;
  return `${within(hit)}v/${seg(hit.version)}` + query({ part });
}

// Of a long text the line that has the words, or else the first.
function shown(hit, words) {
  if (hit.kind === 'version') return short(hit.version) + ' ' + hit.message.split('\n', 1)[0];
  const lines = hit.what.split('\n').filter((line) => line.trim());
  return lines.find((line) => words.some((word) => line.toLowerCase().includes(word))) || lines[0] || '';
}

function Marked({ text, words }) {
  const found = safe(text.length > 300 ? `${text.slice(0, 300)}…` : text), low = found.toLowerCase(), parts = [];
  for (let at = 0; at < found.length;) {
    const [next, length] = words.map((word) => [low.indexOf(word, at), word.length]).filter(([i]) => i >= 0).sort((x, y) => x[0] - y[0] || y[1] - x[1])[0] || [found.length, 0];
    parts.push(found.slice(at, next), length ? html`<mark>${found.slice(next, next + length)}</mark>` : '');
    at = next + (length || 1);
  }
  return html`<span>${parts}</span>`;
}

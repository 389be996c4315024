// A team's server as a whole: the login, which repositories there are, and who one is.
import { useEffect, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { get, postWhole, query } from '/static/api.js';
import { Age, Empty, Failed, Screen, Waiting, firstLine, html, plural, safe, size } from '/static/parts.js';

export function Login() {
  const [token, set] = useState(''), [error, fail] = useState(null), [busy, work] = useState(false);
  useEffect(() => { document.title = 'Sign in · mvc'; document.getElementById('token')?.focus(); }, []);
  const enter = async (event) => {
    event.preventDefault();
    work(true); fail(null);
    try {
      await postWhole('/session', { token });
      location.pathname === '/login' ? location.replace('/') : location.reload();
    } catch (found) { fail(found); work(false); }
  };
  return html`<main id="main" class="closed"><form class="panel login" onSubmit=${enter}>
    <h1><img src="/static/icon.svg" alt="" width="28" height="28"/> Sign in</h1>
    <p class="sub">With a token of this server. An administrator makes one: <code>mvc admin token add NAME</code></p>
    <label class="field"><span>Token</span><input id="token" type="password" required autocomplete="current-password" spellcheck="false" placeholder="mvct_…" value=${token} onInput=${(e) => set(e.target.value)}/></label>
    ${error && html`<p class="failed" role="alert">${error.status === 401 ? `Not let in: ${safe(error.message)}.` : safe(error.message)}</p>`}
    <button class="main" disabled=${busy}>${busy ? 'Asking …' : 'Sign in'}</button>
    <p class="sub small">This browser keeps a session and not the token. It lasts twelve hours, and ends when you sign out or the token is revoked.</p></form></main>`;
}

export function Account({ who }) {
  const leave = () => postWhole('/logout', {}).catch(() => {}).then(() => location.replace('/login'));
  return html`<span class="account"><span class="who" title=${who.token ? `token ${who.token}` : ''}>${safe(who.user)}</span>
    <button class="quiet" onClick=${leave} title="Signed in as ${safe(who.user)}">Sign out</button></span>`;
}

const ADMIN = () => import('/static/admin.js');

export function Server({ found, place, aside }) {
  const [Admin, load] = useState(null), admin = place.path[0] === 'admin';
  useEffect(() => { if (admin) ADMIN().then((it) => load(() => it.default)); }, []);
  return html`<a class="skip" href="#main">Skip to the content</a>
    <header class="top"><a class="brand" href="/"><img src="/static/icon.svg" alt="" width="22" height="22"/> <b>${location.hostname}</b></a>
      <nav aria-label="Screens"><a href="/" aria-current=${admin ? undefined : 'page'}>Repositories</a>${found.team.admin && html`<a href="/admin" aria-current=${admin ? 'page' : undefined}>Accounts</a>`}</nav>${aside}</header>
    <main id="main" tabindex="-1">${!admin ? html`<${Repositories} found=${found}/>` : Admin ? html`<${Admin}/>` : html`<${Waiting}/>`}</main>`;
}

const LIGHTS = { good: ['●', 'good'], empty: ['○', 'empty'], unreadable: ['✕', 'cannot be read'] };

function Repositories({ found }) {
  const [rows, set] = useState(found.repos), [next, more] = useState(found.next), [words, say] = useState(''), [error, fail] = useState(null);
  const load = () => get('/repos' + query({ after: next })).then((it) => { set(rows.concat(it.repos)); more(it.next); }, fail);
  const shown = rows.filter((row) => row.name.toLowerCase().includes(words.trim().toLowerCase()));
  if (!rows.length) return html`<${Screen} title="Repositories"><${Empty} title="There is nothing here that you may read"><p>Ask an administrator: <code>mvc admin grant add ${safe(found.team.user)} read --repos GLOB</code></p>
    <p>Or push the first version: <code>mvc push</code></p><//><//>`;
  return html`<${Screen} title="Repositories" sub="${plural(rows.length, 'repository').replace('repositorys', 'repositories')}${next ? ' and more' : ''} that you may read." wide
    aside=${rows.length > 6 && html`<input type="search" aria-label="Filter by name" placeholder="Filter by name" value=${words} onInput=${(e) => say(e.target.value)}/>`}>
    <ul class="repos">${shown.map((row) => html`<${Row} row=${row}/>`)}</ul>
    ${!shown.length && html`<p class="sub">No name has “${safe(words)}” in it.</p>`}
    ${error && html`<${Failed} error=${error}/>`}${next && html`<p><button onClick=${load}>More repositories</button></p>`}<//>`;
}

function Row({ row }) {
  const [light, word] = LIGHTS[row.state], at = row.name.lastIndexOf('/') + 1;
  return html`<li class="repo"><span class="light ${row.state}" role="img" aria-label=${word} title=${word}>${light}</span>
    <span class="name"><a href=${`/${row.name}/-/`}>${at > 0 && html`<small>${safe(row.name.slice(0, at))}</small>`}<b>${safe(row.name.slice(at))}</b></a><small class="role">${row.role}</small></span>
    <span class="last">${row.newest ? html`<b>v${row.number}</b> <${Age} time=${row.time}/> <span class="sub">${firstLine(row.message)}</span>` : html`<span class="sub">${row.state === 'empty' ? 'No version yet' : 'Cannot be read; the server’s log says more'}</span>`}</span>
    <span class="held">${Object.entries(row.stages).map(([stage, number]) => html`<span class="ref stage" title="${safe(stage)}: v${number}"><span aria-hidden="true">▲</span> ${safe(stage)} v${number}</span>`)}</span>
    <span class="bytes">${row.newest && html`${size(row.disk)}${row.raw != null && row.disk > 0 && html` <small>of ${size(row.raw)}${row.raw > row.disk ? `, ${(row.raw / row.disk).toFixed(1)} ×` : ''}</small>`}`}</span></li>`;
}

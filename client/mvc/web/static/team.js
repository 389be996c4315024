// A team's server as a whole: the login, which repositories there are, and who one is; search in all of them.
import { useEffect, useRef, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { get, postWhole, query, usePlace } from '/static/api.js';
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

const SCREENS = { admin: () => import('/static/admin.js'), search: () => import('/static/search.js') };

export function Server({ found, aside }) {
  const place = usePlace(), [name = ''] = place.path, [screen, load] = useState(null), late = SCREENS[name];
  const here = (one) => (one === name ? 'page' : undefined);
  useEffect(() => { late?.().then((it) => load(() => it.default)); }, []);
  return html`<a class="skip" href="#main">Skip to the content</a>
    <header class="top"><a class="brand" href="/"><img src="/static/icon.svg" alt="" width="22" height="22"/> <b>${location.hostname}</b></a>
      <nav aria-label="Screens"><a href="/" aria-current=${here('')}>Repositories</a><a href="/search" aria-current=${here('search')}>Search</a>${found.team.admin && html`<a href="/admin" aria-current=${here('admin')}>Accounts</a>`}</nav>${aside}</header>
    <main id="main" tabindex="-1">${!late ? html`<${Repositories} found=${found}/>` : screen ? html`<${screen} place=${place}/>` : html`<${Waiting}/>`}</main>`;
}

const LIGHTS = { good: ['●', 'good'], empty: ['○', 'empty'], unreadable: ['✕', 'cannot be read'] };

// The list comes page by page, as far as somebody scrolls; the server looks for names in all of it.
function Repositories({ found }) {
  const [list, set] = useState(found), { repos: rows, next } = list, [words, say] = useState(''), [error, fail] = useState(null), end = useRef(), asked = useRef('');
  const load = (after, old) => {
    const q = asked.current;
    return get('/repos' + query({ q, after })).then((it) => { if (q === asked.current) set({ repos: old.concat(it.repos), next: it.next }); }, fail);
  };
  useEffect(() => {
    if (words.trim() === asked.current) return undefined;
    const timer = setTimeout(() => { asked.current = words.trim(); load(null, []); }, 150);
    return () => clearTimeout(timer);
  }, [words]);
  useEffect(() => {
    if (!next || error) return undefined;
    const watch = new IntersectionObserver(([seen]) => { if (seen.isIntersecting) { watch.disconnect(); load(next, rows); } }, { rootMargin: '400px' });
    watch.observe(end.current);
    return () => watch.disconnect();
  }, [list, error]);
  if (!found.repos.length && !found.next) return html`<${Screen} title="Repositories"><${Empty} title="There is nothing here that you may read"><p>Ask an administrator: <code>mvc admin grant add ${safe(found.team.user)} read --repos GLOB</code></p>
    <p>Or push the first version: <code>mvc push</code></p><//><//>`;
  return html`<${Screen} title="Repositories" sub="${plural(rows.length, 'repository', 'repositories')}${next ? ' and more' : ''} that you may read." wide
    aside=${(found.next || found.repos.length > 6) && html`<input type="search" aria-label="Filter by name" placeholder="Filter by name" value=${words} onInput=${(e) => say(e.target.value)}/>`}>
    <ul class="repos">${rows.map((row) => html`<${Row} key=${row.name} row=${row}/>`)}</ul>
    ${!rows.length && !next && html`<p class="sub">No name has “${safe(words)}” in it.</p>`}
    ${error && html`<${Failed} error=${error} reload=${() => { fail(null); load(next, rows); }}/>`}${next && html`<p ref=${end}><button onClick=${() => load(next, rows)}>More repositories</button></p>`}<//>`;
}

function Row({ row }) {
  const [light, word] = LIGHTS[row.state], at = row.name.lastIndexOf('/') + 1;
  return html`<li class="repo"><span class="light ${row.state}" role="img" aria-label=${word} title=${word}>${light}</span>
    <span class="name"><a href=${`/${row.name}/-/`}>${at > 0 && html`<small>${safe(row.name.slice(0, at))}</small>`}<b>${safe(row.name.slice(at))}</b></a><small class="role">${row.role}</small></span>
    <span class="last">${row.newest ? html`<b>v${row.number}</b> <${Age} time=${row.time}/> <span class="sub">${firstLine(row.message)}</span>` : html`<span class="sub">${row.state === 'empty' ? 'No version yet' : 'Cannot be read; the server’s log says more'}</span>`}</span>
    <span class="held">${Object.entries(row.stages).map(([stage, number]) => html`<span class="ref stage" title="${safe(stage)}: v${number}"><span aria-hidden="true">▲</span> ${safe(stage)} v${number}</span>`)}</span>
    <span class="bytes">${row.newest && html`${size(row.disk)}${row.raw != null && row.disk > 0 && html` <small>of ${size(row.raw)}${row.raw > row.disk ? `, ${(row.raw / row.disk).toFixed(1)} ×` : ''}</small>`}`}</span></li>`;
}

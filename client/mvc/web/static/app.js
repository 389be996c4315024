// The frame around all screens: who we are, where we are, what is live, and the keys.
import { render, useEffect, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { ahead, begin, get, go, live, place as placed, post, useEvents, usePlace } from '/static/api.js';
import { RECORDED, ROOT, rootOf } from '/static/source.js';
import { Dialog, Empty, Failed, Waiting, allowed, html, safe, useKeys } from '/static/parts.js';
import { Versions, firstPage } from '/static/versions.js';

const SCREENS = [['', 'Versions'], ['models', 'Models'], ['plots', 'Plots'], ['stages', 'Stages'], ['storage', 'Storage'], ['ops', 'Operations'], ['daemon', 'Daemon'], ['search', 'Search']];
const LATE = {
  v: () => import('/static/version.js'), diff: () => import('/static/diff.js'), plots: () => import('/static/plots.js'), compare: () => import('/static/compare.js'),
  models: () => import('/static/models.js'), stages: () => import('/static/stages.js'), storage: () => import('/static/storage.js'), ops: () => import('/static/ops.js'), daemon: () => import('/static/daemon.js'), search: () => import('/static/search.js'),
};
const LIVING = ['daemon', 'search']; // what a report has not
const shownIn = () => SCREENS.filter(([path]) => !(allowed.team && path === 'daemon') && !(RECORDED && LIVING.includes(path)));

function skip(event) {
  event.preventDefault(); // a fragment is an address in a report
  document.getElementById('main').focus();
}

function Late({ name, place }) {
  const [screen, set] = useState(null), [error, fail] = useState(null);
  useEffect(() => { set(null); LATE[name]().then((found) => set(() => found.default), fail); }, [name]);
  if (error) return html`<${Failed} error=${error}/>`;
  return screen ? html`<${screen} place=${place}/>` : html`<${Waiting}/>`;
}

function Frame({ repo, account }) {
  const place = usePlace(), [help, tell] = useState(false), [on, light] = useState(live.on), [head, move] = useState(repo.head);
  useEvents((event) => {
    if (event.kind === 'live') light(event.on);
    else get('/repos').then((found) => move(found.repos[0].head)).catch(() => {});
  });
  useEffect(() => light(live.on), []); // it may have been told before this frame could hear it
  const [name = ''] = place.path;
  useEffect(() => {
    if (name === '') document.title = `${repo.name} · mvc`;
  }, [name]);
  const where = place.at;
  useEffect(() => { document.querySelector('main')?.scrollTo(0, 0); }, [where]);
  const find = () => !RECORDED && name !== 'search' && go('/search');
  useKeys({ '?': () => tell(true), s: find, '/': () => name !== '' && find(), Escape: () => false });
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <header class="top">${allowed.team && html`<a class="brand home" href=${`${location.origin}/`} title="All repositories"><img src="/static/icon.svg" alt="All repositories" width="22" height="22"/></a>`}
      <a class="brand" href="/" title=${safe(repo.root)}>${!allowed.team && html`<img src="/static/icon.svg" alt="" width="22" height="22"/>`} <b>${safe(repo.name)}</b></a>
      <span class="at">${head.ref ? safe(head.ref) : 'detached'} · v${head.number}</span>
      <nav aria-label="Screens">${shownIn().map(([path, shown]) => html`<a href="/${path}" aria-current=${name === path || (path === '' && ['v', 'diff', 'compare'].includes(name)) ? 'page' : undefined}>${shown}</a>`)}</nav>
      ${RECORDED ? html`<span class="pill" title="A report does not change; mvc ui shows the repository as it is">As of v${head.number}</span>` : html`<span class="pill ${on ? 'on' : ''}" role="status" title=${on ? 'New versions appear by themselves' : 'The connection is lost; it is tried again'}><i aria-hidden="true"></i>${on ? 'Live' : 'Not live'}</span>`}
      ${account}<${Theme}/><button class="quiet" aria-label="Keys" title="Keys ( ? )" onClick=${() => tell(true)}>?</button></header>
    <main id="main" tabindex="-1" class=${name === '' ? 'full' : ''}>${name === '' ? html`<${Versions} place=${place}/>`
      : LATE[name] ? html`<${Late} key=${where} name=${name} place=${place}/>` : html`<${Empty} title="There is no such screen"><p><a href="/">To the versions</a></p><//>`}</main>
    ${help && html`<${Keys} onClose=${() => tell(false)}/>`}`;
}

const THEMES = { '': ['◐', 'As the system'], light: ['☀', 'Light'], dark: ['☾', 'Dark'] };

function Theme() {
  const [theme, set] = useState(localStorage.getItem('mvc-theme') || '');
  useEffect(() => {
    document.documentElement.style.colorScheme = theme || 'light dark';
    localStorage.setItem('mvc-theme', theme);
    dispatchEvent(new Event('themed'));
  }, [theme]);
  const next = { '': 'light', light: 'dark', dark: '' }[theme];
  return html`<button class="quiet" aria-label="Colours: ${THEMES[theme][1]}" title="Colours: ${THEMES[theme][1]}" onClick=${() => set(next)}>${THEMES[theme][0]}</button>`;
}

const HELP = [['j  k', 'next and previous version'], ['Enter', 'open the version'], ['x', 'tick it'], ['d', 'what it changed; with two ticked, their difference'],
  ['c', 'compare what is ticked'], ['/', 'filter; on other screens, search'], ['s', 'search in all of history'], ['g  G', 'first and last row'], ['?', 'this list']];

const Keys = ({ onClose }) => html`<${Dialog} title="Keys" onClose=${onClose}><dl class="keys">${HELP.map(([key, does]) => html`
  <dt>${key.split('  ').map((one) => html`<kbd>${one}</kbd> `)}</dt><dd>${does}</dd>`)}</dl><//>`;

addEventListener('click', (event) => {
  const link = event.target.closest?.('a[href^="/"]');
  if (!link || rootOf(link.pathname) !== ROOT || (allowed.team && !ROOT) || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || link.target || link.hasAttribute('download')) return;
  event.preventDefault();
  go(link.getAttribute('href').slice(ROOT.length) || '/');
});

const whole = () => import('/static/team.js');

// What a team's server has beside the screens of a repository: the login, the list of repositories, accounts.
async function showWhole(root, found) {
  const { Server, Account } = await whole();
  allowed.team = true;
  const [repo] = found.repos, account = html`<${Account} who=${found.team}/>`;
  if (!ROOT) return render(html`<${Server} found=${found} aside=${html`${account}<${Theme}/>`}/>`, root);
  allowed.can = repo.can;
  begin(repo.operation);
  return render(html`<${Frame} repo=${repo} account=${account}/>`, root);
}

async function start() {
  const root = document.getElementById('app');
  const token = !RECORDED && new URLSearchParams(location.hash.slice(1)).get('token');
  addEventListener('signed-out', () => whole().then(({ Login }) => render(html`<${Login}/>`, root)));
  try {
    if (token) {
      history.replaceState({}, '', location.pathname + location.search);
      await post('/session', { token });
    }
    const [found] = await Promise.all([get('/repos'), placed().at === '/' && document.documentElement.dataset.team == null && ahead(firstPage(placed().query))]);
    if (found.team) return await showWhole(root, found);
    if (!RECORDED) begin(found.repos[0].operation);
    return render(html`<${Frame} repo=${found.repos[0]}/>`, root);
  } catch (error) {
    if (error.said?.help === '/login') return null;
    const closed = error.status === 401;
    return render(html`<main class="closed">${closed
      ? html`<${Empty} title="This page is for one browser only"><p>${safe(error.message)}.</p><p>A new address: <code>mvc ui</code></p><//>`
      : html`<${Failed} error=${error} reload=${() => location.reload()}/>`}</main>`, root);
  }
}
start();

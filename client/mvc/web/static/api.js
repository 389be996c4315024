// Asks for documents, hears events, and knows where the page is.
import { useEffect, useState, useCallback, useRef } from '/static/vendor/htm-preact-3.1.1.js';
import { BASE, address, move, request } from '/static/source.js';

export class ApiError extends Error {
  constructor(status, said) {
    super(said.message || `the server answered ${status}`);
    Object.assign(this, { status, said });
  }
}

async function answered(response) {
  if (response.ok) return response;
  let said = {};
  try { said = await response.json(); } catch { /* no JSON: the status has to do */ }
  if (said.help === '/login') dispatchEvent(new Event('signed-out'));
  throw new ApiError(response.status, said);
}

const early = new Map();

// Asks for what the first screen shows, so that it is there when the screen is.
export const ahead = (path) => get(path).then((found) => early.set(path, found), () => {});

export function taken(path) {
  const found = early.get(path);
  early.delete(path);
  return found;
}

export async function get(path, signal) {
  return (await answered(await request(path, { signal }))).json();
}

export async function text(path, signal) {
  return (await answered(await request(path, { signal }))).text();
}

const sent = (body) => ({ method: 'POST', body: JSON.stringify(body), headers: { 'X-MVC': '1', 'Content-Type': 'application/json' } });

export async function post(path, body) {
  return (await answered(await request(path, sent(body)))).json();
}

// The same of the server as a whole, wherever its page is.
export async function postWhole(path, body) {
  return (await answered(await fetch(`/api/v1${path}`, sent(body)))).json();
}

// Calls `each` with one JSON document a line, as they come.
export async function lines(path, each, signal) {
  const response = await answered(await request(path, { signal }));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\n');
    rest = parts.pop();
    parts.filter(Boolean).forEach((part) => each(JSON.parse(part)));
  }
}

export const raw = (rev, path, range) =>
  request(rawPath(rev, path), range ? { headers: { Range: range } } : {}).then(answered);

export const seg = encodeURIComponent;
export const shownPath = (rev) => `/r/v/${seg(rev)}?changes=values`;
const rawPath = (rev, path) => `/raw/${seg(rev)}/${path.split('/').map(seg).join('/')}`;
export const rawAddress = (rev, path) => BASE + rawPath(rev, path);

export function query(fields) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(fields))
    for (const one of [value].flat()) if (one !== '' && one != null && one !== false) found.append(name, one);
  const said = found.toString();
  return said ? `?${said}` : '';
}

// ---------------------------------------------------------------- data

export function useData(path, kinds = []) {
  const [state, set] = useState({ data: null, error: null, loading: true, path: null });
  const [turn, again] = useState(0);
  useEffect(() => {
    if (path == null) return undefined;
    const leave = new AbortController();
    set((old) => ({ ...old, data: old.path === path ? old.data : null, error: null, loading: true }));
    get(path, leave.signal).then(
      (data) => set({ data, error: null, loading: false, path }),
      (error) => error.name === 'AbortError' || set({ data: null, error, loading: false, path }),
    );
    return () => leave.abort();
  }, [path, turn]);
  const reload = useCallback(() => again((n) => n + 1), []);
  useEvents((event) => kinds.includes(event.kind) && reload());
  return { ...state, data: state.path === path ? state.data : null, reload };
}

// ---------------------------------------------------------------- where the page is

function decoded(segment) {
  try { return decodeURIComponent(segment); } catch { return segment; } // a fragment is whatever somebody typed
}

export function place() {
  const [path, said] = address().split(/\?(.*)/s);
  return { at: path, path: path.split('/').filter(Boolean).map(decoded), query: new URLSearchParams(said) };
}

const movers = new Set();

export function go(to, { replace = false } = {}) {
  move(to, replace);
  movers.forEach((mover) => mover({ moved: !replace }));
}

export function usePlace() {
  const [found, set] = useState(place);
  useEffect(() => {
    const mover = () => set(place());
    movers.add(mover);
    addEventListener('popstate', mover);
    return () => { movers.delete(mover); removeEventListener('popstate', mover); };
  }, []);
  return found;
}

// Changes some fields of the address's query.
export function ask(fields) {
  const { at, query: now } = place();
  for (const [name, value] of Object.entries(fields)) {
    now.delete(name);
    [value].flat().forEach((one) => one && now.append(name, one));
  }
  const said = now.toString();
  go(at + (said ? `?${said}` : ''), { replace: true });
}

// ---------------------------------------------------------------- events

// One page of a browser listens and tells the others: a browser has six connections to a server.
const KINDS = ['version', 'stage', 'ref', 'operation'];
const hearers = new Set();
const channel = 'BroadcastChannel' in self ? new BroadcastChannel(`mvc-events${BASE}`) : null;
let last = 0;
export const live = { on: false };

function hear(event, told) {
  if (event.kind === 'live') live.on = event.on;
  else if (event.number <= last) return;
  else last = event.number;
  hearers.forEach((hearer) => hearer(event));
  if (!told) channel?.postMessage(event);
}

function listen() {
  return new Promise((end) => {
    const source = new EventSource(BASE + '/events' + query({ after: last || null }));
    source.onopen = () => hear({ kind: 'live', on: true });
    source.onerror = () => {
      hear({ kind: 'live', on: false });
      if (source.readyState !== EventSource.CLOSED) return;
      get('/repos').catch(() => {}); // which tells whether the session has ended
      setTimeout(() => listen().then(end), 3000); // a server that answers with an error ends it
    };
    KINDS.forEach((kind) => source.addEventListener(kind, (event) =>
      hear({ kind, number: Number(event.lastEventId), operation: JSON.parse(event.data) })));
    channel?.addEventListener('message', (event) => event.data.kind === 'asked' && hear({ kind: 'live', on: live.on }));
    addEventListener('pagehide', () => { source.close(); end(); }, { once: true }); // the next page listens at once
  });
}

export function begin(number) {
  last = number;
  channel?.addEventListener('message', (event) => event.data.kind !== 'asked' && hear(event.data, true));
  addEventListener('pageshow', (event) => event.persisted && location.reload());
  if (!navigator.locks) return listen();
  channel?.postMessage({ kind: 'asked' });
  return navigator.locks.request(`mvc-events${BASE}`, listen);
}

export function useEvents(hearer) {
  const kept = useRef(hearer);
  kept.current = hearer;
  useEffect(() => {
    const one = (event) => kept.current(event);
    hearers.add(one);
    return () => hearers.delete(one);
  }, []);
}

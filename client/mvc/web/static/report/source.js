// Where the documents of a report come from: scripts beside it, each with answers of the interface as JSON.
// A browser that opens a file may load scripts from files, and nothing else (REPORT.md).
export const RECORDED = true;
export const ROOT = '#';
export const rootOf = () => ROOT;
export const BASE = '';
export const address = () => location.hash.slice(1) || '/';
export const move = (to, replace) => location[replace ? 'replace' : 'assign'](`#${to}`);

const texts = new Map(), found = new Map();
self.mvcReport = (name, text) => texts.set(name, text);

// What the script data/NAME.js brings, once.
function load(name) {
  if (!found.has(name)) found.set(name, new Promise((done, fail) => {
    const script = Object.assign(document.createElement('script'), { src: `data/${name}.js` });
    script.onload = () => { done(JSON.parse(texts.get(name))); texts.delete(name); script.remove(); };
    script.onerror = () => fail(new Absent(`data/${name}.js cannot be read`, 'The report is not whole: copy its directory with all that is in it'));
    document.head.append(script);
  }));
  return found.get(name);
}

class Absent extends Error {
  constructor(message, help, cause = null) { super(message); this.said = { message, cause, help }; }
}

// ---------------------------------------------------------------- versions

// The id that a word stands for, if the report has it.
function resolved(report, rev) {
  const said = Object.hasOwn(report.names, rev) ? report.names[rev] : report.versions.find(([id, number, numbered]) => (numbered && rev === `v${number}`) || (rev.length > 3 && id.startsWith(rev)))?.[0];
  return said || (rev === 'v0' ? rev : null);
}

const rows = async (report) => (await Promise.all(report.rows.map(load))).flat();

async function page(report, asked) {
  const key = asked.get('sort')?.replace(/^-/, ''), sign = asked.get('sort')?.startsWith('-') ? 1 : -1;
  const here = new Set(report.versions.filter((one) => asked.get('all') || one[3]).map(([id]) => id));
  const value = (row) => row.metrics[key] ?? row.hyperparameters[key];
  let list = (await rows(report)).filter((row) => here.has(row.version));
  if (key) list = list.filter((row) => typeof value(row) === 'number').reverse().sort((a, b) => sign * (value(a) - value(b)));
  const start = asked.has('cursor') ? list.findIndex((row) => row.version === asked.get('cursor')) + 1 : 0;
  const limit = Number(asked.get('limit')) || 100, shown = list.slice(start, start + limit);
  const columns = asked.get('columns') === 'auto' ? report.columns : (asked.get('columns') || '').split(',').filter(Boolean);
  return { versions: shown, columns, next: start + limit < list.length ? shown.at(-1).version : null };
}

function keys(report, asked) {
  const words = (asked.get('q') || '').toLowerCase().split(/\s+/), limit = Number(asked.get('limit')) || 200;
  const fitting = report.keys.filter((one) => words.every((word) => one.key.toLowerCase().includes(word)));
  return { total: fitting.length, keys: fitting.slice(0, limit) };
}

// Points as the report has them: [place in its versions, step, value].
async function series(report, asked) {
  const revs = asked.getAll('rev').length ? asked.getAll('rev') : ['HEAD'];
  const lines = await Promise.all(asked.getAll('metric').map(async (metric) => {
    const kept = Object.hasOwn(report.series, metric) ? await load(report.series[metric]) : {};
    return revs.map((rev) => ({ metric, rev, points: ((asked.has('steps') ? kept.steps : kept.lines)?.[rev] || []).map(([at, step, value]) => {
      const [version, number, , , time] = report.versions[at];
      return { version, number, time, step, value };
    }) }));
  }));
  return { series: lines.flat() };
}

// ---------------------------------------------------------------- answers

// An answer about one version is in the script of that version; a difference in that of the newer one, by the older one's id.
async function about(report, where, said) {
  const [kind, ...parts] = where.split('/').slice(2), pair = kind === 'diff';
  const revs = parts.slice(0, pair ? 2 : 1).map(decodeURIComponent), ids = revs.map((rev) => resolved(report, rev));
  const absent = revs.find((_, i) => !ids[i]), id = ids.at(-1);
  const command = { diff: `mvc diff ${revs.map(name).join(' ')}`, files: `mvc ls ${name(revs[0])}`, lineage: `mvc lineage ${name(revs[0])}` }[kind] || `mvc show ${revs.map(name).join(' ')}`;
  if (absent != null) throw new Absent(`${name(absent)} is not in this report`, command, `It has ${report.versions.length} versions${report.partly ? ' of a longer history' : ''}.`);
  const key = [pair ? `diff ${ids[0]}` : kind, ...parts.slice(revs.length)].join('/') + (said ? `?${said}` : '');
  const kept = id === 'v0' || revs.length < (pair ? 2 : 1) ? null : await load(`v-${id.slice(0, 20)}`);
  if (kept && Object.hasOwn(kept.answers, key)) return kept.answers[key];
  if (kept && Object.hasOwn(kept.shared, key)) return load(kept.shared[key]);
  throw new Absent('This report does not have that', command, pair ? 'It has what each version changed against its first parent.' : null);
}

const name = (rev) => (/^[0-9a-f]{64}$/.test(rev) ? rev.slice(0, 12) : rev);

async function answer(path) {
  const report = await load('report'), [where, said] = path.split(/\?(.*)/s), asked = new URLSearchParams(said);
  if (where === '/r/versions') return page(report, asked);
  if (where === '/r/keys') return keys(report, asked);
  if (where === '/r/series') return series(report, asked);
  if (Object.hasOwn(report.answers, where)) return report.answers[where];
  return about(report, where, said);
}

// What `fetch` would answer, as far as the page reads it.
export async function request(path) {
  try {
    const document = await answer(path), text = () => (typeof document === 'string' ? document : JSON.stringify(document));
    return { ok: true, status: 200, json: async () => document, text: async () => text(), get body() { return new Response(text()).body; } };
  } catch (error) {
    if (!(error instanceof Absent)) throw error;
    return { ok: false, status: 404, json: async () => error.said };
  }
}

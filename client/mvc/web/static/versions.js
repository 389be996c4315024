// The versions: rows as they are needed, a condition, columns, and new ones as they are saved.
import { useEffect, useMemo, useRef, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { ask, get, go, query, seg, taken, useData, useEvents } from '/static/api.js';
import { Age, Better, Empty, Failed, Parts, Refs, Spark, Waiting, firstLine, html, number, person, plural, safe, short, size,
  useKeys, useNames, useWidth, versionLink } from '/static/parts.js';
import { RECORDED } from '/static/source.js';

const ROW = 48, FIRST = 60, PAGE = 200, BEYOND = 12, COLUMN = 124, SIZE = 90, FIXED = 386; // rows, then pixels
const RETRY = 1000;
const COUNTED = 1000; // up to so many versions, bytes stored are counted without being asked for: it reads all lists

const columnsScreen = () => import('/static/columns.js'); // late: the first rows do not wait for it
const questionOf = (asked) => ({ where: asked.get('where') || '', all: asked.get('all') || '', sort: asked.get('sort') || '' });
const columnsOf = (asked) => asked.get('cols') || 'auto';
export const firstPage = (asked) => '/r/versions' + query({ ...questionOf(asked), columns: columnsOf(asked), limit: FIRST });

// Rows of the answers to one question, page by page.
function useRows(question, columns) {
  const [state, set] = useState(() => {
    const found = taken('/r/versions' + query({ ...question, columns, limit: FIRST }));
    return { rows: found?.versions || [], next: found?.next, columns: found?.columns || [], error: null, loading: !found };
  });
  const key = query(question) + '|' + columns;
  const now = useRef();
  const busy = useRef(false);
  const fetchRows = (fields) => get('/r/versions' + query({ ...question, columns, ...fields }));
  const load = () => {
    now.current = key;
    busy.current = true;
    set((old) => ({ ...old, loading: true, error: null }));
    fetchRows({ limit: FIRST }).then(
      (found) => now.current === key && set({ rows: found.versions, next: found.next, columns: found.columns, error: null, loading: false }),
      (error) => now.current === key && set({ rows: [], next: null, columns: [], error, loading: false }),
    ).finally(() => { busy.current = false; });
  };
  useEffect(() => { if (now.current || state.loading) load(); else now.current = key; }, [key]);
  const more = () => {
    if (busy.current || !state.next) return;
    busy.current = true;
    fetchRows({ limit: PAGE, cursor: state.next, columns: state.columns.join(',') || columns }).then((found) =>
      now.current === key && set((old) => ({ ...old, rows: old.rows.concat(found.versions), next: found.next })),
      (error) => (error.status === 410 ? load() : set((old) => ({ ...old, error }))),
    ).finally(() => { busy.current = false; });
  };
  // What came since: rows before the first one that is here.
  const newer = async () => {
    const found = await fetchRows({ limit: FIRST, columns: state.columns.join(',') || columns });
    const known = new Set(state.rows.slice(0, FIRST).map((row) => row.version));
    const at = found.versions.findIndex((row) => known.has(row.version));
    return { fresh: at < 0 ? found.versions : found.versions.slice(0, at), whole: at < 0 ? found : null };
  };
  return { ...state, set, load, more, newer };
}

export function Versions({ place }) {
  const asked = place.query;
  const question = questionOf(asked);
  const found = useRows(question, columnsOf(asked));
  const { rows, columns } = found;
  const box = useRef(), [view, look] = useState({ top: 0, height: 800 }), [active, move] = useState(0);
  const [ticked, tick] = useState([]), [waiting, wait] = useState([]), [picking, pick] = useState(null), [summing, sum] = useState(null);
  const names = useNames(), wide = useWidth(), [fresh, mark] = useState(new Set());
  const atTop = () => !box.current || box.current.scrollTop < 8;
  const show = (more) => {
    mark(new Set(more.map((row) => row.version)));
    found.set((old) => ({ ...old, rows: more.concat(old.rows) }));
    move((i) => (atTop() ? i : i + more.length));
    wait([]);
  };
  const catchUp = useRef();
  catchUp.current = async () => {
    if (question.sort) return undefined;
    if (!rows.length) return found.load();
    const got = await found.newer().catch((error) => { if (error.status) throw error; return null; });
    if (!got) return setTimeout(() => catchUp.current(), RETRY); // told of, but the connection went before it was asked for
    if (got.whole) return found.load();
    if (!got.fresh.length) return undefined;
    return atTop() ? show(got.fresh) : wait(got.fresh);
  };
  useEvents((event) => event.kind === 'version' && catchUp.current());
  useEffect(() => { wait([]); tick([]); move(0); if (box.current) box.current.scrollTop = 0; }, [question.where, question.all, question.sort]);
  useEffect(() => {
    const seen = () => box.current && look({ top: box.current.scrollTop, height: box.current.clientHeight });
    seen();
    addEventListener('resize', seen);
    return () => removeEventListener('resize', seen);
  }, [found.loading]);
  const start = Math.max(0, Math.floor(view.top / ROW) - BEYOND);
  const stop = Math.min(rows.length, Math.ceil((view.top + view.height) / ROW) + BEYOND);
  useEffect(() => { if (stop > rows.length - PAGE / 2) found.more(); }, [stop, rows.length]);
  const sparks = useMemo(() => (question.sort ? {} : Object.fromEntries((columns || []).map((key) =>
    [key, rows.slice(0, FIRST).map((row) => row.metrics[key]).filter((value) => typeof value === 'number').reverse()]))), [columns, rows, question.sort]);

  const to = (index) => {
    const next = Math.max(0, Math.min(rows.length - 1, index));
    move(next);
    const top = next * ROW, low = box.current.scrollTop, high = low + box.current.clientHeight - ROW * 2;
    if (top < low) box.current.scrollTop = top; else if (top > high) box.current.scrollTop = top - box.current.clientHeight + ROW * 2;
    requestAnimationFrame(() => document.getElementById(`row-${next}`)?.focus({ preventScroll: true }));
  };
  const toggle = (id) => tick((old) => (old.includes(id) ? old.filter((one) => one !== id) : [...old, id]));
  const number_ = (id) => rows.findIndex((row) => row.version === id);
  const pair = () => {
    if (ticked.length === 2) return [...ticked].sort((a, b) => number_(b) - number_(a));
    const row = rows[active];
    return row && [row.parents[0] || 'v0', row.version];
  };
  const differ = () => { const two = pair(); if (two) go(`/diff/${two.map(seg).join('..')}`); };
  const compare = () => !RECORDED && ticked.length > 1 && go('/compare' + query({ v: ticked }));
  useKeys({
    j: () => to(active + 1), k: () => to(active - 1), ArrowDown: (e) => (e.target.closest('tr') ? to(active + 1) : false),
    ArrowUp: (e) => (e.target.closest('tr') ? to(active - 1) : false), g: () => to(0), G: () => to(rows.length - 1),
    Enter: (e) => (e.target.closest('a,button') || !rows[active] ? false : go(versionLink(rows[active].version))),
    x: () => rows[active] && toggle(rows[active].version), d: differ, c: compare, '/': () => document.getElementById('where')?.focus(),
  });
  const roomy = wide >= 760, ample = wide >= 1100, chosen = columnsOf(asked);
  const count = asked.get('stored') || (rows.length && rows[0].number <= COUNTED ? '1' : '0'), counted = ample && !RECORDED && count === '1';
  const stored = useStored(counted && rows.length > 0), signed = ample && rows.some((row) => row.signatures > 0);
  const others = FIXED + (roomy ? 208 : 0) + SIZE * (ample + counted + signed); // what there is beside values, the message's least width too
  const shown = columns?.slice(0, !roomy ? 1 : chosen === 'auto' ? Math.max(1, Math.min(8, Math.floor((wide - others) / COLUMN))) : 40) || [];
  const columnCount = 3 + (roomy ? 2 : 0) + shown.length + (ample ? 1 : 0) + (stored ? 1 : 0) + (signed ? 1 : 0);
  return html`<div class="versions">
    <div class="toolbar">
      ${RECORDED ? html`<${Chosen}/>` : html`<${Where} text=${question.where} error=${found.error} all=${question.all}/>`}
      <label class="check"><input type="checkbox" checked=${question.all === '1'} onChange=${(e) => ask({ all: e.target.checked ? '1' : null })}/> All branches</label>
      ${!RECORDED && html`<label class="check"><input type="checkbox" checked=${chosen === 'differing'} onChange=${(e) => ask({ cols: e.target.checked ? 'differing' : null })}/> Only what differs</label>`}
      <button onClick=${() => columnsScreen().then((found) => pick(() => found.Picker))}>Columns</button>${!RECORDED && html`<button onClick=${() => columnsScreen().then((found) => sum(() => found.Summary))}>Values</button>`}
      <span class="ticked" aria-live="polite">${ticked.length > 0 && html`${ticked.length} ticked
        <button disabled=${ticked.length !== 2} onClick=${differ}>Diff</button>
        ${!RECORDED && html`<button disabled=${ticked.length < 2} onClick=${compare}>Compare</button>`}
        <button class="quiet" onClick=${() => tick([])}>Clear</button>`}</span>
    </div>
    <h1 class="unseen" tabindex="-1">Versions</h1>
    <div class="unseen" aria-live="polite">${waiting.length ? plural(waiting.length, 'new version') : fresh.size ? `${plural(fresh.size, 'new version')} at the top` : ''}</div>
    ${waiting.length > 0 && html`<button class="fresh" onClick=${() => { show(waiting); box.current.scrollTop = 0; }}>↑ ${plural(waiting.length, 'new version')}</button>`}
    ${found.error && found.error.said?.start == null && html`<${Failed} error=${found.error} reload=${found.load}/>`}
    ${!rows.length && found.loading && html`<${Waiting} what="Reading versions"/>`}
    ${!rows.length && !found.loading && !found.error && (question.where
      ? html`<${Empty} title="No version fits this condition"><button onClick=${() => ask({ where: null })}>Show all</button><//>`
      : html`<${Empty} title="No versions yet"><p>Save one with <code>mvc add . && mvc commit -m 'First version'</code>: it appears here at once.</p><//>`)}
    ${rows.length > 0 && html`<div class="rows" ref=${box} tabindex="0" role="region" aria-label="Versions, newest first"
      onScroll=${() => look({ top: box.current.scrollTop, height: box.current.clientHeight })}>
      <table aria-rowcount=${found.next ? -1 : rows.length + 1} style=${roomy ? { minWidth: `${others + COLUMN * shown.length}px`, maxWidth: shown.length > 8 ? 'none' : '' } : {}}>
        <colgroup><col class="c-tick"/><col class="c-version"/><col/>${roomy && html`<col class="c-age"/><col class="c-dots"/>`}
          ${shown.map(() => html`<col class="c-value"/>`)}${ample && html`<col class="c-size"/>`}${stored && html`<col class="c-size"/>`}${signed && html`<col class="c-size"/>`}</colgroup>
        <thead><tr aria-rowindex="1"><th scope="col"><span class="unseen">Tick</span></th><th scope="col">Version</th><th scope="col">Message</th>
          ${roomy && html`<th scope="col">Age</th><th scope="col">Changed</th>`}
          ${shown.map((key) => html`<${Head} name=${key} sort=${question.sort} values=${sparks[key]}/>`)}
          ${ample && html`<th scope="col" class="num">Size</th>`}${stored && html`<th scope="col" class="num" title="Bytes that this version brought, which none before it needed">Stored</th>`}${signed && html`<th scope="col">Signature</th>`}</tr></thead>
        <tbody>
          ${start > 0 && html`<tr aria-hidden="true"><td colspan=${columnCount} style=${{ height: `${start * ROW}px` }}></td></tr>`}
          ${rows.slice(start, stop).map((row, i) => html`<${Row} key=${row.version} row=${row} index=${start + i} active=${start + i === active}
            ticked=${ticked.includes(row.version)} toggle=${toggle} move=${move} columns=${shown} roomy=${roomy} ample=${ample} fresh=${fresh.has(row.version)}
            refs=${names ? names[row.version] : row.refs} stored=${stored} signed=${signed}/>`)}
          ${stop < rows.length && html`<tr aria-hidden="true"><td colspan=${columnCount} style=${{ height: `${(rows.length - stop) * ROW}px` }}></td></tr>`}
        </tbody></table></div>`}
    ${picking && html`<${picking} columns=${columns || []} stored=${RECORDED ? null : count === '1'} onClose=${() => pick(null)}/>`}
    ${summing && html`<${summing} columns=${columns || []} question=${question} sparks=${sparks} onClose=${() => sum(null)}/>`}
  </div>`;
}

// Bytes that each version brought, by id; null while they are not wanted or not counted yet.
function useStored(wanted) {
  const { data } = useData(wanted ? '/r/stored' : null, ['version']);
  const [kept, keep] = useState(null); // while they are counted again, those of before
  useEffect(() => { if (data) keep(data.versions); }, [data]);
  return wanted ? kept : null;
}

function Row({ row, index, active, ticked, toggle, move, columns, roomy, ample, fresh, refs, stored, signed }) {
  const name = row.numbered ? `v${row.number}` : short(row.version);
  return html`<tr id="row-${index}" tabindex=${active ? 0 : -1} aria-rowindex=${index + 2} class="${active ? 'active' : ''} ${fresh ? 'fresh' : ''} ${row.pruned ? 'pruned' : ''}"
    onClick=${(e) => { move(index); if (!e.target.closest('a,input,button') && !getSelection().toString()) go(versionLink(row.version)); }}>
    <td><input type="checkbox" aria-label="Tick ${name}" checked=${ticked} tabindex=${active ? 0 : -1} onChange=${() => toggle(row.version)}/></td>
    <td><a href=${versionLink(row.version)} tabindex=${active ? 0 : -1}><b>${name}</b><small class="mono">${short(row.version)}</small></a></td>
    <td class="message"><span class="line"><${Refs} refs=${refs}/> ${firstLine(row.message)}</span>
      <small>${person(row.author)} · ${roomy ? row.trigger : html`<${Age} time=${row.time}/>`}${row.pruned ? ' · pruned' : ''}</small></td>
    ${roomy && html`<td><${Age} time=${row.time}/></td><td><${Parts} changed=${row.changed}/></td>`}
    ${columns.map((key) => { const value = row.metrics[key] ?? row.hyperparameters[key];
      return html`<td class="num">${number(value)} <${Better} better=${row.better[key]}/></td>`; })}
    ${ample && html`<td class="num">${size(row.bytes)}</td>`}${stored && html`<td class="num">${size(stored[row.version]?.[0])}</td>`}${signed && html`<td>${row.signatures > 0 ? html`<span title="Whose it is, and whether it holds, is on the version's own screen">✎ signed</span>` : ''}</td>`}</tr>`;
}

function Head({ name, sort, values }) {
  const up = sort === name, down = sort === `-${name}`;
  return html`<th scope="col" class="num" aria-sort=${up ? 'descending' : down ? 'ascending' : 'none'}>
    <button class="sort" title="${safe(name)}: sort by the highest, the lowest, not at all" onClick=${() => ask({ sort: up ? `-${name}` : down ? null : name })}>
      <span class="key">${safe(name)}</span>${up ? ' ↓' : down ? ' ↑' : ''}</button>
    <${Spark} values=${values} label=${safe(name)}/></th>`;
}

// Which versions a report has.
function Chosen() {
  const { data } = useData('/repos');
  const report = data?.repos[0].report;
  return html`<p class="where sub">${report && html`${plural(report.versions, 'version')}${report.last ? ': the newest' : ''}${report.where ? html` that meet <code>${safe(report.where)}</code>` : ''}${report.last || report.where ? ', and all models that were published' : ''}`}</p>`;
}

// The condition, with completion of keys, and the place of a mistake.
function Where({ text, error, all }) {
  const [value, set] = useState(text), [keys, offer] = useState([]), [at, point] = useState(-1), input = useRef();
  useEffect(() => set(text), [text]);
  const word = () => /[\w./:-]*$/.exec(value.slice(0, input.current?.selectionStart ?? value.length))[0];
  const typed = async (event) => {
    set(event.target.value);
    const part = /[\w./:-]*$/.exec(event.target.value.slice(0, event.target.selectionStart))[0];
    point(-1);
    if (!part || /^\d/.test(part)) return offer([]);
    const found = await get('/r/keys' + query({ q: part, limit: 8, all })).catch(() => ({ keys: [] }));
    return offer(found.keys.map((one) => one.key).filter((key) => key !== part));
  };
  const take = (key) => {
    const end = input.current.selectionStart, part = word();
    set(value.slice(0, end - part.length) + key + value.slice(end));
    offer([]); point(-1);
    input.current.focus();
  };
  const keyed = (event) => {
    if (keys.length && ['ArrowDown', 'ArrowUp'].includes(event.key)) {
      event.preventDefault();
      point((i) => (i + (event.key === 'ArrowDown' ? 1 : -1) + keys.length) % keys.length);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      if (at >= 0) take(keys[at]); else { offer([]); ask({ where: value.trim() }); }
    } else if (event.key === 'Escape') {
      if (keys.length) offer([]); else { set(''); ask({ where: null }); input.current.blur(); }
    }
  };
  const wrong = error?.said?.start != null ? error.said : null;
  return html`<div class="where">
    <input id="where" ref=${input} type="search" role="combobox" aria-expanded=${keys.length > 0} aria-controls="where-keys" aria-autocomplete="list"
      aria-activedescendant=${at >= 0 ? `where-key-${at}` : undefined} aria-label="Condition" aria-describedby=${wrong ? 'where-wrong' : undefined} aria-invalid=${!!wrong}
      spellcheck="false" autocomplete="off" placeholder="Filter: val_acc > 0.9 and lr < 1e-3   ( / )" value=${value} onInput=${typed} onKeyDown=${keyed}
      onBlur=${() => setTimeout(() => offer([]), 150)} onSearch=${(e) => !e.target.value && ask({ where: null })}/>
    <ul id="where-keys" role="listbox" aria-label="Keys" hidden=${!keys.length}>${keys.map((key, i) => html`
      <li id="where-key-${i}" role="option" aria-selected=${i === at} onMouseDown=${(e) => { e.preventDefault(); take(key); }}>${safe(key)}</li>`)}</ul>
    ${wrong && html`<p id="where-wrong" class="wrong" role="alert"><code>${safe(wrong.expression.slice(0, wrong.start))}<mark>${safe(wrong.expression.slice(wrong.start, wrong.start + Math.max(1, wrong.length))) || ' '}</mark>${
      safe(wrong.expression.slice(wrong.start + Math.max(1, wrong.length)))}</code> ${safe(wrong.message)}${wrong.help && html` · ${safe(wrong.help)}`}</p>`}
  </div>`;
}

// One version: what it is, where it came from, what is in it, and how to use it.
import { useEffect, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { get, go, post, query, rawAddress, seg, shownPath, useData } from '/static/api.js';
import { Act, Age, Better, COMPONENTS, Copy, Failed, Parts, Refs, Screen, Table, Tabs, Waiting, clock, firstLine, html, number, person,
  plural, safe, short, size, useKeys, versionLink } from '/static/parts.js';
import { RECORDED } from '/static/source.js';
import { Family } from '/static/lineage.js';
import { Preview } from '/static/preview.js';
import { Promote } from '/static/promote.js';
import { Tensors } from '/static/tensors.js';

export default function Version({ place }) {
  const rev = place.path.slice(1).join('/') || 'HEAD';
  const { data: v, error, reload } = useData(shownPath(rev), ['ref', 'stage']);
  useKeys({ d: () => v && go(`/diff/${v.parents[0] || 'v0'}..${v.version}`), u: () => go('/') });
  if (error) return html`<${Screen} title="No such version"><${Failed} error=${error} reload=${reload}/><//>`;
  if (!v) return html`<${Waiting}/>`;
  const name = v.numbered ? `v${v.number}` : short(v.version);
  const [subject, ...rest] = v.message.split('\n');
  const body = rest.join('\n').trim();
  return html`<${Screen} title=${`${name}  ${safe(subject)}`} sub=${html`<${Refs} refs=${v.refs}/> ${person(v.author)} · <${Age} time=${v.time}/> · ${v.trigger} · <span class="mono">${short(v.version)}</span> <${Copy} text=${v.version} label="Copy id"/>`}
    aside=${html`<a class="button" href="/diff/${v.parents[0] || 'v0'}..${v.version}">What it changed</a><${Tag} v=${v} reload=${reload}/><${Describe} v=${v} reload=${reload}/><${Promote} rev=${v.version} name=${name} done=${reload}/>`}>
    ${v.pruned && html`<p class="panel">${v.pruned.here ? `Its content goes on ${clock(v.pruned.until)}` : 'Its content is not kept here any more'}: rule ${safe(v.pruned.rule)}. Its record stays.</p>`}
    ${v.annotations.description && html`<section class="panel"><h2>Description</h2><pre class="wrap plain">${safe(v.annotations.description)}</pre></section>`}
    ${body && html`<section class="panel"><pre class="wrap plain">${safe(body)}</pre></section>`}
    <div class="tiles"><div class="tile"><b>${size(v.bytes)}</b><span>in ${plural(v.files, 'file')}</span></div>
      <div class="tile"><b><${Parts} changed=${v.changed}/></b><span>${v.changed.length ? 'changed against the parent' : 'equal to the parent'}</span></div>
      <${Signed} v=${v} name=${name}/></div>
    <div class="grid"><${Values} title="Metrics" values=${v.metrics} changes=${v.changes.metrics} better=${v.better}/>
      <${Values} title="Hyperparameters" values=${v.hyperparameters} changes=${v.changes.hyperparameters} better=${{}}/></div>
    <div class="grid"><${Made} v=${v}/><${Family} rev=${v.version} number=${v.number}/></div>
    <${Contents} v=${v} place=${place}/>
    <${Use} v=${v} name=${name}/>
  <//>`;
}

// Who signed it, and a button that checks it anew: keys expire, and are revoked.
function Signed({ v, name }) {
  const [found, tell] = useState(v.signatures), [checked, at] = useState(null), [error, fail] = useState(null);
  useEffect(() => { tell(v.signatures); at(null); }, [v]);
  const verify = () => get(`/r/signatures/${seg(v.version)}`).then((got) => { tell(got.signatures); at(new Date()); fail(null); }, fail);
  const [first, ...others] = found;
  if (!first) return html`<div class="tile"><b class="sub">unsigned</b><span>${RECORDED ? 'nobody signed it' : html`<code>mvc sign ${name}</code>`}</span></div>`;
  return html`<div class="tile signed"><b class=${first.state === 'good' ? 'good' : 'bad'}>${first.state === 'good' ? '✓ ' : '✗ '}${safe(first.state)}</b>
    <span>signature of ${safe(first.principal || first.fingerprint || 'an unknown key')}${others.length ? ` and ${plural(others.length, 'other')}` : ''}${first.reason ? `: ${safe(first.reason)}` : ''}</span>
    ${!RECORDED && html`<p aria-live="polite"><button class="quiet" onClick=${verify}>Verify</button> ${checked && html`<small>checked at ${checked.toLocaleTimeString('en-GB')}</small>`}</p>`}${error && html`<${Failed} error=${error}/>`}</div>`;
}

function Values({ title, values, changes, better }) {
  const keys = Object.keys(values), [all, show] = useState(false);
  const shown = all ? keys : keys.slice(0, 16);
  return html`<section class="panel"><h2>${title} <small>${keys.length}</small></h2>
    ${keys.length ? html`<${Table} label=${title} heads=${['Key', 'Value', 'Before']} right=${[1, 2]} rows=${shown.map((key) => [safe(key),
      html`${number(values[key])} <${Better} better=${better[key]}/>`, changes[key] ? changes[key].old === null ? 'new' : number(changes[key].old) : html`<span class="sub">same</span>`])}/>`
    : html`<p class="sub">None recorded.</p>`}
    ${keys.length > shown.length && html`<button class="quiet" onClick=${() => show(true)}>All ${keys.length}</button>`}</section>`;
}

function Made({ v }) {
  const made = v.provenance, command = made.command.join(' ');
  const facts = [['When', clock(v.time)], ['Who', safe(v.author)], ['How', v.trigger], command && ['Command', html`<code>${safe(command)}</code>`],
    made.git_commit && ['Git', html`<code>${safe(made.git_commit.slice(0, 12))}</code>${made.git_dirty ? ' with changes' : ''}`],
    made.host && ['Host', safe(made.host)], made.python && ['Python', safe(made.python)],
    made.packages_digest && ['Packages', html`<code>${made.packages_digest.slice(0, 12)}</code>`],
    ...Object.entries(v.annotations).filter(([key]) => key !== 'description').map(([key, said]) => [safe(key), html`<span class="note">${safe(said)}</span>`])];
  return html`<section class="panel"><h2>How it was made</h2><dl class="facts">${facts.filter(Boolean).map(([what, said]) => html`<dt>${what}</dt><dd>${said}</dd>`)}</dl></section>`;
}

// ---------------------------------------------------------------- files

function Contents({ v, place }) {
  const there = COMPONENTS.filter((name) => v.components[name]?.files);
  const [tab, pick] = useState(place.query.get('part') || there[0] || 'weights'), [file, open] = useState(null);
  return html`<section class="panel"><h2 class="unseen">Contents</h2>
    <${Tabs} label="Parts" current=${tab} pick=${pick} names=${[...COMPONENTS.map((name) => [name, name[0].toUpperCase() + name.slice(1), v.components[name]?.files || 0]), ['tensors', 'Tensors']]}/>
    <div role="tabpanel" aria-label=${tab}>${tab === 'tensors' ? html`<${Tensors} rev=${v.version}/>` : html`<${Files} key=${tab} rev=${v.version} component=${tab} open=${open}/>`}</div>
    ${file && html`<${Preview} rev=${v.version} file=${file} onClose=${() => open(null)}/>`}</section>`;
}

function Files({ rev, component, open }) {
  const [rows, set] = useState(null), [next, more] = useState(null), [error, fail] = useState(null);
  const load = (after) => get(`/r/files/${seg(rev)}${query({ component, after })}`).then((found) => {
    set((old) => (after ? old.concat(found.files) : found.files)); more(found.next); }, fail);
  useEffect(() => { load(null); }, [rev, component]);
  if (error) return html`<${Failed} error=${error}/>`;
  if (!rows) return html`<${Waiting}/>`;
  if (!rows.length) return html`<p class="sub">No files of this part.</p>`;
  return html`<${Table} label="Files" heads=${['File', 'Size', '']} right=${[1, 2]} rows=${rows.map((file) => [
    html`${RECORDED ? html`<span class="mono">${safe(file.path)}</span>` : html`<button class="link mono" onClick=${() => open(file)}>${safe(file.path)}</button>`}${file.mode !== 'regular' && file.mode !== 'file' && html` <small>${file.mode}</small>`}`,
    size(file.size), RECORDED ? '' : html`<a href=${rawAddress(rev, file.path)} download aria-label="Download ${safe(file.path)}">Download</a>`])}/>
    ${next && html`<button class="quiet" onClick=${() => load(next)}>More files</button>`}`;
}

// ---------------------------------------------------------------- actions

function Tag({ v, reload }) {
  const [name, set] = useState(''), [message, say] = useState('');
  return html`<${Act} label="Tag" title="Tag v${v.number}" confirm="Make the tag" action="tag" rehearse=${() => post('/r/tag', { name, rev: v.version, message, dry_run: true })} act=${() => post('/r/tag', { name, rev: v.version, message }).then(reload)}>
    <label class="field"><span>Name</span><input type="text" required value=${name} onInput=${(e) => set(e.target.value)}/></label>
    <label class="field"><span>Message</span><input type="text" value=${message} onInput=${(e) => say(e.target.value)}/></label>
    <p class="sub">The tag will point to v${v.number} ${short(v.version)}, and never moves. Undo takes it back.</p><//>`;
}

function Describe({ v, reload }) {
  const [text, set] = useState(v.annotations.description || '');
  return html`<${Act} label="Describe" title="Describe v${v.number}" confirm="Save" action="annotate" rehearse=${() => post('/r/annotate', { rev: v.version, texts: { description: text.trim() || null }, dry_run: true })} act=${() => post('/r/annotate', { rev: v.version, texts: { description: text.trim() || null } }).then(reload)}>
    <label class="field"><span>Description</span><textarea rows="8" value=${text} onInput=${(e) => set(e.target.value)}></textarea></label>
    <p class="sub">It is written beside the version, whose id stays. Empty removes it.</p><//>`;
}

const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

// A team's page takes a token from scripts too; that of one person lets in the one browser that it opened.
const curl = (id, at) => (location.pathname.includes('/-/')
  ? `curl -H "Authorization: Bearer $MVC_TOKEN" -o FILE '${new URL(rawAddress(id, 'PATH'), location.href).href}'`
  : `# This page lets in one browser alone; a team's (mvcd serve --web) takes\n# curl -H "Authorization: Bearer $MVC_TOKEN". The same bytes here:\nmvc ${at}cat ${id}:PATH > FILE`);

function Use({ v, name }) {
  const { data } = useData('/repos');
  const [tab, pick] = useState('mvc');
  if (!data) return null;
  const root = data.repos[0].root, id = v.version.slice(0, 12), at = RECORDED ? '' : `-C ${quoted(root)} `;
  const snippets = {
    mvc: `mvc ${at}export ${id} ./${name}`,
    Python: `import mvc\n\nrepo = mvc.Repo(${JSON.stringify(root)})\nwith repo.open("PATH", "${id}") as file:\n    ...`,
    fsspec: `import fsspec\n\nwith fsspec.open("mvc://${root.startsWith('/') ? root : '/' + root}@${id}/PATH") as file:\n    ...`,
    transformers: `mvc ${at}export ${id} ./${name}\n\nfrom transformers import AutoModel\nmodel = AutoModel.from_pretrained("./${name}")`,
  };
  if (!RECORDED) snippets.curl = curl(id, at);
  return html`<section class="panel"><h2>Use it</h2><${Tabs} label="Ways to use it" current=${tab} pick=${pick} names=${Object.keys(snippets).map((one) => [one, one])}/>
    <div role="tabpanel" aria-label=${tab}><pre tabindex="0">${safe(snippets[tab])}</pre><${Copy} text=${snippets[tab]}/></div></section>`;
}

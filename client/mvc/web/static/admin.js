// Accounts of a team's server: who there is, what they may, and what was done.
import { useState } from '/static/vendor/htm-preact-3.1.1.js';
import { post, query, useData } from '/static/api.js';
import { Act, Age, Copy, Dialog, Failed, Screen, Table, Tabs, Waiting, html, plural, safe, short, size } from '/static/parts.js';

const ROLES = ['read', 'append', 'write', 'maintain', 'admin'];

export default function Admin() {
  const { data, error, reload } = useData('/admin/accounts');
  const [tab, pick] = useState('users'), [secret, show] = useState(null);
  if (error) return html`<${Screen} title="Accounts"><${Failed} error=${error} reload=${reload}/><//>`;
  if (!data) return html`<${Waiting}/>`;
  const names = [['users', 'Users', data.users.length], ['tokens', 'Tokens', data.tokens.length], ['grants', 'Roles', data.grants.length], ['rules', 'Protected refs', data.rules.length],
    ['quotas', 'Quotas', data.quotas.length], ['repositories', 'Repositories', data.repositories.length], ['audit', 'Audit log']];
  const Part = PARTS[tab];
  return html`<${Screen} title="Accounts" sub="Each change is one row of the audit log, under your name. The same as mvc admin on the server.">
    <${Tabs} names=${names} current=${tab} pick=${pick} label="Accounts"/>
    <div role="tabpanel" aria-label=${names.find(([id]) => id === tab)[1]}><${Part} data=${data} reload=${reload} show=${show}/></div>
    ${secret && html`<${Dialog} title="A token, shown this once" onClose=${() => show(null)}><p>For <b>${safe(secret.user)}</b>. It is stored nowhere but as a hash.</p>
      <pre class="wrap" tabindex="0" id="secret">${secret.secret}</pre><p class="buttons"><${Copy} text=${secret.secret}/></p><//>`}<//>`;
}

const Field = ({ name, label, value, hint, required, options }) => html`<label class="field"><span>${label}</span>${options
  ? html`<select name=${name}>${options.map((one) => html`<option value=${one}>${one || '(as the user)'}</option>`)}</select>`
  : html`<input type="text" name=${name} value=${value || ''} placeholder=${hint || ''} required=${required} autocomplete="off"/>`}</label>`;
const Check = ({ name, label, on }) => html`<p><label class="check"><input type="checkbox" name=${name} checked=${on}/> ${label}</label></p>`;

// Sends what the form of the dialog holds; `read` makes fields of it.
function Add({ what, label, done, read = (it) => it, children }) {
  const act = () => {
    const form = document.querySelector('dialog[open] form');
    return post(`/admin/${what}`, read(Object.fromEntries(new FormData(form)))).then(done);
  };
  return html`<${Act} label=${label} act=${act}>${children}<//>`;
}

const Remove = ({ what, label, title, fields, done, children }) => html`<${Act} quiet label=${label} title=${title} confirm=${label} act=${() => post(`/admin/${what}`, fields).then(done)}>${children}<//>`;
const Part = ({ add, children }) => html`<section class="panel"><header><span class="aside">${add}</span></header>${children}</section>`;
// A table without the columns that have nothing in any row; its last column has buttons.
function Rows({ label, heads, rows, right = [] }) {
  const kept = heads.map((_, i) => i).filter((i) => rows.some((row) => row[i] != null && row[i] !== '' && row[i].length !== 0));
  const last = heads.length - (heads.at(-1) === '' ? 1 : 0);
  return html`<${Table} label=${label} heads=${kept.map((i) => heads[i])} rows=${rows.map((row) => kept.map((i) => row[i]))} right=${kept.flatMap((i, at) => (i === last || right.includes(i) ? [at] : []))}/>`;
}
const users = (data) => data.users.map((one) => one.name);
const when = (time) => (time ? html`<${Age} time=${time}/>` : html`<small>never</small>`);
const glob = (text) => html`<code>${safe(text)}</code>`;

const Users = ({ data, reload }) => html`<${Part} add=${html`<${Add} what="user" label="Add a user" done=${reload} read=${(it) => ({ name: it.name, service: it.service === 'on' })}>
    <${Field} name="name" label="Name" required hint="ada"/><${Check} name="service" label="A service, such as a training box"/><//>`}>
  <${Rows} label="Users" heads=${['User', 'Kind', 'Made', 'Certificates', '']} rows=${data.users.map((one) => [html`<b>${safe(one.name)}</b>`, one.service ? 'service' : 'person', when(one.created), one.certificates.map(safe).join(', '),
    html`<${Remove} what="user-remove" label="Remove" title="Remove ${safe(one.name)}" fields=${{ name: one.name }} done=${reload}><p><b>${safe(one.name)}</b> is removed, with their tokens, roles, quotas and certificates. What they pushed stays.</p><//>`])}/><//>`;

const state = (one) => (one.revoked ? 'revoked' : one.expires && new Date(one.expires) <= new Date() ? 'expired' : one.expires ? `until ${one.expires.slice(0, 10)}` : 'never expires');

const Tokens = ({ data, reload, show }) => html`<${Part} add=${html`<${Add} what="token" label="Make a token" done=${(made) => { show(made); reload(); }}>
    <${Field} name="user" label="For" options=${users(data)}/><${Field} name="expires" label="Expires" hint="90d, 12h, or a date; empty: never"/>
    <${Field} name="role" label="At most this role" options=${['', ...ROLES]}/><${Field} name="repos" label="In these repositories" hint="team/*"/><${Field} name="refs" label="On these refs" hint="heads/*"/><${Field} name="note" label="Note"/><//>`}>
  <${Rows} label="Tokens" heads=${['Token', 'User', 'State', 'Last used', 'Limits', 'Note', '']} rows=${[...data.tokens].sort((a, b) => a.user.localeCompare(b.user)).map((one) => [html`<code>${one.id}</code>`, safe(one.user), html`<span class=${one.revoked ? 'bad' : ''}>${state(one)}</span>`, when(one.last_used),
    (one.scopes || []).map((scope) => html`<div><small>${scope.role} of ${glob(scope.refs)} in ${glob(scope.repos)}</small></div>`), safe(one.note),
    !one.revoked && html`<${Remove} what="token-revoke" label="Revoke" title="Revoke ${one.id}" fields=${{ id: one.id }} done=${reload}><p>The token <code>${one.id}</code> of <b>${safe(one.user)}</b> opens nothing from the next request on, and its sessions end.</p><//>`])}/><//>`;

const Grants = ({ data, reload }) => html`<${Part} add=${html`<${Add} what="grant" label="Give a role" done=${reload}>
    <${Field} name="user" label="User" options=${users(data)}/><${Field} name="role" label="Role" options=${ROLES}/><${Field} name="repos" label="Repositories" value="**"/><${Field} name="refs" label="Refs" value="**"/><//>`}>
  <${Rows} label="Roles" heads=${['User', 'Role', 'Repositories', 'Refs', '']} rows=${data.grants.map((one) => [html`<b>${safe(one.user)}</b>`, one.role, glob(one.repos), glob(one.refs),
    html`<${Remove} what="grant-remove" label="Take back" title="Take the role back" fields=${{ user: one.user, repos: one.repos, refs: one.refs }} done=${reload}><p><b>${safe(one.user)}</b> loses the role ${one.role} on ${glob(one.refs)} in ${glob(one.repos)}.</p><//>`])}/><//>`;

const ruled = (it) => ({ refs: it.refs, repos: it.repos, no_delete: it.no_delete === 'on', fast_forward: it.fast_forward === 'on', allow: it.allow.trim() ? it.allow.split(/[\s,]+/).filter(Boolean) : null, signers: it.signers.trim() || null });

const Rules = ({ data, reload }) => html`<${Part} add=${html`<${Add} what="rule" label="Protect refs" done=${reload} read=${ruled}>
    <${Field} name="refs" label="Refs" required hint="heads/main"/><${Field} name="repos" label="Repositories" value="**"/><${Check} name="no_delete" label="May not be deleted" on/><${Check} name="fast_forward" label="May only move forward" on/>
    <${Field} name="allow" label="Only these users may move them" hint="ada bob; empty: whose role allows it"/>
    <label class="field"><span>Signed by a key of this allowed-signers file</span><textarea name="signers" rows="2" class="mono"></textarea></label><//>`}>
  ${data.rules.length ? html`<${Rows} label="Protected refs" heads=${['Refs', 'Repositories', 'Rules', '']} rows=${data.rules.map((one) => [glob(one.refs), glob(one.repos),
    [one.no_delete && 'no deletion', one.fast_forward && 'forward only', one.allow && `only ${one.allow.map(safe).join(', ') || 'nobody'}`, one.signers && 'signed'].filter(Boolean).join('; '),
    html`<${Remove} what="rule-remove" label="Remove" title="Remove the rule" fields=${{ refs: one.refs, repos: one.repos }} done=${reload}><p>${glob(one.refs)} in ${glob(one.repos)} are no longer protected by this rule.</p><//>`])}/>` : html`<p class="sub">No refs are protected.</p>`}<//>`;

const Quotas = ({ data, reload }) => html`<${Part} add=${html`<${Add} what="quota" label="Set a quota" done=${reload}>
    <${Field} name="limit" label="At most" required hint="500G"/><${Field} name="repos" label="In each of these repositories" value="**"/><${Field} name="user" label="Pushed by" hint="a user; empty: on disk, by all"/><//>`}>
  ${data.quotas.length ? html`<${Rows} label="Quotas" heads=${['Repositories', 'Who', 'At most', '']} right=${[2]} rows=${data.quotas.map((one) => [glob(one.repos), one.user ? safe(one.user) : 'all, on disk', size(one.limit),
    html`<${Remove} what="quota-remove" label="Remove" title="Remove the quota" fields=${{ repos: one.repos, user: one.user }} done=${reload}><p>Nothing limits ${one.user ? safe(one.user) : 'anybody'} in ${glob(one.repos)} any more.</p><//>`])}/>` : html`<p class="sub">There is no quota.</p>`}<//>`;

const Repositories = ({ data, reload }) => html`<${Part} add=${html`<${Add} what="repository" label="Make a repository" done=${reload}><${Field} name="name" label="Name" required hint="team/iris"/><//>`}>
  <${Rows} label="Repositories" heads=${['Repository', 'Made', 'Id']} rows=${data.repositories.map((one) => [html`<a href=${`/${one.name}/-/`}>${safe(one.name)}</a>`, when(one.created), html`<small class="mono">${one.id}</small>`])}/><//>`;

function Audit({ data }) {
  const [repo, choose] = useState(''), [before, older] = useState(null);
  const { data: log, error, reload } = useData('/admin/audit' + query({ repo, before }));
  const pick = (event) => { older(null); choose(event.target.value); };
  return html`<section class="panel"><header><label class="check">Log of <select value=${repo} onChange=${pick}><option value="">the accounts</option>${data.repositories.map((one) => html`<option value=${one.name}>${safe(one.name)}</option>`)}</select></label>
      ${log && html`<span class=${log.chain.ok ? 'good' : 'bad'}>${log.chain.ok ? `✓ chain of ${plural(log.chain.rows, 'row')} whole` : `✗ chain broken: ${log.chain.problems.map(safe).join('; ')}`}</span>`}</header>
    ${error && html`<${Failed} error=${error} reload=${reload}/>`}${!log && !error && html`<${Waiting}/>`}
    ${log && html`<${Table} label="Audit log" heads=${['Row', 'When', 'Who', 'Action', 'What', 'From']} right=${[0]} rows=${log.rows.map((row) => [row.number, html`<${Age} time=${row.time}/>`, html`<b>${safe(row.who)}</b>${row.token && html` <small class="mono">${row.token}</small>`}`, row.action, html`<small class="mono">${told(row.detail)}</small>`, html`<small class="mono">${safe(row.peer)}</small>`])}/>
      <p class="sub mono">digest ${log.chain.digest.slice(0, 16)}…: noted elsewhere, it proves later that no row was rewritten</p>
      <p>${before && html`<button class="quiet" onClick=${() => older(null)}>Newest</button>`}${log.next && html`<button class="quiet" onClick=${() => older(log.next)}>Older rows</button>`}</p>`}</section>`;
}

function told(detail) {
  return Object.entries(detail).filter(([, value]) => value != null && value !== '').map(([name, value]) => (name === 'refs' && Array.isArray(value)
    ? value.map(([ref, old, now]) => `${safe(ref)} ${old ? short(old) : 'nothing'} → ${now ? short(now) : 'nothing'}`).join(', ')
    : name.endsWith('_us') ? `${safe(name.slice(0, -3))} ${new Date(value / 1000).toISOString().slice(0, 16).replace('T', ' ')}Z`
    : `${safe(name)} ${safe(typeof value === 'string' ? value : JSON.stringify(value))}`)).join('; ');
}

const PARTS = { users: Users, tokens: Tokens, grants: Grants, rules: Rules, quotas: Quotas, repositories: Repositories, audit: Audit };

// Which columns the list of versions has, and how far their values reach.
import { useEffect, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { ask, get, query, useData } from '/static/api.js';
import { Dialog, Failed, Spark, Table, Waiting, html, number, plural, safe, versionLink } from '/static/parts.js';

export function Picker({ columns, stored, onClose }) {
  const [words, set] = useState(''), [found, got] = useState(null), [chosen, choose] = useState(columns), [bytes, want] = useState(stored);
  useEffect(() => {
    const timer = setTimeout(() => get('/r/keys' + query({ q: words, limit: 200 })).then(got, () => {}), words ? 150 : 0);
    return () => clearTimeout(timer);
  }, [words]);
  const toggle = (key) => choose((old) => (old.includes(key) ? old.filter((one) => one !== key) : [...old, key]));
  const keep = (event) => { event.preventDefault(); ask({ cols: chosen.join(',') || null, ...(bytes === stored ? {} : { stored: bytes ? '1' : '0' }) }); onClose(); };
  return html`<${Dialog} title="Columns" onClose=${onClose}><form onSubmit=${keep}>
    <input type="search" aria-label="Search metrics and hyperparameters" placeholder="Search metrics and hyperparameters" value=${words} onInput=${(e) => set(e.target.value)}/>
    <div class="picks" tabindex="0" role="group" aria-label="Metrics and hyperparameters">
      ${!found ? html`<${Waiting}/>` : found.keys.map((one) => html`<label class="check"><input type="checkbox" checked=${chosen.includes(one.key)} onChange=${() => toggle(one.key)}/>
        <span class="key">${safe(one.key)}</span> <small>${one.kind} · ${plural(one.versions, 'version')}</small></label>`)}
      ${found && found.total > found.keys.length && html`<p class="sub">${found.total - found.keys.length} more: search for them</p>`}</div>
    ${stored != null && html`<p><label class="check"><input type="checkbox" checked=${bytes} onChange=${(e) => want(e.target.checked)}/> Bytes stored <small>counted over all of history</small></label></p>`}
    <p class="buttons"><button type="button" class="quiet" onClick=${() => { ask({ cols: null, stored: null }); onClose(); }}>As chosen by mvc</button>
      <button class="main">Show ${plural(chosen.length, 'column')}</button></p></form><//>`;
}

// The newest, best, least and greatest value of each column, over all versions that the condition finds.
export function Summary({ columns, question, sparks, onClose }) {
  const { data, error } = useData(columns.length ? '/r/extents' + query({ key: columns, where: question.where, all: question.all }) : null);
  const at = (point) => (point ? html`${number(point.value)} <a href=${versionLink(point.version)} onClick=${onClose}>v${point.number}</a>` : '–');
  return html`<${Dialog} wide title="Values of these columns" onClose=${onClose}>
    <p class="sub">${question.where ? html`Over the versions that meet <code>${safe(question.where)}</code>.` : 'Over all versions.'} Best is told where it is known which way is better.</p>
    ${error ? html`<${Failed} error=${error}/>` : !columns.length ? html`<p class="sub">No column of values is shown.</p>` : !data ? html`<${Waiting} what="Reading all versions"/>` : html`
      <${Table} label="Values" heads=${['Key', 'Best', 'Newest', 'Lowest', 'Highest', 'Versions', 'Lately']} right=${[1, 2, 3, 4, 5]} rows=${data.extents.map((one) => [
        html`<span class="mono">${safe(one.key)}</span>${!one.differs && one.versions > 1 ? html` <small>always the same</small>` : ''}`, at(one.best), at(one.last), at(one.low), at(one.high), one.versions,
        html`<${Spark} values=${sparks[one.key]} label=${safe(one.key)} width=${120}/>`])}/>`}<//>`;
}

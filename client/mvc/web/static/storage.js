// Storage: what takes which bytes, and what it would free.
import { useState } from '/static/vendor/htm-preact-3.1.1.js';
import { useData } from '/static/api.js';
import { Freeable, Largest } from '/static/sizes.js';
import { RECORDED } from '/static/source.js';
import { Bar, Failed, Screen, Table, Waiting, firstLine, html, percent, plural, safe, size, span, versionLink } from '/static/parts.js';

const FORMS = { difference: 'differences to other chunks', planes: 'byte planes', zstd: 'zstd', fill: 'one value over and over', raw: 'as they are', lists: 'lists and records' };

export default function Storage() {
  const { data: d, error, reload } = useData('/r/storage');
  const [count, more] = useState(25);
  if (error) return html`<${Screen} title="Storage"><${Failed} error=${error} reload=${reload}/><//>`;
  if (!d) return html`<${Waiting} what="Counting bytes"/>`;
  const disk = [['needed by versions', d.disk.needed], ['needed by nothing', d.disk.loose, 'mvc gc frees it'], ['removed before', d.disk.dead, 'mvc gc gives it back'], ['index', d.disk.index], ['journal', d.disk.journal],
    ['captured, not saved yet', d.disk.captures, 'mvc commit saves it'], ['damaged copies', d.disk.damaged, 'mvc repair kept them'], ['other', d.disk.other]].filter((row) => row[1]);
  const most = Math.max(1, ...d.versions.map((v) => v.stored));
  const left = d.growth?.per_day > 0 ? (d.disk.free / d.growth.per_day) * 86400 : null;
  return html`<${Screen} title="Storage" sub="What takes which bytes. What several need counts for the first of them, so that stored adds up; unique is what removing one would free.">
    <div class="tiles"><div class="tile"><b>${size(d.total)}</b><span>on the disk</span></div><div class="tile"><b>${size(d.size)}</b><span>of files in ${plural(d.versions.length, 'version')}</span></div>
      <div class="tile"><b>${d.size > d.total ? `${(d.size / d.total).toFixed(1)} ×` : '–'}</b><span>less than plain copies</span></div>${d.disk.free != null && html`<div class="tile"><b>${size(d.disk.free)}</b><span>free${left && left < 3e9 ? `: for ${span(left)} at this rate` : ''}</span></div>`}
      ${d.growth && html`<div class="tile"><b>${size(d.growth.per_day)}</b><span>a day, over ${span(d.growth.days * 86400)}</span></div>`}</div>
    <div class="grid"><section class="panel"><h2>On the disk</h2><${Table} label="On the disk" heads=${['', 'Bytes', 'Share', '']} right=${[1, 2]} rows=${disk.map(([what, bytes, help]) => [html`${what}${help && html` <small>${help}</small>`}`, size(bytes), percent(bytes / d.total), html`<${Bar} share=${bytes / d.total}/>`])}/></section>
      <section class="panel"><h2>By part</h2><${Table} label="By part" heads=${['Part', 'Files', 'Stored', 'Unique', '']} right=${[1, 2, 3]} rows=${d.components.map((c) => [html`<i class="swatch ${c.component}" aria-hidden="true"></i>${c.component}`, size(c.size), size(c.stored), size(c.unique), html`<${Bar} share=${c.stored / d.total} kind=${c.component}/>`])}/></section>
      <section class="panel"><h2>How chunks are stored</h2><${Table} label="Forms" heads=${['Form', 'Raw', 'Stored', 'Ratio']} right=${[1, 2, 3]} rows=${d.forms.map((f) => [FORMS[f.form] || safe(f.form), size(f.raw), size(f.stored), f.raw ? (f.stored / f.raw).toFixed(2) : ''])}/>
        <p class="sub">${size(d.size)} of files are ${size(d.distinct)} of different chunks.${d.sampled ? ' Shares of what is no difference are told by a sample.' : ''}</p></section>
      <section class="panel"><h2>Who keeps it</h2><${Table} label="Kept by" heads=${['Kept by', 'Versions', 'Stored', 'Unique']} right=${[1, 2, 3]} rows=${d.keepers.filter((k) => k.versions || k.stored || k.kind === 'branch').map((k) => [k.kind === 'operations' ? 'operation log only' : `${k.kind} ${safe(k.name)}`, k.versions, size(k.stored), size(k.unique)])}/></section></div>
    ${!RECORDED && html`<${Freeable} reload=${reload}/><${Largest} rev="HEAD"/>`}
    <section class="panel"><h2>By version</h2><${Table} label="By version" heads=${['Version', 'Message', 'Files', 'Stored', 'Unique', '']} right=${[2, 3, 4]} rows=${[...d.versions].sort((a, b) => b.stored - a.stored).slice(0, count).map((v) => [html`<a href=${versionLink(v.version)}>v${v.number}</a>`, firstLine(v.message), size(v.size), size(v.stored), size(v.unique), html`<${Bar} share=${v.stored / most}/>`])}/>
      ${d.versions.length > count && html`<button class="quiet" onClick=${() => more(count + 100)}>${d.versions.length - count} more</button>`}</section><//>`;
}

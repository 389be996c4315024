// Metrics of two versions over the steps of their training, one over the other.
import { query, useData } from '/static/api.js';
import { html, plural, safe } from '/static/parts.js';
import { Chart, Key } from '/static/draw.js';

const CHARTS = 4, POINTS = 2000;

export function Overlay({ sides, metrics }) {
  const [old, fresh] = sides, keys = metrics.slice(0, CHARTS);
  const ask = (id) => (keys.length ? '/r/series' + query({ metric: keys, rev: id, steps: 1, limit: POINTS }) : null);
  const found = [useData(ask(old.id)).data, useData(ask(fresh.id)).data];
  if (!found.every(Boolean)) return null;
  const curve = (i, metric) => ({ name: `${sides[i].name}`, points: (found[i].series.find((one) => one.metric === metric)?.points || []).filter((p) => p.step != null && p.version === sides[i].id).map((p) => [p.step, p.value]) });
  const charts = keys.map((metric) => [metric, [curve(0, metric), curve(1, metric)]]).filter(([, curves]) => curves.every((one) => one.points.length > 1));
  if (!charts.length) return null;
  return html`<h3>Over the steps of both</h3><div class="charts several">${charts.map(([metric, curves]) => html`<div><b>${safe(metric)}</b><${Chart} title=${safe(metric)} curves=${curves} height=${200}/>
    <${Key} names=${curves.map((one) => one.name)}/></div>`)}</div><p class="sub">${plural(charts.length, 'metric')} that both record by step; <a href=${'/plots' + query({ metric: keys, rev: [old.id, fresh.id], x: 'step' })}>the values as tables</a></p>`;
}

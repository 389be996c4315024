// How values are distributed: bars, and the same counts as a table.
import { html, grouped, number, percent, Table } from '/static/parts.js';

const WIDTH = 640, HEIGHT = 120, TWIN_ROWS = 16;

// `found`: {low, high, counts}. Bars are of the logarithm of counts: what is rare shows beside what is common.
export function Histogram({ found, title }) {
  if (!found) return html`<p class="sub">${title}: no finite value to count.</p>`;
  const { low, high, counts } = found, total = counts.reduce((a, b) => a + b, 0), most = Math.log1p(Math.max(...counts));
  const width = (high - low) / counts.length, bar = WIDTH / counts.length;
  const said = `${title}: ${grouped(total)} values from ${number(low)} to ${number(high)}; the table below has the counts`;
  const zero = low < 0 && high > 0 ? ((0 - low) / (high - low)) * WIDTH : null;
  return html`<figure class="histogram"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${said}>
      ${zero != null && html`<line class="zero" x1=${zero} x2=${zero} y1="0" y2=${HEIGHT}/>`}
      ${counts.map((n, i) => n > 0 && html`<rect x=${i * bar + 0.5} width=${Math.max(1, bar - 1)} y=${HEIGHT - (n ? Math.max(2, (Math.log1p(n) / most) * HEIGHT) : 0)} height=${HEIGHT}><title>${number(low + i * width)} to ${number(low + (i + 1) * width)}: ${grouped(n)}</title></rect>`)}
    </svg><figcaption><span>${number(+low.toPrecision(4))}</span><span>${title} · ${grouped(total)} values, logarithm of counts</span><span>${number(+high.toPrecision(4))}</span></figcaption>
    <details><summary>As a table</summary><${Table} label=${title} heads=${['From', 'To', 'Values', 'Share']} right=${[0, 1, 2, 3]} rows=${merged(found).map(([from, to, n]) => [number(+from.toPrecision(4)), number(+to.toPrecision(4)), grouped(n), percent(n / total)])}/></details></figure>`;
}

// The counts in fewer rows: four bins each become one.
function merged({ low, high, counts }) {
  const step = Math.max(1, Math.ceil(counts.length / TWIN_ROWS)), width = (high - low) / counts.length, rows = [];
  for (let at = 0; at < counts.length; at += step) {
    const end = Math.min(at + step, counts.length);
    rows.push([low + at * width, low + end * width, counts.slice(at, end).reduce((a, b) => a + b, 0)]);
  }
  return rows;
}

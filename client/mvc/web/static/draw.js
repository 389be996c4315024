// Lines with uPlot, in the colours of the page, and the same values as a table.
import { useEffect, useRef, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { html, number } from '/static/parts.js';

let loaded = null;

function uplot() {
  loaded ||= new Promise((done, fail) => {
    const sheet = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: '/static/vendor/uPlot-1.6.32.css' });
    const script = Object.assign(document.createElement('script'), { src: '/static/vendor/uPlot-1.6.32.js', onload: () => done(self.uPlot), onerror: fail });
    document.head.append(sheet, script);
  });
  return loaded;
}

// A variable of the page as a colour that a canvas understands, whatever theme is in force.
function colour(name) {
  const probe = document.createElement('i');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const NAMED = ['--weights', '--results', '--data', '--hyperparameters', '--architecture', '--accent'];
const DASHES = [[], [6, 4], [2, 3], [10, 4, 2, 4]];
export const stroke = (i) => (i < 24 ? colour(NAMED[i % NAMED.length]) : `hsl(${(i * 47) % 360} 60% 50%)`);
export const dash = (i) => DASHES[Math.floor(i / NAMED.length) % DASHES.length];

// `curves`: [{name, points: [[x, y], ...]}]; x in seconds with `time`.
export function Chart({ curves, log, time, title, height = 320, sync }) {
  const box = useRef(), made = useRef(), [turn, again] = useState(0);
  useEffect(() => {
    const hear = () => again((n) => n + 1);
    const media = matchMedia('(prefers-color-scheme: dark)');
    addEventListener('themed', hear);
    media.addEventListener('change', hear);
    return () => { removeEventListener('themed', hear); media.removeEventListener('change', hear); };
  }, []);
  useEffect(() => {
    let gone = false;
    const watch = new ResizeObserver(() => made.current?.setSize({ width: box.current.clientWidth, height }));
    uplot().then((uPlot) => {
      if (gone || !box.current) return;
      const every = uPlot.join(curves.map((one) => [one.points.map((p) => p[0]), one.points.map((p) => p[1])]));
      const ink = colour('--soft'), line = colour('--line');
      const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, font: '12px system-ui' };
      made.current = new uPlot({
        width: box.current.clientWidth, height, pxAlign: 0,
        cursor: { sync: sync ? { key: sync } : undefined, focus: { prox: 24 }, drag: { x: true, y: false } },
        focus: { alpha: 0.25 }, legend: { show: false },
        scales: { x: { time: !!time }, y: { distr: log ? 3 : 1 } },
        axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map((v) => (v == null ? '' : number(v))) }],
        series: [{}, ...curves.map((one, i) => ({ label: one.name, stroke: stroke(i), dash: dash(i), width: curves.length > 20 ? 1 : 1.8, spanGaps: true, points: { show: one.points.length < 60, size: 5 } }))],
      }, every, box.current);
      watch.observe(box.current);
    });
    return () => { gone = true; watch.disconnect(); made.current?.destroy(); made.current = null; };
  }, [curves, log, time, turn]);
  return html`<div class="chart" ref=${box} role="img" aria-label="${title}: ${curves.length} lines; the table below has the same values"></div>`;
}

export function Key({ names }) {
  return html`<ul class="key-list" aria-label="Lines">${names.slice(0, 40).map((name, i) => html`<li><svg width="22" height="8" aria-hidden="true"><line x1="0" y1="4" x2="22" y2="4" stroke=${stroke(i)} stroke-width="2.5" stroke-dasharray=${dash(i).join(' ')}/></svg> ${name}</li>`)}${names.length > 40 && html`<li>and ${names.length - 40} more</li>`}</ul>`;
}

export const picture = (element) => element.querySelector('canvas').toDataURL('image/png');

export function save(name, address) {
  Object.assign(document.createElement('a'), { href: address, download: name }).click();
}

export const csvOf = (rows) => rows.map((row) => row.map((cell) => {
  const said = cell == null ? '' : String(cell);
  return /[",\n\r]/.test(said) ? `"${said.replaceAll('"', '""')}"` : said;
}).join(',')).join('\r\n') + '\r\n';

export function saveText(name, said, kind = 'text/csv') {
  const address = URL.createObjectURL(new Blob([said], { type: kind }));
  save(name, address);
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

// Lines with uPlot, in the colours of the page, and the same values as a table.
import { useEffect, useRef, useState } from '/static/vendor/htm-preact-3.1.1.js';
import { html, number } from '/static/parts.js';
import { moves } from '/static/moves.js';
import { coarser, reach, sufficient, thinned } from '/static/thinning.js';

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

const LINES = 20; // above so many, lines are thin and not dashed: a dash costs more than the line
const COARSE = 8; // pixels of a stretch while the picture moves

// `curves`: [{name, points: [[x, y], ...]}], x ascending, in seconds with `time`. Drawn is what a pixel can show of them.
export function Chart({ curves, log, time, title, height = 320, sync }) {
  const box = useRef(), made = useRef(), seen = useRef(null), [turn, again] = useState(0);
  useEffect(() => {
    const hear = () => again((n) => n + 1);
    const media = matchMedia('(prefers-color-scheme: dark)');
    addEventListener('themed', hear);
    media.addEventListener('change', hear);
    return () => { removeEventListener('themed', hear); media.removeEventListener('change', hear); };
  }, []);
  useEffect(() => {
    let gone = false, leave = () => {};
    const watch = new ResizeObserver(() => made.current?.setSize({ width: box.current.clientWidth, height }));
    uplot().then((uPlot) => {
      if (gone || !box.current) return;
      const packed = curves.map((one) => [Float64Array.from(one.points, (p) => p[0]), Float64Array.from(one.points, (p) => p[1])]);
      const every = reach(packed), view = seen.current && seen.current[0] < every[1] && seen.current[1] > every[0] ? seen.current : every;
      const width = box.current.clientWidth, plain = curves.length <= LINES;
      let coarse = null;
      const look = (low, high, moving) => {
        const u = made.current, pixels = u.bbox.width / (moving ? COARSE : 1);
        const from = moving && sufficient(packed, low, high, pixels) ? (coarse ||= coarser(packed)) : packed;
        seen.current = low <= every[0] && high >= every[1] ? null : [low, high];
        u.series.slice(1).forEach((one, i) => { one.dash = plain && !moving ? dash(i) : []; });
        u.batch(() => { u.setData(thinned(from, low, high, pixels), false); u.setScale('x', { min: low, max: high }); });
      };
      made.current = new uPlot(options({ curves, log, time, height, width, sync, plain, look, every }), thinned(packed, ...view, width), box.current);
      made.current.setScale('x', { min: view[0], max: view[1] });
      leave = moves(made.current, look, every);
      watch.observe(box.current);
    });
    return () => { gone = true; watch.disconnect(); leave(); made.current?.destroy(); made.current = null; };
  }, [curves, log, time, turn]);
  return html`<div class="chart" ref=${box} tabindex="0" role="img" aria-label="${title}: ${curves.length} lines; the table below has the same values. Arrow keys move, + and − zoom, 0 shows all."></div>`;
}

// One line through all values, for charts of many: uPlot's own also makes ready to fill, to clip and to show gaps.
function through(u, index, from, to) {
  const path = new Path2D(), xs = u.data[0], ys = u.data[index], { min, max } = u.scales.x, { left, width } = u.bbox, factor = width / (max - min);
  const { min: low, max: high, distr } = u.scales.y, top = u.bbox.top, tall = u.bbox.height / (high - low);
  for (let i = from; i <= to; i++) if (ys[i] != null) path.lineTo(left + (xs[i] - min) * factor, distr === 1 ? top + (high - ys[i]) * tall : u.valToPos(ys[i], 'y', true));
  return { stroke: path, fill: null, clip: null, band: null, gaps: null, flags: 1 };
}

function options({ curves, log, time, height, width, sync, plain, look, every }) {
  const ink = colour('--soft'), line = colour('--line');
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, font: '12px system-ui' };
  const few = curves.every((one) => one.points.length < 60);
  return {
    width, height, pxAlign: 0,
    cursor: {
      sync: sync ? { key: sync } : undefined, focus: { prox: 24 }, drag: { x: true, y: false, setScale: false },
      bind: { mousedown: (u, at, act) => (e) => { if (!e.shiftKey && !e.button) act(e); return null; }, dblclick: () => () => { look(...every); return null; } },
    },
    focus: { alpha: 0.25 }, legend: { show: false },
    scales: { x: { time: !!time, auto: false }, y: { distr: log ? 3 : 1 } },
    axes: [axis, { ...axis, size: 64, values: (_, ticks) => ticks.map((v) => (v == null ? '' : number(v))) }],
    series: [{}, ...curves.map((one, i) => ({ label: one.name, stroke: stroke(i), dash: plain ? dash(i) : [], width: plain ? 1.8 : 1, spanGaps: true, points: { show: few, size: 5 }, ...(plain ? {} : { paths: through }) }))],
    hooks: { setSelect: [(u) => {
      const { left, width: wide } = u.select;
      if (wide > 2) look(u.posToVal(left, 'x'), u.posToVal(left + wide, 'x'));
      u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    }] },
  };
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

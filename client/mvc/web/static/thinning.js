// What of long curves a screen can show: of each stretch that is one pixel wide, the least and the greatest value.

// The least and the greatest x of curves, each [xs, ys] in typed arrays.
export function reach(curves) {
  let low = Infinity, high = -Infinity;
  for (const [xs] of curves) if (xs.length) { low = Math.min(low, xs[0]); high = Math.max(high, xs[xs.length - 1]); }
  if (low > high) return [0, 1];
  return low === high ? [low - 1, high + 1] : [low, high];
}

// The first place in ascending `xs` that is not below x.
function place(xs, x) {
  let from = 0, to = xs.length;
  while (from < to) { const at = (from + to) >> 1; if (xs[at] < x) from = at + 1; else to = at; }
  return from;
}

// Columns as uPlot takes them: xs, then the values of each curve in [low, high], null where it has none. Exact as long as
// there are no more points than `pixels` show, else two values a pixel, in their order.
export function thinned(curves, low, high, pixels) {
  const count = Math.max(2, Math.floor(pixels)), parts = curves.map(([xs]) => [Math.max(0, place(xs, low) - 1), Math.min(xs.length, place(xs, high) + 2)]);
  return Math.max(0, ...parts.map(([from, to]) => to - from)) <= 2 * count && joined(curves, parts, 8 * count) || bucketed(curves, parts, low, high, count);
}

const STRIDE = 8;

// The curves by stretches of STRIDE points, each its least and greatest in their order: what moving pictures are drawn from.
export const coarser = (curves) => curves.map(([own, ys]) => {
  const count = Math.ceil(own.length / STRIDE), xs = new Float64Array(2 * count), values = new Float64Array(2 * count);
  for (let k = 0; k < count; k++) {
    const end = Math.min(own.length, (k + 1) * STRIDE);
    let least = k * STRIDE, most = least;
    for (let i = least + 1; i < end; i++) { if (ys[i] < ys[least]) least = i; else if (ys[i] > ys[most]) most = i; }
    const first = Math.min(least, most), last = Math.max(least, most);
    xs[2 * k] = own[first]; values[2 * k] = ys[first]; xs[2 * k + 1] = own[last]; values[2 * k + 1] = ys[last];
  }
  return [xs, values];
});

// Whether stretches are fine enough for a picture of so many pixels.
export const sufficient = (curves, low, high, pixels) => Math.max(0, ...curves.map(([xs]) => place(xs, high) - place(xs, low))) >= 2 * STRIDE * pixels;

// All points, with one x for all curves; null where that would be more than `most`.
function joined(curves, parts, most) {
  const all = new Set();
  for (let k = 0; k < curves.length; k++) {
    for (let i = parts[k][0]; i < parts[k][1]; i++) all.add(curves[k][0][i]);
    if (all.size > most) return null;
  }
  const xs = Float64Array.from(all).sort(), at = new Map();
  xs.forEach((x, i) => at.set(x, i));
  return [xs, ...curves.map(([own, ys], k) => {
    const column = new Array(xs.length).fill(null);
    for (let i = parts[k][0]; i < parts[k][1]; i++) column[at.get(own[i])] = ys[i];
    return column;
  })];
}

function bucketed(curves, parts, low, high, count) {
  const step = (high - low) / count || 1, xs = new Float64Array(2 * count + 4);
  for (let i = 0; i < xs.length; i++) xs[i] = low + (i / 2 - 1 + 0.25) * step; // one stretch more at both ends
  return [xs, ...curves.map(([own, ys], k) => {
    const column = new Array(xs.length).fill(null), [from, to] = parts[k];
    let i = from;
    while (i < to) {
      const bucket = Math.min(count + 1, Math.max(0, Math.floor((own[i] - low) / step) + 1)), end = bucket > count ? Infinity : low + bucket * step;
      let least = i, most = i;
      for (i++; i < to && own[i] < end; i++) { if (ys[i] < ys[least]) least = i; else if (ys[i] > ys[most]) most = i; }
      column[2 * bucket] = ys[Math.min(least, most)];
      column[2 * bucket + 1] = ys[Math.max(least, most)];
    }
    return column;
  })];
}

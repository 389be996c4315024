// Moving and zooming a chart along x: Shift and drag, wheels that turn sideways, Ctrl and wheel, keys.

// `look(low, high, moving)` draws a part of `every`; returns what stops listening.
export function moves(u, look, every) {
  const box = u.over, root = u.root.parentNode;
  let wanted = null, settle = 0, frame = 0, held = null;
  const now = () => wanted || [u.scales.x.min, u.scales.x.max];
  const draw = () => { frame = 0; if (!wanted) return; look(...wanted, true); clearTimeout(settle); settle = setTimeout(() => { const last = wanted; wanted = null; if (last && u.root.isConnected) look(...last); }, 120); };
  // Not beyond the ends: there is nothing to see.
  const show = (low, high) => {
    const width = Math.min(high - low, every[1] - every[0]), start = Math.min(Math.max(low, every[0]), every[1] - width);
    wanted = [start, start + width];
    frame ||= requestAnimationFrame(draw);
  };
  const shift = (share) => { const [low, high] = now(), by = share * (high - low); show(low + by, high + by); };
  const zoom = (factor, at = 0.5) => { const [low, high] = now(), x = low + at * (high - low); show(x - (x - low) * factor, x + (high - x) * factor); };
  const down = (e) => { if (e.button !== 1 && !(e.button === 0 && e.shiftKey)) return; e.preventDefault(); held = [e.clientX, ...now()]; box.setPointerCapture(e.pointerId); };
  const move = (e) => { if (held) { const by = ((held[0] - e.clientX) / box.clientWidth) * (held[2] - held[1]); show(held[1] + by, held[2] + by); } };
  const up = () => { held = null; };
  const wheel = (e) => {
    if (e.ctrlKey || e.metaKey) { e.preventDefault(); zoom(e.deltaY > 0 ? 1.2 : 1 / 1.2, e.offsetX / box.clientWidth); }
    else if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) { e.preventDefault(); shift(e.deltaX / box.clientWidth); }
  };
  const keys = (e) => {
    const act = { ArrowLeft: () => shift(-0.1), ArrowRight: () => shift(0.1), '+': () => zoom(1 / 1.5), '=': () => zoom(1 / 1.5), '-': () => zoom(1.5), 0: () => show(...every) }[e.key];
    if (act && !e.ctrlKey && !e.metaKey && !e.altKey) { e.preventDefault(); act(); }
  };
  const heard = [[box, 'pointerdown', down], [box, 'pointermove', move], [box, 'pointerup', up], [box, 'pointercancel', up], [box, 'wheel', wheel], [root, 'keydown', keys]];
  heard.forEach(([where, what, act]) => where.addEventListener(what, act, { passive: false }));
  return () => { cancelAnimationFrame(frame); clearTimeout(settle); heard.forEach(([where, what, act]) => where.removeEventListener(what, act)); };
}

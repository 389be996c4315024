// Moves a chart of 100 curves with 10,000 points each for so many frames; answers with frames a second.
const count = arguments[0], done = arguments[arguments.length - 1];
const until = (what) => new Promise((end) => { const look = () => (what() ? end(what()) : setTimeout(look, 20)); look(); });
(async () => {
  const { html, render } = await import('/static/vendor/htm-preact-3.1.1.js'), { Chart } = await import('/static/draw.js');
  const curves = Array.from({ length: 100 }, (_, k) => {
    let y = k / 100, turn = k + 1; // noise that is the same each time
    const noise = () => { turn = (turn * 48271) % 2147483647; return turn / 2147483647 - 0.5; };
    return { name: `curve ${k}`, points: Array.from({ length: 10000 }, (_, i) => [i, (y += 0.02 * noise() + 0.001 * Math.sin(i / 500 + k))]) };
  });
  const place = document.createElement('div');
  document.querySelector('main').replaceChildren(place);
  render(html`<${Chart} curves=${curves} title="Moved"/>`, place);
  const over = await until(() => place.querySelector('.u-over')), left = over.getBoundingClientRect().left;
  over.setPointerCapture = () => {}; // events that are made up have no pointer
  const key = (name) => place.querySelector('.chart').dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true }));
  const pointer = (what, x) => over.dispatchEvent(new PointerEvent(what, { bubbles: true, shiftKey: true, clientX: left + x }));
  key('+'); key('+');
  await new Promise((end) => setTimeout(end, 500));
  let x = 600, way = -6, frames = 0;
  pointer('pointerdown', x);
  const began = performance.now();
  await new Promise((end) => {
    const step = () => { if (frames++ >= count) return end(); if (x < 200 || x > 1000) way = -way; pointer('pointermove', (x += way)); return requestAnimationFrame(step); };
    requestAnimationFrame(step);
  });
  const seconds = (performance.now() - began) / 1000;
  pointer('pointerup', x);
  render(null, place);
  done(count / seconds);
})().catch((error) => done(String(error)));

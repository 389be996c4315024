// SHA-256 (FIPS 180-4) of a file in pieces: what browsers bring along is 20 times as fast, but needs all of it in memory.
const PIECE = 4 << 20, WHOLE = 256 << 20;
const WORDS = new Int32Array(64), START = new Int32Array(8); // signed: others would be no small integers to the engine

// The first 32 bits of the fractional parts of cube roots and square roots of the first primes.
for (let n = 2, found = 0; found < 64; n++) {
  let prime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
  if (!prime) continue;
  if (found < 8) START[found] = Math.floor((n ** (1 / 2) % 1) * 2 ** 32) | 0;
  WORDS[found++] = Math.floor((Math.cbrt(n) % 1) * 2 ** 32) | 0;
}

function blocks(state, w, view, start, end) {
  for (let at = start; at < end; at += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15], y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + WORDS[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
    }
    state[0] += a; state[1] += b; state[2] += c; state[3] += d; state[4] += e; state[5] += f; state[6] += g; state[7] += h;
  }
}

// The digest in hex of a Blob; `told` hears how many bytes are read, `signal` ends it. Up to `whole` bytes are read at once.
export async function sha256(file, told = () => {}, signal = null, whole = WHOLE) {
  if (file.size <= whole && self.crypto?.subtle) return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer())), 2);
  const state = START.slice(), w = new Int32Array(64);
  for (let at = 0; at < file.size; at += PIECE) {
    signal?.throwIfAborted();
    const view = new DataView(await file.slice(at, at + PIECE).arrayBuffer());
    blocks(state, w, view, 0, view.byteLength - (view.byteLength % 64));
    told(Math.min(file.size, at + PIECE));
  }
  const left = file.size % 64, end = new DataView(new ArrayBuffer(left < 56 ? 64 : 128));
  new Uint8Array(end.buffer).set(new Uint8Array(await file.slice(file.size - left).arrayBuffer()));
  end.setUint8(left, 0x80);
  end.setBigUint64(end.byteLength - 8, BigInt(file.size) * 8n);
  blocks(state, w, end, 0, end.byteLength);
  return hex(state, 8);
}

const hex = (words, digits) => [...words].map((word) => (word >>> 0).toString(16).padStart(digits, '0')).join('');

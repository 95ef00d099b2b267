// Seeded randomness: the same seed gives the same calls, ids and choices. Each call has a generator of its own
// (forked by index), so that concurrency does not change what a call says.
import { createHash } from 'node:crypto';

export class Random {
  #state;

  constructor(seed) {
    this.seed = String(seed);
    this.#state = createHash('sha256').update(this.seed).digest().readUInt32LE(0);
  }

  fork(name) {
    return new Random(`${this.seed}/${name}`);
  }

  // mulberry32: in [0, 1)
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  int(from, to) {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(probability) {
    return probability > 0 && this.next() < probability;
  }

  pick(list) {
    return list[Math.floor(this.next() * list.length)];
  }

  hex(digits) {
    let out = '';
    while (out.length < digits)
      out += this.int(0, 15).toString(16);
    return out;
  }

  // Version 7: what Vapi's ids look like now.
  uuid(timeMs = 0) {
    const time = Math.floor(timeMs).toString(16).padStart(12, '0').slice(-12);
    const variant = this.pick(['8', '9', 'a', 'b']);
    return `${time.slice(0, 8)}-${time.slice(8)}-7${this.hex(3)}-${variant}${this.hex(3)}-${this.hex(12)}`;
  }
}

// The road frames take: cut to size, numbered by their sender, then lost, doubled or overtaken on the way. The same seed, the same road.
import { Random } from '../vapi-sim/lib/random.mjs';

// Pieces of `bytes`; `sizes` is a number, or a list that is gone through again and again.
export function cut(bytes, sizes) {
  const list = [sizes].flat();
  const out = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const n = Math.max(1, list[i % list.length]);
    out.push(bytes.subarray(at, at + n));
    at += n;
  }
  return out;
}

// `loss`, `duplicate`, `late` are probabilities; a late frame comes up to `reorder` frames later.
export function travel(frames, { loss = 0, duplicate = 0, late = 0, reorder = 3, seed = 1 } = {}) {
  const random = new Random(`road/${seed}`);
  const arriving = [];
  frames.forEach((frame, i) => {
    if (random.chance(loss))
      return;
    arriving.push({ frame, at: i + (random.chance(late) ? random.int(1, reorder) + 0.5 : 0) });
    if (random.chance(duplicate))
      arriving.push({ frame, at: i + 0.25 });
  });
  return arriving.sort((a, b) => a.at - b.at).map(({ frame }) => frame);
}

export const sleepUntil = (time) => new Promise((resolve) => setTimeout(resolve, Math.max(0, time - performance.now())));

// Sends one after the other: every `everyMs` on a clock that does not drift, or (`fast`) as quickly as the socket takes them.
export async function walk(frames, send, { everyMs = 20, speed = 1, fast = false, socket } = {}) {
  const start = performance.now();
  for (let i = 0; i < frames.length; i++) {
    if (!fast)
      await sleepUntil(start + i * everyMs / speed);
    else if (socket?.bufferedAmount > 1 << 20)
      await sleepUntil(performance.now() + 1);
    if (send(frames[i]) === false)
      return i;
  }
  return frames.length;
}

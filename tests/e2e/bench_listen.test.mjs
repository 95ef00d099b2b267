// `./dev bench listen` itself: it runs, sounds are sent and heard in every format, and every figure is there. No time is judged.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const BENCH = new URL('../../bench/listen.mjs', import.meta.url).pathname;

test('a short run prints how far behind listeners are, of every format', async () => {
  const { stdout, stderr } = await run(process.execPath, [BENCH, '--quick', '--json'], { maxBuffer: 1 << 24 });
  const results = JSON.parse(stdout);
  assert.deepEqual(Object.keys(results), ['pcm', 'opus']);
  for (const [format, r] of Object.entries(results)) {
    assert.deepEqual([r.sockets, r.listeners], [10, 1], format);
    assert.ok(r.sounds > 0 && r.missed < r.sounds, `${format}: ${JSON.stringify(r)}\n${stderr}`);
    assert.ok(r.p50_ms > 0 && r.p50_ms <= r.p99_ms && r.p99_ms <= r.max_ms, `${format}: ${JSON.stringify(r)}`);
  }
  assert.match(stderr, /socket -> listener, ms: p50 [\d.]+, p99 [\d.]+/);
});

test('an unknown format is named', async () => {
  await assert.rejects(run(process.execPath, [BENCH, '--quick', '--formats', 'tin']), (error) => /--formats: tin is none of pcm, opus/.test(error.stderr));
});

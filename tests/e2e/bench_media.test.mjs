// `./dev bench media` itself: it runs, every server has had every frame that was sent, and every column is there. No time is judged.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { alive } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

const run = promisify(execFile);
const BENCH = new URL('../../bench/media.mjs', import.meta.url).pathname;
const COLUMNS = ['decode', 'receive', 'floor', 'node', 'callmend', 'recorded'];
const LACKING = [['opus', ['node']], ['grpc-tls', ['receive', 'floor', 'node']]];

test('a short run prints every column of every format, and memory', async () => {
  const { stdout, stderr } = await run(process.execPath, [BENCH, '--quick', '--json', '--memory', '4', '--ring', '1'], { maxBuffer: 1 << 24 });
  const { results, memory } = JSON.parse(stdout);
  assert.deepEqual(Object.keys(results), ['mulaw 10', 'json 10', 'l16 10', 'grpc 10', 'grpc-10 10', 'grpc-tls 10', 'opus 10', 'opus-wide 10']);
  for (const [key, row] of Object.entries(results)) {
    assert.deepEqual(Object.keys(row), COLUMNS.filter((column) => !(LACKING.find(([start]) => key.startsWith(start))?.[1] ?? []).includes(column)), key);
    for (const [column, r] of Object.entries(row))
      assert.ok(r.us > 0, `${key}, ${column}: ${r.void}\n${stderr}`);
  }
  for (const { kib } of Object.values(memory))
    assert.ok(kib > 1 && kib < 10000, `${kib} KiB`);
  assert.match(stderr, /Twilio\): 10 sockets, 1000 frames\/s/);
  assert.match(stderr, /a stream a connection: 10 calls, 10 connections, 1000 frames\/s in 200 messages/);
  assert.match(stderr, /with TLS, a stream a connection: 10 calls, 10 connections/);
  assert.match(stderr, /ten streams a connection: 10 calls, 1 connection, 1000 frames\/s in 200 messages/);
});

test('an unknown format is named', async () => {
  await assert.rejects(run(process.execPath, [BENCH, '--quick', '--formats', 'tin']), (error) => /--formats: tin is none of mulaw, json/.test(error.stderr));
});

const below = (pid) => {
  const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  const children = read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
  return children.flatMap((child) => [child, ...below(child)]);
};

test('interrupted while it sends it leaves no process', async () => {
  const bench = spawn(process.execPath, [BENCH, '--quick', '--formats', 'mulaw', '--recording', 'off', '--seconds', '60'], { stdio: 'ignore' });
  const exit = new Promise((resolve) => bench.on('exit', resolve));
  const sends = (pid) => existsSync(`/proc/${pid}/cmdline`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--sockets');
  await until('it sends', () => below(bench.pid).some(sends), { everyMs: 20, timeoutMs: 60000 });
  const all = below(bench.pid);
  bench.kill('SIGINT');
  assert.equal(await exit, 130);
  await until('no process is left', () => !all.some(alive), { timeoutMs: 20000 });
});

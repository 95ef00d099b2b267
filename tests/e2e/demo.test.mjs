// What `./dev run` plays, from its first step to the last: each must be observed, and what it printed must be so.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const TOOLS = new URL('../../tools/', import.meta.url).pathname;
const DEMO = join(TOOLS, 'demo/demo.mjs');

async function play(dir, ...args) {
  const demo = spawn(process.execPath, [DEMO, '--state', dir, '--port', '18700', '--no-stay', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const out = [];
  demo.stdout.on('data', (bytes) => out.push(bytes));
  demo.stderr.on('data', (bytes) => out.push(bytes));
  const code = await new Promise((resolve) => demo.on('close', resolve));
  return { code, out: Buffer.concat(out).toString() };
}

test('every step is observed, recordings are left behind', async () => {
  const dir = mkdtempSync('/tmp/callmend-demo-');
  chmodSync(dir, 0o755); // PostgreSQL started by root runs as somebody else
  try {
    const { code, out } = await play(dir, '--speed', '4');
    assert.equal(code, 0, out);
    assert.doesNotMatch(out, /NOT OBSERVED|✗/);
    assert.match(out, /✓ booking  caller [·▁▂▃▄▅▆▇█]+ {3}assistant [·▁▂▃▄▅▆▇█]+\n/);
    assert.match(out, /✓ booking: (assistant|caller) [\d.]+-[\d.]+ s, /);
    // RingCentral, beside it.
    assert.doesNotMatch(out, /passed over/);
    assert.match(out, /✓ 7 of demo \(vapi\), 2 of ringcentral \(ringcentral\), 1 of ringcx \(ringcx\)\n/);
    assert.match(out, /✓ “Yes, at eight\. .*” · (queued, )?(sent, )?delivered\n/);
    assert.match(out, /✓ ringcx {3}customer [·▁▂▃▄▅▆▇█]+ {3}agent [·▁▂▃▄▅▆▇█]+\n/);
    assert.match(out, /✓ held and taken back; heard were Customer, Ann Lee, Bob Stone\n/);
    assert.match(out, /✓ \+15550100021 \(outside\) rings, .*IVR Menu 1001 .*Support .*Ann Lee \(inside\) is on hold, Ann Lee \(inside\) talks, Ann Lee \(inside\) was handed on, Bob Stone \(inside\) rings, Bob Stone \(inside\) talks/);
    assert.match(out, /✓ ringex: customer-hung-up, ringcx: closed; ringex had 5 parties\n/);
    const talk = out.match(/✓ ringcx ([\d.]+) s, the hold as silence: .*recordings\/([-0-9a-f]{36})\/audio/);
    assert.ok(talk[1] > 15, `${talk[1]} s are recorded`);
    const id = out.match(/curl -o booking\.ogg http:\/\/127\.0\.0\.1:\d+\/api\/v1\/recordings\/([-0-9a-f]{36})\/audio -H/)?.[1];
    const files = readdirSync(join(dir, 'recordings'), { recursive: true }).map(String);
    const ogg = files.filter((name) => name.endsWith('.ogg'));
    assert.equal(ogg.length, 4);
    assert.ok(ogg.some((name) => name.includes(talk[2])));
    const bytes = readFileSync(join(dir, 'recordings', ogg.find((name) => name.includes(id))));
    assert.equal(bytes.toString('latin1', 0, 4), 'OggS');
    assert.ok(!files.some((name) => name.endsWith('.wav')));
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
});

// Without a network npm brings no gRPC: what needs it is passed over, with the reason; the rest is played.
test('what cannot be played here is passed over', async () => {
  const dir = mkdtempSync('/tmp/callmend-demo-');
  try {
    cpSync(TOOLS, join(dir, 'tools'), { recursive: true }); // where node finds no node_modules
    const { RingCentralPlay } = await import(join(dir, 'tools/demo/ringcentral.mjs'));
    const steps = [];
    const step = async (title, how, action) => steps.push(await Promise.resolve().then(action).then(() => 'played', (error) => [error.passedOver, error.message]));
    const play = new RingCentralPlay({ step, curl: () => '', node: {}, speed: 1, grpcPort: 1 });
    play.begin();
    for (const audio of ['levels', 'held', 'recording'])
      await play[audio]();
    assert.deepEqual(steps, Array(3).fill([true, '@grpc/grpc-js is missing: npm ci in the root of the repository']));
    assert.equal(play.sim.calls.length, 1);
    await play.close();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

// The page cache survives SIGKILL; a power cut it does not. With disk calls interposed: while fdatasync is held or fails no 200 leaves, and after
// everything written since the last completed fdatasync is gone, every event answered 200 is there.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync, rmSync, existsSync, readdirSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { World, assertLossless, assertNoEffectTwice, message } from './lib/world.mjs';
import { alive } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

const BUILD = process.env.CALLMEND_BUILD ?? new URL('../../build/dev', import.meta.url).pathname;

function shimFile() {
  const found = readdirSync(BUILD, { recursive: true }).find((f) => /(^|\/)(lib)?diskshim\.so$/.test(f));
  assert.ok(found, 'the CMake target diskshim is built');
  return join(BUILD, found);
}

async function shimmed(t, dirName) {
  const control = `/tmp/callmend-disk-${process.pid}-${dirName}`;
  rmSync(control, { recursive: true, force: true });
  mkdirSync(control);
  chmodSync(control, 0o777);
  t.after(() => rmSync(control, { recursive: true, force: true }));
  const world = await World.start({ env: { LD_PRELOAD: shimFile(), DISKSHIM_DIR: control, ASAN_OPTIONS: 'verify_asan_link_order=0:detect_leaks=0' } });
  t.after(() => {
    rmSync(control, { recursive: true, force: true }); // nothing may hang when the world ends
    return world.end();
  });
  const order = (name) => writeFileSync(join(control, name), '');
  const revoke = (name) => rmSync(join(control, name), { force: true });
  return { world, order, revoke, was: (name) => existsSync(join(control, name)) };
}

const final = (world, text, call = 'disk') => world.product.webhook('main', message('transcript', call, { role: 'user', transcriptType: 'final', transcript: text }));

test('held: watchers see the event at once, the 200 waits for the disk', { timeout: 90000 }, async (t) => {
  const { world, order, revoke } = await shimmed(t, 'hold');
  const live = await world.product.live();
  await live.ready();
  assert.equal((await final(world, 'first')).status, 200);
  order('hold');
  let answered = 0;
  const sent = Array.from({ length: 20 }, (_, i) => final(world, `held ${i}`).then((r) => {
    answered++;
    return r.status;
  }));
  await live.event('transcript.final', (e) => e.text === 'held 19');
  await until('the journal says what it waits for', async () => (await fetch(`${world.product.url}/healthz`)).status === 200);
  assert.equal(answered, 0, 'no 200 while fdatasync has not returned');
  const command = world.product.api('GET', '/api/v1/calls');
  assert.equal((await command).status, 200, 'reading goes on');
  assert.equal(answered, 0);
  revoke('hold');
  assert.deepEqual(new Set(await Promise.all(sent)), new Set([200]));
  live.close();
});

test('failing: no 200, the node says so, and recovers when the disk does', { timeout: 90000 }, async (t) => {
  const { world, order, revoke } = await shimmed(t, 'fail');
  assert.equal((await final(world, 'before')).status, 200);
  const core = world.product.pid('core');
  order('fail');
  const status = await final(world, 'on a broken disk').then((r) => r.status, () => 'no answer');
  assert.notEqual(status, 200);
  await until('the core gave up', () => world.product.pid('core') !== core || !alive(core));
  revoke('fail');
  await world.product.ready();
  assert.equal((await final(world, 'after')).status, 200);
  await until('stored', async () => {
    const texts = (await world.events('disk', 'transcript.final')).map((e) => e.text);
    return texts.includes('before') && texts.includes('after');
  });
});

for (const round of [1, 2, 3])
  test(`power lost under load, round ${round}: what was answered is recovered`, { timeout: 120000 }, async (t) => {
    const { world, order, revoke, was } = await shimmed(t, `lose${round}`);
    const { product } = world;
    const sim = await world.simulator('main', { speed: 30, mark: true, seed: `disk ${round}`, timeoutMs: 10000, retries: 8, backoffType: 'fixed', baseDelaySeconds: 30 });
    const calls = sim.start(undefined, 10, { turns: 12 });
    await until('load runs', () => sim.delivery.totals.answered > 100 * round);
    order('hold'); // from now on more is written than synced
    await until('some wait for the disk', () => sim.delivery.totals.attempts - sim.delivery.totals.answered >= 5);
    order('lose');
    await until('the power is gone', () => was('lost'));
    await until('the parent is gone, or has noticed', () => !alive(product.pid('core') ?? 0) || product.child.signalCode !== null);
    product.kill('parent');
    product.kill('postgres');
    await product.exit;
    for (const name of ['hold', 'lose', 'lost'])
      revoke(name);
    await product.launch();
    await sim.finished(calls);
    await assertLossless(product, [sim]);
    assertNoEffectTwice([sim], world.toolServer);
  });

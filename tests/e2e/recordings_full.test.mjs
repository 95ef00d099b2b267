// No room for a recording: it ends and says so, the call goes on. Nobody may delete its files: it is made once, and the job says so.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { leftWav } from './lib/wav.mjs';
import { MediaWorld, mediaWorldFor } from './lib/media.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { speak } from '../../tools/lib/speech.mjs';

const w = mediaWorldFor({ before, after }, { audio: { recording: { on: true } }, config: { recording: { min_free_bytes: '64TiB' } } },
  (world) => world.mediaSource('twilio', 'phone'));

test('less free space than is to be left', async () => {
  const call = await w().running('full', { phoneCallProviderId: 'CAfull' });
  const client = await w().connect('twilio', 'phone', { callId: 'CAfull' });
  client.start();
  const words = speak('Good evening, a table for two please.', { rate: 8000 });
  const fact = (name) => w().facts(call).find((f) => f.heard === 'recording' && f.name === name);
  for (let i = 0; i < 20 && !fact('failed'); i++)
    await client.play(words.subarray(0, 1600));
  assert.match(fact('failed').text, /recording\.min_free_bytes/);
  await client.play(words);
  await until('the call is heard all the same', () => w().facts(call).some((f) => f.heard === 'speech_started'));
  assert.ok(await w().counted('callmend_recording_failed_total{why="low_space"}') >= 1);
  await client.stop();
  await w().over('full');
  await until('over', async () => (await w().product.api('GET', `/api/v1/calls/${call}`)).body?.live === false);
  assert.deepEqual((await w().product.must('GET', `/api/v1/calls/${call}/recordings`)).recordings, []);
  assert.equal(await w().counted('callmend_recording_open_files'), 0);
});

const BUILD = process.env.CALLMEND_BUILD ?? new URL('../../build/dev', import.meta.url).pathname;

test('files that cannot be deleted: the recording is made once, and the job tells why it goes on', async (t) => {
  const control = `/tmp/callmend-keep-${process.pid}`;
  mkdirSync(control, { recursive: true });
  chmodSync(control, 0o777);
  const shim = join(BUILD, readdirSync(BUILD, { recursive: true }).find((f) => /(^|\/)(lib)?diskshim\.so$/.test(f)));
  const world = await MediaWorld.start({ audio: { recording: { on: true } }, config: { recording: { min_free_bytes: 0 } },
    env: { LD_PRELOAD: shim, DISKSHIM_DIR: control, ASAN_OPTIONS: 'verify_asan_link_order=0:detect_leaks=0' } });
  t.after(() => {
    rmSync(control, { recursive: true, force: true });
    return world.end();
  });
  const { product } = world;
  writeFileSync(join(control, 'keep'), '');
  const call = await world.running('kept');
  const now = Date.parse('2026-01-04T05:06:07Z'), dir = join(product.stateDir, 'recordings/2026-01-04', call), wav = join(dir, `${now}-0.wav`);
  mkdirSync(dir, { recursive: true });
  writeFileSync(wav, leftWav(now, 0, 2, Buffer.alloc(8000, 0x55)));
  await world.over('kept');
  const job = () => product.sql(`select state, error from jobs where kind = 'recording' and key = '${call}'`);
  await until('the job says so', async () => /-0\.wav: it, or its folder, cannot be changed/.test((await job())[0]?.error));
  const [made] = (await product.must('GET', `/api/v1/calls/${call}/recordings`)).recordings;
  assert.deepEqual([made.state, made.duration_ms, made.error], ['ready', 1000, null]);
  assert.ok(existsSync(wav));
  rmSync(join(control, 'keep'));
  await product.exec(`update jobs set run_at = now() where kind = 'recording' and key = '${call}'`);
  await until('the job is done', async () => (await job()).length === 0);
  assert.equal(existsSync(wav), false);
  assert.equal((await product.must('GET', `/api/v1/calls/${call}/recordings`)).recordings.length, 1);
});

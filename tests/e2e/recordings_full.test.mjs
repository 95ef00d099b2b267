// No room for a recording: it ends and says so, the call goes on.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mediaWorldFor } from './lib/media.mjs';
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

// RingEX recordings have all voices in one channel: who speaks is found out. The platform is tools/rc-sim.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { addSource, aftermath, analysed, followed, platform, play, product, recordingsOf, row, sim, transcribing, world } from './lib/aftermath.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { SttServer } from '../../tools/stt-sim/server.mjs';

aftermath({ before, after });

// --- RingEX: all voices in one channel ---

const GREETING = [{ words: ['ann', 'alpha bravo'] }, { wait: 2000 }, { words: ['customer', 'charlie delta'] }, { wait: 2000 }, { words: ['ann', 'echo'] }];
const INBOUND = [{ inbound: true }, { ring: 'ann' }, { wait: 2000 }, { answer: 'ann' }, { record: 'ann' }, ...GREETING, { wait: 31000 }, { hangup: 'customer' }];

// Calls played from scripts, one after the other, each with its turns once all of its recordings are transcribed.
async function dialogs(name, scripts, connect, provider) {
  const stt = await new SttServer(['good'], { key: 'k' }).listen();
  const at = await platform({ callLogMs: 1000, permissions: ['CallControl', 'ReadAccounts', 'ReadPresence', 'ReadCallLog', 'ReadCallRecording', 'WebSocketsSubscription'] });
  await transcribing(stt, provider);
  const source = await addSource(name, at, { events: 'websocket', ...connect });
  const found = [];
  for (const script of scripts) {
    const call = await followed((await play(at, { script })).id);
    await until('all is transcribed', async () => (await row(`select count(*)::int as n from recordings where call_id = '${call.id}' and words is null`)).n === 0, { timeoutMs: 60000 });
    const { turns } = await product.must('GET', `/api/v1/calls/${call.id}/transcript`);
    found.push({ call, turns: turns.map((t) => [t.speaker, t.text]), recordings: await recordingsOf(call), ...(await analysed(call)) });
  }
  await product.must('PATCH', `/api/v1/projects/${world.project.id}`, { audio: {} });
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
  await stt.close();
  await at.close();
  return { found, stt };
}

test('RingEX: who was called speaks first: an inbound call, an outbound one and what follows its transfer, with speakers and an analysis that sees them', { timeout: 180000 }, async () => {
  const outbound = [{ outbound: 'ann' }, { wait: 3000 }, { answer: 'customer' }, { record: 'ann' }, { words: ['customer', 'alpha'] }, { wait: 2000 }, { words: ['ann', 'bravo charlie'] }, { wait: 31000 },
    { transfer: ['ann', 'bob'] }, { wait: 3000 }, { answer: 'bob' }, { record: 'bob' }, { words: ['bob', 'delta'] }, { wait: 2000 }, { words: ['customer', 'echo'] }, { wait: 31000 }, { hangup: 'customer' }];
  const { found: [inward, outward], stt } = await dialogs('voices', [INBOUND, outbound], { recording_first_voice: 'answerer' });
  assert.deepEqual(inward.turns, [['ai', 'alpha bravo'], ['user', 'charlie delta'], ['ai', 'echo']]);
  assert.deepEqual(inward.recordings.map((r) => [r.mixed, r.voices]), [[true, 2]]);
  assert.notEqual(inward.analysis.ineligible_because, 'no conversation');
  assert.equal(outward.call.kind, 'outbound');
  assert.deepEqual(outward.turns, [['user', 'alpha'], ['ai', 'bravo charlie'], ['ai', 'delta'], ['user', 'echo']]);
  assert.deepEqual(outward.recordings.map((r) => [r.mixed, r.voices]), [[true, 2], [true, 2]]);
  assert.notEqual(outward.analysis.ineligible_because, 'no conversation');
  assert.deepEqual(stt.requests.map((r) => r.asked), Array(3).fill({ rate: 8000, model: 'gpt-4o-transcribe-diarize', format: 'diarized_json' }));
});

test('RingEX: an announcement is nobody\'s, and whose a voice is in a recording on demand nobody says; by Deepgram, too', { timeout: 180000 }, async () => {
  const announced = INBOUND.flatMap((step) => (step.record ? [step, { announce: 'golf hotel india' }, { wait: 2000 }] : [step]));
  const demanded = INBOUND.map((step) => (step.record ? { record: ['ann', 'OnDemand'] } : step));
  const { found: [one, two], stt } = await dialogs('announced', [announced, demanded], { recording_first_voice: 'ours' }, 'deepgram');
  assert.deepEqual(one.turns, [['', 'golf hotel india'], ['ai', 'alpha bravo'], ['user', 'charlie delta'], ['ai', 'echo']]);
  assert.deepEqual(one.recordings.map((r) => [r.mixed, r.voices]), [[true, 3]]);
  assert.notEqual(one.analysis.ineligible_because, 'no conversation');
  assert.ok(two.turns.every(([speaker]) => speaker === ''), JSON.stringify(two.turns));
  assert.deepEqual(two.recordings.map((r) => r.voices), [null]);
  assert.deepEqual(stt.requests.map((r) => [r.asked.rate, r.asked.diarize]), [[8000, true], [8000, false]]);
});

test('RingEX: where nobody says whose the first voice is, voices are not told apart; what may be said is checked', { timeout: 120000 }, async () => {
  const { found: [{ turns, recordings, analysis }], stt } = await dialogs('unsaid', [INBOUND], {});
  assert.equal(turns.map(([, text]) => text).join(' '), 'alpha bravo charlie delta echo');
  assert.ok(turns.every(([speaker]) => speaker === ''));
  assert.deepEqual(recordings.map((r) => [r.mixed, r.voices]), [[true, null]]);
  assert.equal(analysis.ineligible_because, 'no conversation');
  assert.deepEqual(stt.requests.map((r) => r.asked), [{ rate: 8000, model: 'whisper-1', format: 'verbose_json' }]);
  const source = await addSource('checked', sim);
  const refused = await product.api('PATCH', `/api/v1/sources/${source.id}`, { connect: { ...source.connect, recording_first_voice: 'caller' } });
  assert.equal(refused.status, 422);
  assert.match(JSON.stringify(refused.body), /connect\.recording_first_voice: must be one of: ours customer answerer/);
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
});

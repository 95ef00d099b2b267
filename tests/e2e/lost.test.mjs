// Calls that never end: reconciled with GET /call/:id where there is a private key, else closed as lost; a later report merges.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after }, { settings: { idle_close_ms: 1500 } });
const TALK = { name: 'talk', assistant: { name: 'A', prompt: ['p'] }, script: [{ user: 'Hello?' }, { assistant: 'Hello, how are you?' }] };

test('no news and no key: closed as lost; the report that comes later merges in', async () => {
  const sim = await w().simulator('main', { speed: 50, neverEnds: true });
  const [call] = sim.start(TALK, 1);
  await until('it has talked', () => call.spoken.length === 2);
  call.kill();
  const row = await w().ended(call.id);
  assert.equal((await w().events(call.id, 'call.lost')).length, 1);
  assert.equal(row.ended_class, 'lost');
  await sim.delivery.send({ callId: call.id, type: 'end-of-call-report', render: () => JSON.stringify({ message: { type: 'end-of-call-report', timestamp: Date.now(),
    ...call.report(), endedReason: 'customer-ended-call', call: call.context.call } }) });
  const merged = await w().storedAs(call.id, (r) => r.ended_reason === 'customer-ended-call');
  assert.equal(merged.ended_class, 'customer');
  assert.equal(merged.id, row.id);
  assert.ok((await w().events(call.id, 'call.ended')).some((e) => e.data.revision === true));
});

test('with a private key the provider is asked: ended there', async () => {
  const sim = await w().simulator('main', { speed: 50, neverEnds: true, privateKey: 'pk-9' });
  await w().addSource('keyed', { api_base: sim.url, private_key: w().product.secret('pk9', 'pk-9') });
  sim.delivery.target = `${w().product.url}/in/vapi/keyed`;
  const [call] = sim.start(TALK, 1);
  await until('it has talked', () => call.spoken.length === 2);
  call.kill();
  call.status = 'ended';
  call.endedAt = call.now;
  call.endReason = 'silence-timed-out';
  const row = await w().ended(call.id);
  assert.equal(row.ended_reason, 'silence-timed-out');
  assert.ok(sim.server.apiRequests.some((r) => r.path === `/call/${call.id}`));
});

test('with a private key: still running there, so it stays live; unknown there, so it is lost', async () => {
  const sim = await w().simulator('keyed', { speed: 50, neverEnds: true, privateKey: 'pk-10' });
  await w().addSource('keyed2', { api_base: sim.url, private_key: w().product.secret('pk10', 'pk-10') });
  sim.delivery.target = `${w().product.url}/in/vapi/keyed2`;
  const [call] = sim.start(TALK, 1);
  await until('it has talked', () => call.spoken.length === 2);
  call.kill();
  await until('asked twice', () => sim.server.apiRequests.filter((r) => r.path === `/call/${call.id}`).length >= 2);
  assert.equal((await w().callRow(call.id)).live, true, 'the provider says it runs');
  sim.calls.delete(call.id); // GET /call/:id is answered 404 from now on
  const row = await w().ended(call.id);
  assert.equal(row.ended_class, 'lost');
});

test('warnings: transcript not subscribed, retries off, with what to set', async () => {
  await w().addSource('warned');
  const sim = await w().simulator('warned', { speed: 200, subscribe: 'default' });
  await sim.finished(sim.start('voicemail', 1));
  const source = await until('warned', async () => {
    const list = await w().product.must('GET', '/api/v1/sources');
    const one = list.sources.find((s) => s.name === 'warned');
    const full = await w().product.must('GET', `/api/v1/sources/${one.id}`);
    return full.warnings?.length >= 2 && full;
  });
  const text = JSON.stringify(source.warnings);
  assert.match(text, /transcript/);
  assert.match(text, /backoffPlan|retries/i);
  const quiet = await w().simulator('main', { speed: 200, retries: 3 });
  await quiet.finished(quiet.start('voicemail', 1));
});

test('clock far off: provider times of 1999 and 2099 change neither order nor end', async () => {
  for (const [id, at] of [['old-clock', 915148800000], ['new-clock', 4102444800000]]) {
    await w().product.webhook('main', message('status-update', id, { status: 'in-progress', timestamp: at }));
    await w().product.webhook('main', message('transcript', id, { role: 'user', transcriptType: 'final', transcript: 'What year is it?', timestamp: at + 1000 }));
    assert.equal((await w().events(id).then(() => 200)), 200);
    await until('closed as lost by our own clock', async () => (await w().callRow(id))?.ended_class === 'lost');
    assert.equal((await w().events(id, 'transcript.final')).length, 1);
  }
});

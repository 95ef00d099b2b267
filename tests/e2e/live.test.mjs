// WS /api/v1/live: snapshot, ordered events, resume, coalesced partials, slow watchers, commands, who may see what. A4, A7.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after });
const final = (call, text) => w().product.webhook('main', message('transcript', call, { role: 'user', transcriptType: 'final', transcript: text }));

test('a snapshot, then every event above it, none twice, in order', async () => {
  await final('live-1', 'before the watcher came');
  const live = await w().product.live();
  await live.ready();
  const snapshot = [...live.calls().values()].find((c) => c.provider_call_id === 'live-1');
  assert.ok(JSON.stringify(snapshot).includes('before the watcher came'));
  for (let i = 0; i < 20; i++)
    await final('live-1', `number ${i}`);
  await live.event('transcript.final', (e) => e.text === 'number 19');
  const texts = live.events.filter((e) => e.type === 'transcript.final' && e.call_id === snapshot.id).map((e) => e.text);
  assert.deepEqual(texts, Array.from({ length: 20 }, (_, i) => `number ${i}`));
  assert.ok(live.events.every((e) => e.seq > 0));
  live.close();
});

test('A7: the snapshot shows who speaks, duration, tools and errors', async () => {
  await w().product.webhook('main', message('status-update', 'live-2', { status: 'in-progress' }));
  await w().product.webhook('main', message('speech-update', 'live-2', { status: 'started', role: 'assistant', turn: 0 }));
  await w().product.webhook('main', message('tool-calls', 'live-2', { toolCallList: [{ id: 'a', name: 'cancel_booking', arguments: {} }] }));
  const live = await w().product.live();
  await live.ready();
  const call = [...live.calls().values()].find((c) => c.provider_call_id === 'live-2');
  assert.equal(call.speaking, 'ai');
  assert.equal(call.status, 'in-progress');
  assert.deepEqual([call.source, call.dialect], ['main', 'vapi']);
  assert.equal(call.counts.tool_calls, 1);
  assert.equal(call.counts.tool_errors, 1);
  assert.ok(call.started_at);
  live.close();
});

test('one call only', async () => {
  await final('live-3', 'mine');
  await final('live-4', 'other');
  const id = (await w().storedAs('live-3')).id;
  const live = await w().product.live({ subscribe: { type: 'subscribe', calls: [id] } });
  await live.ready();
  assert.deepEqual([...live.calls().keys()], [id]);
  await final('live-4', 'not for this watcher');
  await final('live-3', 'for this watcher');
  await live.event('transcript.final', (e) => e.text === 'for this watcher');
  assert.ok(!live.events.some((e) => e.text === 'not for this watcher'));
  live.close();
});

test('resume: what was missed, no snapshot; after a crash of the core a new snapshot', async () => {
  const first = await w().product.live();
  await first.ready();
  await final('live-5', 'seen');
  await first.event('transcript.final', (e) => e.text === 'seen');
  const { epoch } = first.snapshots[0];
  const last = {};
  for (const m of [...first.snapshots, ...first.events.map((e) => ({ owner: e.owner, last_seq: e.seq }))])
    last[m.owner] = Math.max(last[m.owner] ?? 0, m.last_seq);
  first.close();
  await final('live-5', 'missed');
  const owners = Math.max(...Object.keys(last).map(Number)) + 1;
  const after = Object.fromEntries(Array.from({ length: owners }, (_, i) => [i, last[i] ?? 0]));
  const second = await w().product.live({ subscribe: { type: 'subscribe', all: true, resume: { epoch, after } } });
  await second.event('transcript.final', (e) => e.text === 'missed');
  assert.ok(!second.events.some((e) => e.text === 'seen'), 'not again');
  second.close();

  const old = w().product.kill('core');
  await w().product.restarted('core', old);
  await w().product.ready();
  const third = await w().product.live({ subscribe: { type: 'subscribe', all: true, resume: { epoch, after } } });
  await third.ready();
  assert.ok(third.snapshots.length > 0, 'another epoch: a snapshot instead');
  assert.notEqual(third.snapshots[0].epoch, epoch);
  const call = [...third.calls().values()].find((c) => c.provider_call_id === 'live-5');
  assert.ok(JSON.stringify(call).includes('missed'), 'the call survived');
  third.close();
});

test('partials coalesced on request: fewer, and the last one counts', async () => {
  const live = await w().product.live({ subscribe: { type: 'subscribe', all: true, coalesce_ms: 100 } });
  const plain = await w().product.live();
  await Promise.all([live.ready(), plain.ready()]);
  for (let i = 0; i < 60; i++)
    await w().product.webhook('main', message('transcript', 'live-6', { role: 'user', transcriptType: 'partial', transcript: `word ${i}` }));
  await final('live-6', 'word 59 end');
  await live.event('transcript.final', (e) => e.text === 'word 59 end');
  await plain.event('transcript.final', (e) => e.text === 'word 59 end');
  const partials = (client) => client.events.filter((e) => e.type === 'transcript.partial').length;
  assert.equal(partials(plain), 60);
  assert.ok(partials(live) < partials(plain), `${partials(live)} of ${partials(plain)}`);
  live.close();
  plain.close();
});

test('a watcher that reads nothing harms nobody, and begins again with a snapshot', { timeout: 60000 }, async () => {
  const slow = await w().product.live();
  await slow.ready();
  const fast = await w().product.live();
  await fast.ready();
  slow.socket._socket.pause();
  const words = 'many words '.repeat(300);
  const dropped = async () => (await w().product.metric('callmend_ws_slow_consumer_drops_total') ?? 0) >= 1;
  for (let i = 0; i < 6000 && !(i % 200 === 0 && await dropped()); i += 20)
    await Promise.all(Array.from({ length: 20 }, (_, k) => w().product.webhook('main', message('transcript', 'live-7', {
      role: k % 2 ? 'assistant' : 'user', transcriptType: 'final', transcript: `${words}${i + k}` }))));
  assert.ok(await dropped(), 'what it does not take is dropped and counted');
  await final('live-7', 'the last word');
  await fast.event('transcript.final', (e) => e.text === 'the last word');
  const before = slow.snapshots.length;
  slow.socket._socket.resume();
  await until('a fresh snapshot or a closed socket', () => slow.snapshots.length > before || slow.closeCode !== undefined);
  if (slow.closeCode === undefined)
    await until('up to date', () => JSON.stringify([...slow.calls().values()]).includes('the last word') || slow.events.some((e) => e.text === 'the last word'));
  slow.close();
  fast.close();
});

test('commands over the socket, with correlation ids', async () => {
  const sim = await w().simulator('main', { speed: 10 });
  const [call] = sim.start({ name: 'quiet', assistant: { name: 'A', prompt: ['p'] }, script: [{ user: 'Hello?' }, { pause: 3600000 }] }, 1);
  const live = await w().product.live();
  await live.ready();
  await until('connected', () => call.status === 'in-progress');
  await live.event('call.status', (e) => e.data.status === 'in-progress');
  live.send({ type: 'command', id: 'corr-1', call: call.id, verb: 'say', text: 'Said over the socket.' });
  const answer = await live.until('answer', () => live.messages.find((m) => m.id === 'corr-1' && m.type !== 'ready'));
  assert.ok(JSON.stringify(answer).includes('accepted') || JSON.stringify(answer).includes('effect_seen'), JSON.stringify(answer));
  await live.event('command', (e) => e.data.state === 'effect_seen');
  live.send({ type: 'command', id: 'corr-2', call: 'no-such-call', verb: 'end' });
  const refused = await live.until('refusal', () => live.messages.find((m) => m.id === 'corr-2'));
  assert.ok(JSON.stringify(refused).includes('404') || /not.found/.test(JSON.stringify(refused)));
  live.send('{"type":');
  await live.until('malformed', () => live.closeCode !== undefined || live.messages.some((m) => /error|problem/.test(m.type)));
  call.hangUp();
  live.close();
});

test('no token, wrong token: refused; a viewer watches but does not steer', async () => {
  await assert.rejects(w().product.live({ token: null }), /401/);
  await assert.rejects(w().product.live({ token: 'x'.repeat(40) }), /401/);
  const viewer = await w().product.makeToken('viewer');
  const live = await w().product.live({ token: viewer });
  await live.ready();
  live.send({ type: 'command', id: 'c', call: 'live-1', verb: 'end' });
  const refused = await live.until('refusal', () => live.messages.find((m) => m.id === 'c' && m.type !== 'ready'));
  assert.ok(/403|forbidden/.test(JSON.stringify(refused)));
  live.close();
});

test('a watcher sees its own organisation only', async () => {
  const { product } = w();
  const org = '01890000-0000-7000-8000-00000000000a';
  await product.exec(`insert into organisations (id, name) values ('${org}', 'other');
    insert into api_tokens (org_id, name, role, hash) values ('${org}', 'other', 'admin', sha256('other-organisation-token'::bytea))`);
  await until('the token is known', async () => (await product.api('GET', '/api/v1/calls', undefined, { token: 'other-organisation-token' })).status === 200);
  assert.equal((await product.api('GET', `/api/v1/calls/live-1`, undefined, { token: 'other-organisation-token' })).status, 404);
  const live = await product.live({ token: 'other-organisation-token' });
  await live.ready();
  await final('live-8', 'not yours');
  assert.equal(live.calls().size, 0);
  assert.equal(live.events.length, 0);
  live.close();
});

// Duplicates are recognised by message family, never by text alone; a retried tool call gets the first answer.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after });
const send = (m) => w().product.webhook('main', m);
const settled = (id) => until('report stored', async () => (await w().events(id, 'call.report')).length > 0);
const report = (id) => message('end-of-call-report', id, { endedReason: 'customer-ended-call', artifact: { messages: [] }, analysis: {} });

test('the same message again is one event, and is counted', async () => {
  const id = 'dup-1';
  const twice = [message('transcript', id, { role: 'user', transcriptType: 'final', transcript: 'Yes.', timestamp: 1760000001000 }),
    message('status-update', id, { status: 'in-progress', timestamp: 1760000000000 }), message('user-interrupted', id, { turnId: 'a', timestamp: 1760000002000 }),
    message('hang', id, { timestamp: 1760000003000 }), message('speech-update', id, { status: 'started', role: 'user', turn: 1, timestamp: 1760000004000 })];
  for (const m of [...twice, ...twice])
    assert.equal((await send(m)).status, 200);
  await send(report(id));
  await settled(id);
  for (const type of ['transcript.final', 'interruption', 'hang', 'speech.started'])
    assert.equal((await w().events(id, type)).length, 1, type);
  assert.equal((await w().events(id, 'call.status')).filter((e) => e.data.status === 'in-progress').length, 1);
  assert.ok((await w().callRow(id)).duplicate_count >= twice.length);
});

test('two genuine "yes" are two: same words, another time', async () => {
  const id = 'dup-2';
  for (const timestamp of [1760000001000, 1760000005000, 1760000001000])
    await send(message('transcript', id, { role: 'user', transcriptType: 'final', transcript: 'Yes.', timestamp }));
  await send(report(id));
  await settled(id);
  assert.equal((await w().events(id, 'transcript.final')).length, 2);
});

test('a report that comes again with fresh presigned URLs is one report', async () => {
  const sim = await w().simulator('main', { speed: 200 });
  const [call] = await sim.finished(sim.start('voicemail', 1));
  await w().ended(call.id);
  await sim.delivery.send({ callId: call.id, type: 'end-of-call-report', render: () =>
    JSON.stringify({ message: { type: 'end-of-call-report', timestamp: call.now, ...call.report(7), call: call.context.call } }) });
  await send(message('hang', call.id));
  await until('later news stored', async () => (await w().events(call.id, 'hang')).length === 1);
  assert.equal((await w().events(call.id, 'call.report')).length, 1);
});

const toolCall = (id, callId, args, timestamp) => message('tool-calls', callId, { timestamp,
  toolCallList: [{ id, type: 'function', function: { name: 'find_table', arguments: args } }] });

test('a retried tool call gets the first answer and runs once; the same id with other arguments is another call', async () => {
  const before = w().toolServer.requests.length;
  const first = await (await send(toolCall('call_1', 'dup-3', { day: 'Friday', guests: '2' }, 1760000001000))).text();
  const again = await (await send(toolCall('call_1', 'dup-3', { day: 'Friday', guests: '2' }, 1760000001000))).text();
  assert.equal(again, first);
  assert.equal(w().toolServer.requests.length, before + 1);
  const other = await (await send(toolCall('call_1', 'dup-3', { day: 'Sunday', guests: '2' }, 1760000009000))).text();
  assert.notEqual(other, first);
  assert.equal(w().toolServer.requests.length, before + 2);
  await send(toolCall('call_1', 'dup-4', { day: 'Friday', guests: '2' }, 1760000001000));
  assert.equal(w().toolServer.requests.length, before + 3, 'the id repeats in another call');
});

test('a retry that arrives while the tool still runs waits for the same answer', async () => {
  await w().addTool('slow_tool', { url: `${w().toolServer.url}/slow?ms=700` });
  const m = message('tool-calls', 'dup-5', { timestamp: 1760000001000, toolCallList: [{ id: 'c', type: 'function', function: { name: 'slow_tool', arguments: {} } }] });
  await until('tool known', async () => JSON.stringify(await w().product.must('GET', `/api/v1/projects/${w().project.id}/tools`)).includes('slow_tool'));
  const answers = await Promise.all([send(m), send(m), send(m)].map(async (r) => (await r).text()));
  assert.equal(new Set(answers).size, 1);
  assert.equal(w().toolServer.requests.filter((r) => r.path === '/slow').length, 1);
});

test('a whole call in which everything is sent twice is stored once', async () => {
  const plain = await w().simulator('main', { speed: 200, seed: 5 });
  const doubled = await w().simulator('main', { speed: 200, seed: 6, duplicates: 1 });
  const [a] = await plain.finished(plain.start('angry', 1));
  const [b] = await doubled.finished(doubled.start('angry', 1));
  await Promise.all([w().ended(a.id), w().ended(b.id)]);
  const shape = async (id) => (await w().events(id)).filter((e) => ['transcript.final', 'interruption', 'tool.finished', 'call.report', 'message'].includes(e.type))
    .map((e) => `${e.type} ${e.text ?? ''}`).sort();
  await until('the same events', async () => {
    assert.deepEqual(await shape(b.id), await shape(a.id));
    return true;
  });
});

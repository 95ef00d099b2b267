// A user who already has a webhook server keeps it: every webhook is forwarded unchanged, and where Vapi reads the answer the upstream's is given.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message } from './lib/world.mjs';
import { Receiver } from './lib/receiver.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after });

async function withUpstream(t, name, answer, fields = {}) {
  const upstream = await new Receiver(answer).listen();
  t.after(() => upstream.close());
  await w().addSource(name, { upstream_url: upstream.url, upstream_timeout_ms: 1500, ...fields });
  return upstream;
}
const ask = async (source, m) => {
  const response = await w().product.webhook(source, m);
  return { status: response.status, body: await response.json() };
};
const tools = (call, name = 'their_tool') => message('tool-calls', call, { toolCallList: [{ id: 'c1', type: 'function', function: { name, arguments: { a: 1 } } }] });

test('every webhook arrives unchanged, byte for byte', async (t) => {
  const upstream = await withUpstream(t, 'up-all', () => undefined);
  const sim = await w().simulator('up-all', { speed: 100 });
  const sent = [];
  sim.delivery.onAttempt = (item, body) => sent.push(body);
  const [call] = await sim.finished(sim.start('voicemail', 1));
  await until('all forwarded', () => upstream.raw.length >= sent.length);
  const got = new Set(upstream.raw.map((r) => r.bytes.toString()));
  assert.deepEqual(sent.filter((body) => !got.has(body)), []);
  assert.equal(upstream.raw.length, sent.length, 'and once');
  await w().ended(call.id);
});

test('the upstream\'s answer to a tool call is what Vapi gets, and it is logged', async (t) => {
  await withUpstream(t, 'up-tools', (m) => (m.type === 'tool-calls' ? { body: { results: [{ toolCallId: 'c1', name: 'their_tool', result: 'from upstream' }] } } : undefined));
  const answer = await ask('up-tools', tools('up-1'));
  assert.deepEqual([answer.status, answer.body.results[0].result], [200, 'from upstream']);
  const row = await until('logged', async () => (await w().product.sql(`select t.* from tool_calls t join calls c on c.id = t.call_id
    where c.provider_call_id = 'up-1' and success is not null`))[0]);
  assert.equal(row.run_by, 'upstream');
  assert.equal(row.success, true);
  assert.ok(JSON.stringify(row.result).includes('from upstream'));
});

test('questions get the upstream\'s answer; ours when it fails, is late or talks nonsense', async (t) => {
  let mode = 'ok';
  const upstream = await withUpstream(t, 'up-q', (m) => ({
    ok: { body: { destination: { type: 'number', number: '+15550100777' } } }, fail: { status: 500 }, never: null }[m.type === 'transfer-destination-request' ? mode : 'none']),
  { answers: { 'transfer-destination-request': { error: 'nobody is free' } } });
  const question = () => ask('up-q', message('transfer-destination-request', `up-2-${mode}`));
  assert.equal((await question()).body.destination.number, '+15550100777');
  mode = 'fail';
  assert.deepEqual(await question(), { status: 200, body: { error: 'nobody is free' } });
  mode = 'never';
  assert.deepEqual(await question(), { status: 200, body: { error: 'nobody is free' } });
  assert.equal(upstream.ofType('transfer-destination-request').length, 3, 'none was sent twice');
});

test('tool calls: upstream away, then our own tools answer or the fallback', async () => {
  await w().addSource('up-gone', { upstream_url: 'http://127.0.0.1:1/none', upstream_timeout_ms: 800 });
  const answer = await ask('up-gone', tools('up-3'));
  assert.equal(answer.status, 200);
  assert.equal(answer.body.results[0].toolCallId, 'c1');
  assert.equal((await ask('up-gone', message('hang', 'up-3'))).status, 200, 'a dead upstream delays nothing');
  assert.equal((await w().storedAs('up-3')).provider_call_id, 'up-3');
});

test('an assistant-request is answered by the upstream', async (t) => {
  await withUpstream(t, 'up-assistant', (m) => (m.type === 'assistant-request' ? { body: { assistantId: 'theirs' } } : undefined));
  assert.deepEqual((await ask('up-assistant', message('assistant-request', 'up-4'))).body, { assistantId: 'theirs' });
});

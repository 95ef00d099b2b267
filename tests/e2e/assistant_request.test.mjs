// assistant-request: a complete assistant with the project's current instructions, or an id with variables; on failure 200 with a destination or spoken error.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message } from './lib/world.mjs';
import { Receiver } from './lib/receiver.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after });
const ask = async (source, call) => {
  const response = await w().product.webhook(source, message('assistant-request', call));
  return { status: response.status, body: await response.json() };
};
const INLINE = { name: 'Ava', model: { provider: 'openai', model: 'gpt-4o', temperature: 0.4, messages: [{ role: 'system', content: 'old prompt' }, { role: 'user', content: 'kept' }],
  tools: [{ type: 'function', function: { name: 'find_table' } }] }, voice: { provider: '11labs', voiceId: 'sarah' }, firstMessage: 'Hello.' };
const instruct = (text) => w().product.must('PUT', `/api/v1/projects/${w().project.id}/instructions`, { text });

test('inline: everything as configured, only the system message is the project\'s current instructions', async () => {
  await w().addSource('inline', { assistant_mode: 'inline', assistant: INLINE });
  await instruct('You are Ava. Be brief.');
  const { status, body } = await until('served', async () => {
    const answer = await ask('inline', 'ar-1');
    return answer.body.assistant?.model.messages[0].content === 'You are Ava. Be brief.' && answer;
  });
  assert.equal(status, 200);
  assert.deepEqual(body.assistant, { ...INLINE, model: { ...INLINE.model, messages: [{ role: 'system', content: 'You are Ava. Be brief.' }, { role: 'user', content: 'kept' }] } });
  await until('noted with the call', async () => (await w().events('ar-1', 'instructions.served')).length > 0);
  await instruct('You are Ava. Be kind.');
  await until('the next call gets the next version', async () => (await ask('inline', 'ar-2')).body.assistant.model.messages[0].content === 'You are Ava. Be kind.');
});

test('a call that has only asked for its assistant rings', async () => {
  await ask('inline', 'ar-only');
  const row = await w().storedAs('ar-only');
  assert.equal(row.status, 'ringing');
  assert.equal(row.live, true);
  assert.equal((await w().product.must('GET', '/api/v1/calls/ar-only')).status, 'ringing');
  await ask('inline', 'ar-only'); // asked again: no second word
  await w().product.webhook('inline', message('status-update', 'ar-only', { status: 'in-progress' }));
  await w().storedAs('ar-only', (r) => r.status === 'in-progress');
  const events = await w().events('ar-only', 'call.status');
  assert.deepEqual(events.map((e) => [e.data.status, e.data.late ?? false]), [['ringing', false], ['in-progress', false]]);
});

test('upstream fails: ours is served, and the call knows its version', async (t) => {
  const upstream = await new Receiver(() => ({ status: 502 })).listen();
  t.after(() => upstream.close());
  await w().addSource('behind', { assistant_mode: 'inline', assistant: INLINE, upstream_url: upstream.url });
  const { status, body } = await ask('behind', 'ar-behind');
  assert.equal(status, 200);
  assert.equal(body.assistant.name, 'Ava');
  assert.equal(upstream.ofType('assistant-request').length, 1);
  const row = await w().storedAs('ar-behind', (r) => r.instruction_version);
  assert.ok(row.instruction_version);
});

test('fetch: GET /assistant/:id with the private key, cached', async () => {
  const sim = await w().simulator('inline', { privateKey: 'pk-1' });
  sim.assistants.set('as-1', { ...INLINE, id: 'as-1', orgId: 'o', createdAt: 'x', updatedAt: 'x' });
  await w().addSource('fetch', { assistant_mode: 'fetch', assistant_id: 'as-1', api_base: sim.url, private_key: w().product.secret('pk', 'pk-1') });
  const first = await ask('fetch', 'ar-3');
  assert.equal(first.body.assistant.name, 'Ava');
  assert.equal(first.body.assistant.model.messages[0].content, 'You are Ava. Be kind.');
  assert.equal(first.body.assistant.id, undefined, 'an assistant, not a row of Vapi\'s');
  const asked = sim.server.apiRequests.length;
  for (let i = 0; i < 10; i++)
    await ask('fetch', `ar-3-${i}`);
  assert.ok(sim.server.apiRequests.length <= asked + 2, 'cached (once per shard)');
});

test('id: with variable values', async () => {
  await w().addSource('id', { assistant_mode: 'id', assistant_id: 'as-2', variable_values: { shop: 'Sakura' } });
  const { body } = await ask('id', 'ar-4');
  assert.equal(body.assistantId, 'as-2');
  assert.equal(body.assistantOverrides.variableValues.shop, 'Sakura');
});

test('the version is recorded only where the text was written into the answer', async () => {
  const served = async (call) => (await until('served', async () => (await w().events(call, 'instructions.served')).at(-1))).data;
  await w().addSource('bare', { assistant_mode: 'inline', assistant: { name: 'Bare' } });
  await ask('bare', 'ar-bare');
  const [whole, variable, bare] = [await served('ar-1'), await served('ar-4'), await served('ar-bare')];
  assert.deepEqual([whole.how, Boolean(whole.instruction_version)], ['inline', true]);
  assert.deepEqual([variable.how, variable.instruction_version ?? null], ['variable', null]);
  assert.deepEqual([bare.how, bare.instruction_version ?? null], ['inline', null]);
});

test('failures: 200 with the configured destination or a spoken error, never an HTTP error', async () => {
  const failure = { destination: { type: 'number', number: '+15550100800' } };
  await w().addSource('dead', { assistant_mode: 'fetch', assistant_id: 'as-1', api_base: 'http://127.0.0.1:1', private_key: w().product.secret('pk', 'pk-1'), failure });
  assert.deepEqual(await ask('dead', 'ar-5'), { status: 200, body: failure });
  const sim = await w().simulator('inline', { privateKey: 'another' });
  await w().addSource('denied', { assistant_mode: 'fetch', assistant_id: 'as-1', api_base: sim.url, private_key: w().product.secret('pk', 'pk-1') });
  const denied = await ask('denied', 'ar-6');
  assert.equal(denied.status, 200);
  assert.ok(denied.body.error.length > 0);
  sim.server.fail({ where: 'api', mode: 'hang' });
  const hanging = await ask('denied', 'ar-7');
  assert.equal(hanging.status, 200);
});

test('a whole call that asks for its assistant', async () => {
  const sim = await w().simulator('inline', { speed: 200 });
  const [call] = await sim.finished(sim.start('inbound-request', 1));
  assert.equal(call.assistantAnswer.assistant.model.messages[0].content, 'You are Ava. Be kind.');
  const row = await w().ended(call.id);
  assert.ok(row.instruction_version, 'the call knows the version it was served');
});

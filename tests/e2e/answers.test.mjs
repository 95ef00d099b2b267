// Every type whose answer Vapi reads gets 200 with a configured answer or a safe default, also under overload.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, worldFor, message } from './lib/world.mjs';

const QUESTIONS = ['transfer-destination-request', 'handoff-destination-request', 'knowledge-base-request', 'voice-request', 'call.endpointing.request',
  'campaign.predial', 'function-call', 'assistant-request', 'tool-calls'];
const w = worldFor({ before, after });
const ask = async (source, type, fields = {}, call = 'ask-1') => {
  const response = await w().product.webhook(source, message(type, call, fields));
  const bytes = Buffer.from(await response.arrayBuffer());
  let body = null;
  try {
    body = JSON.parse(bytes.toString());
  } catch { /* audio */ }
  return { status: response.status, type: response.headers.get('content-type'), bytes, body };
};

test('defaults are safe and of the shape that Vapi reads', async () => {
  const transfer = await ask('main', 'transfer-destination-request');
  assert.equal(transfer.status, 200);
  assert.ok(transfer.body.error || transfer.body.destination, 'says why there is no destination');
  const handoff = await ask('main', 'handoff-destination-request', { parameters: {} });
  assert.equal(handoff.status, 200);
  assert.ok(handoff.body.error || handoff.body.result || handoff.body.destination);
  const kb = await ask('main', 'knowledge-base-request', { messages: [], messagesOpenAIFormatted: [] });
  assert.deepEqual([kb.status, kb.body.documents], [200, []]);
  const endpointing = await ask('main', 'call.endpointing.request', { messagesOpenAIFormatted: [] });
  assert.ok(endpointing.body.timeoutSeconds >= 0 && endpointing.body.timeoutSeconds <= 15);
  const predial = await ask('main', 'campaign.predial', { campaignId: 'c', contact: {} });
  assert.equal(typeof predial.body.eligible, 'boolean');
  const voice = await ask('main', 'voice-request', { text: 'Hello', sampleRate: 16000 });
  assert.equal(voice.status, 200);
  assert.equal(voice.type, 'application/octet-stream');
  assert.equal(voice.bytes.length % 2, 0, 'whole 16-bit samples');
  const legacy = await ask('main', 'function-call', { functionCall: { name: 'find_table', parameters: { day: 'Friday', guests: '2' } } });
  assert.equal(legacy.status, 200);
  assert.ok('result' in legacy.body);
  const assistant = await ask('main', 'assistant-request', {}, 'ask-assistant');
  assert.equal(assistant.status, 200);
  assert.equal(typeof assistant.body.error, 'string', 'a spoken error, not a refusal');
  const tool = await ask('main', 'tool-calls', { toolCallList: [{ id: 'x', name: 'no_such_tool', arguments: {} }] });
  assert.equal(tool.status, 200);
  assert.equal(tool.body.results[0].toolCallId, 'x');
});

test('configured answers are given as they are', async () => {
  const answers = { 'transfer-destination-request': { destination: { type: 'number', number: '+15550100999' } },
    'campaign.predial': { eligible: true }, 'knowledge-base-request': { documents: [{ content: 'Parking is behind the building.', similarity: 0.9 }] } };
  await w().addSource('configured', { answers });
  for (const [type, answer] of Object.entries(answers))
    assert.deepEqual((await ask('configured', type, {}, 'ask-2')).body, answer, type);
});

test('questions are events of the call', async () => {
  await ask('main', 'transfer-destination-request', {}, 'ask-3');
  await w().storedAs('ask-3');
  assert.equal((await w().events('ask-3', 'question')).length, 1);
});

test('under overload (no room for calls) questions still get 200, other messages of new calls 503 with Retry-After', async (t) => {
  const small = await World.start({ config: { core: { max_calls: 1 } } });
  t.after(() => small.end());
  assert.equal((await small.product.webhook('main', message('status-update', 'only-one', { status: 'in-progress' }))).status, 200);
  for (const type of QUESTIONS) {
    const response = await small.product.webhook('main', message(type, `over-${type}`, { toolCallList: [{ id: 'x', name: 'find_table', arguments: {} }],
      functionCall: { name: 'find_table', parameters: {} }, text: 'x', sampleRate: 8000 }));
    assert.equal(response.status, 200, type);
  }
  const refused = await small.product.webhook('main', message('status-update', 'too-many', { status: 'in-progress' }));
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers.get('retry-after')) >= 1);
  assert.equal((await small.product.webhook('main', message('hang', 'only-one'))).status, 200, 'calls under way go on');
});

// The simulator against a stand-in: tests of the tests' own tools.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { Simulator } from '../../tools/vapi-sim/lib/simulator.mjs';
import { loadScenarios, SCENARIOS_DIR, checkScenario } from '../../tools/vapi-sim/lib/scenario.mjs';
import { signatureHeaders } from '../../tools/vapi-sim/lib/delivery.mjs';
import { ToolServer } from '../../tools/vapi-sim/tool-server.mjs';
import { Receiver } from './lib/receiver.mjs';
import { until } from '../../tools/lib/wait.mjs';

const toolsAnswer = (message) => (message.type === 'tool-calls'
  ? { body: { results: message.toolCallList.map((c) => ({ toolCallId: c.id, name: c.name ?? c.function.name, result: 'ok' })) } } : undefined);

async function world(t, options = {}, answer = toolsAnswer) {
  const receiver = await new Receiver(answer).listen();
  const sim = await new Simulator({ target: receiver.url, speed: 200, seed: 7, reportDelayMs: 200, ...options }).listen();
  t.after(async () => {
    await sim.close();
    await receiver.close();
  });
  return { receiver, sim };
}

const controlOf = (call) => (body) => fetch(call.controlUrl, { method: 'POST', body: JSON.stringify(body) });

test('every scenario plays to its end, in order, with bodies as on the wire', async (t) => {
  const { receiver, sim } = await world(t);
  const scenarios = loadScenarios(SCENARIOS_DIR);
  assert.ok(scenarios.length >= 8);
  const noAssistant = receiver.answer;
  receiver.answer = (m) => (m.type === 'assistant-request' ? { body: { assistantId: 'a' } } : noAssistant(m));
  const calls = sim.start(scenarios, scenarios.length);
  await sim.finished(calls);
  for (const call of calls) {
    const mine = receiver.messages.filter((m) => m.call.id === call.id);
    const statuses = mine.filter((m) => m.type === 'status-update').map((m) => m.status).filter((s) => s !== 'forwarding');
    assert.deepEqual(statuses, ['queued', 'ringing', 'in-progress', 'ended'], call.scenario.name);
    assert.equal(mine.at(-1).type, 'end-of-call-report');
    assert.ok(mine.every((m, i) => i === 0 || m.timestamp >= mine[i - 1].timestamp), 'times never go back');
    assert.ok(mine.every((m) => m.call.monitor.controlUrl === call.controlUrl && m.call.status === 'ringing'));
    assert.equal(call.endReason, mine.at(-1).endedReason);
  }
  const booking = calls.find((c) => c.scenario.name === 'booking');
  const history = receiver.messages.filter((m) => m.call.id === booking.id && m.type === 'conversation-update').at(-1);
  assert.equal(history.messages.length, history.messagesOpenAIFormatted.length);
  assert.ok(history.messages.some((m) => m.role === 'tool_call_result'));
  assert.equal(history.messages.filter((m) => m.role === 'user' && m.message === 'Yes.').length, 2, 'two genuine "yes"');
});

test('the same seed gives the same bodies, another seed others', async (t) => {
  const play = async (seed) => {
    const { receiver, sim } = await world(t, { seed, startAt: 1760000000000, port: 0 });
    const calls = sim.start('booking', 2);
    await sim.finished(calls);
    const port = new RegExp(`:(${sim.server.port}|${new URL(receiver.url).port})/`, 'g');
    return calls.map((call) => receiver.messages.filter((m) => m.call.id === call.id)
      .map((m) => JSON.stringify(m).replace(port, ':PORT/')).join('\n'));
  };
  const [a, b, c] = [await play(1), await play(1), await play(2)];
  assert.deepEqual(a, b);
  assert.notDeepEqual(a, c);
});

test('tool calls come in all shapes, and the answer must name the exact id', async (t) => {
  const { receiver, sim } = await world(t);
  await sim.finished(sim.start('booking', 24));
  const shapes = new Set(receiver.ofType('tool-calls').map(({ toolCallList: [c] }) =>
    c.function ? `function ${typeof c.function.arguments}` : Object.keys(c).sort().join()));
  assert.deepEqual([...shapes].sort(), ['arguments,id,name', 'function object', 'function string', 'id,name,parameters']);
  assert.ok([...sim.calls.values()].every((c) => c.toolResults.every((r) => r.result === 'ok')));
  receiver.answer = () => ({ body: { results: [{ toolCallId: 'other', result: 'ok' }] } });
  const [call] = sim.start('booking', 1);
  await call.done;
  assert.ok(call.toolResults.every((r) => r.result === undefined), 'a wrong id is no result');
});

test('the control URL has its effects, and refuses what is wrong', async (t) => {
  const { receiver, sim } = await world(t, { speed: 20, neverEnds: true });
  const [call] = sim.start('silent', 1);
  const control = controlOf(call);
  await until('connected', () => call.status === 'in-progress');
  assert.equal((await control({ type: 'dance' })).status, 400);
  assert.equal((await control({ type: 'say' })).status, 400);
  assert.equal((await fetch(`${sim.url}/no-such-call/control`, { method: 'POST', body: '{"type":"end-call"}' })).status, 404);
  assert.equal(call.received.length, 0, 'refused commands are not counted');

  assert.equal((await control({ type: 'say', content: 'A manager is joining us now.' })).status, 200);
  await until('said', () => receiver.messages.some((m) => m.type === 'transcript' && m.transcriptType === 'final' && m.role === 'assistant' &&
    m.transcript === 'A manager is joining us now.'));
  await control({ type: 'add-message', message: { role: 'system', content: 'The caller is a regular.' }, triggerResponseEnabled: false });
  await until('in history', () => receiver.ofType('conversation-update').some((m) => m.messages.some((e) => e.message === 'The caller is a regular.')));

  await control({ type: 'control', control: 'mute-assistant' });
  await until('muted', () => call.muted.assistant);
  await control({ type: 'say', content: 'This is never heard.' });
  await control({ type: 'control', control: 'unmute-assistant' });
  await control({ type: 'say', content: 'This is heard again.' });
  await until('heard', () => call.spoken.some((s) => s.text === 'This is heard again.'));
  await control({ type: 'end-call' });
  await call.done;
  assert.equal(call.endReason, 'manually-canceled');
  assert.equal((await control({ type: 'say', content: 'too late' })).status, 404);
  assert.equal(sim.effects()[call.id]['say A manager is joining us now.'], 1);
});

test('mute cuts running assistant speech', async (t) => {
  const { receiver, sim } = await world(t, { speed: 4 });
  const scenario = { name: 'talker', assistant: { name: 'A', prompt: ['p'] }, script: [{ assistant: 'word '.repeat(60).trim() }, { assistant: 'after' }] };
  const [call] = sim.start(checkScenario(scenario, 'talker'), 1);
  await until('speaking', () => call.speaking === 'assistant');
  await controlOf(call)({ type: 'control', control: 'mute-assistant' });
  await call.done;
  const speech = receiver.ofType('speech-update').map((m) => `${m.role} ${m.status}`);
  assert.deepEqual(speech, ['assistant started', 'assistant stopped'], 'and nothing is said afterwards');
  assert.ok(call.spoken.every((s) => s.text.split(' ').length < 60));
});

test('transfer leaves through forwarding', async (t) => {
  const { receiver, sim } = await world(t, { speed: 50, neverEnds: true });
  const [call] = sim.start('silent', 1);
  await until('connected', () => call.status === 'in-progress');
  await controlOf(call)({ type: 'transfer', destination: { type: 'number', number: '+15550100901' } });
  await call.done;
  assert.ok(receiver.ofType('status-update').some((m) => m.status === 'forwarding' && m.destination.number === '+15550100901'));
  assert.equal(call.endReason, 'assistant-forwarded-call');
});

test('retries follow the backoff plan; presigned URLs differ at each attempt; without retries a message is lost', async (t) => {
  let refuse = true;
  const { receiver, sim } = await world(t, { retries: 2, baseDelaySeconds: 0.1 }, (m) => {
    if (m.type !== 'end-of-call-report')
      return toolsAnswer(m);
    const answer = refuse ? { status: 503 } : undefined;
    refuse = false;
    return answer;
  });
  await sim.finished(sim.start('voicemail', 1));
  const reports = receiver.ofType('end-of-call-report');
  assert.equal(reports.length, 2);
  assert.notEqual(reports[0].artifact.presignedMonoUrl, reports[1].artifact.presignedMonoUrl);
  assert.equal(sim.stats().delivery.given_up, 0);

  const other = await world(t, {}, (m) => (m.type === 'hang' || m.type === 'status-update' ? { status: 500 } : undefined));
  await other.sim.finished(other.sim.start('voicemail', 1));
  assert.equal(other.sim.stats().delivery.given_up, 4);
});

test('signatures: what the default HMAC check expects, and its options', () => {
  const h = signatureHeaders({ mode: 'hmac', secret: 'k' }, '{"a":1}', { now: 1000 });
  assert.equal(h['x-signature'], createHmac('sha256', 'k').update('1000.{"a":1}').digest('hex'));
  const o = signatureHeaders({ mode: 'hmac', secret: Buffer.from('k').toString('base64'), secretIsBase64: true, algorithm: 'sha512',
    signaturePrefix: 'sha512=', signatureEncoding: 'base64', includeTimestamp: false, signatureHeader: 'x-sig' }, 'b');
  assert.deepEqual(o, { 'x-sig': `sha512=${createHmac('sha512', 'k').update('b').digest('base64')}` });
});

test('long calls have bodies of real size', async (t) => {
  const { sim } = await world(t, { speed: 100000, turns: 100, reportBytes: 500 * 1024 });
  await sim.finished(sim.start('booking', 1));
  assert.ok(sim.stats().median_body_bytes >= 30 * 1024, String(sim.stats().median_body_bytes));
  assert.ok(sim.stats().largest_body_bytes >= 500 * 1024, String(sim.stats().largest_body_bytes));
});

test('killed calls go silent; faults of control and API can be ordered; the API asks for its key', async (t) => {
  const { receiver, sim } = await world(t, { speed: 50, neverEnds: true, privateKey: 'pk' });
  const [call] = sim.start('silent', 1);
  await until('connected', () => call.status === 'in-progress');
  sim.server.fail({ mode: '500', times: 1 });
  assert.equal((await controlOf(call)({ type: 'say', content: 'x' })).status, 500);
  sim.server.fail({ mode: 'reset', when: 'after', times: 1 });
  await assert.rejects(controlOf(call)({ type: 'say', content: 'spoken although the answer is lost' }));
  assert.equal(call.received.length, 1);
  assert.equal((await fetch(`${sim.url}/call/${call.id}`)).status, 401);
  const object = await (await fetch(`${sim.url}/call/${call.id}`, { headers: { authorization: 'Bearer pk' } })).json();
  assert.equal(object.status, 'in-progress');
  call.kill();
  await call.done;
  assert.equal(receiver.ofType('end-of-call-report').length, 0);
});

test('tool server: modes, and executions by key', async (t) => {
  const tools = await new ToolServer().listen();
  t.after(() => tools.close());
  const run = (path, key) => fetch(tools.url + path, { method: 'POST', body: '{"a":1}', headers: { 'idempotency-key': key } });
  assert.equal((await run('/ok', 'k1')).status, 200);
  assert.equal((await run('/fail', 'k2')).status, 500);
  await run('/ok', 'k1');
  assert.deepEqual(tools.executions(), { k1: 2, k2: 1 });
});

// A6: steering a call. requested → accepted → effect seen | not observable | timed out | unknown; idempotent by key, also across a crash.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';

const LIMITS = { say_effect_ms: 4000, add_message_effect_ms: 4000, mute_effect_ms: 3000, unmute_effect_ms: 9000, end_effect_ms: 4000, transfer_effect_ms: 4000 };
const w = worldFor({ before, after }, { settings: LIMITS });

// Speaks for as long as the test needs.
const TALKER = { name: 'talker', assistant: { name: 'Ava', prompt: ['p'], reply: 'Thank you, noted.' },
  script: Array.from({ length: 400 }, (_, i) => ({ assistant: `I will now tell you something rather long about topic number ${i} of my list, so please listen to me.` })) };
// Is in the middle of a sentence whenever somebody looks.
const LECTURER = { name: 'lecturer', assistant: { name: 'Ava', prompt: ['p'], reply: 'Thank you, noted.' },
  script: Array.from({ length: 40 }, (_, i) => ({ assistant: `Lesson ${i}: ${'this is a long and winding sentence about tables, '.repeat(10)}and so on.` })) };
const QUIET = { name: 'quiet', assistant: { name: 'Ava', prompt: ['p'], reply: 'Thank you, noted.' }, script: [{ user: 'Hello?' }, { pause: 3600000 }] };

async function running(scenario, options = {}) {
  const sim = await w().simulator('main', { speed: 10, reportDelayMs: 200, ...options });
  const [call] = sim.start(scenario, 1);
  await until('call is known', async () => call.status === 'in-progress' && (await w().product.api('GET', `/api/v1/calls/${call.id}`)).status === 200);
  return { sim, call };
}

const command = (call, body, options) => w().product.api('POST', `/api/v1/calls/${call.id}/commands`, body, options);
const stateOf = async (id) => (await w().product.sql(`select * from interventions where id = '${id}'`))[0];
const reaches = (id, state) => until(`command is ${state}`, async () => {
  const row = await stateOf(id);
  if (row?.state !== state)
    throw new Error(`state is ${row?.state}`);
  return row;
}, { timeoutMs: 12000 });

test('say: accepted, then seen in the assistant\'s transcript', async () => {
  const { sim, call } = await running(QUIET);
  const answer = await command(call, { verb: 'say', text: 'A manager is joining the call now.', reason: 'caller is upset' });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.ok(['accepted', 'effect_seen'].includes(answer.body.state));
  const row = await reaches(answer.body.command_id, 'effect_seen');
  assert.equal(row.verb, 'say');
  assert.equal(row.actor, 'token:e2e admin');
  assert.equal(row.reason, 'caller is upset');
  assert.ok(row.accepted_at && row.effect_at && row.latency_ms >= 0);
  assert.equal(sim.effects()[call.id]['say A manager is joining the call now.'], 1);
  call.hangUp();
  assert.ok((await w().ended(call.id)).intervention_count >= 1);
});

test('the paths that were asked for: inject, end', async () => {
  const { call } = await running(TALKER);
  const at = (verb) => `/api/v1/vapi/call/${call.id}/${verb}`;
  const inject = await w().product.must('POST', at('inject'), { message: 'The caller is a regular guest.', type: 'add-message' });
  await reaches(inject.command_id, 'effect_seen');
  const say = await w().product.must('POST', at('inject'), { message: 'One moment please, thank you.', type: 'say' });
  await reaches(say.command_id, 'effect_seen');
  const end = await w().product.must('POST', at('end'), {});
  await reaches(end.command_id, 'effect_seen');
  assert.equal(call.endReason, 'manually-canceled');
});

test('mute and unmute: the assistant stops in the middle of a sentence, and speaks again', async () => {
  const { call } = await running(LECTURER);
  const at = (verb) => `/api/v1/vapi/call/${call.id}/${verb}`;
  await until('the assistant is heard speaking', async () => (await w().product.must('GET', '/api/v1/live/calls')).calls.some((c) => c.provider_call_id === call.id && c.speaking === 'ai'));
  const mute = await w().product.must('POST', at('mute'), {});
  await reaches(mute.command_id, 'effect_seen');
  assert.equal(call.muted.assistant, true);
  const unmute = await w().product.must('POST', at('unmute'), {});
  await reaches(unmute.command_id, 'effect_seen');
  call.hangUp();
});

test('transfer: seen by forwarding', async () => {
  const { call } = await running(QUIET);
  const answer = await command(call, { verb: 'transfer', destination: { type: 'number', number: '+15550100901' }, text: 'I am connecting you.' });
  await reaches(answer.body.command_id, 'effect_seen');
  assert.equal(call.endReason, 'assistant-forwarded-call');
});

test('effect not observed in time; nothing observable', async () => {
  const { call } = await running(QUIET);
  call.muted.assistant = true; // the words will never be heard
  const silent = await command(call, { verb: 'say', text: 'Nobody will ever hear these words.' });
  await reaches(silent.body.command_id, 'timed_out');
  call.muted.assistant = false;
  const customer = await command(call, { verb: 'mute', target: 'customer' });
  await until('customer muted', () => call.muted.customer);
  const row = await until('final', async () => {
    const r = await stateOf(customer.body.command_id);
    return ['not_observable', 'timed_out', 'effect_seen'].includes(r?.state) && r;
  });
  assert.equal(row.target, 'customer');
  call.hangUp();
});

test('where transcripts are not subscribed the history shows the words', async () => {
  const { call } = await running(QUIET, { subscribe: 'default', speed: 1 }); // at real pace: times of entries are compared with ours
  const answer = await command(call, { verb: 'say', text: 'Words for the history.' });
  await reaches(answer.body.command_id, 'effect_seen');
  call.hangUp();
});

test('refused by the provider: rejected, with the reason; nothing is sent again', async () => {
  const { sim, call } = await running(QUIET);
  sim.server.fail({ mode: '500', callId: call.id, times: 1 });
  const before = sim.server.controlRequests.length;
  const answer = await command(call, { verb: 'say', text: 'This one fails.' });
  assert.equal(answer.status, 409);
  assert.equal(answer.body.command.state, 'rejected');
  assert.equal(sim.server.controlRequests.length, before + 1);
  call.hangUp();
});

test('reset in the middle: unknown, and a failed POST is not retried', async () => {
  const { sim, call } = await running(QUIET);
  sim.server.fail({ mode: 'reset', when: 'after', callId: call.id, times: 1 });
  const before = sim.server.controlRequests.length;
  const answer = await command(call, { verb: 'say', text: 'Spoken, but the answer is lost.' });
  const id = answer.body.command_id ?? answer.body.command?.command_id;
  const row = await until('final or seen', async () => {
    const r = await stateOf(id);
    return ['unknown', 'effect_seen'].includes(r?.state) && r;
  });
  assert.ok(row);
  const again = await command(call, { verb: 'say', text: 'Another.' });
  assert.equal(again.status, 200);
  assert.equal(sim.server.controlRequests.length, before + 2);
  call.hangUp();
});

test('the same key is the same command, at once, later and across a crash of the core', async () => {
  const { sim, call } = await running(QUIET);
  const ask = () => command(call, { verb: 'say', text: 'Only once, whatever happens.' }, { key: 'key-1' });
  const answers = await Promise.all([ask(), ask(), ask()]);
  const ids = new Set(answers.map((a) => a.body.command_id));
  assert.equal(ids.size, 1);
  const old = w().product.kill('core');
  assert.ok(old);
  await w().product.restarted('core', old);
  await w().product.ready();
  const after = await until('answered after the crash', async () => {
    const a = await ask();
    return a.status < 500 && a;
  });
  assert.equal(after.body.command_id, [...ids][0]);
  assert.equal(sim.effects()[call.id]['say Only once, whatever happens.'], 1);
  const other = await command(call, { verb: 'say', text: 'A command after the crash.' });
  assert.equal(other.status, 200, 'the control URL survived the crash');
  await reaches(other.body.command_id, 'effect_seen');
  call.hangUp();
});

test('a crash between request and answer: unknown, never sent again', async () => {
  const { sim, call } = await running(QUIET);
  sim.server.fail({ mode: 'hang', when: 'after', callId: call.id, times: 1 });
  const pending = command(call, { verb: 'say', text: 'The core dies while I am on my way.' }).catch(() => null);
  await until('received', () => call.received.some((c) => c.content?.startsWith('The core dies')));
  const old = w().product.kill('core');
  await w().product.restarted('core', old);
  await w().product.ready();
  await pending;
  await until('unknown or seen', async () => {
    const rows = await w().product.sql(`select state from interventions where text like 'The core dies%'`);
    return ['unknown', 'effect_seen'].includes(rows[0]?.state);
  });
  assert.equal(sim.effects()[call.id]['say The core dies while I am on my way.'], 1);
  call.hangUp();
});

test('commands that make no sense are refused with the reason', async () => {
  const { call } = await running(QUIET);
  const cases = [[{ verb: 'dance' }, 422], [{ verb: 'say' }, 422], [{ verb: 'say', text: 'x'.repeat(5000) }, 422], [{ verb: 'transfer' }, 422],
    [{ verb: 'mute', target: 'everybody' }, 422], [{}, 422], ['not json', 400], [{ verb: 'say', text: 'x', unknown_member: 1 }, 422]];
  for (const [body, status] of cases)
    assert.equal((await command(call, body)).status, status, JSON.stringify(body).slice(0, 80));
  assert.equal((await w().product.api('POST', '/api/v1/calls/no-such-call/commands', { verb: 'end' })).status, 404);
  call.hangUp();
  await w().ended(call.id);
  const late = await command(call, { verb: 'say', text: 'Too late.' });
  assert.ok([404, 409].includes(late.status), 'command on an ended call');
});

test('an unreachable control URL is a clear answer', async () => {
  const { sim, call } = await running(QUIET);
  await new Promise((resolve) => {
    sim.server.server.closeAllConnections();
    sim.server.server.close(resolve);
  });
  const answer = await command(call, { verb: 'say', text: 'Is anybody there?' });
  assert.equal(answer.status, 409);
  assert.equal(answer.body.command.state, 'rejected');
  assert.ok(answer.body.command.error.length > 0);
});

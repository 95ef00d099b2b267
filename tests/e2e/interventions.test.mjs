// A9: what the core does by itself in a running call, by the project's rules: off by default, once per cause and call, recorded as a command whose
// actor is the rule and whose reason is what was said.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, SECRET } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { loadScenario, SCENARIOS_DIR } from '../../tools/vapi-sim/lib/scenario.mjs';

const w = worldFor({ before, after }, { config: { analyst: { processes: 0 } }, tools: false });
const must = (...args) => w().product.must(...args);
const scenario = (name) => loadScenario(`${SCENARIOS_DIR}/${name}.json`);

// A project with these rules and a source of its name.
async function project(name, rules) {
  const made = await must('POST', '/api/v1/projects', { name, language: 'en', ...(rules ? { rules } : {}) });
  await must('POST', '/api/v1/sources', { name, dialect: 'vapi', project_id: made.id, auth: [{ type: 'secret', secret: w().product.secret('shared', SECRET) }] });
  await w().sourceKnown(name);
  return made;
}

async function play(name, what, options = {}) {
  const sim = await w().simulator(name, { speed: 40, ...options });
  const [call] = await sim.finished(sim.start(what, 1));
  const row = await w().ended(call.id);
  return { sim, call, row };
}

const commandsOf = (call) => w().product.sql(`select i.* from interventions i join calls c on c.id = i.call_id where c.provider_call_id = '${call.id}' order by i.requested_at`);
const raised = async (call, signal) => (await w().events(call.id, 'signal')).filter((e) => e.data.signal === signal && e.data.state === 'raised');

// Gets angry, calms down, gets angry once more; and is confused twice on both sides.
const calm = (n) => Array.from({ length: n }, (_, i) => [{ user: `Table number ${i} please.` }, { assistant: `That is table ${i}, it has a view of the garden.` }]).flat();
const TWICE = { name: 'twice', customer: { number: '+15550100301' }, assistant: { name: 'Ava', prompt: ['p'], reply: 'I see.' }, script: [
  { user: 'This is ridiculous! I am so angry, this is unacceptable.' }, { assistant: 'I am sorry.' }, ...calm(12),
  { user: 'This is ridiculous! I am so angry, this is unacceptable.' }, { assistant: 'I am sorry about that.' }, { user: 'Bye.' }] };
const LOST = { name: 'lost', customer: { number: '+15550100302' }, assistant: { name: 'Ava', prompt: ['p'], reply: 'Let me put it in other words.' }, script: [
  { user: 'I do not understand. What do you mean?' }, { assistant: 'The long table is for groups.' }, ...calm(12),
  { user: 'I do not understand. What do you mean?' }, { assistant: 'We have a long table.' }, { user: 'Bye.' }] };
const PUZZLED = { name: 'puzzled', customer: { number: '+15550100303' }, assistant: { name: 'Ava', prompt: ['p'], reply: 'So you would like a table.' }, script: [
  { user: 'A thing for the thing, please.' }, { assistant: 'I am sorry, I did not understand that. I did not quite catch that.' }, ...calm(12),
  { user: 'The thing again.' }, { assistant: 'I am sorry, I did not understand that. I did not quite catch that.' }, { user: 'Bye.' }] };

test('without rules nothing is done', { timeout: 120000 }, async () => {
  await project('no-rules');
  for (const what of [TWICE, LOST, PUZZLED, scenario('angry'), scenario('confused')]) {
    const { sim, call } = await play('no-rules', what);
    assert.ok((await w().events(call.id, 'signal')).length > 0, `${what.name}: something was noticed`);
    assert.deepEqual(await commandsOf(call), [], what.name);
    assert.deepEqual(await w().events(call.id, 'escalation.proposed'), [], what.name);
    assert.deepEqual(sim.effects(), {});
  }
});

test('a rule that is there but not enabled does nothing', { timeout: 60000 }, async () => {
  await project('disabled', { escalate_on_frustration: { enabled: false, action: 'propose' }, clarify_caller_confused: { enabled: false, text: 'Explain it.' }, clarify_assistant_confused: { text: 'Ask.' } });
  for (const what of [TWICE, LOST, PUZZLED]) {
    const { call } = await play('disabled', what);
    assert.deepEqual(await commandsOf(call), []);
    assert.deepEqual(await w().events(call.id, 'escalation.proposed'), []);
  }
});

test('frustration, propose: watchers are told, once, and nobody is transferred', { timeout: 60000 }, async () => {
  await project('propose', { escalate_on_frustration: { enabled: true, action: 'propose' } });
  const live = await w().product.live();
  await live.ready();
  const { sim, call, row } = await play('propose', TWICE);
  assert.ok((await raised(call, 'frustration')).length >= 2, 'frustrated twice');
  const proposed = await w().events(call.id, 'escalation.proposed');
  assert.equal(proposed.length, 1, 'proposed once');
  const { data } = proposed[0];
  assert.deepEqual([data.rule, data.action, data.signal], ['escalate_on_frustration', 'propose', 'frustration']);
  assert.ok(data.score >= 60);
  assert.match(JSON.stringify(data.evidence), /ridiculous/);
  const seen = await live.event('escalation.proposed', (e) => e.call_id === row.id);
  assert.deepEqual(seen.data, data);
  assert.deepEqual(await commandsOf(call), []);
  assert.deepEqual(sim.effects(), {});
  assert.equal(row.ended_reason, 'customer-ended-call');
  live.close();
});

test('frustration, transfer: the call goes to its destination', { timeout: 60000 }, async () => {
  const destination = { type: 'number', number: '+15550100901' };
  await project('transfer', { escalate_on_frustration: { enabled: true, action: 'transfer', destination, message: 'I will connect you with a colleague.' } });
  const { sim, call, row } = await play('transfer', scenario('angry'));
  const [command, ...others] = await commandsOf(call);
  assert.deepEqual(others, []);
  assert.deepEqual([command.verb, command.actor, command.state], ['transfer', 'rule:escalate_on_frustration', 'effect_seen']);
  assert.match(command.reason, /^frustration \d+: /);
  assert.equal(call.received.filter((c) => c.type === 'transfer').length, 1);
  assert.deepEqual(call.received[0].destination.number, destination.number);
  assert.equal(call.endReason, 'assistant-forwarded-call');
  assert.equal(row.ended_reason, 'assistant-forwarded-call');
  const [proposed] = await w().events(call.id, 'escalation.proposed');
  assert.equal(proposed.data.action, 'transfer');
  assert.equal(Object.values(sim.effects()).length, 1);
});

for (const [rule, what, signal, text] of [
  ['clarify_caller_confused', LOST, 'confusion_user', 'The caller does not understand: explain it in simple words.'],
  ['clarify_assistant_confused', PUZZLED, 'confusion_assistant', 'You did not understand the caller: say what you understood and ask.']])
  test(`${rule}: a clarification is injected, once`, { timeout: 60000 }, async () => {
    await project(rule.replaceAll('_', '-'), { [rule]: { enabled: true, text } });
    const { call } = await play(rule.replaceAll('_', '-'), what);
    assert.ok((await raised(call, signal)).length >= 2, 'confused twice');
    const commands = await commandsOf(call);
    assert.equal(commands.length, 1, 'injected once');
    assert.deepEqual([commands[0].verb, commands[0].actor, commands[0].state], ['add-message', `rule:${rule}`, 'effect_seen']);
    assert.match(commands[0].reason, new RegExp(`^${signal} \\d+: `));
    assert.deepEqual(call.received.map((c) => [c.type, c.message.role, c.message.content]), [['add-message', 'system', text]]);
    assert.ok(call.spoken.some((s) => s.text === what.assistant.reply), 'the assistant answers with it in mind');
    assert.deepEqual(await w().events(call.id, 'escalation.proposed'), []);
  });

test('each cause has its own once: all three rules in one call', { timeout: 60000 }, async () => {
  await project('all-rules', { escalate_on_frustration: { enabled: true, action: 'propose' }, clarify_caller_confused: { enabled: true, text: 'Explain.' },
    clarify_assistant_confused: { enabled: true, text: 'Ask.' } });
  const all = { ...TWICE, name: 'all', script: [...TWICE.script.slice(0, -1), ...LOST.script.slice(0, -1), ...PUZZLED.script] };
  const { call } = await play('all-rules', all);
  assert.deepEqual((await commandsOf(call)).map((c) => c.actor).sort(), ['rule:clarify_assistant_confused', 'rule:clarify_caller_confused']);
  assert.equal((await w().events(call.id, 'escalation.proposed')).length, 1);
});

test('a change of rules holds for calls that begin later; wrong rules are refused by name', { timeout: 60000 }, async () => {
  const made = await project('later');
  const path = `/api/v1/projects/${made.id}`;
  const before = await play('later', TWICE);
  await must('PATCH', path, { rules: { escalate_on_frustration: { enabled: true, action: 'propose' } } });
  const proposed = await until('the rule holds', async () => {
    const { call } = await play('later', TWICE);
    return (await w().events(call.id, 'escalation.proposed')).length === 1;
  }, { timeoutMs: 40000 });
  assert.ok(proposed);
  assert.deepEqual(await w().events(before.call.id, 'escalation.proposed'), []);
  for (const [rules, named] of [
    [{ escalate: { enabled: true } }, /rules\.escalate/],
    [{ escalate_on_frustration: { enabled: 'yes' } }, /escalate_on_frustration.*enabled/],
    [{ escalate_on_frustration: { enabled: true, action: 'end' } }, /action/],
    [{ escalate_on_frustration: { enabled: true, action: 'transfer' } }, /destination/],
    [{ clarify_caller_confused: { enabled: true } }, /text/],
    [{ clarify_caller_confused: { enabled: true, text: 'x', often: 3 } }, /often/]]) {
    const answer = await w().product.api('PATCH', path, { rules });
    assert.equal(answer.status, 422, JSON.stringify(rules));
    assert.match(JSON.stringify(answer.body), named);
  }
  const viewer = await w().product.makeToken('viewer', 'looks only');
  assert.equal((await w().product.api('PATCH', path, { rules: {} }, { token: viewer })).status, 403);
});

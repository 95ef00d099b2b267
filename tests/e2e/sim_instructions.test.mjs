// The simulated assistant that does what its instructions say: what is read of them, and that other instructions make another call.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { Simulator } from '../../tools/vapi-sim/lib/simulator.mjs';
import { loadScenario, checkScenario, SCENARIOS_DIR } from '../../tools/vapi-sim/lib/scenario.mjs';
import { readInstructions, answerIn } from '../../tools/vapi-sim/lib/instructions.mjs';
import { Receiver } from './lib/receiver.mjs';

const keys = (text) => readInstructions(text).collect.map((item) => item.key);
const reservations = () => loadScenario(`${SCENARIOS_DIR}/reservations.json`);
const PROMPT = reservations().assistant.prompt.join('\n');

test('what is asked for', () => {
  assert.deepEqual(keys(PROMPT), ['name', 'guests', 'day', 'time']);
  assert.deepEqual(keys('Ask for the caller\'s e-mail address.'), ['email']);
  assert.deepEqual(keys('Collect: name, date and phone number'), ['name', 'day', 'phone']);
  assert.deepEqual(keys('# Information to collect\n- name\n- e-mail'), ['name', 'email']);
  assert.deepEqual(keys('Always ask for the shoe size of the caller.\nAsk for the favourite colour and the name.'), ['shoe_size', 'name', 'favourite_colour']);
  assert.deepEqual(keys('Pregunta siempre por el nombre. Pide el correo electrónico.'), ['name', 'email']);
  for (const text of ['Never ask for card numbers or the name.', 'Do not ask for the e-mail address.', 'When you ask for the name, repeat it.', 'If the caller asks for the time, tell it.',
    'Callers often ask about the date.', 'The name of the house is Sakura.', 'Nunca preguntes: pide nada sin nombre', 'Ask whether they are right.'])
    assert.deepEqual(keys(text).filter((key) => key !== 'nada'), [], text);
});

test('lines of suggestions are understood', () => {
  const asks = readInstructions(`${PROMPT}\n- Always ask for the e-mail address before you complete the request: "May I have your e-mail address?"`);
  assert.deepEqual(asks.collect.at(-1), { key: 'email', ask: 'May I have your e-mail address?', what: 'email' });
  const late = readInstructions('Do not end the call without having asked for the e-mail address. If it is still missing when everything else is settled, ask: "Your e-mail?"\nAsk for the name.');
  assert.deepEqual(late.collect.map(({ key, ask }) => [key, ask]), [['name', null], ['email', 'Your e-mail?']]);
  const spanish = readInstructions('Pregunta siempre por correo electrónico antes de completar la petición: «¿Me da su correo?»');
  assert.deepEqual(spanish.collect, [{ key: 'email', ask: '¿Me da su correo?', what: 'email' }]);
  assert.deepEqual(readInstructions('When you ask for the name, repeat the answer back. If it was not clear, ask once more in other words and have it given slowly, part by part.').how, { name: { again: true } });
  assert.deepEqual(readInstructions('Before you ask for the e-mail, say in one sentence what it is needed for. If the caller declines, accept that and go on.').how, { email: { explain: true } });
  assert.equal(readInstructions('Never ask for the same thing more than twice; go on without it.').most, 2);
  assert.equal(readInstructions('Ask for everything three times.').forAll.times, 3);
  assert.deepEqual(readInstructions('If book fails, try it once more, and otherwise offer that somebody will call back.').toolTrouble, { retry: true, callBack: true });
});

test('questions are answered from the instructions only', () => {
  const plan = readInstructions(`${PROMPT}\nCallers often ask about: gift vouchers. Answer this before you go on.`);
  assert.match(answerIn(plan, 'Is there parking at the building?'), /Parking is behind/);
  assert.equal(answerIn(plan, 'Do you sell gift vouchers?'), null);
});

// Plays calls against a server that serves these instructions and runs every tool.
async function play(t, text, { n = 1, change = (s) => s, seed = 3, answer = {}, tool = { result: 'booked' } } = {}) {
  const receiver = await new Receiver((m) => ({
    'assistant-request': () => ({ body: { assistant: { model: { messages: [{ role: 'system', content: text }], tools: m.assistant?.model?.tools } }, ...answer } }),
    'tool-calls': () => ({ body: { results: m.toolCallList.map((c) => ({ toolCallId: c.id, ...tool })) } }),
  }[m.type]?.())).listen();
  const sim = await new Simulator({ target: receiver.url, speed: 2000, seed, reportDelayMs: 200, startAt: 1760000000000 }).listen();
  t.after(async () => {
    await sim.close();
    await receiver.close();
  });
  const scenario = change(structuredClone(reservations()));
  const calls = await sim.finished(sim.start(scenario, n));
  return { sim, receiver, calls, texts: calls.map((call) => call.spoken.map((s) => `${s.role}: ${s.text}`).join('\n')) };
}

const tools = (scenario) => scenario.assistant.tools.map(({ name, parameters }) => ({ type: 'function', function: { name, parameters } }));
const onlyFirst = (fields) => (scenario) => ({ ...scenario, callers: [{ ...scenario.callers[0], ...fields }] });

async function playWithTools(t, text, options = {}) {
  const model = { messages: [{ role: 'system', content: text }], tools: tools(reservations()) };
  return play(t, text, { ...options, answer: { assistant: { model }, ...options.answer } });
}

test('a field that the instructions do not name is never asked for; one line more, and it is', async (t) => {
  const before = await playWithTools(t, PROMPT, { n: 10 });
  assert.ok(before.texts.every((text) => !/e-?mail/i.test(text)));
  assert.ok(before.calls.every((call) => call.outcome.success === false && call.outcome.tools.book_table === true));
  assert.equal(new Set(before.calls.map((call) => call.context.customer.number)).size, 10);
  const after = await playWithTools(t, `${PROMPT}\nAlways ask for the e-mail address before you complete the request: "May I have your e-mail address?"`, { n: 10 });
  assert.ok(after.texts.every((text) => text.includes('assistant: May I have your e-mail address?')));
  assert.ok(after.calls.filter((call) => call.outcome.success).length >= 8);
  assert.equal(after.receiver.ofType('end-of-call-report').find((m) => m.call.id === after.calls[0].id).analysis.successEvaluation, 'true');
  assert.equal(after.receiver.ofType('tool-calls').length, 10);
});

test('the same seed and instructions give the same call', async (t) => {
  const [a, b, c] = [await playWithTools(t, PROMPT, { n: 5 }), await playWithTools(t, PROMPT, { n: 5 }), await playWithTools(t, PROMPT, { n: 5, seed: 4 })];
  assert.deepEqual(a.texts, b.texts);
  assert.notDeepEqual(a.texts, c.texts);
});

test('callers refuse, mumble, lose patience, leave', async (t) => {
  const asks = `${PROMPT}\nAsk for the e-mail address.`;
  const refused = await playWithTools(t, asks, { change: onlyFirst({ refuses: { email: 'unless_explained' } }) });
  assert.match(refused.texts[0], /rather not|prefer not/);
  const explained = await playWithTools(t, `${asks}\nBefore you ask for the e-mail, say in one sentence what it is needed for.`, { change: onlyFirst({ refuses: { email: 'unless_explained' } }) });
  assert.ok(explained.calls[0].outcome.given.email);
  const mumbled = await playWithTools(t, asks, { change: onlyFirst({ mumbles: { email: 'first' } }) });
  assert.equal(mumbled.calls[0].outcome.given.email, undefined);
  const repeated = await playWithTools(t, `${asks}\nWhen you ask for the e-mail address, repeat the answer back. If it was not clear, ask once more in other words.`, { change: onlyFirst({ mumbles: { email: 'first' } }) });
  assert.ok(repeated.calls[0].outcome.given.email);
  const thrice = await playWithTools(t, `${PROMPT}\nTo be sure, ask for everything three times.`, { change: onlyFirst({}) });
  assert.ok(thrice.calls[0].outcome.annoyed);
  assert.match(thrice.texts[0], /ridiculous/);
  const twice = await playWithTools(t, `${PROMPT}\nTo be sure, ask for everything three times.\nNever ask for the same thing more than twice.`, { change: onlyFirst({}) });
  assert.equal(twice.calls[0].outcome.annoyed, false);
  const left = await playWithTools(t, PROMPT, { change: onlyFirst({ bears: 1 }) });
  assert.match(left.texts[0], /do not have time/);
  assert.equal(left.calls[0].outcome.success, false);
});

test('tools: tried again only when the instructions say so', async (t) => {
  const failing = { n: 1, tool: { error: 'down' } };
  const once = await playWithTools(t, PROMPT.replace(/If the tool fails.*/, ''), failing);
  assert.equal(once.calls[0].toolResults.length, 1);
  const again = await playWithTools(t, PROMPT, failing);
  assert.equal(again.calls[0].toolResults.length, 2);
  assert.match(again.texts[0], /technical problem[^]*colleague will call you back/);
});

test('variables are filled in, an assistant by id is the one that PATCH has changed, added messages count', async (t) => {
  const variables = await play(t, 'Ask for the name.\n{{more}}{{unknown}}', { answer: { assistantOverrides: { variableValues: { more: 'Ask for the e-mail address.' } } } });
  assert.match(variables.texts[0], /What is your email address/);
  const byId = await play(t, '', { answer: { assistant: undefined, assistantId: 'as-1' } });
  const model = (content) => ({ provider: 'openai', model: 'gpt-4o', messages: [{ role: 'system', content }] });
  byId.sim.assistants.set('as-1', { id: 'as-1', model: model('Ask for the budget.') });
  assert.equal((await fetch(`${byId.sim.url}/assistant/as-1`, { method: 'PATCH', body: JSON.stringify({ model: model('Ask for the occasion.') }) })).status, 200);
  const own = { ...reservations(), assistantRequest: false };
  for (const started of [byId.sim.start(reservations(), 1), byId.sim.start(own, 1, { assistantId: 'as-1' })]) {
    const [call] = await byId.sim.finished(started);
    assert.match(call.spoken.map((s) => s.text).join('\n'), /special occasion/);
    assert.equal(call.history[0].message, 'Ask for the occasion.');
  }
  const [told] = byId.sim.start(reservations(), 1);
  assert.equal(told.control({ type: 'add-message', message: { role: 'system', content: 'Ask for the budget.' }, triggerResponseEnabled: false }).status, 200);
  await told.done;
  assert.match(told.spoken.map((s) => s.text).join('\n'), /What is your budget/);
});

test('scenarios are checked', () => {
  const assistant = { behaviour: 'by-instructions', prompt: ['p'] };
  assert.throws(() => checkScenario({ name: 'x', assistant }, 'x'), /callers/);
  assert.throws(() => checkScenario({ name: 'x', assistant, callers: [{ number: '+1' }] }, 'x'), /caller 0/);
  assert.throws(() => checkScenario({ name: 'x', assistant: { prompt: ['p'] }, script: [], callers: [] }, 'x'), /by-instructions/);
});

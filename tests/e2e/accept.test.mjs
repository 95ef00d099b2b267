// Accepting a suggestion brings it to where calls are served: in the next assistant-request, or by PATCH of the provider's assistant. "applied"
// is what was seen there, nothing else (C5, C6).
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message } from './lib/world.mjs';
import { Changing, assistantWith } from './lib/suggestions.mjs';
import { alive } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after }, { tools: false, config: { analyst: { lease_ms: '2s' } } });
const NEW = '# Greeting\n\nHi.\n\n# Rules\n\n- Be kind.\n- Ask for the e-mail.';
let n = 0;
const changing = (options) => Changing.start(w(), { name: `p${++n}`, ...options });

test('PATCH: the whole model is sent, only the system message changes, and GET has to show it', async () => {
  const c = await changing();
  await c.patched();
  const before = structuredClone(c.sim.assistants.get(c.assistantId));
  const id = await c.suggest();
  const answer = await c.accept(id);
  assert.equal(answer.success, true);
  const s = await c.applied(id);
  assert.ok(s.appliedAt >= s.acceptedAt);
  assert.equal(s.applyError, null);
  const { updatedAt, latestVersion, ...now } = c.sim.assistants.get(c.assistantId);
  const expected = structuredClone(before);
  expected.model.messages[0].content = NEW;
  delete expected.updatedAt;
  delete expected.latestVersion;
  assert.deepEqual(now, expected, 'not a byte of anything else');
  assert.equal(latestVersion, 2);
  assert.equal(c.patches().length, 1);
  assert.deepEqual(Object.keys(JSON.parse(c.patches()[0].body)), ['model']);
  const [told] = await c.notifications('suggestion_applied');
  assert.equal(told.metadata.suggestionId, id);
  assert.deepEqual(Object.keys(told.metadata).filter((k) => ['projectId', 'suggestionId', 'priority', 'expectedImpact'].includes(k)).length, 4);
  assert.equal((await c.activities('suggestion.accepted')).length, 1);
  assert.equal((await c.activities('suggestion.applied')).length, 1);
});

test('assistant-request: applied when the next call was served that version, not before', async () => {
  const c = await changing();
  await w().addSource(`${c.name}-inline`, { project_id: c.project.id, assistant_mode: 'inline', assistant: assistantWith('x') });
  const ask = async (call) => (await w().product.webhook(`${c.name}-inline`, message('assistant-request', call))).json();
  const text = (body) => body.assistant.model.messages[0].content;
  await until('served', async () => text(await ask(`${c.name}-0-${Math.random()}`)) === c.version.text);
  const id = await c.suggest();
  await c.accept(id);
  assert.equal((await c.get(id)).status, 'accepted');
  assert.equal((await c.get(id)).sources[0].how, 'assistant-request');
  await until('the new text is served', async () => text(await ask(`${c.name}-1-${Math.random()}`)) === NEW);
  const s = await c.applied(id);
  assert.ok(s.sources[0].seenAt);
  assert.equal((await c.notifications('suggestion_applied')).length, 1);
});

for (const [what, break_, mend, error] of [
  ['500', (c) => c.sim.server.fail({ where: 'api', method: 'PATCH', mode: 500 }), (c) => c.sim.server.clearFaults(), /answered 500/],
  ['400 with the provider\'s words', (c) => c.sim.server.fail({ where: 'api', method: 'PATCH', mode: 400 }), (c) => c.sim.server.clearFaults(), /answered 400: model\.provider/],
  ['GET fails', (c) => c.sim.server.fail({ where: 'api', method: 'GET', mode: 500 }), (c) => c.sim.server.clearFaults(), /GET of the provider's assistant: answered 500/],
  ['connection reset', (c) => c.sim.server.fail({ where: 'api', method: 'PATCH', mode: 'reset' }), (c) => c.sim.server.clearFaults(), /PATCH of the provider's assistant/],
  ['200, but a draft: GET shows the old text', (c) => { c.sim.assistants.drafts = true; }, (c) => { c.sim.assistants.drafts = false; }, /still shows the old text/],
  ['the private key is refused', (c) => { c.sim.options.privateKey = 'another'; }, (c) => { c.sim.options.privateKey = 'pk-1'; }, /answered 401/],
  ['the assistant is gone', (c) => { c.gone = c.sim.assistants.get(c.assistantId); c.sim.assistants.delete(c.assistantId); },
    (c) => c.sim.assistants.set(c.assistantId, c.gone), /answered 404/],
])
  test(`a failing PATCH stays accepted, says why, and is tried again: ${what}`, async () => {
    const c = await changing();
    await c.patched();
    break_(c);
    const id = await c.suggest();
    await c.accept(id);
    const failed = await c.until(id, 'failed', (s) => s.applyError);
    assert.equal(failed.status, 'accepted');
    assert.match(failed.applyError, error);
    assert.equal(failed.appliedAt, null);
    assert.equal((await c.notifications('suggestion_applied')).length, 0);
    mend(c);
    await c.hurry();
    const s = await c.applied(id);
    assert.equal(s.applyError, null);
    assert.equal(c.text(), NEW);
  });

for (const mode of ['reset', 'hang'])
  test(`a PATCH that worked although no answer came is not sent again: ${mode}`, async () => {
    const c = await changing();
    await c.patched();
    c.sim.server.fail({ where: 'api', method: 'PATCH', mode, when: 'after', times: 1 });
    const id = await c.suggest();
    await c.accept(id);
    await c.applied(id);
    assert.equal(c.patches().length, 1);
  });

test('a PATCH that was lost is sent again', async () => {
  const c = await changing();
  await c.patched();
  c.sim.server.fail({ where: 'api', method: 'PATCH', mode: 'hang', times: 1 });
  const id = await c.suggest();
  await c.accept(id);
  const s = await c.until(id, 'timed out', (x) => x.applyError);
  assert.equal(s.status, 'accepted');
  await c.hurry();
  await c.applied(id);
  assert.equal(c.patches().length, 2);
});

test('late visibility: some GETs still show the old text', async () => {
  const c = await changing();
  await c.patched();
  c.sim.assistants.lateReads = 4; // more than one attempt looks
  const id = await c.suggest();
  await c.accept(id);
  const late = await c.until(id, 'late', (s) => s.applyError);
  assert.match(late.applyError, /still shows the old text/);
  await until('it shows', async () => {
    await c.hurry();
    return (await c.get(id)).status === 'applied';
  });
  await c.applied(id);
  assert.equal(c.text(), NEW);
});

test('after the last attempt people are told, once', async () => {
  const c = await changing();
  await c.patched();
  c.sim.server.fail({ where: 'api', mode: 500 });
  const id = await c.suggest();
  await c.accept(id);
  await c.until(id, 'failed', (s) => s.applyError);
  await c.product.exec(`update jobs set attempts = 9 where kind = 'apply' and state = 'queued'`);
  await c.hurry();
  const [told] = await until('told', async () => {
    const list = await c.notifications('suggestion_failed');
    return list.length && list;
  });
  assert.equal(told.priority, 'high');
  assert.match(told.message, new RegExp(`POST /api/v1/projects/${c.project.id}/suggestions/${id}/apply`));
  assert.equal((await c.get(id)).status, 'accepted');
  c.sim.server.clearFaults();
  await c.product.must('POST', `${c.root}/${id}/apply`);
  await c.applied(id);
  assert.equal((await c.notifications('suggestion_failed')).length, 1);
});

test('a text that somebody has edited at Vapi is not overwritten, until one says so', async () => {
  const c = await changing();
  await c.patched({ text: 'Written in the dashboard.' });
  const id = await c.suggest();
  await c.accept(id);
  const s = await c.until(id, 'refused', (x) => x.applyError);
  assert.match(s.applyError, /edited at the provider.*force=true/);
  assert.equal(c.text(), 'Written in the dashboard.');
  assert.equal(c.patches().length, 0);
  assert.equal((await c.notifications('suggestion_failed')).length, 1, 'not tried again: told at once');
  await c.product.must('POST', `${c.root}/${id}/apply`);
  await until('refused again', async () => (await c.get(id)).sources[0].attempts === 2);
  assert.equal(c.text(), 'Written in the dashboard.');
  await c.product.must('POST', `${c.root}/${id}/apply?force=true`);
  await c.applied(id);
  assert.equal(c.text(), NEW);
});

test('a force that is asked for while an attempt runs is not lost', async () => {
  const c = await changing();
  await c.patched({ text: 'Written in the dashboard.' });
  c.sim.server.fail({ where: 'api', method: 'GET', mode: 'slow', ms: 2000, times: 1 });
  const id = await c.suggest();
  await c.accept(id);
  await until('the first attempt runs', async () => (await c.product.sql(`select 1 from jobs where kind = 'apply' and state = 'running'`)).length === 1);
  await c.product.must('POST', `${c.root}/${id}/apply?force=true`);
  await c.product.must('POST', `${c.root}/${id}/apply`);
  await c.applied(id);
  assert.equal(c.text(), NEW);
  assert.equal((await c.notifications('suggestion_failed')).length, 0, 'it was not given up');
});

test('a prompt that takes the instructions as a variable is left as it is: the next assistant-request proves it', async () => {
  const TEMPLATE = 'You are Ava. {{ instructions }}';
  const c = await changing();
  const source = await c.patched({ text: TEMPLATE });
  await c.product.must('PATCH', `/api/v1/sources/${source.id}`, { assistant_mode: 'id' });
  const ask = async () => (await w().product.webhook(`${c.name}-patched`, message('assistant-request', `${c.name}-${++n}`))).json();
  const given = (body) => body.assistantOverrides?.variableValues.instructions;
  await until('it is served', async () => given(await ask()) === c.version.text);
  const id = await c.suggest();
  await c.accept(id);
  const waiting = await c.until(id, 'known to be a variable', (s) => s.sources[0].how === 'variable');
  assert.deepEqual([waiting.status, waiting.applyError, waiting.sources[0].seenAt], ['accepted', null, null]);
  await until('the new text is given', async () => given(await ask()) === NEW);
  await c.applied(id);
  assert.equal(c.text(), TEMPLATE);
  assert.equal(c.patches().length, 0);
  assert.equal((await c.notifications('suggestion_failed')).length, 0);
  await c.product.must('POST', `${c.root}/${id}/apply?force=true`);
  await until('overwritten, because somebody says so', () => c.text() === NEW);
});

test('a variable that no answer gives is said, and overwritten only by force', async () => {
  const c = await changing();
  await c.patched({ text: '{{instructions}}' });
  const id = await c.suggest();
  await c.accept(id);
  const s = await c.until(id, 'said', (x) => x.applyError);
  assert.match(s.applyError, /takes the variable instructions.*assistant_mode id/);
  assert.equal(c.patches().length, 0);
});

test('an analyst that dies with every attempt: people are told of the suggestion', async () => {
  const c = await changing();
  await c.patched();
  c.sim.server.fail({ where: 'api', method: 'GET', mode: 'hang', times: 1 });
  const id = await c.suggest();
  await c.accept(id);
  await until('an attempt runs', async () => (await c.product.sql(`select 1 from jobs where kind = 'apply' and state = 'running'`)).length === 1);
  const pid = w().product.pid('analyst-1');
  process.kill(pid, 'SIGKILL');
  await until('it is dead', () => !alive(pid));
  await c.product.exec(`update jobs set attempts = 10, lease_until = now() - interval '1 ms' where kind = 'apply' and state = 'running'`);
  const [told] = await until('told', async () => {
    const list = await c.notifications('suggestion_failed');
    return list.length && list;
  });
  assert.equal(told.metadata.suggestionId, id);
  assert.equal((await c.activities('suggestion.failed')).length, 1);
  assert.match((await c.get(id)).applyError, /ended before it was done/);
});

test('any other change of the version in force is brought there, too', async () => {
  const c = await changing();
  await c.patched();
  await c.put({ Greeting: 'Hello!', Rules: '- Be kind.' });
  await until('there', () => c.text() === c.version.text);
});

test('an analyst that is killed in between: the change arrives all the same, and is told once', async () => {
  const c = await changing();
  await c.patched();
  c.sim.server.fail({ where: 'api', method: 'PATCH', mode: 'slow', ms: 3000, times: 1 });
  const id = await c.suggest();
  await c.accept(id);
  await until('the PATCH is under way', () => c.patches().length === 1);
  const pid = w().product.pid('analyst-1');
  process.kill(pid, 'SIGKILL');
  await until('it is dead', () => !alive(pid));
  await c.product.exec(`update jobs set lease_until = now() - interval '1 ms' where kind = 'apply' and state = 'running'`);
  await c.applied(id);
  assert.equal(c.text(), NEW);
  assert.equal((await c.notifications('suggestion_applied')).length, 1);
});

test('no source serves it: accepted, and said so', async () => {
  const c = await changing();
  const id = await c.suggest();
  const { suggestion } = await c.accept(id);
  assert.equal(suggestion.status, 'accepted');
  assert.match(suggestion.applyError, /No source of the project serves its instructions/);
});

test('two who accept at the same time: one version', async () => {
  const c = await changing();
  const id = await c.suggest();
  const answers = await Promise.all(Array.from({ length: 8 }, () => c.product.api('POST', `${c.root}/${id}/accept`)));
  assert.deepEqual(answers.map((a) => a.status).sort(), [200, ...Array(7).fill(409)]);
  const { versions } = await c.product.must('GET', `${c.instructions}/versions`);
  assert.equal(versions.length, 2);
});

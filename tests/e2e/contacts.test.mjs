// A8, D1: what a call teaches about its contact is in the contact's record while the call runs; fields with their reasons; late outcomes.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World, message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';

let world;
const w = () => world;
before(async () => {
  world = await World.start({ tools: false });
});
after(() => world?.end());

const BEN = '+15550100002';
const path = (number) => `/api/v1/contacts/${encodeURIComponent(number)}`;
const contact = (number) => w().product.api('GET', path(number));
const from = (number, type, call, fields = {}) => {
  const m = message(type, call, fields);
  m.message.call.customer = { number };
  return w().product.webhook('main', m);
};
const say = (number, call, role, transcript) => from(number, 'transcript', call, { role, transcriptType: 'final', transcript });
const end = (number, call, fields = {}) => from(number, 'end-of-call-report', call, { endedReason: 'customer-ended-call', durationMs: 60000, artifact: {}, ...fields });
const FIELDS = [{ name: 'caller', label: 'name', type: 'name', ask: ['your name'] }, { name: 'email', label: 'e-mail address', type: 'email', ask: ['your e-mail', 'your email'] }];

test('a project says what its calls should capture; mistakes are named by their path', async () => {
  const cases = [[{ fields: [{ name: 'X' }] }, /fields\[0\]/], [{ fields: {} }, /fields/], [{ success_rule: { success: [{ tool: 'a' }, {}] } }, /success_rule\.success\[1\]/],
    [{ success_rule: { success: [{ structured: 'a' }] } }, /success_rule\.success\[0\]/], [{ success_rule: { failure: [{ ended_class: ['nobody'] }] } }, /failure\[0\]\.ended_class\[0\]/],
    [{ success_rule: { win: [] } }, /success_rule\.win/], [{ rules: { escalate_on_frustration: { enabled: 'yes' } } }, /rules\.escalate_on_frustration/],
    [{ rules: { sing: {} } }, /rules\.sing/], [{ tags: [{ tag: 'x' }] }, /tags\[0\]\.phrases/], [{ tags: [{ tag: 'x', phrases: ['a', ''] }] }, /tags\[0\]\.phrases\[1\]/],
    [{ thresholds: { min_calls: -1 } }, /thresholds\.min_calls/], [{ thresholds: { luck: 1 } }, /thresholds\.luck/], [{ minutes_per_success: -1 }, /minutes_per_success/],
    [{ minutes_per_success: 'a' }, /minutes_per_success/]];
  for (const [body, what] of cases) {
    const answer = await w().product.api('PATCH', `/api/v1/projects/${w().project.id}`, body);
    assert.equal(answer.status, 422, JSON.stringify(body));
    assert.match(JSON.stringify(answer.body), what);
  }
  const whole = { fields: FIELDS, success_rule: { success: [{ fields: 'all' }], failure: [{ phrase: 'never mind', speaker: 'user' }] }, tags: [{ tag: 'pets', category: 'topic', phrases: ['my dog'] }],
    thresholds: { min_calls: 10, caller_icc: 0.3 }, minutes_per_success: 2.5, rules: { clarify_caller_confused: { enabled: false, text: 'Slow down.' } } };
  const project = await w().product.must('PATCH', `/api/v1/projects/${w().project.id}`, whole);
  for (const [name, value] of Object.entries(whole))
    assert.deepEqual(project[name], value, name);
  const made = await w().product.must('POST', '/api/v1/projects', { name: 'Second', fields: FIELDS });
  assert.deepEqual(made.fields, FIELDS);
  assert.equal(made.minutes_per_success, 3);
});

test('the contact knows the name while the call runs', async () => {
  const call = await until('the fields have reached the shards', async () => {
    const id = `ben-${Date.now()}`;
    await from(BEN, 'status-update', id, { status: 'in-progress' });
    await say(BEN, id, 'assistant', 'May I have your name?');
    await say(BEN, id, 'user', 'My name is Ben Carter.');
    await say(BEN, id, 'assistant', 'Thank you.');
    return until('captured', async () => (await contact(BEN)).body.fields?.caller && id, { timeoutMs: 3000 }).catch(() => null);
  });
  const { body } = await contact(BEN);
  assert.equal(body.name, 'Ben Carter');
  assert.equal(body.fields.caller.value, 'Ben Carter');
  assert.equal(body.fields.caller.label, 'name');
  const row = await w().callRow(call);
  assert.equal(row.live, true, 'the call still runs');
  assert.equal(body.fields.caller.call_id, row.id);
  assert.ok(body.calls >= 1);
  assert.ok(body.latest_calls.some((c) => c.provider_call_id === call));
  await say(BEN, call, 'user', 'I want to bring my dog.');
  await end(BEN, call);
  await w().ended(call);
});

test('calls are counted, once each, and contacts are found by number or name', async () => {
  const { body: was } = await contact(BEN);
  for (const call of ['count-1', 'count-2']) {
    await from(BEN, 'status-update', call, { status: 'in-progress' });
    await from(BEN, 'status-update', call, { status: 'in-progress' });
    await end(BEN, call);
    await w().ended(call);
  }
  const { body } = await contact(BEN);
  assert.equal(body.calls, was.calls + 2);
  assert.ok(body.last_seen > was.last_seen);
  assert.equal(body.first_seen, was.first_seen);
  const list = async (q) => (await w().product.must('GET', `/api/v1/contacts?q=${encodeURIComponent(q)}`)).contacts.map((c) => c.number);
  assert.deepEqual(await list('carter'), [BEN]);
  assert.deepEqual(await list('0100002'), [BEN]);
  assert.deepEqual(await list('nobody'), []);
});

const analysis = (call, match) => until(`the analysis of ${call}`, async () => {
  const { status, body } = await w().product.api('GET', `/api/v1/calls/${call}/analysis`);
  return status === 200 && match(body) && body;
}, { timeoutMs: 30000 });

test('the analysis of a finished call, its tags, and why fields are missing', async () => {
  const call = 'silent-1';
  await from(BEN, 'status-update', call, { status: 'in-progress' });
  await say(BEN, call, 'assistant', 'May I have your name?');
  await say(BEN, call, 'user', 'I would rather not say. My dog is ill.');
  await say(BEN, call, 'assistant', 'All right.');
  assert.equal((await w().product.api('GET', `/api/v1/calls/${call}/analysis`)).status, 404, 'it runs');
  await end(BEN, call, { analysis: { successEvaluation: 'false', structuredData: { mood: 'sad' } } });
  const found = await analysis(call, () => true);
  assert.equal(found.analysis.call_id, found.call_id);
  assert.equal(found.posted, null);
  const row = await w().callRow(call);
  assert.equal(row.report.success_evaluation, 'false');
  assert.deepEqual(row.report.structured_data, { mood: 'sad' });
  const tagged = await w().product.must('GET', '/api/v1/calls?tag=topic:pets');
  assert.ok(tagged.calls.some((c) => c.provider_call_id === call));
  assert.deepEqual((await w().product.must('GET', '/api/v1/calls?tag=nothing')).calls, []);
  const captured = await w().product.must('GET', `/api/v1/projects/${w().project.id}/captured`);
  const email = captured.fields.find((f) => f.field === 'email');
  assert.equal(email.captured, 0);
  assert.equal(email.rate, 0);
  assert.ok(email.never_asked >= 1);
  const name = captured.fields.find((f) => f.field === 'caller');
  assert.equal(name.calls, name.captured + name.never_asked + name.asked_not_captured + name.refused);
  assert.ok(name.captured >= 1);
});

test('an outcome that is known later beats the rule', async () => {
  const call = 'silent-1';
  const before = await analysis(call, () => true);
  const posted = await w().product.must('POST', `/api/v1/calls/${call}/outcome`, { outcome: 'success', label: 'booked', value: 120.5, reason: 'called back' });
  assert.equal(posted.value, 120.5);
  const later = await analysis(call, (a) => a.outcome === 'success');
  assert.equal(later.outcome_by, 'posted');
  assert.equal(later.posted.label, 'booked');
  assert.notEqual(before.analysed_at, later.analysed_at);
  const cases = [[{}, /outcome/], [{ outcome: 'great' }, /outcome/], [{ outcome: 'success', value: 'much' }, /value/], [{ outcome: 'success', extra: 1 }, /extra/]];
  for (const [body, what] of cases) {
    const answer = await w().product.api('POST', `/api/v1/calls/${call}/outcome`, body);
    assert.equal(answer.status, 422, JSON.stringify(body));
    assert.match(JSON.stringify(answer.body), what);
  }
  assert.equal((await w().product.api('POST', '/api/v1/calls/unheard-of/outcome', { outcome: 'success' })).status, 404);
  const { entries } = await w().product.must('GET', `/api/v1/audit?object_id=${later.call_id}`);
  assert.equal(entries[0].action, 'outcome');
});

test('analysed again on demand: a call, a project', async () => {
  const before = await analysis('silent-1', (a) => !a.queued);
  assert.deepEqual(await w().product.must('POST', '/api/v1/calls/silent-1/reanalyse'), { jobs: 1 });
  await analysis('silent-1', (a) => a.analysed_at > before.analysed_at);
  assert.ok((await w().product.must('POST', `/api/v1/projects/${w().project.id}/reanalyse`)).jobs >= 3);
  assert.equal((await w().product.must('POST', `/api/v1/projects/${w().project.id}/reanalyse?since=2100-01-01T00:00:00Z`)).jobs, 0);
  assert.equal((await w().product.api('POST', '/api/v1/calls/unheard-of/reanalyse')).status, 404);
  assert.equal((await w().product.api('POST', '/api/v1/projects/01890000-0000-7000-8000-000000000000/reanalyse')).status, 404);
  const viewer = await w().product.makeToken('viewer', 'vic');
  assert.equal((await w().product.api('POST', '/api/v1/calls/silent-1/reanalyse', undefined, { token: viewer })).status, 403);
});

test('a contact is forgotten by an admin, and the audit log does not remember who it was', async () => {
  await w().product.must('POST', '/api/v1/context', { contact_number: BEN, title: 'x' });
  const manager = await w().product.makeToken('manager', 'max');
  assert.equal((await w().product.api('DELETE', path(BEN), undefined, { token: manager })).status, 403);
  const { id } = (await contact(BEN)).body;
  const gone = await w().product.must('DELETE', `${path(BEN)}?reason=asked`);
  assert.deepEqual(gone, { id, forgotten: true, context_items: 1 });
  assert.equal((await contact(BEN)).status, 404);
  assert.equal((await w().product.api('DELETE', path(BEN))).status, 404);
  const { entries } = await w().product.must('GET', `/api/v1/audit?object_id=${id}`);
  assert.equal(entries[0].action, 'forget');
  assert.ok(!JSON.stringify(entries).includes(BEN.slice(1)) && !JSON.stringify(entries).includes('Carter'));
});

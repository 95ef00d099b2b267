// Outcomes that are known later beat what was understood, and move the figures; a change of rules does so when it is asked for.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor } from './lib/world.mjs';
import { Loop, FIELDS, EMAIL, loopConfig, stateOf } from './lib/loop.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after }, { config: loopConfig, tools: false });
const must = (...args) => w().product.must(...args);
const post = (call, body, options) => w().product.api('POST', `/api/v1/calls/${call.id}/outcome`, body, options);

const analysedAs = (loop, call, match, what) => until(`the analysis is ${what}`, async () => {
  const found = await loop.analysis(call);
  if (!match(found))
    throw new Error(JSON.stringify({ ...found, analysis: undefined }));
  return found;
}, { timeoutMs: 20000 });

// Nothing in common, nothing missing: only the outcome can tell.
const failing = (scenario) => ({ ...scenario, success: { needs: ['deposit'] }, callers: scenario.callers.map((c) => ({ ...c, questions: [], mumbles: {}, patience: 3 })) });

test('a posted outcome beats the rule, is replaced by a later one, and is refused when it is none', { timeout: 120000 }, async () => {
  const loop = await Loop.start(w(), { name: 'posted', project: { fields: FIELDS, success_rule: { success: [{ evaluation: true }] } } });
  const [call, other] = await loop.play(2, { change: failing });
  const first = await loop.analysis(call);
  assert.deepEqual([first.outcome, first.posted], ['failure', null]);
  const answer = await post(call, { outcome: 'success', label: 'came', value: 120, reason: 'paid at the table' });
  assert.ok([200, 201].includes(answer.status), JSON.stringify(answer.body));
  const success = await analysedAs(loop, call, (a) => a.outcome === 'success', 'a success');
  assert.equal(success.outcome_by, 'posted');
  assert.equal(success.failure_point, null);
  assert.deepEqual([success.posted.label, success.posted.value, success.posted.actor], ['came', 120, 'token:e2e admin']);
  await post(call, { outcome: 'failure', label: 'no-show' });
  const failure = await analysedAs(loop, call, (a) => a.outcome === 'failure', 'a failure again');
  assert.deepEqual([failure.outcome_by, failure.posted.label], ['posted', 'no-show']);
  const untouched = await loop.analysis(other);
  assert.deepEqual([untouched.outcome, untouched.outcome_by, untouched.posted], ['failure', first.outcome_by, null]);

  for (const body of [{ outcome: 'splendid' }, {}, { outcome: 'success', value: 'much' }, { outcome: 'success', label: 7 }])
    assert.equal((await post(call, body)).status, 422, JSON.stringify(body));
  assert.equal((await post({ id: '00000000-0000-7000-8000-00000000dead' }, { outcome: 'success' })).status, 404);
  const viewer = await w().product.makeToken('viewer', 'looks only');
  assert.equal((await post(call, { outcome: 'success' }, { token: viewer })).status, 403);
  assert.equal((await loop.analysis(call)).posted.label, 'no-show', 'refused posts change nothing');
});

test('an outcome may come while the call still runs', { timeout: 60000 }, async () => {
  const loop = await Loop.start(w(), { name: 'early', project: { fields: FIELDS } });
  const [call] = loop.sim.start(failing(structuredClone(loop.scenario)), 1, { speed: 15 });
  await until('the call is stored', async () => (await w().callRow(call.id))?.status === 'in-progress');
  assert.ok((await post(call, { outcome: 'success', label: 'booked' })).status < 300);
  await loop.sim.finished([call]);
  await loop.analysed([call]);
  const found = await loop.analysis(call);
  assert.deepEqual([found.outcome, found.outcome_by], ['success', 'posted']);
});

test('the figures of an issue follow the outcomes', { timeout: 240000 }, async () => {
  const loop = await Loop.start(w(), { name: 'figures', project: { fields: [], success_rule: { success: [{ evaluation: true }] } } });
  const calls = await loop.play(45, { change: failing });
  const opened = await loop.issue('success_rate');
  await loop.checkedAll();
  const before = (await loop.issues())[0];
  assert.equal(before.id, opened.id);
  assert.equal(before.evidence.events, 45, 'all failed');
  const came = calls.slice(0, 15);
  for (const call of came)
    assert.ok((await post(call, { outcome: 'success', label: 'came' })).status < 300);
  const after = await until('the evidence is renewed', async () => {
    const issue = await must('GET', `/api/v1/issues/${opened.id}`);
    if (issue.evidence.events !== 30)
      throw new Error(`${issue.evidence.events} of ${issue.evidence.eligible}`);
    return issue;
  }, { timeoutMs: 30000, everyMs: 200 });
  assert.equal(after.evidence.eligible, 45);
  assert.equal(before.evidence.rate, 0, 'in percent of successes');
  assert.ok(Math.abs(after.evidence.rate - 100 / 3) < 0.1 && after.evidence.lower > before.evidence.lower);
  const seen = (await loop.detections()).doc.causes.find((c) => c.cause === 'success_rate');
  assert.equal(seen.events, 30);
});

test('another success rule, other fields: asked for, every call is understood anew', { timeout: 120000 }, async () => {
  const loop = await Loop.start(w(), { name: 'rules', project: { fields: FIELDS, success_rule: { success: [{ evaluation: true }] } } });
  const calls = await loop.play(6, { change: failing });
  const before = await loop.analysis(calls[0]);
  assert.equal(before.outcome, 'failure');
  assert.ok((await post(calls[1], { outcome: 'failure', label: 'no-show' })).status < 300);
  await must('PATCH', loop.path, { success_rule: { success: [{ tool: 'book_table', success: true }] }, fields: [...FIELDS, EMAIL] });
  const { jobs } = await must('POST', `${loop.path}/reanalyse`, {});
  assert.equal(jobs, 6);
  const renewed = await analysedAs(loop, calls[0], (a) => a.outcome === 'success', 'a success by the new rule');
  assert.notEqual(renewed.rules_version, before.rules_version);
  assert.equal(stateOf(renewed.analysis, 'email'), 'never_asked');
  assert.match(renewed.analysis.outcome.evidence.text, /book_table/);
  const posted = await analysedAs(loop, calls[1], (a) => a.rules_version === renewed.rules_version, 'by the new rules');
  assert.deepEqual([posted.outcome, posted.outcome_by], ['failure', 'posted'], 'what was posted still counts');
  const rows = await w().product.sql(`select count(*) as n, count(distinct a.call_id) as calls, count(distinct a.rules_version) as versions from call_analyses a where a.project_id = '${loop.project.id}'`);
  await until('all are by one version of the rules', async () => (await w().product.sql(`select count(distinct rules_version) as n from call_analyses where project_id = '${loop.project.id}'`))[0].n === 1);
  assert.equal(rows[0].n, 6, 'one analysis each');
  const captured = await must('GET', `${loop.path}/captured`);
  assert.equal(captured.fields.find((f) => f.field === 'email').never_asked, 6);

  const one = await must('POST', `/api/v1/calls/${calls[2].id}/reanalyse`, {});
  assert.equal(one.jobs, 1);
  assert.equal((await w().product.api('POST', '/api/v1/calls/00000000-0000-7000-8000-00000000dead/reanalyse', {})).status, 404);
  const supervisor = await w().product.makeToken('supervisor', 'steers');
  assert.equal((await w().product.api('POST', `${loop.path}/reanalyse`, {}, { token: supervisor })).status, 403);
});

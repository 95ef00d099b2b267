// The whole turn of the loop on real processes (done-when 1): calls are understood, a field that is never asked for opens one suggestion by its
// evidence, it is previewed and accepted through the API, the next call is served the change and captures the field. And what must not happen.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor } from './lib/world.mjs';
import { Loop, FIELDS, EMAIL, PROMPT, loopConfig, stateOf } from './lib/loop.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after }, { config: loopConfig, tools: false });
const must = (...args) => w().product.must(...args);
const current = async (loop) => (await must('GET', `${loop.path}/instructions`)).current;

test('a field that is never asked for: from the calls to the next call', { timeout: 240000 }, async () => {
  const loop = await Loop.start(w(), { name: 'never-asked', project: { fields: [...FIELDS, EMAIL] } });
  const first = await current(loop);
  const few = await loop.play(20);
  const early = await loop.checked(20);
  assert.deepEqual(await loop.issues(), [], 'twenty calls prove nothing');
  assert.equal(early.doc.causes.find((c) => c.subject === 'email').verdict, 'few_calls');
  const more = await loop.play(25);
  const calls = [...few, ...more];
  assert.ok(new Set(calls.map((call) => call.context.customer.number)).size >= 8);
  assert.ok(calls.every((call) => !call.outcome.given.email && !call.spoken.some(({ text }) => /e-?mail/i.test(text))), 'nobody asked');

  const issue = await loop.issue('missing_data', 'email');
  assert.deepEqual((await loop.issues()).map((i) => i.cause), ['missing_data'], 'one issue; the failures it explains open no other');
  assert.equal(issue.instruction_version, first.id);
  assert.equal(issue.evidence.reasons[0].reason, 'never_asked');
  assert.ok(issue.evidence.events >= 30 && issue.evidence.callers >= 8);
  assert.ok(issue.evidence.lower > issue.evidence.threshold);
  assert.ok(issue.evidence.quotes.length > 0 && issue.evidence.quotes.length <= 5);
  assert.equal(new Set(issue.evidence.quotes.map((q) => q.call_id)).size, issue.evidence.quotes.length);
  assert.ok(issue.evidence.quotes.every((q) => q.speaker === 'ai' && q.text && q.seq > 0 && q.offset_ms >= 0), JSON.stringify(issue.evidence.quotes));

  const suggestion = await loop.suggestion(issue);
  assert.equal((await loop.suggestions()).length, 1);
  assert.equal(suggestion.type, 'missing_data');
  assert.equal(suggestion.status, 'pending');
  assert.equal(suggestion.baseVersion, first.id);
  assert.equal(suggestion.suggestedChanges.length, 1);
  const [change] = suggestion.suggestedChanges;
  assert.equal(change.section, 'Information to collect');
  assert.ok(change.suggested.startsWith(change.current.trimEnd()), 'what is there stays');
  assert.match(suggestion.expectedImpact.estimatedROI, /^Save \d+ minutes per 100 calls$/);

  const path = `${loop.path}/suggestions/${suggestion.id}`;
  const preview = await must('GET', `${path}/preview`);
  assert.deepEqual(preview.conflicts, []);
  assert.match(preview.diff, /^\+.*e-mail/m);
  assert.equal((await current(loop)).id, first.id, 'a preview changes nothing');
  const viewer = await w().product.makeToken('viewer', 'looks only');
  assert.equal((await w().product.api('POST', `${path}/accept`, {}, { token: viewer })).status, 403);

  const accepted = await loop.accept(suggestion);
  const second = await current(loop);
  assert.equal(accepted.version.id, second.id);
  assert.equal(second.parent, first.id);
  assert.equal(second.text, preview.after);
  assert.equal((await w().product.api('POST', `${path}/accept`, {})).status, 409, 'once only');
  assert.equal((await w().product.api('POST', `${path}/reject`, { reason: 'too late' })).status, 409);

  assert.equal((await must('GET', path)).status, 'accepted', 'nobody was served it yet');
  const [next] = await loop.playServed(second, 1);
  const analysis = await loop.analysis(next);
  assert.equal(analysis.instruction_version, second.id);
  const email = analysis.analysis.fields.find((f) => f.field === 'email');
  assert.deepEqual([email.state, email.value], ['captured', next.outcome.given.email]);
  assert.ok(email.passage.includes(email.value));
  assert.equal(analysis.outcome, 'success');
  const row = (await w().product.sql(`select v.* from captured_values v join calls c on c.id = v.call_id where c.provider_call_id = '${next.id}' and v.field = 'email'`))[0];
  assert.equal(row.value, next.outcome.given.email);

  const applied = await until('applied', async () => {
    const s = await must('GET', path);
    return s.status === 'applied' && s;
  });
  assert.equal(applied.applyError, null);
  assert.equal(applied.sources[0].how, 'assistant-request');
  assert.ok(applied.sources[0].seenAt);
  const { notifications } = await must('GET', '/api/v1/notifications');
  const about = notifications.filter((n) => JSON.stringify(n).includes(suggestion.id)).map((n) => n.type);
  assert.ok(about.includes('instruction_suggestion') && about.includes('suggestion_applied'), about.join());

  const back = await must('POST', `${loop.path}/instructions/rollback`, { reason: 'test' });
  assert.ok(back);
  const third = await current(loop);
  assert.equal(third.text, first.text, 'rolled back in one call');
  const [again] = await loop.playServed(third, 1);
  assert.equal(stateOf((await loop.analysis(again)).analysis, 'email'), 'never_asked');
  assert.equal((await loop.analysis(again)).instruction_version, third.id);
});

test('instructions that ask for everything: nothing is suggested', { timeout: 120000 }, async () => {
  const asks = PROMPT.map((line) => (line.startsWith('1. ') ? `${line}\n4. Ask for the e-mail address.` : line));
  const loop = await Loop.start(w(), { name: 'all-asked', project: { fields: [...FIELDS, EMAIL] }, prompt: asks });
  await loop.play(45);
  const seen = await loop.checked(45);
  assert.ok(seen.doc.looks >= 1, 'it was looked');
  assert.deepEqual(await loop.issues(), []);
  assert.deepEqual(await loop.suggestions(), []);
  assert.ok(seen.doc.causes.every((c) => c.verdict !== 'proven'));
});

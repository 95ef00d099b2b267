// Each kind of cause (C1), from real calls to its issue and its suggestion, at the default thresholds: what goes wrong is what is opened, and
// nothing else. Where instructions can mend it, the next calls after accepting show that they do.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor } from './lib/world.mjs';
import { Loop, FIELDS, EMAIL, PROMPT, loopConfig, stateOf } from './lib/loop.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after }, { config: loopConfig, tools: false });
const CALLS = 45;
const limit = { timeout: 240000 };

const withEmail = [...FIELDS, EMAIL];
const asksEmail = PROMPT.map((line) => (line.startsWith('3. ') ? `${line}\n4. Ask for the e-mail address.` : line));
const everyone = (fields) => (scenario) => ({ ...scenario, callers: scenario.callers.map((caller) => ({ ...caller, questions: [], mumbles: {}, refuses: {}, patience: 3, ...fields })) });
const needing = (needs) => (scenario) => ({ ...everyone({})(scenario), success: { needs } });

// C3: whatever is quoted was said (or answered by a tool) in that call at that second.
async function quotesAreTrue(loop, quotes) {
  assert.ok(quotes.length >= 1 && quotes.length <= 5, `${quotes.length} quotes`);
  assert.equal(new Set(quotes.map((q) => q.call_id)).size, quotes.length);
  for (const quote of quotes) {
    const shown = JSON.stringify(quote);
    assert.ok(Number.isInteger(quote.seq) && Number.isInteger(quote.offset_ms) && quote.offset_ms >= 0 && quote.text.length > 0, shown);
    const [event] = await w().product.sql(`select e.*, c.project_id from call_events e join calls c on c.id = e.call_id where e.call_id = '${quote.call_id}' and e.seq = ${quote.seq}`);
    assert.ok(event, `no such event: ${shown}`);
    assert.equal(event.project_id, loop.project.id);
    assert.equal(Number(event.offset_ms), quote.offset_ms, shown);
    if (quote.speaker === 'tool') {
      assert.equal(event.type, 'tool.finished', shown);
      assert.ok(event.data.error.startsWith(quote.text), `${shown} is not in ${event.data.error}`);
    } else {
      assert.equal(event.speaker, quote.speaker, shown);
      assert.ok(event.text.includes(quote.text), `${shown} is not in ${event.text}`);
    }
  }
}

// Plays enough calls and gives the issue, its suggestion, and asserts that it is the only one.
async function goesWrong(loop, change, cause, subject = null) {
  const calls = await loop.play(CALLS, { change });
  const issue = await loop.issue(cause, subject);
  const suggestion = await loop.suggestion(issue);
  await loop.checkedAll();
  assert.deepEqual((await loop.issues()).map((i) => [i.cause, i.subject]), [[issue.cause, issue.subject]], 'one issue');
  assert.equal((await loop.suggestions()).length, 1, 'one suggestion');
  assert.ok(issue.evidence.eligible >= 30 && issue.evidence.event_callers >= 5);
  assert.equal(suggestion.issueId, issue.id);
  await quotesAreTrue(loop, issue.evidence.quotes);
  await quotesAreTrue(loop, suggestion.quotes);
  return { calls, issue, suggestion };
}

// One call after accepting; what was made of it.
async function afterwards(loop, suggestion, change) {
  const { version } = await loop.accept(suggestion);
  const [call] = await loop.playServed(version, 1, { change });
  const found = await loop.analysis(call);
  assert.equal(found.instruction_version, version.id);
  return { call, found };
}

test('missing data: asked for, but the answers cannot be used', limit, async () => {
  const loop = await Loop.start(w(), { name: 'mumbled', project: { fields: withEmail }, prompt: asksEmail });
  const mumble = everyone({ mumbles: { email: 'first' } });
  const { issue, suggestion } = await goesWrong(loop, mumble, 'missing_data', 'email');
  assert.deepEqual(issue.evidence.reasons.map((r) => r.reason), ['asked_not_captured']);
  assert.ok(issue.evidence.quotes.every((q) => q.speaker === 'ai' && /email/i.test(q.text)));
  assert.equal(suggestion.type, 'missing_data');
  const { found } = await afterwards(loop, suggestion, mumble);
  assert.equal(stateOf(found.analysis, 'email'), 'captured', 'asked once more in other words');
});

test('missing data: refused', limit, async () => {
  const loop = await Loop.start(w(), { name: 'refused', project: { fields: withEmail }, prompt: asksEmail });
  const refuse = everyone({ refuses: { email: 'unless_explained' } });
  const { issue, suggestion } = await goesWrong(loop, refuse, 'missing_data', 'email');
  assert.deepEqual(issue.evidence.reasons.map((r) => r.reason), ['refused']);
  assert.ok(issue.evidence.quotes.every((q) => q.speaker === 'user'));
  const { found } = await afterwards(loop, suggestion, refuse);
  assert.equal(stateOf(found.analysis, 'email'), 'captured', 'told what it is for');
});

test('missing data: never asked, and mixed reasons are counted', limit, async () => {
  const loop = await Loop.start(w(), { name: 'unasked', project: { fields: withEmail } });
  // One caller of ten tells it unasked: captured all the same.
  const change = (scenario) => {
    const changed = everyone({})(scenario);
    changed.callers[0].opens = ['Hello, my e-mail is {email}, I need a table.'];
    return changed;
  };
  const { calls, issue, suggestion } = await goesWrong(loop, change, 'missing_data', 'email');
  assert.deepEqual(issue.evidence.reasons.map((r) => r.reason), ['never_asked']);
  for (const quote of issue.evidence.quotes) {
    assert.equal(quote.speaker, 'ai');
    const [later] = await w().product.sql(`select count(*) as n from call_events where call_id = '${quote.call_id}' and type = 'turn' and speaker = 'ai' and seq > ${quote.seq}`);
    assert.equal(Number(later.n), 0, 'the last words of the assistant');
  }
  assert.equal(stateOf((await loop.analysis(calls[0])).analysis, 'email'), 'captured');
  assert.ok(issue.evidence.events < issue.evidence.eligible);
  const { found } = await afterwards(loop, suggestion, change);
  assert.equal(stateOf(found.analysis, 'email'), 'captured');
});

test('success rate: calls fail without a point in common', limit, async () => {
  const loop = await Loop.start(w(), { name: 'fails', project: { fields: [], success_rule: { success: [{ evaluation: true }] } } });
  const { issue, suggestion } = await goesWrong(loop, needing(['deposit']), 'success_rate');
  assert.equal(issue.subject, '');
  assert.equal(suggestion.type, 'success_rate');
  assert.equal(suggestion.currentMetrics.successRate, 0);
});

test('tool failure: about the tool, never against the instructions', limit, async () => {
  const loop = await Loop.start(w(), { name: 'broken-tool', project: { fields: FIELDS, success_rule: { success: [{ tool: 'book_table', success: true }] } },
    tools: { book_table: { url: `${w().toolServer.url}/fail` } } });
  const calls = await loop.play(CALLS, { change: everyone({}) });
  const issue = await loop.issue('tool_failure', 'book_table');
  const suggestion = await loop.suggestion(issue);
  await loop.checkedAll();
  assert.deepEqual((await loop.issues()).map((i) => i.cause), ['tool_failure'], 'the failed calls count against nothing else');
  const found = await loop.analysis(calls[0]);
  assert.deepEqual([found.outcome, found.cause_class, found.eligible], ['failure', 'tool', false]);
  assert.match(JSON.stringify(suggestion.suggestedChanges), /book_table fails/);
  assert.ok(issue.evidence.reasons.some((r) => r.reason === 'error'));
  await quotesAreTrue(loop, issue.evidence.quotes);
  await quotesAreTrue(loop, suggestion.quotes);
  assert.ok(issue.evidence.quotes.every((q) => q.speaker === 'tool'));
});

test('failure point: calls end in silence at the same place', limit, async () => {
  const loop = await Loop.start(w(), { name: 'silence', project: { fields: [], success_rule: { success: [{ evaluation: true }] } } });
  const silent = (scenario) => ({ ...needing(['deposit'])(scenario), end: 'silence-timed-out' });
  const { issue, suggestion } = await goesWrong(loop, silent, 'failure_point', 'silence');
  assert.match(issue.title, /silent/);
  assert.equal(suggestion.type, 'timing');
});

test('frustration: callers are asked for everything three times', limit, async () => {
  const loop = await Loop.start(w(), { name: 'thrice', prompt: [...PROMPT, '', '# Care', 'To be sure, ask for everything three times.'], project: { fields: FIELDS } });
  const { calls, issue, suggestion } = await goesWrong(loop, everyone({}), 'frustration');
  assert.ok(calls.every((call) => call.outcome.annoyed));
  assert.ok(issue.evidence.quotes.some((q) => q.speaker === 'user' && /ridiculous/.test(q.text)));
  assert.equal(suggestion.type, 'tone');
});

test('unanswered question: the same one, again and again', limit, async () => {
  const loop = await Loop.start(w(), { name: 'vouchers', project: { fields: FIELDS } });
  const asking = everyone({ questions: ['Do you sell gift vouchers?'] });
  const { issue, suggestion } = await goesWrong(loop, asking, 'unanswered_question');
  assert.match(issue.subject, /gift.*voucher/);
  assert.match(suggestion.title, /gift|voucher/i);
  const answer = PROMPT.map((line) => (line.startsWith('Parking') ? `${line} Gift vouchers are sold at the restaurant.` : line));
  const version = await loop.instruct(answer);
  const [call] = await loop.playServed(version, 1, { change: asking });
  assert.deepEqual((await loop.analysis(call)).analysis.unanswered, [], 'told, it is answered');
});

test('best practice: what good instructions say and these do not; needs no calls', limit, async () => {
  const loop = await Loop.start(w(), { name: 'practice', prompt: PROMPT.filter((line) => !/anything else|Closing/.test(line)) });
  await w().product.must('POST', `${loop.path}/suggestions/generate`, {});
  const suggestion = await until('a suggestion', async () => (await loop.suggestions())[0], { timeoutMs: 30000 });
  assert.equal(suggestion.type, 'best_practice');
  assert.match(JSON.stringify(suggestion.suggestedChanges), /anything else/);
  assert.equal((await w().product.sql(`select count(*) as n from calls where project_id = '${loop.project.id}'`))[0].n, 0);
});

test('telephony and provider: no call counts against the instructions', limit, async () => {
  const loop = await Loop.start(w(), { name: 'line', project: { fields: withEmail } });
  const dropped = (scenario) => ({ ...everyone({ bears: 1 })(scenario), end: 'call.in-progress.error-sip-telephony-provider-failed-to-connect-call' });
  const calls = await loop.play(CALLS, { change: dropped });
  const seen = await loop.checkedAll();
  const found = await loop.analysis(calls[0]);
  assert.equal(found.eligible, false, JSON.stringify(found));
  assert.equal(seen.doc.eligible, 0);
  assert.deepEqual(await loop.issues(), []);
  assert.deepEqual(await loop.suggestions(), []);
});

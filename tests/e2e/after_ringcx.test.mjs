// What RingCX knows of dialogs after they ended: segments by reports, their recordings and transcripts. The platform is tools/rc-sim.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { addSource, aftermath, analysed, asked, callOf, followed, HOUR, number, platform, product, pull, recordingsOf, row, transcribing, uuidOf, world } from './lib/aftermath.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { SttServer } from '../../tools/stt-sim/server.mjs';

aftermath({ before, after });

// --- RingCX ---

test('RingCX: dialogs by a pull, then recordings and transcripts of their segments', { timeout: 120000 }, async () => {
  const at = await platform({ startAt: Date.now() - 2 * 3600000, speed: 1 });
  const dialog = at.ringcx.start({ script: 'simple' });
  dialog.end();
  await dialog.done;
  const source = await addSource('cx', at, { account: '2', platform: at.platformUrl }, 'ringcx');
  const iso = (ms) => new Date(ms).toISOString();
  const { code, stdout, stderr } = await pull('cx', '--since', iso(dialog.from - 60000), '--until', iso(dialog.from + 600000));
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).imported, 1);
  const call = await followed(dialog.id);
  assert.equal(call.source_id, source.id);
  assert.equal(call.customer_number, dialog.ani);
  assert.deepEqual(call.log.segments.map((s) => s.id), dialog.talk.segments.map((s) => s.id));
  const recordings = await recordingsOf(call);
  assert.deepEqual(recordings.map((r) => r.state), dialog.talk.segments.map(() => 'ready'));
  const { turns } = await product.must('GET', `/api/v1/calls/${call.id}/transcript`);
  assert.deepEqual(turns.map((t) => [t.speaker, t.text]), dialog.talk.lines.map((l) => [l.who === 'customer' ? 'user' : 'ai', l.text]), 'each line once');
  assert.equal(asked(at, '/interaction-metadata').length, 1);
  assert.equal(at.violations.length, 0, JSON.stringify(at.violations));
  await at.close();
});

// Two agents, an hour and a half apart: nobody sends meanwhile, so nothing of it is long to listen to.
const TRANSFERRED = [{ say: ['ann', 'Harbour Kitchen, how may I help you?'] }, { say: ['customer', 'I have a question about my bill.'] }, { leave: 'ann' }, { leave: 'customer' }, { wait: 5400000 },
  { join: 'bob' }, { join: 'customer' }, { say: ['bob', 'This is Bob.'] }, { say: ['customer', 'Hello Bob.'] }];

// As many reports as are wanted, in no time.
const NO_BUDGET = { 'X-Rate-Limit-Group': 'heavy', 'X-Rate-Limit-Limit': '100', 'X-Rate-Limit-Remaining': '100', 'X-Rate-Limit-Window': '1' };
function withoutBudget(at) {
  const route = at.rest.tables.ringcx.find((r) => r.parts.at(-1) === 'interaction-metadata');
  const own = route.handler;
  route.handler = (...x) => ({ ...own(...x), headers: NO_BUDGET });
  at.rates.limits.RingCXMetadata = 100;
}
async function transferred(t, options = {}) {
  const at = await platform({ startAt: Date.now() - 4 * 3600000, speed: 1, ...options });
  t.after(() => at.close());
  withoutBudget(at);
  const dialog = at.ringcx.start({ script: TRANSFERRED, people: { customer: { id: '884421', type: 'CONTACT', name: null, voice: 'en-us' } } });
  dialog.end();
  await dialog.done;
  return { at, dialog, startedAt: new Date(dialog.from), endedAt: new Date(dialog.from + dialog.talk.durationMs) };
}
const isAllThere = async (call, { dialog, startedAt, endedAt }) => {
  assert.deepEqual(call.log.segments.map((s) => s.id).sort(), dialog.talk.segments.map((s) => s.id).sort());
  assert.deepEqual((await recordingsOf(call)).map((r) => [r.state, r.platform_id]).sort(), dialog.talk.segments.map((s) => ['ready', s.id]).sort());
  const { turns } = await product.must('GET', `/api/v1/calls/${call.id}/transcript`);
  assert.deepEqual(turns.map((t) => [t.speaker, t.text]), dialog.talk.lines.map((l) => [l.who === 'customer' ? 'user' : 'ai', l.text]));
  assert.deepEqual([new Date(call.started_at), new Date(call.ended_at)], [startedAt, endedAt]);
};

for (const ringcxWindow of ['begin', 'end'])
  test(`RingCX: who left long before the end is fetched, too (the report's time is its ${ringcxWindow}); calls that lie together share reports`, { timeout: 120000 }, async (t) => {
    const name = `cx-long-${ringcxWindow}`;
    const world = await transferred(t, { ringcxWindow });
    const { at, dialog, startedAt, endedAt } = world;
    const source = await addSource(name, at, { account: '2', platform: at.platformUrl, after_s: 2 }, 'ringcx');
    const other = at.ringcx.start({ script: 'simple' });
    other.end();
    await other.done;
    const values = await Promise.all([[dialog.id, startedAt, endedAt], [other.id, new Date(other.from), new Date(other.from + other.talk.durationMs)]].map(async ([id, from, until]) =>
      `('${await uuidOf(source.id, id)}'::uuid, '${id}', '${from.toISOString()}'::timestamptz, '${until.toISOString()}'::timestamptz)`));
    await product.exec(`insert into calls (id, org_id, source_id, project_id, provider_call_id, kind, status, live, started_at, ended_at, ended_class, last_seq)
      select v.id, s.org_id, s.id, s.project_id, v.theirs, 'inbound', 'ended', false, v.began, v.ended, 'customer', 65536
      from sources s, (values ${values}) v(id, theirs, began, ended) where s.id = '${source.id}'`);
    await isAllThere(await followed(dialog.id), world);
    await followed(other.id);
    assert.equal(asked(at, '/interaction-metadata').length, ringcxWindow === 'begin' ? 2 : 3);
    assert.deepEqual(at.violations, []);
  });

test('RingCX: of which segment there is no recording the report says, and none is asked for; where it says nothing it is asked', { timeout: 120000 }, async (t) => {
  for (const [ringcxNames, tries] of [['dialog', 0], ['segment', 4]]) {
    const name = `cx-unrecorded-${ringcxNames}`;
    const at = await platform({ startAt: Date.now() - 2 * HOUR, speed: 1, ringcxNames });
    t.after(() => at.close());
    const dialog = at.ringcx.start({ script: 'transfer', unrecorded: ['bob'] });
    dialog.end();
    await dialog.done;
    await addSource(name, at, { account: '2', platform: at.platformUrl }, 'ringcx');
    const { code, stderr } = await pull(name, '--since', new Date(dialog.from - 60000).toISOString(), '--until', new Date(dialog.from + 600000).toISOString());
    assert.equal(code, 0, stderr);
    const call = await followed(dialog.id);
    const bob = dialog.talk.segments.find((s) => s.who === 'bob').id;
    assert.equal(asked(at, `/recordings/dialogs/${dialog.id}/segments/${bob}`).length, tries, name);
    assert.deepEqual((await recordingsOf(call)).map((r) => [r.state, r.platform_id]).sort(), dialog.talk.segments.map((s) => [s.id === bob ? 'failed' : 'ready', s.id])
      .filter(([state]) => tries || state === 'ready').sort());
    assert.deepEqual(call.log.segments.map((s) => [s.id, s.recorded]), dialog.talk.segments.map((s) => [s.id, tries || s.id !== bob ? undefined : false]));
  }
});

test('RingCX: a pull of a dialog that two reports tell of: one call, as long as both say, and everything of both', { timeout: 120000 }, async (t) => {
  const world = await transferred(t);
  const { at, dialog, endedAt } = world;
  await addSource('cx-hours', at, { account: '2', platform: at.platformUrl }, 'ringcx');
  const iso = (ms) => new Date(ms).toISOString();
  const { code, stderr } = await pull('cx-hours', '--since', iso(dialog.from - 60000), '--until', iso(dialog.from - 60000 + HOUR));
  assert.equal(code, 0, stderr);
  assert.equal((await followed(dialog.id)).log.segments.length, 2, 'the first half');
  // The next pull, which brings the rest, when all of the first was fetched. As time would: the budget is whole again.
  await product.exec(`update platform_budgets set requests = '{}'`);
  assert.equal((await pull('cx-hours', '--since', iso(dialog.from - 60000), '--until', iso(endedAt.getTime() + 60000))).code, 0);
  await until('the rest is there', async () => (await recordingsOf(await callOf(dialog.id))).length === 4, { timeoutMs: 60000 });
  await isAllThere(await followed(dialog.id), world);
  assert.equal(await number(`select count(*)::int as n from calls where provider_call_id = '${dialog.id}'`), 1);
});

async function endedDialog(at) {
  const dialog = at.ringcx.start({ script: 'simple' });
  dialog.end();
  await dialog.done;
  return dialog;
}
// Calls that are over and stored: [platform's id, from, how long] each.
async function storeEnded(source, calls) {
  const values = await Promise.all(calls.map(async ([id, from, ms]) =>
    `('${await uuidOf(source.id, id)}'::uuid, '${id}', '${new Date(from).toISOString()}'::timestamptz, '${new Date(from + ms).toISOString()}'::timestamptz)`));
  await product.exec(`insert into calls (id, org_id, source_id, project_id, provider_call_id, kind, status, live, started_at, ended_at, ended_class, last_seq)
    select v.id, s.org_id, s.id, s.project_id, v.theirs, 'inbound', 'ended', false, v.began, v.ended, 'customer', 65536
    from sources s, (values ${values}) v(id, theirs, began, ended) where s.id = '${source.id}'`);
}

test('RingCX: a call that the platform fails at for good waits by itself; the others go on, and so does the rest of it', { timeout: 120000 }, async (t) => {
  const at = await platform({ startAt: Date.now() - 4 * HOUR, speed: 1 });
  t.after(() => at.close());
  withoutBudget(at);
  const [broken, whole] = [await endedDialog(at), await endedDialog(at)];
  at.fail({ host: 'ringcx', path: `/transcripts/dialogs/${broken.id}`, mode: 'rubbish', times: 1e6 });
  const source = await addSource('cx-broken', at, { account: '2', platform: at.platformUrl }, 'ringcx');
  await storeEnded(source, [broken, whole].map((d) => [d.id, d.from, d.talk.durationMs]));
  const call = await followed(whole.id);
  await until('why the other waits is known', async () => (await callOf(broken.id)).follow_error, { timeoutMs: 60000 });
  const other = await callOf(broken.id);
  assert.equal(other.follow_state, 'waiting');
  assert.match(other.follow_error, /transcripts.*no JSON/);
  assert.equal((await recordingsOf(other)).length, broken.talk.segments.length);
  assert.equal((await recordingsOf(call)).length, whole.talk.segments.length);
  assert.deepEqual(await product.sql(`select error from jobs where kind = 'followup' and key = '${source.id}' and error is not null`), []);
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
});

test('RingCX: three requests in a row without an answer are a platform that is away: the job is tried again, and each call that was asked for waits with the reason', { timeout: 120000 }, async (t) => {
  const at = await platform({ startAt: Date.now() - 100 * HOUR, speed: 1 });
  t.after(() => at.close());
  withoutBudget(at);
  at.fail({ host: 'ringcx', path: 'interaction-metadata', mode: 'rubbish', times: 3, headers: NO_BUDGET });
  const source = await addSource('cx-away', at, { account: '2', platform: at.platformUrl }, 'ringcx');
  const ids = ['away-1', 'away-2', 'away-3', 'away-4'];
  await storeEnded(source, ids.map((id, i) => [id, Date.now() - (20 + 10 * i) * HOUR, 60000]));
  await until('it is away', () => /followup \S+: the platform fails again and again: POST .*no JSON/.test(product.log()), { timeoutMs: 60000 });
  const calls = await Promise.all(ids.map(callOf)); // the next run has to wait for the budget of reports
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
  assert.deepEqual(calls.map((call) => call.follow_state), ids.map(() => 'waiting'));
  assert.deepEqual(calls.map((call) => /interaction-metadata.*no JSON/.test(call.follow_error)), [false, true, true, true], 'the earliest were asked for');
});

test('RingCX: what the platform refuses of one call, a report or a transcript, keeps no other', { timeout: 120000 }, async (t) => {
  const at = await platform({ startAt: Date.now() - 4 * HOUR, speed: 1 });
  t.after(() => at.close());
  withoutBudget(at);
  const refuse = (part, status, message, when) => {
    const route = at.rest.tables.ringcx.find((r) => r.parts.includes(part));
    const own = route.handler;
    route.handler = (sim, request) => (when(request) ? { status, body: { errorCode: 'refused', generalMessage: message } } : own(sim, request));
  };
  const [mute, whole] = [await endedDialog(at), await endedDialog(at)];
  const before = mute.from - HOUR;
  refuse('interaction-metadata', 400, 'too long ago', ({ body }) => Date.parse(`${body.segmentEndTime.replace(' ', 'T')}Z`) < before);
  refuse('transcripts', 403, 'no licence', ({ params }) => params.dialog === mute.id);
  const source = await addSource('cx-refused', at, { account: '2', platform: at.platformUrl, after_s: 20 }, 'ringcx'); // once: what waits is not asked for again in this test
  await storeEnded(source, [['long-ago', before - 24 * HOUR, 60000], [mute.id, mute.from, mute.talk.durationMs], [whole.id, whole.from, whole.talk.durationMs]]);
  const call = await followed(whole.id);
  await until('the others were asked for', async () => await number(`select count(*)::int as n from call_follow_ups f join calls c on c.id = f.call_id where c.source_id = '${source.id}' and f.error is not null`) === 2, { timeoutMs: 60000 });
  await until('nobody asks just now', async () => await number(`select count(*)::int as n from jobs where kind = 'followup' and key = '${source.id}' and state = 'running'`) === 0);
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
  assert.equal((await recordingsOf(call)).length, whole.talk.segments.length);
  const waiting = async (id, why) => {
    const other = await callOf(id);
    assert.equal(other.follow_state, 'waiting', id);
    assert.match(other.follow_error, why);
    return other;
  };
  assert.equal((await recordingsOf(await waiting(mute.id, /transcripts.*403.*no licence/))).length, mute.talk.segments.length);
  await waiting('long-ago', /no segment of this dialog/);
  assert.match(product.log(), /interaction-metadata.*400.*too long ago/);
});

test('RingCX: whose number is the customer\'s: the called one of an outbound dialog, none where nobody says who called; by the names of earlier documents, too', { timeout: 120000 }, async (t) => {
  for (const [ringcxNames, type, whose] of [['dialog', 'OUTBOUND', 'dnis'], ['segment', 'OUTBOUND', 'dnis'], ['segment', 'INBOUND', 'ani'], ['dialog', '', null]]) {
    const name = `cx-${ringcxNames}-${type.toLowerCase() || 'unsaid'}`;
    const at = await platform({ startAt: Date.now() - 2 * HOUR, speed: 1, ringcxNames });
    t.after(() => at.close());
    const dialog = at.ringcx.start({ script: 'simple', type });
    dialog.end();
    await dialog.done;
    await addSource(name, at, { account: '2', platform: at.platformUrl, recordings: false }, 'ringcx');
    const { code, stderr } = await pull(name, '--since', new Date(dialog.from - 60000).toISOString(), '--until', new Date(dialog.from + 600000).toISOString());
    assert.equal(code, 0, stderr);
    const call = await followed(dialog.id);
    assert.equal(call.customer_number, whose && dialog[whose], name);
    const { turns } = await product.must('GET', `/api/v1/calls/${call.id}/transcript`);
    assert.deepEqual(turns.map((t) => t.speaker), dialog.talk.lines.map((l) => (l.who === 'customer' ? 'user' : 'ai')));
  }
});

// A dialog in which the customer and ann say words that the simulator of speech-to-text hears.
const WORDS = [{ wait: 500 }, { words: ['ann', 'alpha bravo'] }, { wait: 1500 }, { words: ['customer', 'charlie delta'] }, { wait: 1500 }, { words: ['ann', 'echo'] }, { wait: 500 },
  { transfer: ['ann', 'bob'] }, { wait: 730 }, { words: ['bob', 'foxtrot'] }, { wait: 500 }];
async function pulledDialog(name, { summaries = false, ...connect } = {}) {
  const stt = await new SttServer(['good'], { key: 'k' }).listen();
  const at = await platform({ startAt: Date.now() - 2 * 3600000, speed: 1, ringcxSummaries: summaries });
  await transcribing(stt);
  const dialog = at.ringcx.start({ script: WORDS });
  dialog.end();
  await dialog.done;
  await addSource(name, at, { account: '2', platform: at.platformUrl, ...connect }, 'ringcx');
  const iso = (ms) => new Date(ms).toISOString();
  const { code, stderr } = await pull(name, '--since', iso(dialog.from - 60000), '--until', iso(dialog.from + 600000));
  assert.equal(code, 0, stderr);
  const call = await followed(dialog.id);
  await until('its recordings are transcribed', async () => (await row(`select count(*)::int as n from recordings where call_id = '${call.id}' and words is null`)).n === 0
    || (await row(`select count(*)::int as n from jobs where kind = 'transcribe' and state <> 'dead'`)).n === 0, { timeoutMs: 60000 });
  const end = async () => {
    await product.must('PATCH', `/api/v1/projects/${world.project.id}`, { audio: {} });
    await stt.close();
    await at.close();
  };
  const { turns } = await product.must('GET', `/api/v1/calls/${call.id}/transcript`);
  return { call, dialog, turns: turns.map((t) => [t.speaker, t.text]), recordings: await recordingsOf(call), end };
}

test('RingCX: a recording of two channels, whose the source says: turns with their speakers, and an analysis that sees them', { timeout: 120000 }, async () => {
  const { call, turns, recordings, end } = await pulledDialog('cx-sides', { recording_channels: 'customer,assistant' });
  assert.deepEqual(recordings.map((r) => [r.state, r.mixed]), recordings.map(() => ['ready', false]));
  assert.deepEqual(turns, [['ai', 'alpha bravo'], ['user', 'charlie delta'], ['ai', 'echo'], ['ai', 'foxtrot']], 'each once, though three segments were recorded');
  assert.notEqual((await analysed(call)).analysis.ineligible_because, 'no conversation');
  await end();
});

test('RingCX: the same when nobody says whose the channels are: both are heard, nobody knows who speaks, and analyses pass them over', { timeout: 120000 }, async () => {
  const { call, turns, recordings, end } = await pulledDialog('cx-mixed');
  assert.deepEqual(recordings.map((r) => [r.state, r.mixed]), recordings.map(() => ['ready', true]));
  assert.equal(turns.map(([, text]) => text).join(' '), 'alpha bravo charlie delta echo foxtrot');
  assert.ok(turns.every(([speaker]) => speaker === ''));
  assert.equal((await analysed(call)).analysis.ineligible_because, 'no conversation');
  await end();
});

test('RingCX: words of the platform are better than those of speech-to-text, whichever come last', { timeout: 120000 }, async () => {
  const { dialog, turns, end } = await pulledDialog('cx-both', { summaries: true });
  assert.deepEqual(turns, dialog.talk.lines.map((l) => [l.who === 'customer' ? 'user' : 'ai', l.text]));
  await end();
});

test('RingCX: words that are stored at the same moment: the platform\'s stay, and none of two recordings is missing', { timeout: 120000 }, async () => {
  const { call, recordings, end } = await pulledDialog('cx-moment');
  const heard = (text, at) => JSON.stringify([{ role: 'unknown', speaker: '', text, at: `2026-01-01T10:00:0${at}Z` }]);
  const transcribed = (recording, words) => `select callmend_recording_words('${recording.id}', '${words}')`;
  const atOnce = async (first, second) => {
    const commit = await product.hold(first);
    const done = product.exec(second);
    await until('the second waits for the first', async () => (await product.sql(`select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%callmend_recording_words%' and pid <> pg_backend_pid()`)).length);
    await commit();
    await done;
    return (await product.must('GET', `/api/v1/calls/${call.id}/transcript`)).turns.map((t) => t.text);
  };
  await product.exec(`update recordings set words = null where call_id = '${call.id}'`);
  const [one, two] = recordings;
  assert.deepEqual(await atOnce(transcribed(one, heard('of the first', 1)), transcribed(two, heard('of the second', 2))), ['of the first', 'of the second']);
  const told = `select callmend_words_beside('${call.id}', '[{"role": "user", "speaker": "user", "text": "as the platform has it", "at": "2026-01-01T10:00:00Z"}]');
    update call_follow_ups set spoken = true where call_id = '${call.id}'`;
  assert.deepEqual(await atOnce(told, transcribed(one, heard('of the first again', 1))), ['as the platform has it']);
  await end();
});

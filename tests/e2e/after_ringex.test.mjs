// What RingCentral knows of calls after they ended: call log, recordings, insights. The platform is tools/rc-sim.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { addSource, aftermath, analysed, asked, callOf, dueTogether, files, followed, HOUR, insightsOf, MP3, number, platform, play, product, recordingsOf, row, setLog, setMedia, sim, transcribing, TWO_LEGS, uuidOf, world } from './lib/aftermath.mjs';
import { alive } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { SttServer } from '../../tools/stt-sim/server.mjs';
import { say } from '../../tools/stt-sim/ear.mjs';
import { join16, silence } from '../../tools/lib/speech.mjs';
import { wav } from '../../tools/rc-sim/sound.mjs';

aftermath({ before, after });

// --- calls that were live ---

test('a call that was live: the log is late, the recordings of two legs, insights; nothing is doubled', { timeout: 120000 }, async () => {
  sim.callLogMs = 1000;
  sim.insightsMs = 500000; // 5 s
  let late = true; // until somebody has looked
  const restore = setLog(sim, (body) => (late ? { ...body, records: [] } : body));
  const source = await addSource('live', sim, { events: 'websocket', insights: true });
  const { id } = await play(sim, { script: TWO_LEGS });
  const waiting = await until('the log is not there yet', async () => {
    const call = await callOf(id);
    return call?.follow_state === 'waiting' && call.tries > 0 && call;
  }, { timeoutMs: 30000, everyMs: 50 });
  assert.match(waiting.follow_error, /call log does not have this call yet/);
  late = false;
  const call = await followed(id);
  restore();
  assert.equal(call.imported, false);
  assert.equal(await number(`select count(*)::int as n from calls where provider_call_id = '${id}'`), 1);
  assert.equal(call.log.result, 'Accepted');
  assert.equal(call.log.legs.length >= 2, true);
  assert.equal(call.log.billing, undefined, 'billing is left');
  assert.equal(call.ended_class, 'customer', 'what was seen live is known better');
  const recordings = await recordingsOf(call);
  assert.deepEqual(recordings.map((r) => [r.state, r.mixed, r.imported]), [['ready', true, false], ['ready', true, false]]);
  assert.deepEqual(recordings.map((r) => r.platform_id).sort(), [...sim.aftermath.recordings.keys()].sort());
  assert.ok(recordings.every((r) => r.duration_ms > 30000 && r.speech.ms > 1000 && r.speech.spans.length > 0), JSON.stringify(recordings.map((r) => r.speech)));
  const audio = await fetch(`${product.url}/api/v1/recordings/${recordings[0].id}/audio`, { headers: { authorization: `Bearer ${product.token}`, range: 'bytes=0-35' } });
  assert.equal(audio.status, 206);
  assert.equal(Buffer.from(await audio.arrayBuffer()).toString('latin1', 28, 36), 'OpusHead');
  assert.ok((await product.must('GET', `/api/v1/recordings/${recordings[0].id}/peaks`)).left.some((v) => Math.abs(v - 128) > 10));
  // Analysis of the platform's own, and its words.
  const known = await until('insights are there', async () => {
    const answer = await insightsOf(call);
    return answer.insights.length >= 8 && answer;
  }, { timeoutMs: 60000 });
  assert.ok(known.insights.some((i) => i.kind === 'summary' && i.insight.value[0].value.includes('eight')));
  assert.equal(known.follow_up.state, 'done');
  const transcript = await until('words are there', async () => {
    const answer = await product.must('GET', `/api/v1/calls/${call.id}/transcript`);
    return answer.turns.length >= 4 && answer;
  });
  assert.deepEqual(transcript.turns.map((t) => t.speaker), ['user', 'ai', 'ai', 'user']);
  assert.equal(sim.violations.length, 0, JSON.stringify(sim.violations));
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
});

test('a call that nobody answered, by a clock three hours behind: it stands where the platform has it, and its record is found', { timeout: 60000 }, async (t) => {
  const at = await platform({ callLogMs: 1000, startAt: Date.now() - 3 * HOUR });
  t.after(() => at.close());
  const source = await addSource('unanswered', at, { events: 'websocket' });
  const played = await play(at, { scenario: 'no-answer' });
  const call = await followed(played.id);
  assert.equal(new Date(call.started_at).getTime(), Date.parse(played.session.told[0].eventTime));
  assert.deepEqual([call.log.result, call.ended_reason, call.duration_ms], ['Missed', 'no-answer', null]);
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
});

test('half an answer with 200, to the request for a token and for the log of calls that lie together: asked again', { timeout: 120000 }, async (t) => {
  const at = await platform({ callLogMs: 1000 });
  t.after(() => at.close());
  const source = await addSource('halved', at, { events: 'websocket', recordings: false, after_s: 3600 });
  at.fail({ host: 'platform', path: '/call-log', mode: 'rubbish' });
  at.fail({ host: 'platform', path: '/oauth/token', mode: 'rubbish' });
  await dueTogether(source, await Promise.all([1, 2, 3].map(() => play(at, { scenario: 'no-answer' }))));
  const together = () => asked(at, '/call-log').filter((r) => r.query.telephonySessionId === undefined);
  await until('it is asked once more', () => together().length >= 2, { timeoutMs: 90000 });
  assert.deepEqual(await product.sql(`select error from jobs where key = '${source.id}' and state = 'dead'`), []);
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
});

test('MP3, a recording that is too short, one that cannot be read', { timeout: 120000 }, async () => {
  const at = await platform({ callLogMs: 1000, recordingMinMs: 0, permissions: ['CallControl', 'ReadAccounts', 'ReadPresence', 'ReadCallLog', 'ReadCallRecording', 'WebSocketsSubscription'] });
  const answers = [{ headers: { 'content-type': 'audio/mpeg' }, bytes: MP3 }, { status: 404 }, { headers: { 'content-type': 'audio/wav' }, bytes: Buffer.from('no sound at all') }];
  const given = new Map();
  setMedia(at, (own, _, { params }) => {
    if (!given.has(params.recording))
      given.set(params.recording, answers[given.size]);
    const answer = given.get(params.recording);
    return { status: 200, body: answer.status ? { errorCode: 'CMN-102', message: 'not found' } : undefined, ...answer };
  });
  await addSource('sounds', at, { events: 'websocket' });
  const states = [];
  for (let i = 0; i < 3; i++) {
    const { id } = await play(at, { scenario: 'recorded' });
    const call = await followed(id);
    states.push((await recordingsOf(call))[0]);
  }
  assert.deepEqual(states.map((r) => r.state), ['ready', 'failed', 'failed']);
  assert.ok(Math.abs(states[0].duration_ms - 2000) < 300, `${states[0].duration_ms} ms`);
  assert.match(states[1].error, /no such recording \(404\).*under 30 s/);
  assert.match(states[2].error, /audio\/wav.*cannot be read: .*RIFF/);
  assert.equal(files().some((name) => name.includes('.fetched')), false, 'what was fetched does not stay');
  assert.equal(asked(at, '/content').length, 6, 'what is not there is asked for three times more, what cannot be read is not');
  await at.close();
});

test('a recording that is late: in the log, of which the first answer has none, and then its content', { timeout: 120000 }, async (t) => {
  const at = await platform({ callLogMs: 1000, permissions: ['CallControl', 'ReadAccounts', 'ReadPresence', 'ReadCallLog', 'ReadCallRecording', 'WebSocketsSubscription'] });
  t.after(() => at.close());
  let contents = 0;
  setMedia(at, (own) => (contents++ < 2 ? { status: 404, body: { errorCode: 'CMN-102', message: 'not found' } } : own()));
  const bare = ({ recording, legs, ...record }) => ({ ...record, legs: legs.map(({ recording: none, ...leg }) => leg) });
  let late = true; // until somebody has looked
  setLog(at, (body) => (late ? { ...body, records: body.records.map(bare) } : body));
  await addSource('late-sound', at, { events: 'websocket' });
  const { id } = await play(at, { scenario: 'recorded' });
  const waiting = await until('its record is there without one', async () => {
    const call = await callOf(id);
    return call?.log && call;
  }, { timeoutMs: 30000, everyMs: 50 });
  assert.deepEqual([waiting.follow_state, waiting.log.recordings], ['waiting', []]);
  assert.match(waiting.follow_error, /lacks a recording/);
  late = false;
  const call = await followed(id);
  assert.deepEqual((await recordingsOf(call)).map((r) => r.state), ['ready']);
  assert.equal(contents, 3);
  assert.equal(call.follow_error, null);
});

test('a recording of which the log does not say where its content is: the recording says it, whatever its id looks like', { timeout: 60000 }, async (t) => {
  const at = await platform({ callLogMs: 1000, permissions: ['CallControl', 'ReadAccounts', 'ReadPresence', 'ReadCallLog', 'ReadCallRecording', 'WebSocketsSubscription'] });
  t.after(() => at.close());
  const odd = (id) => `${id}#1/2`;
  const nameless = ({ recording, ...rest }) => {
    if (!recording)
      return rest;
    at.aftermath.recordings.set(odd(recording.id), at.aftermath.recordings.get(recording.id));
    return { ...rest, recording: { id: odd(recording.id), type: recording.type } };
  };
  setLog(at, (body) => ({ ...body, records: body.records.map((record) => nameless({ ...record, legs: record.legs.map(nameless) })) }));
  await addSource('nowhere', at, { events: 'websocket' });
  const { id } = await play(at, { scenario: 'recorded' });
  const recordings = await recordingsOf(await followed(id));
  assert.deepEqual(recordings.map((r) => [r.state, r.error]), [['ready', null]]);
  const stored = await row(`select platform_id from recordings r join calls c on c.id = r.call_id where c.provider_call_id = '${id}'`);
  assert.match(stored.platform_id, /#1\/2$/);
  assert.deepEqual(asked(at, '/recording/').map((r) => [r.host, r.path.endsWith('/content')]), [['platform', false], ['media', true]]);
});

test('recordings that we may not have, and insights: the log is there, and why the rest is not', { timeout: 60000 }, async () => {
  const at = await platform({ callLogMs: 1000, permissions: ['CallControl', 'ReadAccounts', 'ReadPresence', 'ReadCallLog', 'WebSocketsSubscription'] });
  await addSource('forbidden', at, { events: 'websocket', insights: true });
  const { id } = await play(at, { scenario: 'recorded' });
  const call = await until('the log is there', async () => {
    const found = await callOf(id);
    return found?.log && found;
  }, { timeoutMs: 30000 });
  assert.equal(call.follow_state, 'waiting');
  assert.match(call.follow_error, /403 .*RingSense/);
  at.permit('ReadCallRecording');
  at.permit('RingSense');
  at.aftermath.insights.push({ session: id, record: [...at.aftermath.recordings.keys()][0], body: { domain: 'pbx', sourceSessionId: id, sourceRecordId: [...at.aftermath.recordings.keys()][0], insights: { Summary: [{ value: 'x' }] } } });
  await followed(id);
  assert.deepEqual((await recordingsOf(call)).map((r) => r.state), ['ready']);
  assert.deepEqual((await insightsOf(call)).insights.map((i) => i.kind), ['summary']);
  await at.close();
});

test('speech-to-text of a recording where no words are: beside the call, without a speaker', { timeout: 120000 }, async () => {
  const stt = await new SttServer(['good'], { key: 'k' }).listen();
  const at = await platform({ callLogMs: 1000, permissions: ['CallControl', 'ReadAccounts', 'ReadPresence', 'ReadCallLog', 'ReadCallRecording', 'WebSocketsSubscription'] });
  setMedia(at, () => ({ status: 200, headers: { 'content-type': 'audio/wav' }, bytes: wav([say('alpha bravo charlie')]) }));
  await transcribing(stt);
  await addSource('words', at, { events: 'websocket' });
  const { id } = await play(at, { scenario: 'recorded' });
  const call = await followed(id);
  const transcript = await until('words', async () => {
    const answer = await product.must('GET', `/api/v1/calls/${call.id}/transcript`);
    return answer.turns.length && answer;
  }, { timeoutMs: 30000 });
  assert.equal(transcript.from, 'messages');
  assert.equal(transcript.turns[0].speaker, '');
  assert.match(transcript.turns.map((t) => t.text).join(' '), /alpha bravo charlie/);
  await product.must('PATCH', `/api/v1/projects/${world.project.id}`, { audio: {} });
  await stt.close();
  await at.close();
});

test('a recording with us on the first channel and the customer on the second, when the source says so: on their sides, and the conversation is analysed', { timeout: 120000 }, async () => {
  const stt = await new SttServer(['good'], { key: 'k' }).listen();
  const at = await platform({ callLogMs: 1000, permissions: ['CallControl', 'ReadAccounts', 'ReadPresence', 'ReadCallLog', 'ReadCallRecording', 'WebSocketsSubscription'] });
  const ours = join16(say('alpha bravo'), silence(4000)), theirs = join16(silence(2000), say('charlie delta'), silence(1000));
  const bytes = wav([ours, theirs]), one = wav([theirs, theirs]);
  let served = bytes;
  setMedia(at, () => ({ status: 200, headers: { 'content-type': 'audio/wav' }, bytes: served }));
  await transcribing(stt);
  const source = await addSource('channels', at, { events: 'websocket', recording_channels: 'assistant,customer' });
  const wordsOf = async (call) => (await until('words', async () => {
    const { turns } = await product.must('GET', `/api/v1/calls/${call.id}/transcript`);
    return turns.length && turns;
  }, { timeoutMs: 30000 })).map((t) => [t.speaker, t.text]);
  const call = await followed((await play(at, { scenario: 'recorded' })).id);
  assert.deepEqual(await wordsOf(call), [['ai', 'alpha bravo'], ['user', 'charlie delta']]);
  const [recording] = await recordingsOf(call);
  assert.equal(recording.mixed, false);
  const { left, right, ms } = await product.must('GET', `/api/v1/recordings/${recording.id}/peaks`);
  const firstLoud = (side) => side.findIndex((v) => Math.abs(v - 128) > 10) / 2 * ms;
  assert.ok(firstLoud(right) < 500 && firstLoud(left) > 1500, 'left the customer, right ours');
  assert.notEqual((await analysed(call)).analysis.ineligible_because, 'no conversation');
  // The same voice on both channels has no sides.
  served = one;
  const mono = await followed((await play(at, { scenario: 'recorded' })).id);
  assert.deepEqual(await wordsOf(mono), [['', 'charlie delta']]);
  assert.equal((await recordingsOf(mono))[0].mixed, true);
  const refused = await product.api('PATCH', `/api/v1/sources/${source.id}`, { connect: { ...source.connect, recording_channels: 'left,right' } });
  assert.equal(refused.status, 422);
  assert.match(JSON.stringify(refused.body), /connect\.recording_channels: must be one of: customer,assistant assistant,customer/);
  await product.must('PATCH', `/api/v1/projects/${world.project.id}`, { audio: {} });
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
  await stt.close();
  await at.close();
});

test('a call whose log never comes is given up after a day, with the reason', { timeout: 60000 }, async () => {
  const at = await platform({ callLogMs: 1e9 });
  await addSource('never', at, { events: 'websocket' });
  const { id } = await play(at, { scenario: 'simple' });
  await until('asked once', async () => (await callOf(id))?.tries > 0, { timeoutMs: 30000 });
  await product.exec(`update call_follow_ups set created_at = now() - interval '25 hours' where call_id = (select id from calls where provider_call_id = '${id}')`);
  const call = await followed(id, 'given-up');
  assert.match(call.follow_error, /call log does not have this call yet/);
  await at.close();
});

test('insights days later, when the call is long forgotten', { timeout: 60000 }, async () => {
  const source = await addSource('late', sim);
  const id = 's-late-1';
  await product.exec(`insert into calls (id, org_id, source_id, project_id, provider_call_id, kind, status, live, started_at, ended_at, duration_ms, ended_reason, ended_class, last_seq, event_count)
    select uuid_generate, s.org_id, s.id, s.project_id, '${id}', 'inbound', 'ended', false, now() - interval '3 days', now() - interval '3 days' + interval '1 minute', 60000, 'customer-hung-up', 'customer', 65536, 20
    from sources s, lateral (select '${await uuidOf(source.id, id)}'::uuid as uuid_generate) u where s.id = '${source.id}'`);
  const at = new Date(Date.now() - 3 * 86400000).toISOString();
  const body = { domain: 'pbx', sourceSessionId: id, sourceRecordId: '77', callDirection: 'Inbound', ownerExtensionId: '20', recordingDurationMs: 60000, recordingStartTime: at, creationTime: new Date().toISOString(),
    speakerInfo: [{ speakerId: 'p-1', name: 'Ann', extensionId: '20' }, { speakerId: 'p-2', name: 'Customer', phoneNumber: '+15550001' }],
    insights: { Transcript: [{ start: 1, end: 3, text: 'Hello, this is Ann.', speakerId: 'p-1' }, { start: 4, end: 6, text: 'Hello Ann.', speakerId: 'p-2' }], Summary: [{ value: 'They greet.' }] } };
  const event = { uuid: 'u-late', event: '/ai/ringsense/v1/public/accounts/~/domains/pbx/insights', timestamp: new Date().toISOString(), subscriptionId: 's', ownerId: '20', body };
  const post = () => fetch(`${product.url}/in/ringcentral/late`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(event) });
  await until('taken', async () => (await post()).status === 200);
  const call = await callOf(id);
  await until('stored', async () => (await insightsOf(call)).insights.length === 2);
  const { turns } = await until('words', async () => {
    const answer = await product.must('GET', `/api/v1/calls/${call.id}/transcript`);
    return answer.turns.length === 2 && answer;
  });
  assert.deepEqual(turns.map((t) => [t.speaker, t.text]), [['ai', 'Hello, this is Ann.'], ['user', 'Hello Ann.']]);
  await post();
  const again = await callOf(id);
  assert.deepEqual([again.status, again.live, again.ended_reason], ['ended', false, 'customer-hung-up'], 'the call is what it was');
  assert.equal((await insightsOf(call)).insights.length, 2);
});

// --- killed ---

test('kill -9 of the analyst in the middle: nothing is double, nothing is missing', { timeout: 120000 }, async () => {
  const at = await platform({ callLogMs: 1000 });
  let held;
  setMedia(at, async (own) => {
    held?.();
    await new Promise((resolve) => { setTimeout(resolve, held ? 1500 : 0); });
    return own();
  });
  await addSource('killed', at, { events: 'websocket' });
  const began = new Promise((resolve) => { held = resolve; });
  const { id } = await play(at, { script: TWO_LEGS });
  await began;
  const pid = product.pid('analyst-1');
  process.kill(pid, 'SIGKILL');
  await until('it is dead', () => !alive(pid));
  held = null;
  // As time would: what it held is anybody's.
  await product.exec(`update jobs set lease_until = now() - interval '1 ms' where state = 'running' and owner like '%:${pid}:%'; update platform_budgets set held_until = now() - interval '1 ms'`);
  const call = await followed(id);
  const recordings = await recordingsOf(call);
  assert.deepEqual(recordings.map((r) => r.state), ['ready', 'ready']);
  assert.equal(await number(`select count(*)::int as n from calls where provider_call_id = '${id}'`), 1);
  assert.equal(at.violations.length, 0, JSON.stringify(at.violations));
  await at.close();
});

// What RingCentral knows of calls after they ended: call log, recordings, insights; pulls. The platform is tools/rc-sim.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { alive } from './lib/product.mjs';
import { World } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { RingCentralSim } from '../../tools/rc-sim/index.mjs';
import { SttServer } from '../../tools/stt-sim/server.mjs';
import { say } from '../../tools/stt-sim/ear.mjs';
import { join16, silence } from '../../tools/lib/speech.mjs';
import { wav } from '../../tools/rc-sim/sound.mjs';

const SPEED = 100;
const WINDOW = { windowMs: 3000, penaltyMs: 3000 };
const HOUR = 3600000;
const MP3 = readFileSync(new URL('../golden/audio/tone.mp3', import.meta.url));
let world, product, sim;

before(async () => {
  world = await World.start({ tools: false, config: { analyst: { lease_ms: '3s' } } });
  product = world.product;
  sim = await platform({});
});
after(async () => {
  await world?.end();
  await sim?.close();
});

let seed = 1; // equal ones would have equal ids
const platform = (options) => new RingCentralSim({ seed: seed++, speed: SPEED, limits: WINDOW, ...options }).listen();

// A source whose session is with `at`; `more`: of its connect.
async function addSource(name, at, more = {}, dialect = 'ringcentral') {
  const { clientId, clientSecret, jwt } = at.credentials;
  const source = await product.must('POST', '/api/v1/sources', { name, dialect, project_id: world.project.id, auth: [{ type: 'open' }],
    api_base: dialect === 'ringcx' ? at.ringcxUrl : at.platformUrl, settings: { party_settle_ms: 100 },
    connect: { client_id: clientId, client_secret: product.secret(`${name}-secret`, clientSecret), jwt: product.secret(`${name}-jwt`, jwt), events: 'none', after_s: 1, ...more } });
  if (more.events && more.events !== 'none')
    await until('the session is live', () => at.subscriptions.all().length > 0, { timeoutMs: 30000 });
  return source;
}

const row = async (query) => (await product.sql(query))[0];
const number = async (query) => (await row(query)).n;
const callOf = (sessionId) => row(`select c.*, f.state as follow_state, f.tries, f.error as follow_error, f.log from calls c left join call_follow_ups f on f.call_id = c.id
  where c.provider_call_id = '${sessionId}'`);
const followed = (sessionId, state = 'done') => until(`${sessionId} is ${state}`, async () => {
  const call = await callOf(sessionId);
  if (call?.follow_state !== state)
    throw new Error(JSON.stringify(call && { live: call.live, state: call.follow_state, tries: call.tries, error: call.follow_error }));
  return call;
}, { timeoutMs: 60000, everyMs: 100 });
const transcribing = (stt, provider = 'openai-http') => product.must('PATCH', `/api/v1/projects/${world.project.id}`, { audio: { stt: { provider, url: stt.url, key: product.secret('stt', 'k') } } });
const analysed = (call) => until('it is analysed as it is', async () => {
  const { status, body } = await product.api('GET', `/api/v1/calls/${call.id}/analysis`);
  return status === 200 && body.up_to_date && !body.queued && body;
}, { timeoutMs: 30000 });
const recordingsOf = async (call) => (await product.must('GET', `/api/v1/calls/${call.id}/recordings`)).recordings;
const insightsOf = (call) => product.must('GET', `/api/v1/calls/${call.id}/insights`);
const folder = () => join(product.stateDir, 'recordings');
const files = () => (existsSync(folder()) ? readdirSync(folder(), { recursive: true }) : []).filter((name) => statSync(join(folder(), name)).isFile());
const asked = (at, part) => at.rest.log.filter((r) => r.path.includes(part));

// A call at the platform, played to its end.
async function play(at, options) {
  const call = at.startCall(options);
  await at.finished([call]);
  return call;
}
const LINE = (who) => ({ say: [who, 'I would like to change my reservation for tomorrow evening, at eight instead of seven.'] });
const TWO_LEGS = [{ inbound: true }, { ring: 'ann' }, { wait: 2000 }, { answer: 'ann' }, { record: 'ann' }, LINE('customer'), LINE('ann'), { wait: 30000 }, { transfer: ['ann', 'bob'] }, { wait: 3000 },
  { answer: 'bob' }, { record: 'bob' }, LINE('bob'), LINE('customer'), { wait: 31000 }, { hangup: 'customer' }];

// What the platform's call log answers is made of what it would have answered.
function setLog(at, change) {
  const route = at.rest.tables.platform.find((r) => r.method === 'GET' && r.parts.at(-1) === 'call-log');
  const own = route.handler;
  route.handler = (...x) => {
    const answer = own(...x);
    return { ...answer, body: change(answer.body) };
  };
  return () => { route.handler = own; };
}

// All calls of a source are asked for at once, however long it took until they were stored; it was added with after_s: 3600.
async function dueTogether(source, calls) {
  const due = `call_follow_ups where source_id = '${source.id}' and state = 'waiting'`;
  await until('all have ended', async () => (await number(`select count(*)::int as n from ${due}`)) === calls.length, { timeoutMs: 60000 });
  await product.exec(`update call_follow_ups set due_at = now() where source_id = '${source.id}'; update jobs set run_at = now() where kind = 'followup' and key = '${source.id}'`);
}

function setMedia(at, handler) {
  const route = at.rest.tables.media[0];
  const own = route.handler;
  route.handler = (...x) => handler(() => own(...x), ...x);
  return () => { route.handler = own; };
}

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

async function uuidOf(space, name) {
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha1').update(Buffer.from(space.replaceAll('-', ''), 'hex')).update(name).digest().subarray(0, 16);
  hash[6] = hash[6] & 0x0f | 0x50;
  hash[8] = hash[8] & 0x3f | 0x80;
  return hash.toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
}

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

// --- pulls ---

const pull = (name, ...more) => product.cli(['import', '--pull', '--source', name, '--config', product.configFile, '--json', '--rate', '6000', ...more]);

test('a pull: each record a call once; a call that was live is not doubled; recordings come afterwards', { timeout: 180000 }, async () => {
  const at = await platform({ callLogMs: 1000 });
  const first = await play(at, { scenario: 'recorded' });
  await play(at, { scenario: 'no-answer' });
  await addSource('pulled', at, { events: 'websocket' });
  const live = await play(at, { scenario: 'recorded' });
  await followed(live.id);
  const { code, stdout, stderr } = await pull('pulled', '--since', '12h');
  assert.equal(code, 0, stderr + stdout);
  const n = JSON.parse(stdout);
  assert.deepEqual([n.records, n.imported, n.duplicates, n.bad], [3, 2, 1, 0]);
  assert.equal(await number(`select count(*)::int as n from calls where provider_call_id = '${live.id}'`), 1);
  const call = await followed(first.id);
  assert.equal(call.imported, true);
  assert.equal(call.ended_reason, 'completed');
  assert.equal(call.customer_number, first.customer.number);
  assert.ok(Math.abs(Date.parse(call.started_at) - first.sessions[0].createdAt) < 1500);
  assert.deepEqual((await recordingsOf(call)).map((r) => r.state), ['ready']);
  const [missed] = await product.sql(`select * from calls where ended_reason = 'no-answer' and import_id = '${n.import}'`);
  assert.equal(missed.ended_class, 'telephony');
  const logs = asked(at, '/call-log').length;
  const again = JSON.parse((await pull('pulled', '--since', '12h')).stdout);
  assert.deepEqual([again.imported, again.duplicates], [0, 3]);
  assert.ok(asked(at, '/call-log').length > logs);
  // By the API.
  await product.must('POST', `/api/v1/sources/${call.source_id}/pull?since=${new Date(Date.now() - 12 * 3600000).toISOString()}`);
  await until('the job is done', async () => (await number(`select count(*)::int as n from imports where source_id = '${call.source_id}' and state = 'done'`)) >= 3, { timeoutMs: 60000 });
  assert.equal(at.violations.length, 0, JSON.stringify(at.violations));
  assert.equal(at.oauth.sessions.filter((s) => !s.dead).length <= 1, true, 'only the live session is left');
  await at.close();
});

test('pages of the call log that tell only how many there are: none is left out, by a pull and by the job', { timeout: 120000 }, async (t) => {
  const at = await platform({ callLogMs: 1000 });
  t.after(() => at.close());
  const log = at.rest.tables.platform.find((r) => r.method === 'GET' && r.parts.at(-1) === 'call-log');
  const own = log.handler;
  log.handler = (of, request) => {
    request.query.set('perPage', '1');
    const { body: { navigation, ...body }, ...answer } = own(of, request);
    return { ...answer, body };
  };
  const old = [await play(at, { scenario: 'no-answer' }), await play(at, { scenario: 'no-answer' })];
  const source = await addSource('pages', at, { events: 'websocket', recordings: false, after_s: 3600 });
  const live = [1, 2, 3].map(() => at.startCall({ scenario: 'simple' }));
  await at.finished(live);
  await dueTogether(source, live);
  for (const { id } of live)
    await followed(id);
  assert.ok(asked(at, '/call-log').some((r) => r.query.page === '3'), 'they shared a request');
  const { code, stdout, stderr } = await pull('pages', '--since', '12h');
  assert.equal(code, 0, stderr);
  const n = JSON.parse(stdout);
  assert.deepEqual([n.records, n.imported, n.duplicates], [5, old.length, live.length]);
});

// --- losses ---

const SHORT = [{ inbound: true }, { ring: 'ann' }, { wait: 2000 }, { answer: 'ann' }, { wait: 6000 }, { hangup: 'customer' }];
const jobOf = (source) => row(`select * from jobs where kind = 'missed' and key = '${source.id}'`);

test('a call that began and ended while the gateway was lost for good comes from the call log by itself, once; one that was seen is not doubled', { timeout: 180000 }, async () => {
  // An hour ahead of us, in which nothing lies that we know of.
  const at = await platform({ speed: 20, skewMs: 7200000, callLogMs: 1000 });
  const source = await addSource('missed', at, { events: 'websocket', recordings: false });
  await until('the session is live', async () => (await product.must('GET', `/api/v1/sources/${source.id}`)).session?.state === 'live');
  assert.equal(await jobOf(source), undefined, 'nothing was lost');
  const seen = at.startCall({ script: [{ inbound: true }, { ring: 'ann' }, { wait: 2000 }, { answer: 'ann' }, { wait: 200000 }, { hangup: 'customer' }] });
  await until('it is live', async () => (await callOf(seen.id))?.status === 'in-progress');
  at.fail({ host: 'platform', path: '/oauth/wstoken', mode: 503, times: 1000 }); // until the call is over, however long that takes
  at.gateway.refuse.recoveries = 1;
  at.gateway.drop();
  const lost = await play(at, { script: SHORT });
  assert.ok(at.gateway.open.length === 0, 'nobody has heard of it');
  at.faults.clear();
  await until('it is back, with nothing kept', () => at.gateway.upgrades.at(-1).outcome === 'Failed', { timeoutMs: 60000 });
  await at.finished();
  const [session] = lost.sessions;
  const call = await until('it is there', () => callOf(lost.id), { timeoutMs: 60000 });
  assert.equal(call.imported, true);
  assert.equal(call.customer_number, lost.customer.number);
  assert.ok(Math.abs(Date.parse(call.started_at) - session.createdAt) < 1500, `${call.started_at} ${new Date(session.createdAt).toISOString()}`);
  assert.ok(Math.abs(Date.parse(call.ended_at) - session.endedAt) < 1500, `${call.ended_at} ${new Date(session.endedAt).toISOString()}`);
  assert.equal((await followed(seen.id)).imported, false);
  // Again after a while, as the log may have been late: nothing is doubled.
  await until('one look is over', async () => (await jobOf(source))?.payload.looks === 1, { timeoutMs: 60000 });
  const since = new Date(seen.sessions[0].createdAt - 1000).toISOString();
  await product.exec(`update jobs set run_at = now(), payload = payload || '{"since": "${since}"}' where kind = 'missed' and key = '${source.id}'`);
  await until('both are', async () => !await jobOf(source), { timeoutMs: 60000 });
  assert.deepEqual(await product.sql(`select provider_call_id as id from calls where source_id = '${source.id}' order by 1`), [lost.id, seen.id].sort().map((id) => ({ id })));
  const { id } = call;
  assert.equal(await number(`select count(*)::int as n from call_events where call_id = '${id}' and type = 'call.ended'`), 1);
  assert.deepEqual(await product.sql(`select distinct name, state from imports where source_id = '${source.id}'`), [{ name: 'missed', state: 'done' }]);
  assert.deepEqual(await row(`select sum(imported)::int as imported, sum(duplicates)::int as duplicates from imports where source_id = '${source.id}'`), { imported: 1, duplicates: 2 });
  assert.deepEqual(at.violations, []);
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
  await at.close();
});

test('tokens that expire in the middle, 429 with a penalty, 5xx: it goes on, and nobody asks during the penalty', { timeout: 180000 }, async () => {
  const at = await platform({ callLogMs: 1000 });
  for (let i = 0; i < 2; i++)
    await play(at, { scenario: 'no-answer' });
  await addSource('troubled', at);
  await until('known', async () => (await product.api('GET', '/api/v1/sources')).status === 200);
  at.fail({ host: 'platform', path: '/call-log', mode: 503, times: 1 });
  let expired = 0;
  const heavy = at.rest.tables.platform.find((r) => r.method === 'GET' && r.parts.at(-1) === 'call-log');
  const own = heavy.handler;
  heavy.handler = (...x) => {
    if (expired++ === 0)
      at.oauth.expireTokens();
    return own(...x);
  };
  at.rates.limits.Heavy = 3; // fewer than we would ask, until the platform says so
  const days = await pull('troubled', '--since', '6d');
  assert.equal(days.code, 0, days.stderr);
  assert.equal(JSON.parse(days.stdout).imported, 2);
  assert.ok(at.oauth.granted.jwt + at.oauth.granted.refresh >= 2, 'another token');
  // What the first has asked counts for the second, which is another process.
  assert.equal((await pull('troubled', '--since', '3d')).code, 0);
  assert.equal(at.rates.penalties, 0, 'never more than allowed');
  // Somebody else uses up the budget: a penalty is sat out.
  at.rates.windows.forEach((w, name) => { if (name.endsWith('/Heavy')) w.times = Array(3).fill(Date.now() + 1000); });
  const again = await pull('troubled', '--since', '2d');
  assert.equal(again.code, 0, again.stderr);
  assert.ok(at.rates.penalties > 0);
  assert.equal(at.rates.violations, 0, 'nobody asks during a penalty');
  await at.close();
});

test('refusals name what and where', { timeout: 60000 }, async () => {
  const at = await platform({ permissions: ['CallControl', 'ReadAccounts'] });
  await addSource('denied', at);
  const { code, stderr } = await pull('denied', '--since', '1d');
  assert.equal(code, 1);
  assert.match(stderr, /GET .*\/call-log.*403.*ReadCallLog/);
  await addSource('wrong', at, { jwt: product.secret('nobody', 'nobody') });
  assert.match((await pull('wrong', '--since', '1d')).stderr, /token: the platform answered 400/);
  await product.must('POST', '/api/v1/sources', { name: 'bare', dialect: 'ringcentral', project_id: world.project.id, auth: [{ type: 'open' }], api_base: at.platformUrl });
  assert.match((await pull('bare', '--since', '1d')).stderr, /no session with its platform \(connect\)/);
  await product.exec(`update platform_budgets set holder = 'another', held_until = now() + interval '1 minute' where source_id = (select id from sources where name = 'denied')`);
  assert.match((await pull('denied', '--since', '1d')).stderr, /somebody else asks the platform of this source just now/);
  const bare = await row(`select id from sources where name = 'bare'`);
  assert.equal((await product.api('POST', `/api/v1/sources/${bare.id}/pull`)).status, 409);
  await at.close();
});

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

// --- RingEX: all voices in one channel ---

const GREETING = [{ words: ['ann', 'alpha bravo'] }, { wait: 2000 }, { words: ['customer', 'charlie delta'] }, { wait: 2000 }, { words: ['ann', 'echo'] }];
const INBOUND = [{ inbound: true }, { ring: 'ann' }, { wait: 2000 }, { answer: 'ann' }, { record: 'ann' }, ...GREETING, { wait: 31000 }, { hangup: 'customer' }];

// Calls played from scripts, one after the other, each with its turns once all of its recordings are transcribed.
async function dialogs(name, scripts, connect, provider) {
  const stt = await new SttServer(['good'], { key: 'k' }).listen();
  const at = await platform({ callLogMs: 1000, permissions: ['CallControl', 'ReadAccounts', 'ReadPresence', 'ReadCallLog', 'ReadCallRecording', 'WebSocketsSubscription'] });
  await transcribing(stt, provider);
  const source = await addSource(name, at, { events: 'websocket', ...connect });
  const found = [];
  for (const script of scripts) {
    const call = await followed((await play(at, { script })).id);
    await until('all is transcribed', async () => (await row(`select count(*)::int as n from recordings where call_id = '${call.id}' and words is null`)).n === 0, { timeoutMs: 60000 });
    const { turns } = await product.must('GET', `/api/v1/calls/${call.id}/transcript`);
    found.push({ call, turns: turns.map((t) => [t.speaker, t.text]), recordings: await recordingsOf(call), ...(await analysed(call)) });
  }
  await product.must('PATCH', `/api/v1/projects/${world.project.id}`, { audio: {} });
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
  await stt.close();
  await at.close();
  return { found, stt };
}

test('RingEX: who was called speaks first: an inbound call, an outbound one and what follows its transfer, with speakers and an analysis that sees them', { timeout: 180000 }, async () => {
  const outbound = [{ outbound: 'ann' }, { wait: 3000 }, { answer: 'customer' }, { record: 'ann' }, { words: ['customer', 'alpha'] }, { wait: 2000 }, { words: ['ann', 'bravo charlie'] }, { wait: 31000 },
    { transfer: ['ann', 'bob'] }, { wait: 3000 }, { answer: 'bob' }, { record: 'bob' }, { words: ['bob', 'delta'] }, { wait: 2000 }, { words: ['customer', 'echo'] }, { wait: 31000 }, { hangup: 'customer' }];
  const { found: [inward, outward], stt } = await dialogs('voices', [INBOUND, outbound], { recording_first_voice: 'answerer' });
  assert.deepEqual(inward.turns, [['ai', 'alpha bravo'], ['user', 'charlie delta'], ['ai', 'echo']]);
  assert.deepEqual(inward.recordings.map((r) => [r.mixed, r.voices]), [[true, 2]]);
  assert.notEqual(inward.analysis.ineligible_because, 'no conversation');
  assert.equal(outward.call.kind, 'outbound');
  assert.deepEqual(outward.turns, [['user', 'alpha'], ['ai', 'bravo charlie'], ['ai', 'delta'], ['user', 'echo']]);
  assert.deepEqual(outward.recordings.map((r) => [r.mixed, r.voices]), [[true, 2], [true, 2]]);
  assert.notEqual(outward.analysis.ineligible_because, 'no conversation');
  assert.deepEqual(stt.requests.map((r) => r.asked), Array(3).fill({ rate: 8000, model: 'gpt-4o-transcribe-diarize', format: 'diarized_json' }));
});

test('RingEX: an announcement is nobody\'s, and whose a voice is in a recording on demand nobody says; by Deepgram, too', { timeout: 180000 }, async () => {
  const announced = INBOUND.flatMap((step) => (step.record ? [step, { announce: 'golf hotel india' }, { wait: 2000 }] : [step]));
  const demanded = INBOUND.map((step) => (step.record ? { record: ['ann', 'OnDemand'] } : step));
  const { found: [one, two], stt } = await dialogs('announced', [announced, demanded], { recording_first_voice: 'ours' }, 'deepgram');
  assert.deepEqual(one.turns, [['', 'golf hotel india'], ['ai', 'alpha bravo'], ['user', 'charlie delta'], ['ai', 'echo']]);
  assert.deepEqual(one.recordings.map((r) => [r.mixed, r.voices]), [[true, 3]]);
  assert.notEqual(one.analysis.ineligible_because, 'no conversation');
  assert.ok(two.turns.every(([speaker]) => speaker === ''), JSON.stringify(two.turns));
  assert.deepEqual(two.recordings.map((r) => r.voices), [null]);
  assert.deepEqual(stt.requests.map((r) => [r.asked.rate, r.asked.diarize]), [[8000, true], [8000, false]]);
});

test('RingEX: where nobody says whose the first voice is, voices are not told apart; what may be said is checked', { timeout: 120000 }, async () => {
  const { found: [{ turns, recordings, analysis }], stt } = await dialogs('unsaid', [INBOUND], {});
  assert.equal(turns.map(([, text]) => text).join(' '), 'alpha bravo charlie delta echo');
  assert.ok(turns.every(([speaker]) => speaker === ''));
  assert.deepEqual(recordings.map((r) => [r.mixed, r.voices]), [[true, null]]);
  assert.equal(analysis.ineligible_because, 'no conversation');
  assert.deepEqual(stt.requests.map((r) => r.asked), [{ rate: 8000, model: 'whisper-1', format: 'verbose_json' }]);
  const source = await addSource('checked', sim);
  const refused = await product.api('PATCH', `/api/v1/sources/${source.id}`, { connect: { ...source.connect, recording_first_voice: 'caller' } });
  assert.equal(refused.status, 422);
  assert.match(JSON.stringify(refused.body), /connect\.recording_first_voice: must be one of: ours customer answerer/);
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
});

// Last, since it goes on waiting: three reports in ten minutes, and six are wanted.
test('a platform that has us wait for its budget holds up no other', { timeout: 120000 }, async (t) => {
  const at = await platform({ startAt: Date.now() - 4 * HOUR, speed: 1, limits: { windowMs: 600000 } });
  t.after(() => at.close());
  const source = await addSource('cx-slow', at, { account: '2', platform: at.platformUrl }, 'ringcx');
  const days = await Promise.all([1, 2, 3].map(async (day) => `('${await uuidOf(source.id, `old-${day}`)}'::uuid, 'old-${day}', now() - interval '${day} days')`));
  await product.exec(`insert into calls (id, org_id, source_id, project_id, provider_call_id, kind, status, live, started_at, ended_at, ended_class, last_seq)
    select v.id, s.org_id, s.id, s.project_id, v.theirs, 'inbound', 'ended', false, v.began, v.began + interval '1 minute', 'customer', 65536
    from sources s, (values ${days}) v(id, theirs, began) where s.id = '${source.id}'`);
  await until('its budget is used up', () => asked(at, '/interaction-metadata').length === 3, { timeoutMs: 60000 });
  const quick = await platform({});
  t.after(() => quick.close());
  await addSource('beside-slow', quick, { events: 'websocket' });
  await followed((await play(quick, { script: TWO_LEGS })).id);
  assert.equal(asked(at, '/interaction-metadata').length, 3);
  assert.deepEqual(at.violations, []);
});

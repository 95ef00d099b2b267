// What a RingCentral call, a RingCX call and a conversation by text can be told: each verb with its effect, and every way in which it is refused, on
// real processes against the simulator.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { freePort } from './lib/product.mjs';
import { World } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { RingCentralSim, isGone } from '../../tools/rc-sim/index.mjs';

const PLENTY = { limits: { Light: 1000, Medium: 1000, Heavy: 100, Auth: 100 } };
const OURS = '+15550107101'; // ann's
const grpcPort = await freePort();
let world, product, sim, main;
const sims = [];

before(async () => {
  world = await World.start({ tools: false, config: { grpc: { listen_port: grpcPort } }, settings: { party_settle_ms: 300, party_handover_ms: 500 } });
  product = world.product;
  [sim, main] = await connected('main');
});
after(async () => {
  await world?.end();
  await Promise.all(sims.map((s) => s.close()));
});

let seed = 1; // equal ones would have equal ids
async function connected(name, { dialect = 'ringcentral', connect = {}, settings = {}, ...fields } = {}) {
  const at = await new RingCentralSim({ seed: seed++, speed: 20, ...PLENTY }).listen();
  sims.push(at);
  const { clientId, clientSecret, jwt } = at.credentials;
  const source = await product.must('POST', '/api/v1/sources', { name, dialect, project_id: world.project.id, settings, ...fields,
    api_base: dialect === 'ringcx' ? at.ringcxUrl : at.platformUrl,
    connect: { client_id: clientId, client_secret: product.secret('rc-secret', clientSecret), jwt: product.secret('rc-jwt', jwt),
      ...(dialect === 'ringcx' ? { platform: at.platformUrl } : {}), ...connect } });
  await until('the session is live', async () => (await page(source)).session?.state === 'live', { timeoutMs: 30000 });
  return [at, source];
}

const page = (source) => product.must('GET', `/api/v1/sources/${source.id}`);
const get = async (id) => (await product.api('GET', `/api/v1/calls/${id}`)).body;
const command = (id, verb, more = {}, options = {}) => product.api('POST', `/api/v1/calls/${id}/commands`, { verb, ...more }, options);
const rowOf = async (id) => (await product.sql(`select * from interventions where id = '${id}'`))[0];
const inside = (call) => call.parties?.find((p) => p.side === 'inside' && ['talking', 'held'].includes(p.state));
const isInside = (id, match) => until('our party is so', async () => match(inside(await get(id)) ?? {}));

// A customer talks with ann until somebody ends it.
async function talking(at = sim) {
  const call = at.startCall({ script: [{ inbound: true }, { ring: 'ann' }, { answer: 'ann' }] });
  await until('they talk', async () => inside(await get(call.id)), { timeoutMs: 20000 });
  return call;
}
const ann = (call) => call.session.parties.find((p) => p.extension?.key === 'ann');

async function reaches(answer, state) {
  const id = answer.body.command_id ?? answer.body.command?.command_id;
  assert.ok(id, JSON.stringify(answer));
  return until(`${answer.body.verb ?? ''} is ${state}`, async () => {
    const row = await rowOf(id);
    if (row?.state !== state)
      throw new Error(`state is ${JSON.stringify(row)}`);
    return row;
  }, { timeoutMs: 20000 });
}
async function seen(id, verb, more, evidence) {
  const answer = await command(id, verb, more);
  assert.equal(answer.status, 200, `${verb}: ${JSON.stringify(answer.body)}`);
  const row = await reaches(answer, 'effect_seen');
  if (evidence)
    assert.match(row.evidence, evidence);
  return row;
}
// One clear line, and nothing is sent.
async function refused(id, verb, more, why, at = sim) {
  const before = at.rest.log.length;
  const answer = await command(id, verb, more);
  assert.equal(answer.status, 409, `${verb}: ${JSON.stringify(answer.body)}`);
  assert.match(answer.body.detail, why);
  assert.ok(!answer.body.detail.includes('\n') && !answer.body.detail.includes('{'), answer.body.detail);
  const sent = at.rest.log.slice(before).filter((r) => r.method !== 'GET' && /sessions|sms|activeCalls/.test(r.path));
  return { answer, sent };
}
async function refusedHere(...args) {
  const { sent } = await refused(...args);
  assert.deepEqual(sent, [], 'nothing was sent');
}

const DEVICE = { destination: { type: 'device', id: '80203016' } }; // carol's

test('each verb, and what shows that it worked', async () => {
  const call = await talking();
  const { id } = call;
  await seen(id, 'hold', {}, /the party is held/);
  assert.equal(ann(call).code, 'Hold');
  await seen(id, 'unhold', {}, /the party talks/);
  await seen(id, 'mute', {}, /the party is muted/);
  assert.equal(ann(call).muted, true);
  await seen(id, 'unmute', {}, /the party is not muted/);
  sim.step(call, { record: 'ann' });
  await isInside(id, (p) => p.recording?.on);
  await seen(id, 'record-pause', {}, /recording is paused/);
  assert.equal(call.session.recorded[0].active, false);
  await seen(id, 'record-resume', {}, /recording goes on/);
  assert.equal(call.session.recorded[0].active, true);
  await seen(id, 'monitor', DEVICE, /the supervisor is connected/);
  await seen(id, 'transfer', { destination: { type: 'extension', extension: '102' } });
  assert.ok(isGone(ann(call)));
  await until('bob talks', async () => inside(await get(id))?.name === 'Bob Stone');
  await seen(id, 'end', {}, /the call ended/);
  await until('it is over', async () => !(await get(id)).live);
  assert.equal((await get(id)).can, undefined);
  assert.deepEqual(sim.violations, []);
});

test('a platform that takes the other form of a mute: it is sent once more, and its words are shown when it takes neither', async () => {
  const call = await talking();
  const sent = () => sim.rest.log.filter((r) => r.method === 'PATCH' && r.path.includes(call.session.id)).map((r) => [r.status, r.body]);
  sim.muteForm = 'party';
  await seen(call.id, 'mute', {}, /the party is muted/);
  assert.deepEqual(sent(), [[400, { muted: true }], [200, { party: { muted: true } }]]);
  sim.muteForm = 'none';
  const answer = await command(call.id, 'unmute');
  sim.muteForm = null;
  assert.equal((await reaches(answer, 'rejected')).verb, 'unmute');
  assert.deepEqual(sent().slice(2), [[400, { muted: false }], [400, { party: { muted: false } }]]);
  assert.equal(ann(call).muted, true);
  sim.step(call, { hangup: 'customer' });
});

test('what cannot be is refused with the reason, before anything is sent; the call says so beforehand', async () => {
  const call = await talking();
  const { id } = call;
  const { can } = await get(id);
  const never = { say: /no way to speak/, 'add-message': /no way to speak/, coach: /only listen/, barge: /only listen/ };
  const now = { 'send-text': /conversation by text only/, 'record-pause': /does not record this call/, 'record-resume': /does not record this call/ };
  for (const [verb, why] of Object.entries({ ...never, ...now })) {
    assert.match(can[verb], why);
    await refusedHere(id, verb, { text: 'hello', destination: { type: 'number', number: '+15550100099' } }, why);
  }
  const { can: ever } = await page(main);
  for (const verb of Object.keys(can)) {
    if (!never[verb] && !now[verb])
      assert.equal(can[verb], true, verb);
    if (never[verb])
      assert.match(ever[verb], never[verb]);
    else
      assert.equal(ever[verb], true, verb);
  }
  await refusedHere(id, 'transfer', { destination: { type: 'sip', sipUri: 'sip:x@example.com' } }, /destination/);
  await refusedHere(id, 'monitor', { destination: { type: 'number', number: '+15550100099' } }, /device/);
  const { calls } = await product.must('GET', '/api/v1/live/calls');
  assert.equal(calls.find((c) => c.provider_call_id === id).can.hold, true);
  await seen(id, 'end');
});

test('what the platform refuses is told in one line of its own words', async () => {
  const call = await talking();
  const { id } = call;
  // Somebody else has held it, and we have not heard of it.
  sim.deliveries.order({ what: 'lose', session: id });
  sim.step(call, { hold: 'ann' });
  await refused(id, 'hold', {}, /409: the party is Hold \(TAS-102\)/);
  sim.step(call, { unhold: 'ann' });
  sim.permit('CallControl', false);
  await refused(id, 'hold', {}, /403: .*\[CallControl\] permission \(CMN-401\)/);
  sim.permit('CallControl', true);
  await refused(id, 'monitor', { destination: { type: 'device', id: '80202016' } }, /403: .*call monitoring group/); // bob's: no supervisor
  sim.deliveries.order({ what: 'lose', session: id, times: 10 });
  call.session.end();
  await refused(id, 'hold', {}, /404: .*telephonySessionId.* is not found \(CMN-102\)/);
});

test('a conflict, verb by verb: told, asked once, and the call goes on', async () => {
  const call = await talking();
  const { id } = call;
  sim.step(call, { record: 'ann' });
  await isInside(id, (p) => p.recording?.on);
  const conflicts = async (verb, more, method, part) => {
    sim.fail({ mode: 409, method, path: `${id}${part}` });
    const { sent, answer } = await refused(id, verb, more, /409: The state of the call does not allow it \(TAS-102\)/);
    assert.deepEqual(sent.map((r) => [r.method, r.status]), [[method, 409]], verb);
    assert.equal((await reaches(answer, 'rejected')).error, answer.body.detail);
  };
  await conflicts('mute', {}, 'PATCH', '/parties');
  await conflicts('unmute', {}, 'PATCH', '/parties');
  await conflicts('hold', {}, 'POST', '/parties');
  await conflicts('unhold', {}, 'POST', '/parties');
  await conflicts('transfer', { destination: { type: 'extension', extension: '102' } }, 'POST', '/parties');
  await conflicts('record-pause', {}, 'PATCH', '/parties');
  await conflicts('record-resume', {}, 'PATCH', '/parties');
  await conflicts('monitor', DEVICE, 'POST', '');
  await conflicts('end', {}, 'DELETE', '');
  assert.equal(inside(await get(id)).state, 'talking');
  await seen(id, 'end');
  assert.deepEqual(sim.violations, []);
});

test('in between: the platform wants a pause, the token has expired; the command is carried out once', async () => {
  const call = await talking();
  const { id } = call;
  const sent = (part) => sim.rest.log.filter((r) => r.path.includes(id) && r.path.endsWith(part));
  sim.fail({ mode: 429, path: `${id}/parties`, headers: { 'Retry-After': '1' } });
  const slow = await command(id, 'hold');
  assert.ok([200, 202].includes(slow.status), JSON.stringify(slow.body));
  await reaches(slow, 'effect_seen');
  const [first, second, ...more] = sent('/hold');
  assert.deepEqual([first.status, second.status, more], [429, 200, []]);
  assert.ok(second.at - first.at >= 900, 'not before it may');
  const { jwt, refresh } = { ...sim.oauth.granted };
  sim.oauth.expireTokens();
  await seen(id, 'unhold');
  assert.deepEqual(sent('/unhold').map((r) => r.status), [401, 200]);
  assert.equal(sim.oauth.granted.jwt + sim.oauth.granted.refresh, jwt + refresh + 1);
  assert.deepEqual(sim.violations, []);
  await seen(id, 'end');
});

test('no answer: nothing is sent again, and what is seen later counts', async () => {
  const call = await talking();
  sim.fail({ mode: 'reset', when: 'after', path: '/hold' });
  const answer = await command(call.id, 'hold');
  await reaches(answer, 'effect_seen');
  assert.equal(sim.rest.log.filter((r) => r.path.includes(call.id) && r.path.endsWith('/hold')).length, 1);
  await seen(call.id, 'end');
});

test('the same key is the same command', async () => {
  const call = await talking();
  const ask = () => command(call.id, 'hold', {}, { key: 'once' });
  const answers = await Promise.all([ask(), ask(), ask()]);
  assert.equal(new Set(answers.map((a) => a.body.command_id)).size, 1);
  await reaches(answers[0], 'effect_seen');
  assert.equal((await ask()).body.command_id, answers[0].body.command_id);
  assert.equal(sim.commands.filter((c) => c.path.includes(call.id)).length, 1);
  await seen(call.id, 'end');
});

test('a call without news is asked about; a source that is put away can do nothing more', async () => {
  const [at, source] = await connected('asks', { settings: { idle_close_ms: 1500 } });
  const call = await talking(at);
  at.deliveries.order({ what: 'lose', session: call.id, times: 100 });
  at.step(call, { hold: 'ann' });
  await isInside(call.id, (p) => p.state === 'held'); // by the answer alone
  const [told] = await product.sql(`select e.data from call_events e join calls c on c.id = e.call_id where c.provider_call_id = '${call.id}' and e.type = 'party' and e.data->>'state' = 'held'`);
  assert.equal(told.data.snapshot, true);
  assert.ok(!product.log().includes('voiceCallToken'));
  call.session.end();
  const row = await world.ended(call.id, { timeoutMs: 30000 });
  assert.equal(row.ended_reason, 'not-found');
  assert.deepEqual(at.violations, []);
  const last = await talking(at);
  await product.must('DELETE', `/api/v1/sources/${source.id}`);
  await until('the session has ended', () => at.gateway.open.length === 0);
  await refusedHere(last.id, 'hold', {}, /not delivered: .*session/, at);
});

test('a source without a session of its own: what needs one is refused beforehand', async () => {
  const source = await product.must('POST', '/api/v1/sources', { name: 'alone', dialect: 'ringcentral', project_id: world.project.id, auth: [{ type: 'open' }] });
  const party = (id, direction, more) => ({ accountId: '1', id, direction, status: { code: 'Answered' }, ...more });
  const session = { telephonySessionId: 's-alone', sequence: 5, eventTime: new Date().toISOString(), parties: [
    party('p-1', 'Outbound', { from: { phoneNumber: '+15550100042' }, to: { phoneNumber: OURS } }),
    party('p-2', 'Inbound', { extensionId: '101', from: { phoneNumber: '+15550100042' }, to: { phoneNumber: OURS, extensionId: '101', name: 'Ann' } })] };
  await until('the source is known', async () => (await product.api('POST', '/in/ringcentral/alone', { uuid: 'u-1', event: '/restapi/v1.0/account/1/telephony/sessions', body: session })).status === 200);
  await until('the call is known', async () => inside(await get('s-alone')));
  const NO_SESSION = /no session with its platform/;
  const { can } = await get('s-alone');
  const { can: ever } = await page(source);
  for (const verb of ['hold', 'mute', 'transfer', 'monitor', 'end']) {
    assert.match(String(can[verb]), NO_SESSION, verb);
    assert.match(String(ever[verb]), NO_SESSION, verb);
  }
  assert.match(can.say, /no way to speak/);
  assert.equal(ever['record-pause'], true);
  await refusedHere('s-alone', 'hold', {}, NO_SESSION);
  const centre = await product.must('POST', '/api/v1/sources', { name: 'alone', dialect: 'ringcx', project_id: world.project.id });
  assert.match(String((await page(centre)).can.end), NO_SESSION);
});

// --- texts ---

const THEIRS = '+15550100042';
const asked = (text, key) => [{ text }, { key }];
const deliveriesOf = async (id) => (await world.events(id, 'text.delivery')).map((e) => e.data.state);

test('a text comes in: a conversation; what is sent in it, and what becomes of it', async () => {
  const [at] = await connected('texts', { connect: { from_number: OURS }, settings: { text_close_ms: 12000, linger_ms: 1000, text_effect_ms: 60000 } });
  const id = at.sms({ from: THEIRS, to: 'ann', text: 'Do you have a table for tonight?' }).conversation.id;
  await until('the conversation is known', async () => (await get(id)).kind === 'sms');
  assert.equal((await get(id)).customer.number, THEIRS);
  assert.equal((await get(id)).can['send-text'], true);
  await refusedHere(id, 'hold', {}, /only send-text/, at);
  await refusedHere(id, 'say', { text: 'hello' }, /no way to speak/, at);
  await refusedHere(id, 'send-text', { text: 'x'.repeat(1001) }, /at most 1000 UTF-16 units, got 1001/, at);

  const first = await command(id, 'send-text', ...asked('Yes, at eight.', 'text-1'));
  assert.equal(first.status, 200, JSON.stringify(first.body));
  const again = await command(id, 'send-text', ...asked('Yes, at eight.', 'text-1'));
  assert.equal(again.body.command_id, first.body.command_id);
  assert.match((await reaches(first, 'effect_seen')).evidence, /delivered/);
  assert.deepEqual(at.sent.map((t) => [t.from.phoneNumber, t.to[0].phoneNumber, t.text]), [[OURS, THEIRS, 'Yes, at eight.']]);
  await until('its states are stored', async () => (await deliveriesOf(id)).includes('delivered'));
  assert.equal((await deliveriesOf(id))[0], 'queued');
  const said = (await world.events(id, 'message')).map((e) => [e.data.role, e.text]);
  assert.deepEqual(said, [['user', 'Do you have a table for tonight?'], ['assistant', 'Yes, at eight.']]);

  at.messages.failing.set(THEIRS, 'SMS-CAR-104');
  const lost = await command(id, 'send-text', { text: 'And what is your name?' });
  assert.match((await reaches(lost, 'rejected')).error, /not delivered: SMS-CAR-104/);
  at.permit('SMS', false);
  await refused(id, 'send-text', { text: 'Hello?' }, /403: .*\[SMS\] permission \(CMN-401\)/, at);

  assert.equal((await world.ended(id, { timeoutMs: 30000 })).ended_reason, 'idle');
  // Long after its end, when nothing is known of it in memory any more (each question keeps it there for linger_ms): its session is a new one.
  await until('it is forgotten', async () => (await command(id, 'send-text', { text: 'x' })).body.detail === 'the call has ended', { timeoutMs: 20000, everyMs: 1500 });
  at.sms({ from: THEIRS, to: 'ann', text: 'Are you still there?' });
  const row = await world.storedAs(id, (r) => r.live);
  assert.deepEqual([row.status, row.ended_at, row.ended_reason], ['in-progress', null, null]);
  assert.equal((await world.ended(id, { timeoutMs: 30000 })).ended_reason, 'idle');
  assert.deepEqual(at.violations, []);
});

// --- RingCX ---

test('RingCX: what its active calls can be told', async () => {
  const [at] = await connected('centre', { dialect: 'ringcx', connect: { events: 'none' },
    auth: [{ type: 'basic', user: 'rc', secret: product.secret('rc-basic', 's3cret') }] });
  const authorization = `Basic ${Buffer.from('rc:s3cret').toString('base64')}`;
  const dialog = at.ringcx.start({ script: [{ tone: ['customer', 300, 600000] }] }, { kind: 'grpc', url: `127.0.0.1:${grpcPort}`, metadata: { authorization }, speed: 1 });
  const { id } = dialog;
  await until('it is in progress', async () => (await get(id)).status === 'in-progress', { timeoutMs: 20000 });
  const { can } = await get(id);
  assert.deepEqual([can.end, can.hold, can.coach, can.transfer], [true, true, true, true]);
  const number = { destination: { type: 'number', number: '+15550100077' } };
  for (const [verb, sessionType] of [['monitor', 'MONITOR'], ['coach', 'COACHING'], ['barge', 'BARGEIN']]) {
    await reaches(await command(id, verb, number), 'not_observable');
    assert.deepEqual(dialog.monitors.at(-1), { destination: '+15550100077', sessionType });
  }
  await seen(id, 'hold', {}, /audio is held/);
  await seen(id, 'unhold', {}, /audio goes on/);
  await reaches(await command(id, 'record-pause'), 'not_observable');
  assert.equal(dialog.recording, false);
  await reaches(await command(id, 'record-resume'), 'not_observable');
  assert.equal(dialog.recording, true);
  const queue = { destination: { type: 'queue', id: '12' } };
  for (const [verb, more] of [['monitor', number], ['coach', number], ['barge', number], ['hold', {}], ['unhold', {}], ['record-pause', {}], ['record-resume', {}],
    ['transfer', queue], ['end', {}]]) {
    at.fail({ mode: 409, host: 'ringcx', path: `activeCalls/${id}/` });
    const { sent } = await refused(id, verb, more, /409: The state of the call does not allow it/, at);
    assert.deepEqual(sent.map((r) => r.status), [409], verb);
  }
  assert.equal((await get(id)).status, 'in-progress');
  await refusedHere(id, 'say', { text: 'hello' }, /receive-only/, at);
  await refusedHere(id, 'transfer', number, /own queues only: type queue/, at);
  await refusedHere(id, 'transfer', { destination: { type: 'extension', id: '12' } }, /own queues only: type queue/, at);
  await refused(id, 'transfer', { destination: { type: 'queue', id: '13' } }, /400: no queue 13/, at);
  await seen(id, 'transfer', queue, /our party left the call/);
  assert.equal(dialog.queue, '12');
  assert.equal((await get(id)).status, 'in-progress', 'the customer waits');
  await refusedHere(id, 'coach', { destination: { type: 'device', id: '7' } }, /telephone number/, at);
  at.oauth.expireTokens(); // RingCX's, and the one it is exchanged from
  await seen(id, 'end', {}, /the call ended/);
  assert.deepEqual(at.violations, []);
});

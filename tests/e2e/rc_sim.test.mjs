// The RingCentral simulator against plain clients: fetch, ws, a gRPC server. Tests of the tests' own tools.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import WebSocket from '../../tools/lib/ws.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { AgentSessionClient, RingCentralSim, RingCxStream, SCENARIOS, grpcTools, isGone, readTalk, streamMessages } from '../../tools/rc-sim/index.mjs';
import { tone, ulawBytes, ulawSamples } from '../../tools/lib/speech.mjs';

const B = '/restapi/v1.0/account/~/telephony/sessions';
const ALL_CALLS = '/restapi/v1.0/account/~/telephony/sessions';
const SUBSCRIPTION = '/restapi/v1.0/subscription';
const PLENTY = { Light: 1e6, Medium: 1e6, Heavy: 1e6, Auth: 1e6, RingCX: 1e6, RingCXAuth: 1e6, RingCXMetadata: 1e6 };

// --- clients ---

async function world(t, options = {}) {
  const sim = await new RingCentralSim({ seed: 7, limits: PLENTY, ...options }).listen();
  t.after(() => sim.close());
  return sim;
}

async function call(base, method, path, { token, json, form, basic, headers = {} } = {}) {
  const response = await fetch(base + path, { method, headers: { ...(token ? { authorization: `Bearer ${token}` } : {}),
    ...(basic ? { authorization: `Basic ${Buffer.from(basic).toString('base64')}` } : {}), ...(json ? { 'content-type': 'application/json' } : {}), ...headers },
  body: json ? JSON.stringify(json) : form ? new URLSearchParams(form) : undefined });
  const bytes = Buffer.from(await response.arrayBuffer());
  let body;
  try {
    body = JSON.parse(bytes.toString());
  } catch {
    body = undefined;
  }
  return { status: response.status, headers: response.headers, body, bytes };
}

const grant = (sim, more = {}) => call(sim.platformUrl, 'POST', '/restapi/oauth/token', { basic: `${sim.credentials.clientId}:${sim.credentials.clientSecret}`,
  form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: sim.credentials.jwt, ...more } });
const login = async (sim) => (await grant(sim)).body.access_token;

// A client that is logged in: api('GET', path, json)
async function client(sim) {
  const token = await login(sim);
  const api = (method, path, json) => call(sim.platformUrl, method, path, { token, json });
  return Object.assign(api, { token });
}

const subscribe = (api, address, more = {}) => api('POST', SUBSCRIPTION, { eventFilters: [ALL_CALLS], deliveryMode: { transportType: 'WebHook', address, verificationToken: 'v3rify' }, ...more });

// A webhook receiver that shakes hands, unless told otherwise: answer(request) -> {status, headers, body} or null (never).
async function receiver(t, answer = () => ({})) {
  const got = { requests: [], events: [] };
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => (body += chunk));
    request.on('end', () => {
      got.requests.push({ headers: request.headers, body });
      if (body)
        got.events.push(JSON.parse(body));
      const given = (got.answer ?? answer)({ headers: request.headers, body });
      if (!given)
        return;
      const token = request.headers['validation-token'];
      response.writeHead(given.status ?? 200, { 'content-type': 'application/json', ...(token && !given.mute ? { 'Validation-Token': token } : {}), ...given.headers });
      response.end(given.body ?? '');
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  got.url = `http://127.0.0.1:${server.address().port}/hook?key=s3`;
  return got;
}

// The gateway's client: frames it got, and request().
class GatewayClient {
  static async connect(sim, api, { wsc, ticket } = {}) {
    const token = ticket ?? (await api('POST', '/restapi/oauth/wstoken')).body.ws_access_token;
    const gateway = new GatewayClient();
    gateway.frames = [];
    gateway.next = 0;
    gateway.ws = new WebSocket(`${sim.platformUrl.replace('http', 'ws')}/ws?access_token=${token}${wsc ? `&wsc=${wsc}` : ''}`, { perMessageDeflate: false, autoPong: true });
    gateway.ws.on('message', (data) => {
      gateway.frames.push(data.toString().includes(',--') ? { multipart: data.toString() } : JSON.parse(data.toString()));
    });
    gateway.ws.on('close', (code) => { gateway.closeCode = code; });
    await new Promise((resolve, reject) => {
      gateway.ws.on('open', resolve);
      gateway.ws.on('unexpected-response', (request, response) => reject(Object.assign(new Error('refused'), { status: response.statusCode })));
      gateway.ws.on('error', reject);
    });
    await until('ConnectionDetails', () => gateway.frames.length);
    return gateway;
  }

  async request(method, path, body, query) {
    this.next++;
    const messageId = `m${this.next}`;
    this.ws.send(JSON.stringify([{ type: 'ClientRequest', messageId, method, path, ...(query ? { query } : {}) }, ...(body ? [body] : [])]));
    const mine = (f) => (f.multipart ? f.multipart.includes(`"${messageId}"`) : f[0].messageId === messageId);
    return until(`reply to ${method} ${path}`, () => this.frames.find(mine));
  }

  subscribe(filters = [ALL_CALLS]) {
    return this.request('POST', SUBSCRIPTION, { eventFilters: filters, deliveryMode: { transportType: 'WebSocket' } });
  }

  get notifications() {
    return this.frames.filter((f) => f[0]?.type === 'ServerNotification');
  }

  // As a client keeps it.
  get wsc() {
    const [first] = this.frames;
    return this.frames.filter((f) => f[0]?.wsc).map((f) => f[0].wsc).reduce((a, b) => (b.sequence > a.sequence ? b : a), first[0].wsc);
  }

  close() {
    this.ws.terminate();
  }
}

const party = (session, who, sim) => session.of(sim.account.find(who));
const lasts = (session) => session.parties.map((p) => `${p.kind} ${p.code} ${p.reason ?? ''}`.trim());

// --- calls ---

test('every scenario: one party per event, sequences from 2 without gaps, paths of account and extension, everybody gone at the end', async (t) => {
  const sim = await world(t, { speed: 2000 });
  const seen = [];
  sim.deliveries.publish = (event) => seen.push(event);
  const names = Object.keys(SCENARIOS).filter((name) => name !== 'open');
  const calls = await sim.finished(names.map((scenario) => sim.startCall({ scenario })));
  for (const { sessions, name, skipped } of calls) {
    assert.deepEqual(skipped, [], name);
    for (const session of sessions) {
      assert.deepEqual(session.told.map((b) => b.sequence), session.told.map((_, i) => i + 2), name);
      assert.ok(session.told.every((b, i, all) => b.parties.length === 1 && b.telephonySessionId === session.id && (i === 0 || b.eventTime >= all[i - 1].eventTime)), name);
      assert.ok(session.parties.every(isGone), name);
    }
  }
  for (const { event, body, of } of seen.filter((e) => e.kind === 'telephony')) {
    const [p] = body.parties;
    assert.equal(event, `/restapi/v1.0/account/${sim.account.id}${p.extensionId ? `/extension/${p.extensionId}` : ''}/telephony/sessions`);
    assert.equal(of, p.extensionId);
    if (p.status.peerId) {
      const peer = sim.sessions.get(p.status.peerId.telephonySessionId);
      assert.ok(peer && peer.id !== body.telephonySessionId && peer.party(p.status.peerId.partyId));
    }
  }
  const by = Object.fromEntries(calls.map((c) => [c.name, c]));
  assert.deepEqual(lasts(by.simple.session), ['outside Disconnected', 'ivr Disconnected', 'user Disconnected']);
  assert.deepEqual(lasts(by.queue.session), ['outside Disconnected', 'ivr Disconnected', 'queue Disconnected AgentAnswered', 'user Disconnected AgentAnswered', 'user Disconnected']);
  assert.deepEqual(lasts(by['blind-transfer'].session), ['outside Disconnected', 'ivr Disconnected', 'user Disconnected BlindTransfer', 'user Disconnected']);
  assert.deepEqual(lasts(by['no-answer'].session), ['outside Disconnected', 'user Disconnected NoAnswer']);
  assert.deepEqual(by['attended-transfer'].sessions.map(lasts)[1], ['user Disconnected AttendedTransfer', 'user Gone AttendedTransfer']);
  assert.deepEqual(by['attended-moves'].sessions.map(lasts)[0], ['outside Gone AttendedTransfer', 'ivr Disconnected', 'user Disconnected AttendedTransfer']);
  assert.equal(by.park.sessions.length, 2);
  assert.ok(by.park.sessions[0].told.some((b) => b.parties[0].status.code === 'Parked' && b.parties[0].park.id === '*801'));
  assert.ok(by.supervised.session.told.some((b) => b.parties[0].status.reason === 'Supervising' && b.parties[0].direction === 'Outbound'));
  assert.equal(by.conference.session.origin, 'Conference');
  assert.ok(by.voicemail.session.told.some((b) => b.parties[0].status.code === 'VoiceMail' && b.parties[0].missedCall));
  assert.deepEqual(by.hold.session.told.map((b) => b.parties[0].status.code).slice(-5), ['Answered', 'Hold', 'Answered', 'Disconnected', 'Disconnected']);
});

test('an event has the members of a captured one, in their order', async (t) => {
  const sim = await world(t, { speed: 500 });
  const hook = await receiver(t);
  await subscribe(await client(sim), hook.url);
  await sim.finished([sim.startCall({ scenario: 'simple' })]);
  await sim.webhooks.idle();
  const ringing = hook.events.find((e) => e.body.parties[0].status.code === 'Proceeding');
  assert.deepEqual(Object.keys(ringing), ['uuid', 'event', 'timestamp', 'subscriptionId', 'ownerId', 'body']);
  assert.deepEqual(Object.keys(ringing.body), ['sequence', 'sessionId', 'telephonySessionId', 'serverId', 'eventTime', 'parties', 'origin']);
  const [p] = ringing.body.parties;
  assert.deepEqual(Object.keys(p), ['accountId', 'extensionId', 'id', 'direction', 'to', 'from', 'status', 'park', 'missedCall', 'standAlone', 'muted']);
  assert.deepEqual([p.id, p.direction, p.status.code, p.status.rcc, p.to.name], [`p-${ringing.body.telephonySessionId.slice(2)}-3`, 'Inbound', 'Proceeding', false, 'Ann Lee']);
  assert.deepEqual(Object.keys(p.status.mobilePickupData), ['ccMailboxes', 'to', 'sid', 'srvLvl', 'srvLvlExt']);
  const [first] = hook.events;
  assert.deepEqual([first.body.sequence, first.body.parties[0].status.code, first.body.parties[0].extensionId, first.body.parties[0].direction], [2, 'Setup', undefined, 'Outbound']);
  assert.ok(Date.parse(ringing.timestamp) - Date.parse(ringing.body.eventTime) < 500 && ringing.timestamp > ringing.body.eventTime);
});

test('the same seed gives the same calls, another seed others; random ones end too', async (t) => {
  const play = async (seed) => {
    const sim = await world(t, { seed, speed: 0, startAt: 1790000000000 });
    const calls = Array.from({ length: 40 }, (_, i) => sim.startCall({ scenario: 'random', at: 1790000000000 + 1000 * i }));
    sim.clock.advance(3600000);
    await sim.finished(calls);
    assert.deepEqual(calls.flatMap((c) => c.skipped), []);
    assert.ok(calls.every((c) => c.sessions.every((s) => s.parties.every(isGone))));
    return calls.map((c) => c.sessions.map((s) => s.told));
  };
  const [a, b, c] = [await play(1), await play(1), await play(2)];
  assert.deepEqual(a, b);
  assert.notDeepEqual(a, c);
  assert.ok(new Set(a.flat(2).map((x) => x.parties[0].status.reason)).size > 5, 'many reasons');
});

// --- tokens and budgets ---

test('tokens: the grant, refused ones, refresh once, the sixth session ends the first, expiry, revoke', async (t) => {
  const sim = await world(t, { oauth: { refreshGraceMs: 0 } });
  const wrong = await grant(sim, { assertion: 'other' });
  assert.deepEqual([wrong.status, wrong.body.error, wrong.body.errors.length], [400, 'invalid_grant', 1]);
  const stranger = await call(sim.platformUrl, 'POST', '/restapi/oauth/token', { basic: 'a:b', form: { grant_type: 'refresh_token' } });
  assert.deepEqual([stranger.status, stranger.body.error], [401, 'invalid_client']);
  const first = (await grant(sim, { access_token_ttl: 600 })).body;
  assert.deepEqual([first.token_type, first.expires_in, typeof first.refresh_token, first.owner_id], ['bearer', 600, 'string', '62001016']);
  assert.equal((await grant(sim, { access_token_ttl: 60 })).status, 400);
  const get = async (token) => (await call(sim.platformUrl, 'GET', '/restapi/v1.0/account/~', { token }));
  assert.equal((await get(first.access_token)).status, 200);
  const second = (await grant(sim, { grant_type: 'refresh_token', refresh_token: first.refresh_token })).body;
  assert.equal((await get(first.access_token)).body.errors[0].errorCode, 'OAU-128');
  assert.equal((await get(second.access_token)).status, 200);
  assert.equal((await grant(sim, { grant_type: 'refresh_token', refresh_token: first.refresh_token })).body.error, 'invalid_grant');
  assert.equal(sim.violations.length, 1);
  for (let i = 0; i < 5; i++)
    assert.equal((await get(second.access_token)).status, 200, `before session ${i + 2}`), await login(sim);
  assert.equal((await get(second.access_token)).status, 401);
  const token = await login(sim);
  sim.oauth.expireTokens();
  const expired = await get(token);
  assert.deepEqual([expired.status, expired.body.errors[0].errorCode], [401, 'OAU-129']);
  const revoked = await login(sim);
  assert.equal((await call(sim.platformUrl, 'POST', '/restapi/oauth/revoke', { basic: 'sim-client:sim-client-secret', form: { token: revoked } })).status, 200);
  assert.equal((await get(revoked)).status, 401);
  assert.equal((await get()).body.errors[0].errorCode, 'OAU-149');
});

test('a refresh whose answer was lost can be asked for again, until the new token has been in use for a while', async (t) => {
  const sim = await world(t);
  const first = (await grant(sim)).body;
  const again = { grant_type: 'refresh_token', refresh_token: first.refresh_token };
  assert.equal((await grant(sim, again)).status, 200);
  assert.equal((await grant(sim, again)).status, 200);
});

test('budgets: headers of what is left, 429, a penalty that begins again and is counted', async (t) => {
  const sim = await world(t, { limits: { ...PLENTY, Light: 3, penaltyMs: 200 } });
  const api = await client(sim);
  const get = () => api('GET', `${B}/s-none`);
  const answers = [await get(), await get(), await get()];
  assert.deepEqual(answers.map((a) => a.headers.get('x-rate-limit-remaining')), ['2', '1', '0']);
  assert.deepEqual(['group', 'limit', 'window'].map((h) => answers[0].headers.get(`x-rate-limit-${h}`)), ['light', '3', '60']);
  const refused = await get();
  assert.deepEqual([refused.status, refused.headers.get('retry-after'), refused.body.errorCode, sim.rates.penalties, sim.rates.violations], [429, '1', 'CMN-301', 1, 0]);
  const { until: end } = sim.rates.windows.get('ann/Light');
  await until('a little later', () => Date.now() > end - 190);
  assert.equal((await get()).status, 429);
  assert.equal(sim.rates.violations, 1);
  assert.ok(sim.rates.windows.get('ann/Light').until > end, 'it begins again');
  assert.match(sim.violations[0].what, /penalty \(Light\)/);
  assert.equal((await api('GET', '/restapi/v1.0/account/~/call-log')).status, 200, 'another group');
  sim.rates.limits.windowMs = 1;
  await until('the penalty is over, unasked', () => sim.rates.windows.get('ann/Light').until < Date.now());
  assert.equal((await get()).status, 404);
  sim.rates.limits.Auth = 5;
  sim.rates.limits.windowMs = 60000;
  sim.rates.forget();
  const grants = [];
  for (let i = 0; i < 6; i++)
    grants.push((await grant(sim)).status);
  assert.deepEqual(grants, [200, 200, 200, 200, 200, 429]);
});

test('faults on order, and a clock that is off', async (t) => {
  const sim = await world(t, { skewMs: 600000, dateSkewMs: 5000 });
  const api = await client(sim);
  sim.fail({ mode: 503, path: '/account', times: 2 });
  sim.fail({ mode: 429, path: '/account' });
  sim.fail({ mode: 'rubbish', path: '/account' });
  const get = () => api('GET', '/restapi/v1.0/account/~');
  assert.deepEqual([(await get()).status, (await get()).status], [503, 503]);
  const global = await get();
  assert.deepEqual([global.status, global.headers.get('x-rate-limit-group')], [429, null]);
  const rubbish = await get();
  assert.deepEqual([rubbish.status, rubbish.body], [200, undefined]);
  const good = await get();
  assert.equal(good.status, 200);
  assert.ok(Math.abs(Date.parse(good.headers.get('date')) - Date.now() - 605000) < 5000);
  sim.fail({ mode: 'reset', path: '/account' });
  await assert.rejects(get());
  assert.equal((await api('GET', '/restapi/v1.0/nothing')).body.errors[0].errorCode, 'CMN-102');
  assert.throws(() => sim.fail({ mode: 'dance' }), /mode/);
});

// --- call control ---

test('call control: states, effects told by events, conflicts, both shapes of mute, 404 when it is over', async (t) => {
  const sim = await world(t, { speed: 200 });
  const api = await client(sim);
  const running = sim.startCall({ scenario: 'open' });
  const { session } = running;
  await until('answered and talked', () => running.script.length === 0 && party(session, 'ann', sim)?.code === 'Answered');
  const before = session.told.length;
  const ann = party(session, 'ann', sim);
  const at = (verb = '') => `${B}/${session.id}/parties/${ann.id}${verb}`;
  const seen = (what, condition) => until(what, () => condition(session.told.slice(before).map((b) => b.parties[0])));
  const state = (await api('GET', `${B}/${session.id}`)).body;
  assert.deepEqual([state.id, state.origin.type, state.parties.length], [session.id, 'Call', 3]);
  assert.deepEqual(state.parties.map((p) => p.status.code), ['Answered', 'Disconnected', 'Answered']);
  assert.equal((await api('POST', at('/unhold'))).status, 409);
  const heldNow = await api('POST', at('/hold'), { proto: 'Auto' });
  assert.deepEqual([heldNow.status, heldNow.body.status.code, heldNow.body.id], [200, 'Hold', ann.id]);
  await seen('held', (parties) => parties.some((p) => p.status.code === 'Hold'));
  assert.equal((await api('POST', at('/unhold'))).status, 200);
  await seen('back', (parties) => parties.at(-1).status.code === 'Answered');
  assert.equal((await api('PATCH', at(), { muted: true })).body.muted, true);
  await seen('muted', (parties) => parties.at(-1).muted);
  assert.equal((await api('PATCH', at(), { party: { muted: false } })).status, 200);
  await seen('heard again', (parties) => !parties.at(-1).muted);
  assert.equal((await api('PATCH', at(), { loud: true })).status, 400);
  assert.equal((await api('POST', `${B}/${session.id}/parties/${session.parties[0].id}/hold`)).status, 403, 'the customer is not ours to hold');
  assert.equal((await api('POST', `${B}/${session.id}/parties/p-none/hold`)).status, 404);

  const recording = await api('POST', at('/recordings'));
  assert.deepEqual([recording.status, recording.body.active, recording.body.mode], [201, true, 'OnDemand']);
  assert.equal((await api('POST', at('/recordings'))).status, 409);
  const paused = await api('PATCH', at(`/recordings/${recording.body.id}`), { active: false });
  assert.deepEqual([paused.status, paused.body.active], [200, false]);
  await seen('paused', (parties) => parties.at(-1).recordings?.[0].active === false);
  assert.equal((await api('PATCH', at(`/recordings/${recording.body.id}`), { active: false })).status, 409);
  assert.equal((await api('PATCH', at(`/recordings/${recording.body.id}`), { active: true })).status, 200);

  const listen = { mode: 'Listen', supervisorDeviceId: '80203016', agentExtensionId: '62001016' };
  const supervisor = await api('POST', `${B}/${session.id}/supervise`, listen);
  assert.deepEqual([supervisor.status, supervisor.body.direction, supervisor.body.status], [201, 'Outbound', { code: 'Answered', reason: 'Supervising' }]);
  await seen('supervised', (parties) => parties.at(-1).status.reason === 'Supervising' && parties.at(-1).id === supervisor.body.id);
  assert.equal((await api('POST', at('/supervise'), listen)).status, 409);
  assert.equal((await api('POST', at('/supervise'), { ...listen, supervisorDeviceId: '80202016' })).status, 403, 'no supervisor');
  assert.equal((await api('POST', at('/supervise'), { ...listen, supervisorDeviceId: '1' })).status, 404);
  assert.equal((await api('POST', at('/supervise'), { ...listen, mode: 'Whisper' })).status, 400);

  sim.fail({ mode: 'noeffect', path: '/hold' });
  assert.equal((await api('POST', at('/hold'))).status, 200);
  assert.equal((await api('POST', at('/transfer'), { phoneNumber: '+1', extensionNumber: '102' })).status, 400);
  assert.equal((await api('POST', at('/transfer'), { extensionNumber: '999' })).status, 404);
  assert.equal((await api('POST', at('/transfer'), { extensionNumber: '102' })).status, 200);
  await until('Bob answers', () => party(session, 'bob', sim)?.code === 'Answered');
  assert.equal(session.told.slice(before).filter((b) => b.parties[0].status.code === 'Hold').length, 1, 'the last hold had no effect');
  assert.deepEqual([ann.code, ann.reason], ['Disconnected', 'BlindTransfer']);
  assert.equal((await api('POST', at('/hold'))).status, 409, 'she has gone');
  assert.equal((await api('DELETE', `${B}/${session.id}`)).status, 204);
  await running.done;
  assert.equal((await api('GET', `${B}/${session.id}`)).status, 404);
  assert.equal((await api('DELETE', `${B}/${session.id}`)).status, 404);
  assert.deepEqual(sim.commands.map((c) => `${c.method} ${c.path.split('/').at(-1).replace(/^[sp]-.*|^\d+$/, 'id')}`), ['POST hold', 'POST unhold', 'PATCH id', 'PATCH id', 'POST recordings', 'PATCH id', 'PATCH id',
    'POST supervise', 'POST hold', 'POST transfer', 'DELETE id']);
  sim.permit('CallControl', false);
  const denied = await api('GET', `${B}/${session.id}`);
  assert.deepEqual([denied.status, denied.body.errors[0].permissionName], [403, 'CallControl']);
});

test('call control before an answer and beside a call: answer, ignore, reject, forward, park, call-out, removing a party', async (t) => {
  const sim = await world(t, { speed: 200 });
  const api = await client(sim);
  const ringing = () => sim.startCall({ script: [{ inbound: true }, { ring: 'ann' }] });
  const post = (running, who, verb, json) => api('POST', `${B}/${running.id}/parties/${party(running.session, who, sim).id}/${verb}`, json);
  const becomes = (running, ...states) => until(states.join(), () => { assert.deepEqual(lasts(running.session), states); return true; });
  const answered = ringing();
  assert.equal((await post(answered, 'ann', 'answer', { deviceId: '80201016' })).body.status.code, 'Answered');
  await becomes(answered, 'outside Answered', 'user Answered');
  assert.equal((await post(answered, 'ann', 'ignore')).status, 409);
  assert.equal((await post(answered, 'ann', 'park')).status, 200);
  await becomes(answered, 'outside Parked', 'user Disconnected CallPark');
  assert.equal((await api('DELETE', `${B}/${answered.id}/parties/${answered.session.parties[0].id}`)).status, 204, 'a parked party can be removed');
  await answered.done;
  const ignored = ringing();
  assert.equal((await post(ignored, 'ann', 'ignore')).status, 204);
  await becomes(ignored, 'outside Setup', 'user Disconnected Rejected');
  const rejected = ringing();
  assert.equal((await post(rejected, 'ann', 'reject')).status, 204);
  await becomes(rejected, 'outside Answered', 'user VoiceMail');
  assert.equal((await api('DELETE', `${B}/${rejected.id}/parties/${rejected.session.parties[0].id}`)).status, 403);
  sim.step(rejected, { hangup: 'customer' });
  assert.equal(sim.messages.of('62001016')[0].type, 'Voicemail');
  const forwarded = ringing();
  assert.equal((await post(forwarded, 'ann', 'forward', { voicemail: '102' })).status, 200);
  await becomes(forwarded, 'outside Answered', 'user Disconnected CallRedirected', 'user VoiceMail');
  const out = (await api('POST', '/restapi/v1.0/account/~/telephony/call-out', { from: { deviceId: '80202016' }, to: { phoneNumber: '+15550100088' } })).body.session;
  assert.deepEqual([out.parties[0].direction, out.parties[0].extensionId, out.parties[1].to.phoneNumber], ['Outbound', '62002016', '+15550100088']);
  await becomes(sim.call(out.id), 'user Answered', 'outside Answered');
});

test('a snapshot holds what happened up to its Date, at any speed', async (t) => {
  const sim = await world(t, { speed: 300 });
  const api = await client(sim);
  const script = [{ inbound: true }, { ring: 'ann' }, { answer: 'ann' }, ...Array.from({ length: 60 }, (_, i) => [{ [i % 2 ? 'unhold' : 'hold']: 'ann' }, { wait: 2000 }]).flat(),
    { hangup: 'all' }];
  let looked = 0;
  for (let running; looked < 6 || !running.over;) { // who is slow needs another call
    if (!running || running.over)
      running = sim.startCall({ script });
    const { status, body, headers } = await api('GET', `${B}/${running.id}`);
    const date = Date.parse(headers.get('date'));
    const told = running.session.told.filter((b) => b.parties[0].extensionId && Date.parse(b.eventTime) < date);
    if (status === 200 && told.length) {
      looked++;
      const known = running.session.told.map((b) => b.parties[0]).filter((p) => p.extensionId).map((p) => p.status.code);
      assert.ok(known.includes(body.parties[1].status.code));
      const later = running.session.told.filter((b) => b.parties[0].extensionId && Date.parse(b.eventTime) >= date && Date.parse(b.eventTime) < date + 1000).map((b) => b.parties[0].status.code);
      assert.ok([told.at(-1).parties[0].status.code, ...later].includes(body.parties[1].status.code), 'the newest before, or one of that second');
    }
  }
});

test('presence: pages of extensions with their calls, several at once as multipart', async (t) => {
  const sim = await world(t, { speed: 200 });
  const api = await client(sim);
  const { session } = sim.startCall({ script: [{ inbound: true }, { ring: 'ann' }, { answer: 'ann' }] });
  const path = '/restapi/v1.0/account/~/presence?detailedTelephonyState=true&perPage=3';
  const first = (await api('GET', path)).body;
  assert.deepEqual([first.records.length, first.paging.totalPages, Boolean(first.navigation.nextPage)], [3, 2, true]);
  const second = (await api('GET', `${path}&page=2`)).body;
  assert.deepEqual([second.records.length, second.navigation.nextPage], [1, undefined]);
  const ann = first.records.find((r) => r.extension.extensionNumber === '101');
  assert.deepEqual([ann.telephonyStatus, ann.totalActiveCalls], ['CallConnected', 1]);
  assert.deepEqual([ann.activeCalls[0].telephonySessionId, ann.activeCalls[0].partyId, ann.activeCalls[0].direction], [session.id, session.parties[1].id, 'Inbound']);
  assert.equal(first.records.find((r) => r.extension.extensionNumber === '102').telephonyStatus, 'NoCall');
  const several = await call(sim.platformUrl, 'GET', '/restapi/v1.0/account/~/extension/62001016,62002016,1/presence', { token: api.token });
  assert.equal(several.status, 207);
  assert.match(several.headers.get('content-type'), /multipart\/mixed; boundary=(\S+)/);
  assert.equal(several.bytes.toString().split('--Boundary').length, 6);
});

// --- webhooks ---

test('a subscription is made with a handshake, and deliveries bring its verification token', async (t) => {
  const sim = await world(t, { speed: 500 });
  const api = await client(sim);
  const hook = await receiver(t);
  const made = await subscribe(api, hook.url, { expiresIn: 3600 });
  assert.equal(made.status, 200);
  assert.deepEqual([made.body.status, made.body.expiresIn, made.body.eventFilters, made.body.disabledFilters, made.body.deliveryMode.verificationToken], ['Active', 3600, [ALL_CALLS], undefined, undefined]);
  const [shake] = hook.requests;
  assert.deepEqual([shake.headers['content-length'], shake.headers['verification-token'], typeof shake.headers['validation-token']], ['0', 'v3rify', 'string']);
  const [one] = await sim.finished([sim.startCall({ scenario: 'hold' })]);
  await sim.webhooks.idle();
  assert.deepEqual(hook.events.map((e) => e.body.sequence), one.session.told.map((b) => b.sequence));
  assert.ok(hook.requests.slice(1).every((r) => r.headers['verification-token'] === 'v3rify' && !r.headers['validation-token'] && /RingCentral-Webhook/.test(r.headers['user-agent'])));
  assert.ok(hook.events.every((e) => e.subscriptionId === made.body.id && e.ownerId === '62001016' && !e.body.parties[0].sipData));
  assert.equal((await api('GET', SUBSCRIPTION)).body.records.length, 1);
  assert.equal((await api('POST', `${SUBSCRIPTION}/${made.body.id}/renew`)).body.status, 'Active');
  const changed = await api('PUT', `${SUBSCRIPTION}/${made.body.id}`, { eventFilters: [`${ALL_CALLS}?sipData=true&direction=Inbound&statusCode=Answered`] });
  assert.equal(changed.status, 200);
  hook.events.length = 0;
  await sim.finished([sim.startCall({ scenario: 'simple' })]);
  await sim.webhooks.idle();
  assert.deepEqual(hook.events.map((e) => [e.body.parties[0].status.code, e.body.parties[0].direction, typeof e.body.parties[0].sipData?.callId]), [['Answered', 'Inbound', 'string']]);
  for (let i = 2; i <= 30; i++)
    assert.equal((await subscribe(api, hook.url)).status, 200);
  assert.equal((await subscribe(api, hook.url)).body.errorCode, 'SUB-505');
  assert.equal((await api('DELETE', `${SUBSCRIPTION}/${made.body.id}`)).status, 204);
  assert.equal((await api('GET', `${SUBSCRIPTION}/${made.body.id}`)).status, 404);
});

test('handshakes that fail: token not returned, too late, too large, not 200, nobody there', async (t) => {
  const sim = await world(t, { webhooks: { timeoutMs: 100 } });
  const api = await client(sim);
  const cases = [[() => ({ mute: true }), 'SUB-520'], [() => null, 'SUB-525'], [() => ({ body: 'x'.repeat(1100) }), 'SUB-525'], [() => ({ status: 204 }), 'SUB-525']];
  for (const [answer, code] of cases) {
    const hook = await receiver(t, answer);
    const refused = await subscribe(api, hook.url);
    assert.deepEqual([refused.status, refused.body.errors[0].errorCode], [400, code]);
  }
  assert.equal((await subscribe(api, 'http://127.0.0.1:1/')).body.errorCode, 'SUB-525');
  assert.equal(sim.subscriptions.all().length, 0);
  assert.equal((await subscribe(api, 'http://127.0.0.1:1/', { eventFilters: ['/restapi/v1.0/nothing'] })).body.errors[0].parameterName, 'eventFilters');
  sim.permit('SubscriptionWebhook', false);
  assert.equal((await subscribe(api, 'http://127.0.0.1:1/')).status, 403);
});

test('deliveries: lost, doubled, late, held back and turned round, as ordered', async (t) => {
  const sim = await world(t, { speed: 500 });
  const api = await client(sim);
  const hook = await receiver(t);
  await subscribe(api, hook.url);
  sim.deliveries.order({ what: 'lose', sequence: 2 });
  sim.deliveries.order({ what: 'duplicate', sequence: 4 });
  sim.deliveries.order({ what: 'late', sequence: 5, ms: 3000 });
  sim.deliveries.order({ what: 'hold', times: 2, after: 4 });
  await sim.finished([sim.startCall({ scenario: 'simple' })]);
  sim.deliveries.release({ reversed: true });
  await until('all but one', () => hook.events.length === 9);
  const sequences = hook.events.map((e) => e.body.sequence);
  assert.deepEqual([...sequences].sort((a, b) => a - b), [3, 4, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(new Set(hook.events.map((e) => e.uuid)).size, 8, 'a doubled one is the same');
  assert.ok(sequences.indexOf(5) > sequences.indexOf(6));
  assert.deepEqual(sequences.slice(-2), [10, 9]);
});

test('who does not answer is blacklisted; on order too; and an end that comes by itself', async (t) => {
  const sim = await world(t, { speed: 500, webhooks: { blacklistAfterFailures: 3 } });
  const api = await client(sim);
  const hook = await receiver(t);
  const { body: { id } } = await subscribe(api, hook.url);
  hook.answer = () => ({ status: 500 });
  await sim.finished([sim.startCall({ scenario: 'simple' })]);
  await sim.webhooks.idle();
  const blacklisted = (await api('GET', `${SUBSCRIPTION}/${id}`)).body;
  assert.equal(blacklisted.status, 'Blacklisted');
  assert.match(blacklisted.blacklistedData.reason, /500/);
  assert.equal(hook.events.length, 3, 'nothing comes any more');
  assert.equal((await api('POST', `${SUBSCRIPTION}/${id}/renew`)).body.status, 'Blacklisted');
  hook.answer = () => ({});
  const again = (await subscribe(api, hook.url, { expiresIn: 1 })).body;
  sim.blacklist(again.id, 'by order');
  assert.equal((await api('GET', `${SUBSCRIPTION}/${again.id}`)).body.status, 'Blacklisted');
  await until('it has expired', async () => (await api('GET', `${SUBSCRIPTION}/${again.id}`)).status === 404);
  const reminded = await subscribe(api, hook.url, { expiresIn: 1, eventFilters: ['/restapi/v1.0/subscription/~?threshold=0.9&interval=0.2'] });
  await until('told again and again that it ends', () => hook.events.filter((e) => e.event.startsWith('/restapi/v1.0/subscription/~') && e.body.id === reminded.body.id).length > 1);
  sim.disableFilter({ filter: 'telephony', reason: 'CMN-408', message: 'no' });
  const partly = (await subscribe(api, hook.url, { eventFilters: [ALL_CALLS, '/restapi/v1.0/account/~/extension/~/message-store/instant?type=SMS'] })).body;
  assert.deepEqual([partly.eventFilters.length, partly.disabledFilters], [1, [{ filter: ALL_CALLS, reason: 'CMN-408', message: 'no' }]]);
});

test('presence, voicemail and the like are told to those who want them', async (t) => {
  const sim = await world(t, { speed: 500 });
  const hook = await receiver(t);
  const mine = '/restapi/v1.0/account/~/extension/~';
  await subscribe(await client(sim), hook.url, { eventFilters: [`${mine}/presence?detailedTelephonyState=true`, `${mine}/voicemail`, `${mine}/message-store?type=Voicemail`] });
  await sim.finished([sim.startCall({ scenario: 'voicemail', customer: { number: '+15550100001' } }), sim.startCall({ script: [{ outbound: 'bob' }, { busy: 'customer' }, { hangup: 'bob' }] })]);
  await sim.webhooks.idle();
  const of = (part) => hook.events.filter((e) => e.event.includes(part)).map((e) => e.body);
  // Presence is told by requests side by side, which may overtake one another: its order is its sequence.
  const presence = of('/presence').sort((a, b) => a.sequence - b.sequence);
  assert.deepEqual([...new Set(presence.map((b) => b.extensionId))], ['62001016'], 'not Bob\'s');
  assert.deepEqual([...new Set(presence.map((b) => b.telephonyStatus))], ['Ringing', 'CallConnected', 'NoCall']);
  assert.equal(new Set(presence.map((b) => b.sequence)).size, presence.length);
  assert.deepEqual(of('/voicemail').map((b) => [b.type, b.from.phoneNumber, b.attachments[0].type]), [['Voicemail', '+15550100001', 'AudioRecording']]);
  assert.deepEqual(of('/message-store').map((b) => b.changes[0].newCount), [1]);
});

// --- the gateway ---

test('the gateway: details first, requests and their replies, one subscription, notifications with growing sequences, heartbeats', async (t) => {
  const sim = await world(t, { speed: 500, gateway: { pingMs: 20 } });
  const api = await client(sim);
  const ticket = (await api('POST', '/restapi/oauth/wstoken')).body;
  assert.deepEqual([ticket.uri, ticket.expires_in], [`${sim.platformUrl.replace('http', 'ws')}/ws`, 30]);
  const gateway = await GatewayClient.connect(sim, api, { ticket: ticket.ws_access_token });
  t.after(() => gateway.close());
  const [meta, details] = gateway.frames[0];
  assert.deepEqual([meta.type, meta.status, typeof meta.wsc.token, typeof meta.wsc.sequence, meta.headers.RCRequestId !== undefined], ['ConnectionDetails', 200, 'string', 'number', true]);
  assert.deepEqual([details.recoveryBufferSize, details.recoveryTimeout, details.idleTimeout, details.absoluteTimeout, details.maxActiveRequests, details.recoveryState],
    [100, 180, 1800, 86400, 10, undefined]);
  await assert.rejects(GatewayClient.connect(sim, api, { ticket: ticket.ws_access_token }), { status: 401 }, 'a ticket is for one connection');
  assert.match(sim.violations[0].what, /ticket/);
  const [made, subscription] = await gateway.subscribe();
  assert.deepEqual([made.type, made.messageId, made.status, subscription.status, subscription.deliveryMode.transportType], ['ClientRequest', 'm1', 200, 'Active', 'WebSocket']);
  const [one] = await sim.finished([sim.startCall({ scenario: 'simple' })]);
  await until('all told', () => gateway.notifications.length === one.session.told.length);
  const [note, envelope] = gateway.notifications[0];
  assert.deepEqual([note.status, envelope.subscriptionId, envelope.body.sequence], [200, subscription.id, 2]);
  const sequences = gateway.frames.filter((f) => f[0].wsc).map((f) => f[0].wsc.sequence);
  assert.ok(sequences.every((n, i) => i === 0 || n > sequences[i - 1]));
  gateway.ws.send(JSON.stringify([{ type: 'Heartbeat', messageId: 'h1' }]));
  await until('the echo', () => gateway.frames.some((f) => f[0].type === 'Heartbeat' && f[0].messageId === 'h1'));
  await until('pings are answered', () => sim.gateway.open[0].pongs > 1);
  sim.gateway.stall();
  gateway.ws.send(JSON.stringify([{ type: 'Heartbeat', messageId: 'h2' }]));
  const { pongs } = sim.gateway.open[0];
  sim.gateway.stall(false);
  await until('it was only late', () => sim.gateway.open[0].heartbeats === 2 && sim.gateway.open[0].pongs > pongs);

  const [replaced, other] = await gateway.subscribe(['/restapi/v1.0/account/~/extension/~/message-store/instant?type=SMS']);
  assert.deepEqual([replaced.status, sim.subscriptions.all().map((s) => s.id)], [200, [other.id]]);
  assert.equal((await api('PUT', `${SUBSCRIPTION}/${other.id}`, { eventFilters: [ALL_CALLS] })).body.errorCode, 'SUB-531', 'not over HTTP');
  assert.equal((await gateway.request('PUT', `${SUBSCRIPTION}/${other.id}`, { eventFilters: [ALL_CALLS] }))[0].status, 200);
  const [missing, error] = await gateway.request('GET', `${B}/s-none`);
  assert.deepEqual([missing.status, error.errors[0].errorCode, missing.headers['X-Rate-Limit-Group']], [404, 'CMN-102', 'light']);
  const [, presence] = await gateway.request('GET', '/restapi/v1.0/account/~/presence', undefined, { detailedTelephonyState: 'true', perPage: 2 });
  assert.deepEqual([presence.records.length, presence.records[0].activeCalls], [2, []]);
  const several = await gateway.request('GET', '/restapi/v1.0/account/~/extension/62001016,62002016/presence');
  assert.match(several.multipart, /^\[\{.*\},--Boundary/);
  assert.equal(JSON.parse(several.multipart.slice(1, several.multipart.indexOf(',--Boundary'))).status, 207);
  assert.equal((await gateway.request('POST', '/restapi/oauth/wstoken'))[0].status, 400);
  const [ended] = await gateway.request('DELETE', `${SUBSCRIPTION}/${other.id}`);
  assert.equal(ended.status, 204);
  sim.fail({ mode: 'slow', ms: 300, path: '/presence', times: 20 });
  const many = await Promise.all(Array.from({ length: 12 }, () => gateway.request('GET', '/restapi/v1.0/account/~/presence')));
  assert.equal(many.filter((f) => f[0].status === 429).length, 2);
  gateway.ws.send('no JSON');
  await until('told so', () => gateway.frames.some((f) => f[0]?.type === 'Error'));
});

test('the gateway: what was missed comes after a recovery, no more than its buffer; refused and late ones fail', async (t) => {
  const sim = await world(t, { gateway: { buffer: 6, recoveryMs: 60000 } });
  const api = await client(sim);
  const first = await GatewayClient.connect(sim, api);
  await first.subscribe();
  const running = sim.startCall({ script: [{ inbound: true }, { ring: 'ann' }, { answer: 'ann' }] });
  await until('told', () => first.notifications.length === 5);
  const { token } = first.wsc;
  sim.gateway.drop();
  await until('gone', () => first.closeCode === 1006);
  sim.step(running, { hold: 'ann' });
  sim.step(running, { unhold: 'ann' });
  const second = await GatewayClient.connect(sim, api, { wsc: token });
  await until('what was missed', () => second.notifications.length === 2);
  assert.equal(second.frames[0][1].recoveryState, 'Successful');
  assert.deepEqual(second.notifications.map((f) => f[1].body.parties[0].status.code), ['Hold', 'Answered']);
  assert.equal(second.frames[0][0].wsc.sequence, first.wsc.sequence, 'it stands where we had read to');
  sim.gateway.drop();
  await until('gone', () => second.closeCode === 1006);
  for (let i = 0; i < 5; i++)
    ['hold', 'unhold'].forEach((verb) => sim.step(running, { [verb]: 'ann' }));
  const third = await GatewayClient.connect(sim, api, { wsc: second.wsc.token });
  await until('the newest of them', () => third.notifications.length === 6);
  assert.equal(third.notifications.at(-1)[1].body.sequence, running.session.sequence);
  sim.gateway.refuse.recoveries = 1;
  sim.gateway.drop();
  const fourth = await GatewayClient.connect(sim, api, { wsc: third.wsc.token });
  assert.deepEqual([fourth.frames[0][1].recoveryState, typeof fourth.frames[0][1].recoveryErrorCode], ['Failed', 'string']);
  assert.equal((await fourth.subscribe())[0].status, 200, 'but can be used');
  sim.gateway.options.recoveryMs = 1;
  sim.gateway.drop();
  await until('forgotten with its subscription', () => ![...sim.gateway.lines.values()].some((l) => l.socket === null && l.timer && fourth.wsc.token.startsWith(l.token)));
  const fifth = await GatewayClient.connect(sim, api, { wsc: fourth.wsc.token });
  assert.equal(fifth.frames[0][1].recoveryState, 'Failed');
  sim.gateway.refuse.upgrades = [503];
  await assert.rejects(GatewayClient.connect(sim, api), { status: 503 });
  assert.deepEqual(sim.gateway.upgrades.map((u) => u.outcome), ['new', 'Successful', 'Successful', 'Failed', 'Failed', 503]);
  fifth.close();
});

test('the gateway: idle and absolute ends are announced; who does not pong is dropped; no permission is SUB-528', async (t) => {
  const sim = await world(t, { gateway: { idleMs: 60, pingMs: 100000 } });
  const api = await client(sim);
  const idle = await GatewayClient.connect(sim, api);
  await until('closed', () => idle.closeCode !== undefined);
  assert.deepEqual([idle.frames.at(-1)[0].type, idle.frames.at(-1)[1].errorCode], ['Error', 'WSG-902']);
  Object.assign(sim.gateway.options, { idleMs: 60000, absoluteMs: 60 });
  const absolute = await GatewayClient.connect(sim, api);
  await until('closed', () => absolute.closeCode !== undefined);
  assert.equal(absolute.frames.at(-1)[1].errorCode, 'WSG-903');
  Object.assign(sim.gateway.options, { absoluteMs: 60000, pingMs: 20, pongMs: 60 });
  const deaf = await GatewayClient.connect(sim, api);
  deaf.ws.pong = () => {};
  deaf.ws._receiver.removeAllListeners('ping');
  await until('dropped', () => deaf.closeCode === 1006);
  assert.ok(sim.violations.some((v) => v.what === 'no pong'));
  sim.gateway.options.pingMs = 60000;
  sim.permit('WebSocketsSubscription', false);
  const denied = await GatewayClient.connect(sim, api);
  const [meta, body] = await denied.subscribe();
  assert.deepEqual([meta.status, body.errors[0].errorCode], [403, 'SUB-528']);
  denied.close();
});

// --- texts, and what is there after a call ---

test('texts: limits, states afterwards, failures, and what comes in', async (t) => {
  const sim = await world(t, { speed: 20 });
  const api = await client(sim);
  const hook = await receiver(t);
  await subscribe(api, hook.url, { eventFilters: ['/restapi/v1.0/account/~/extension/~/message-store/instant?type=SMS', '/restapi/v1.0/account/~/extension/~/message-store'] });
  const send = (text, to = '+15550100001', from = '+15550107101') => api('POST', '/restapi/v1.0/account/~/extension/~/sms', { from: { phoneNumber: from }, to: [{ phoneNumber: to }], text });
  const sent = await send('hello 🙂');
  assert.deepEqual([sent.status, sent.body.messageStatus, sent.body.subject, sent.body.direction, typeof sent.body.conversation.id], [200, 'Queued', 'hello 🙂', 'Outbound', 'string']);
  assert.equal((await send('🙂'.repeat(500))).status, 200);
  assert.equal((await send('🙂'.repeat(501))).status, 400);
  assert.equal((await send('x', '+15550100001', '+15550107102')).status, 403, 'a number of somebody else');
  const state = async (id) => (await api('GET', `/restapi/v1.0/account/~/extension/~/message-store/${id}`)).body;
  await until('delivered', async () => (await state(sent.body.id)).messageStatus === 'Delivered');
  sim.messages.failing.set('+15550100009', 'SMS-CAR-411');
  const failing = (await send('x', '+15550100009')).body;
  await until('failed', async () => (await state(failing.id)).messageStatus === 'DeliveryFailed');
  assert.equal((await state(failing.id)).deliveryErrorCode, 'SMS-CAR-411');
  const inbound = sim.sms({ from: '+15550100001', text: 'and thanks' });
  await until('told', () => hook.events.some((e) => e.event.includes('instant')));
  const { body } = hook.events.find((e) => e.event.includes('instant'));
  assert.deepEqual([body.id, body.subject, body.eventType, body.messageStatus, body.conversation.id, body.from.phoneNumber], [inbound.id, 'and thanks', 'Create', 'Received', sent.body.conversation.id, '+15550100001']);
  const counts = hook.events.filter((e) => !e.event.includes('instant')).map((e) => e.body.changes[0]);
  assert.ok(counts.some((c) => c.updatedCount === 1 && !c.newMessageIds) && counts.some((c) => c.newMessageIds?.[0] === inbound.id));
  const list = (await api('GET', '/restapi/v1.0/account/~/extension/~/message-store?direction=Inbound')).body;
  assert.deepEqual(list.records.map((m) => m.id), [inbound.id]);
});

test('after a call: the log late and detailed, its recording as WAV of the media host, insights told and asked for', async (t) => {
  const sim = await world(t, { speed: 500, recordingMinMs: 20000, callLogMs: 20000 });
  const api = await client(sim);
  const hook = await receiver(t);
  await subscribe(api, hook.url, { eventFilters: ['/ai/ringsense/v1/public/accounts/~/domains/pbx/insights'] });
  const [one] = await sim.finished([sim.startCall({ scenario: 'recorded' })]);
  const log = async (more = '') => (await api('GET', `/restapi/v1.0/account/~/call-log?view=Detailed${more}`)).body.records;
  sim.clock.catchUp();
  await until('it is in the log', async () => (await log()).length === 1);
  const [record] = await log('&recordingType=All');
  assert.deepEqual([record.telephonySessionId, record.direction, record.result, record.type, record.legs.length], [one.id, 'Inbound', 'Accepted', 'Voice', 2]);
  assert.ok(record.durationMs > 30000 && record.duration === Math.round(record.durationMs / 1000));
  assert.ok(sim.aftermath.log.length === 1 && Date.parse(record.lastModifiedTime) >= one.session.endedAt + 19900);
  assert.deepEqual(await log('&dateFrom=2040-01-01T00:00:00Z'), []);
  assert.equal((await api('GET', '/restapi/v1.0/account/~/call-log')).body.records[0].legs, undefined);
  const about = (await api('GET', `/restapi/v1.0/account/~/recording/${record.recording.id}`)).body;
  assert.ok(about.contentUri.startsWith(sim.mediaUrl));
  const media = (token) => fetch(about.contentUri, token ? { headers: { authorization: `Bearer ${token}` } } : {});
  assert.equal((await media()).status, 401);
  const content = await media(api.token);
  assert.equal(content.headers.get('content-type'), 'audio/wav');
  const wav = Buffer.from(await content.arrayBuffer());
  assert.deepEqual([wav.toString('latin1', 0, 4), wav.readUInt32LE(24), wav.readUInt16LE(22), wav.length - 44], ['RIFF', 8000, 1, wav.readUInt32LE(40)]);
  assert.ok(Math.abs((wav.length - 44) / 16 / 1000 - about.duration) < 1);
  assert.ok(wav.subarray(44).some((b) => b > 64));
  assert.equal((await fetch(`${about.contentUri}?access_token=${api.token}`)).status, 200);
  assert.equal((await call(sim.platformUrl, 'GET', new URL(about.contentUri).pathname, { token: api.token })).status, 404, 'not from the other host');
  await until('insights', () => hook.events.length === 1);
  const { body } = hook.events[0];
  assert.deepEqual([body.domain, body.sourceSessionId, body.sourceRecordId], ['pbx', one.id, record.recording.id]);
  assert.ok(body.insights.Transcript.length > 3 && body.insights.Transcript.every((line) => body.speakerInfo.some((s) => s.speakerId === line.speakerId)));
  const asked = (await api('GET', `/ai/ringsense/v1/public/accounts/~/domains/pbx/sessions/${one.id}/insights`)).body;
  assert.deepEqual(asked, body);
  assert.equal((await api('GET', '/ai/ringsense/v1/public/accounts/~/domains/pbx/records/1/insights')).status, 404);
});

// --- RingCX ---

// A gRPC server of the documented service: each stream's {metadata, messages, ended, cancelled}. refuse: a status.
async function streamServer(t, { credentials, refuse, options } = {}) {
  const { grpc, service } = grpcTools();
  const server = new grpc.Server({ 'grpc.max_receive_message_length': 1 << 16, ...options });
  const got = { streams: [] };
  server.addService(service, { Stream(stream, callback) {
    const mine = { metadata: stream.metadata.getMap(), messages: [] };
    got.streams.push(mine);
    if (refuse)
      return callback({ code: refuse, details: 'who are you?' });
    stream.on('data', (message) => mine.messages.push(message));
    stream.on('cancelled', () => { mine.cancelled = true; });
    stream.on('error', (error) => { mine.error = error; });
    stream.on('end', () => {
      mine.ended = true;
      callback(null, {});
    });
  } });
  got.port = await new Promise((resolve, reject) => server.bindAsync('127.0.0.1:0', credentials ?? grpc.ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))));
  got.target = `127.0.0.1:${got.port}`;
  t.after(() => server.forceShutdown());
  return got;
}

const tones = (who, ms) => ({ tone: [who, 440, ms] });
const SPEC = { sessionId: 'STREAM-1', dialog: { id: 'd1', type: 'INBOUND', ani: '+1555', dnis: '+1666', language: 'en-US', attributes: { telephonySessionId: 's-abc' } } };
const mediaOf = (messages, segment) => messages.filter((m) => m.segment_media && (!segment || m.segment_media.segment_id === segment)).map((m) => m.segment_media.audio_content);
const shape = (messages) => messages.filter((m) => !m.segment_media).map((m) => m[m.event].segment_id ? `${m.event} ${m[m.event].segment_id} ${m[m.event].event ?? ''}`.trim() : m.event);

test('gRPC: messages are those of the published vectors', () => {
  const { serialize } = grpcTools();
  const framed = (message) => {
    const bytes = serialize(message);
    return `00${bytes.length.toString(16).padStart(8, '0')}${bytes.toString('hex')}`;
  };
  const session_id = 's1';
  const segment_id = 'g1';
  assert.equal(framed({ session_id, dialog_init: { account: { id: '1', sub_account_id: '2', rc_account_id: '3' }, dialog: { id: 'd1', type: 'INBOUND', ani: '+1555', dnis: '+1666', attributes: { k: 'v' } } } }),
    '000000002f0a02733112290a090a01311201321a0133121c0a02643110011a052b3135353522052b3136363632060a016b120176');
  assert.equal(framed({ session_id, segment_start: { segment_id, product: { id: '9', type: 'QUEUE' }, participant: { id: 'p1', type: 'CONTACT', name: 'Ann' }, audio_format: { codec: 'PCMU', rate: 8000, ptime: 100 } } }),
    '00000000270a0273311a210a02673112050a013910011a0b0a02703110011a03416e6e2207080310c03e1864');
  assert.equal(framed({ session_id, segment_media: { segment_id, audio_content: { payload: Buffer.from('ffffffff', 'hex'), seq: 1, duration: 100 } } }), '00000000160a02733122100a026731120a0a04ffffffff10011864');
  assert.equal(framed({ session_id, segment_info: { segment_id, event: 'hold' } }), '00000000100a0273312a0a0a0267311204686f6c64');
  assert.equal(framed({ session_id, segment_stop: { segment_id } }), '000000000a0a02733132040a026731');
});

test('gRPC: a talk of two with a hold and a transfer, 800 bytes each 100 ms, credentials, an empty answer at the end', async (t) => {
  const server = await streamServer(t);
  const talk = readTalk({ script: [tones('customer', 300), { hold: 400 }, tones('ann', 250), { transfer: ['ann', 'bob'] }, tones('bob', 200)] });
  const result = await RingCxStream.play(`grpc://${server.target}`, talk, SPEC, { fast: true, metadata: { authorization: 'Basic dTpw' } });
  assert.deepEqual([result.code, result.answer], [0, {}]);
  const [{ metadata, messages }] = server.streams;
  assert.equal(metadata.authorization, 'Basic dTpw');
  assert.deepEqual(shape(messages), ['dialog_init', 'segment_start g1', 'segment_start g2', 'segment_info g1 hold', 'segment_info g2 hold', 'segment_info g1 unhold', 'segment_info g2 unhold',
    'segment_start g3', 'segment_stop g2', 'segment_stop g1', 'segment_stop g3']);
  assert.deepEqual(messages[0].dialog_init.dialog.attributes, { telephonySessionId: 's-abc' });
  assert.deepEqual([messages[1].segment_start.participant.type, messages[2].segment_start.participant.type, messages[1].segment_start.audio_format], ['CONTACT', 'AGENT', { codec: 'PCMU', rate: 8000, ptime: 100 }]);
  const [customer, ann, bob] = ['g1', 'g2', 'g3'].map((g) => mediaOf(messages, g));
  assert.deepEqual([customer.length, ann.length, bob.length], [8, 6, 2], 'none while the call is held');
  assert.ok([...customer, ...ann, ...bob].every((a) => a.payload.length === 800 && a.duration === 100));
  assert.deepEqual(customer.map((a) => a.seq), [1, 2, 3, 4, 5, 6, 7, 8]);
  const heard = Buffer.concat(customer.slice(0, 3).map((a) => a.payload));
  assert.deepEqual(heard, ulawBytes(tone(440, 300)));
  assert.ok(ann.slice(0, 3).every((a) => ulawSamples(a.payload).every((s) => s === 0)), 'she listens');
  assert.deepEqual(result.sent.media, 16);
});

test('gRPC: segment mode, unset format, refusals', async (t) => {
  const server = await streamServer(t);
  const talk = readTalk({ script: [tones('customer', 200), { transfer: ['ann', 'bob'] }, tones('bob', 300)] });
  await RingCxStream.play(server.target, talk, { ...SPEC, segment: 'g2', format: null }, { fast: true });
  assert.deepEqual(shape(server.streams[0].messages), ['dialog_init', 'segment_start g2', 'segment_stop g2']);
  assert.equal(server.streams[0].messages[1].segment_start.audio_format ?? null, null);
  const stern = await streamServer(t, { refuse: 16 });
  const refused = await RingCxStream.play(stern.target, talk, SPEC, { fast: true });
  assert.deepEqual([refused.code, refused.details], [16, 'who are you?']);
});

test('gRPC: what goes wrong on the way', async (t) => {
  const server = await streamServer(t);
  const talk = readTalk({ script: [tones('customer', 1000)] });
  const play = (options) => RingCxStream.play(server.target, talk, SPEC, { fast: true, ...options });
  const last = () => server.streams.at(-1);
  const pieces = await play({ raw: true, pieces: [1, 7, 100] });
  assert.deepEqual([pieces.code, pieces.headers[':status'], pieces.answer.toString('hex'), mediaOf(last().messages).length], [0, 200, '0000000000', 20]);
  assert.equal((await play({ gzip: true })).code, 0);
  assert.equal(mediaOf(last().messages).length, 20);
  const zipped = await play({ raw: true, gzip: true });
  assert.deepEqual([zipped.code, mediaOf(last().messages).length], [0, 20]);
  const away = await play({ disturb: [{ at: 5, what: 'goaway' }] });
  assert.deepEqual([away.code, mediaOf(last().messages).length], [0, 20], 'streams that are there go on');
  assert.equal((await play({ disturb: [{ at: 5, what: 'rst' }] })).code, 1);
  await until('cancelled', () => last().cancelled);
  assert.equal((await play({ disturb: [{ at: 5, what: 'oversize', bytes: 1 << 17 }] })).code, 8);
  await play({ disturb: [{ at: 5, what: 'cut' }] }); // which this server lets pass
  assert.equal(mediaOf(last().messages).length, 2, 'nothing comes behind the piece of a message');
  assert.notEqual((await play({ disturb: [{ at: 5, what: 'kill' }] })).code, 0);
  const started = performance.now();
  assert.equal((await play({ disturb: [{ at: 5, what: 'stall', ms: 50 }] })).code, 0);
  assert.ok(performance.now() - started >= 49);
  const lossy = await RingCxStream.play(server.target, readTalk({ script: [tones('customer', 8000)] }), SPEC, { fast: true, road: { loss: 0.2, duplicate: 0.2, late: 0.2, seed: 5 } });
  assert.equal(lossy.code, 0);
  const seqs = mediaOf(last().messages, 'g1').map((a) => a.seq);
  assert.ok(new Set(seqs).size < 80 && new Set(seqs).size > 40 && seqs.length > new Set(seqs).size && seqs.some((n, i) => i > 0 && n < seqs[i - 1]));
  const dry = (seed) => streamMessages(talk, SPEC, { road: { loss: 0.3, seed } }).map((m) => m.at);
  assert.deepEqual(dry(5), dry(5));
  assert.notDeepEqual(dry(5), dry(6));
});

test('gRPC: over TLS, and with HTTP/2 as the platform speaks it', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'callmend-rc-'));
  t.after(() => rmSync(dir, { recursive: true }));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout', 'key.pem', '-out', 'cert.pem'], { cwd: dir, stdio: 'ignore' });
  const [key, cert] = ['key', 'cert'].map((name) => readFileSync(join(dir, `${name}.pem`)));
  const { grpc } = grpcTools();
  const server = await streamServer(t, { credentials: grpc.ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: cert }]) });
  const talk = readTalk({ script: [tones('customer', 100)] });
  for (const raw of [false, true])
    assert.equal((await RingCxStream.play(`grpcs://${server.target}`, talk, SPEC, { fast: true, raw, tls: { ca: cert, servername: 'localhost' } })).code, 0);
  assert.equal((await RingCxStream.play(`grpcs://${server.target}`, talk, SPEC, { fast: true })).code, 14, 'a stranger\'s certificate');
  const sim = await world(t, { tls: { key, cert } });
  const secure = await new Promise((resolve, reject) => https.get(`${sim.platformUrl}/sim/state`, { ca: cert }, (response) => resolve(response.resume().statusCode)).on('error', reject));
  assert.deepEqual([secure, new URL(sim.mediaUrl).protocol], [200, 'https:']);
  // Headers as they are on the wire.
  const seen = [];
  const plain = http2.createServer();
  plain.on('stream', (stream, headers) => {
    seen.push(headers);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '16', 'grpc-message': 'no%20way' }, { endStream: true });
  });
  await new Promise((resolve) => plain.listen(0, '127.0.0.1', resolve));
  t.after(() => plain.close());
  for (const raw of [false, true]) {
    const refused = await RingCxStream.play(`127.0.0.1:${plain.address().port}`, talk, SPEC, { fast: true, raw });
    assert.deepEqual([refused.code, refused.details], [16, 'no way']);
  }
  assert.ok(seen.every((h) => h[':method'] === 'POST' && h[':path'] === '/ringcentral.ringcx.streaming.v1beta2.Streaming/Stream' && h['content-type'].startsWith('application/grpc') && h.te === 'trailers'));
});

// A server of the legacy stream; statuses: what the next upgrades are answered with.
async function agentServer(t, statuses = []) {
  const got = { upgrades: [], messages: [] };
  const sockets = new WebSocket.WebSocketServer({ noServer: true });
  const server = http.createServer();
  server.on('upgrade', (request, socket, head) => {
    got.upgrades.push(request.url);
    const status = statuses.shift();
    if (status)
      return socket.end(`HTTP/1.1 ${status} no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
    return sockets.handleUpgrade(request, socket, head, (ws) => ws.on('message', (data) => got.messages.push(JSON.parse(data.toString()))));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  got.url = `ws://127.0.0.1:${server.address().port}/in/ringcx/main`;
  t.after(() => {
    sockets.clients.forEach((c) => c.terminate());
    server.close();
  });
  return got;
}

test('the legacy stream: its messages, agent and everybody else apart, a stop for each; 5xx is tried again, 4xx is not', async (t) => {
  const server = await agentServer(t, [503, 502]);
  const talk = readTalk({ script: [tones('customer', 200), { hold: 200 }, tones('ann', 100)] });
  const legacy = await AgentSessionClient.connect(server.url, { callId: '77' }, { fast: true, retryMs: 1 });
  assert.equal(legacy.attempts, 3);
  await legacy.play(talk);
  const { searchParams } = new URL(server.upgrades[2], 'ws://x');
  assert.deepEqual([searchParams.get('callId'), searchParams.get('ani')], ['77', '5550001']);
  const { messages } = server;
  assert.deepEqual(messages[0], { event: 'Connected', protocol: 'AgentSession', version: '1.0.0' });
  assert.deepEqual([messages[1].event, messages[1].metadata.callId, messages[1].metadata.contentType, messages[1].metadata.sampleRateHertz], ['Start', '77', 'audio/x-mulaw', 8000]);
  const media = (perspective) => messages.filter((m) => m.event === 'Media' && m.perspective === perspective);
  assert.deepEqual([media('Participant').length, media('Conference').length], [15, 15]);
  assert.ok(messages.filter((m) => m.event === 'Media').every((m) => typeof m.sequenceId === 'string' && Buffer.from(m.media, 'base64').length === 160));
  const heard = (perspective) => Buffer.concat(media(perspective).map((m) => Buffer.from(m.media, 'base64')));
  assert.deepEqual(heard('Conference').subarray(0, 1600), ulawBytes(tone(440, 200)));
  assert.deepEqual(heard('Participant').subarray(1600), ulawBytes(tone(440, 100)));
  assert.deepEqual(messages.slice(-2).map((m) => [m.event, Object.keys(m.metadata)]), [['Stop', ['duration', 'end_time']], ['Stop', ['duration', 'end_time']]]);
  const stern = await agentServer(t, [403, 403]);
  await assert.rejects(AgentSessionClient.connect(stern.url), { status: 403, attempts: 1 });
  const broken = await agentServer(t, [500, 500, 500, 500, 500]);
  await assert.rejects(AgentSessionClient.connect(broken.url, {}, { retryMs: 1 }), { status: 500, attempts: 4 });
});

test('RingCX: tokens of its own, active calls and their control, what is there afterwards', async (t) => {
  const sim = await world(t, { speed: 20 });
  const server = await streamServer(t);
  const rcToken = await login(sim);
  const exchange = (token) => call(sim.ringcxUrl, 'POST', '/api/auth/login/rc/accesstoken?includeRefresh=true', { form: { rcAccessToken: token, rcTokenType: 'Bearer' } });
  assert.equal((await exchange('x')).status, 401);
  const { accessToken: token, refreshToken } = (await exchange(rcToken)).body;
  assert.ok(refreshToken);
  const active = '/voice/api/v1/admin/accounts/2/activeCalls';
  const api = (method, path) => call(sim.ringcxUrl, method, path, { token });
  const refused = await call(sim.ringcxUrl, 'GET', `${active}/list?product=ACCOUNT&productId=2`, { token: rcToken });
  assert.deepEqual([refused.status, typeof refused.body.generalMessage], [401, 'string'], 'not with the token of RingEX');
  const dialog = sim.ringcx.start({ script: [tones('customer', 60000)], attributes: { callmend_token: 'x' } }, { kind: 'grpc', url: server.target });
  await until('it streams', () => mediaOf(server.streams[0]?.messages ?? []).length > 4);
  assert.equal(server.streams[0].messages[0].dialog_init.dialog.id, dialog.id);
  const [listed] = (await api('GET', `${active}/list?product=ACCOUNT&productId=2`)).body;
  assert.deepEqual([listed.uii, listed.ani, listed.callState], [dialog.id, '+15550100001', 'ACTIVE']);
  assert.equal((await api('POST', `${active}/${dialog.id}/toggleCallHold?state=ON`)).status, 200);
  await until('told, and quiet', () => server.streams[0].messages.some((m) => m.segment_info?.event === 'hold') && dialog.streams[0].sent.skipped > 10);
  const then = mediaOf(server.streams[0].messages).length;
  assert.equal((await api('POST', `${active}/${dialog.id}/toggleCallHold?state=MAYBE`)).status, 400);
  assert.equal((await api('POST', `${active}/${dialog.id}/toggleCallHold?state=OFF`)).status, 200);
  await until('it goes on', () => mediaOf(server.streams[0].messages).length > then + 2);
  const told = server.streams[0].messages;
  const infos = told.flatMap((m, i) => (m.segment_info ? [i] : []));
  assert.equal(infos.length, 4);
  assert.ok(told.slice(infos[1], infos[2]).every((m) => !m.segment_media), 'no sound while it is held');
  assert.equal((await api('POST', `${active}/${dialog.id}/addSessionToCall?destination=%2B15550109999&sessionType=MONITOR`)).status, 200);
  assert.deepEqual(dialog.monitors, [{ destination: '+15550109999', sessionType: 'MONITOR' }]);
  assert.equal((await api('POST', `${active}/1/hangupCall`)).status, 404);
  const after = (what) => `/voice/api/cx/integration/v1/accounts/${sim.account.id}/sub-accounts/2/${what}/dialogs/${dialog.id}/segments/g1`;
  assert.equal((await api('GET', after('recordings'))).status, 404);
  assert.equal((await api('POST', `${active}/${dialog.id}/hangupCall`)).status, 200);
  const [result] = await dialog.done;
  assert.equal(result.code, 0);
  assert.deepEqual(shape(server.streams[0].messages).slice(-2).sort(), ['segment_stop g1', 'segment_stop g2']);
  const recording = await api('GET', after('recordings'));
  assert.deepEqual([recording.headers.get('content-type'), recording.bytes.readUInt16LE(22)], ['audio/wav', 2]);
  const { channelClass, transcript: [line] } = (await api('GET', after('transcripts'))).body;
  assert.deepEqual([channelClass, line.participantId, line.participantName, typeof line.timestamp, line.message], ['VOICE', '+15550100001', 'Customer', 'string', 'tone 440']);
  assert.deepEqual(dialog.commands.map((c) => c.verb), ['toggleCallHold', 'toggleCallHold', 'toggleCallHold', 'addSessionToCall', 'hangupCall']);
  sim.oauth.options.ringcxTtlS = 0;
  const { accessToken: stale } = (await exchange(rcToken)).body;
  assert.equal((await call(sim.ringcxUrl, 'GET', `${active}/list?product=ACCOUNT&productId=2`, { token: stale })).status, 401);
});

test('RingCX: a stream for each segment, or a legacy one for each agent; people come and go', async (t) => {
  const sim = await world(t);
  const server = await streamServer(t);
  const script = [tones('customer', 200), { transfer: ['ann', 'bob'] }, tones('bob', 100), { join: 'bot' }, tones('bot', 100), { leave: 'bot' }, { wait: 100 }];
  const parted = sim.ringcx.start({ script, sessionId: 'S' }, { kind: 'grpc', url: server.target, perSegment: true, fast: true });
  assert.deepEqual((await parted.done).map((r) => r.code), [0, 0, 0, 0]);
  assert.deepEqual(server.streams.map((s) => `${s.messages[0].session_id} ${s.messages[1].segment_start.participant.type} ${mediaOf(s.messages).length}`).sort(),
    ['S-g1 CONTACT 5', 'S-g2 AGENT 2', 'S-g3 AGENT 3', 'S-g4 BOT 1']);
  const legacy = await agentServer(t);
  const agents = sim.ringcx.start({ script }, { kind: 'wss', url: legacy.url, fast: true, noStop: true });
  await agents.done;
  const starts = legacy.messages.filter((m) => m.event === 'Start').map((m) => m.metadata);
  assert.deepEqual(starts.map((m) => [m.callId, m.agentId]).sort((a, b) => a[1] - b[1]), [[agents.id, 9], [agents.id, 12]]);
  assert.ok(!legacy.messages.some((m) => m.event === 'Stop'));
  const stern = await agentServer(t, [403, 403]);
  assert.deepEqual((await sim.ringcx.start({ script }, { kind: 'wss', url: stern.url, fast: true }).done).map((r) => r.status), [403, 403]);
});

// --- other processes ---

test('other processes steer it by HTTP, and it is a program of its own', async (t) => {
  const sim = await world(t, { speed: 500 });
  const control = (name, argument) => call(sim.platformUrl, 'POST', `/sim/${name}`, { json: argument });
  const started = (await control('startCall', { scenario: 'open', customer: { number: '+15550100077' } })).body;
  assert.match(started.id, /^s-[0-9a-f]{32}$/);
  await until('answered', async () => (await call(sim.platformUrl, 'GET', '/sim/state')).body.calls[0].sessions[0].parties.at(-1).code === 'Answered');
  await until('its script is through', () => sim.call(started.id).script.length === 0);
  assert.equal((await control('step', [started.id, { hold: 'ann' }])).status, 200);
  const refused = await control('step', [started.id, { hold: 'ann' }]);
  assert.deepEqual([refused.status, refused.body.message], [400, 'the party is Hold']);
  assert.equal((await control('step', [started.id, { hangup: 'customer' }])).body.over, true);
  assert.equal((await control('sms', { from: '+15550100077', text: 'hi' })).body.subject, 'hi');
  assert.deepEqual((await control('told', [started.id])).body[0].told, sim.call(started.id).session.told);
  await control('fail', { mode: 500 });
  assert.equal((await grant(sim)).status, 500);
  assert.deepEqual((await control('requests')).body.map((r) => [r.path, r.status]), [['/restapi/oauth/token', 500]]);
  assert.equal((await control('dance')).status, 404);
  const { stdout } = await promisify(execFile)(process.execPath, [new URL('../../tools/rc-sim/sim.mjs', import.meta.url).pathname, '--help']);
  assert.match(stdout, /--scenario NAME/);
  const server = await streamServer(t);
  const program = await promisify(execFile)(process.execPath, [new URL('../../tools/rc-sim/sim.mjs', import.meta.url).pathname, '--stream', server.target, '--talk', 'transfer', '--speed', '50',
    '--attribute', 'callmend_call_id=a=b', '--authorization', 'Bearer t', '--json']);
  assert.equal(JSON.parse(program.stdout).dialogs[0].results[0].code, 0);
  assert.deepEqual([server.streams[0].metadata.authorization, server.streams[0].messages[0].dialog_init.dialog.attributes], ['Bearer t', { callmend_call_id: 'a=b' }]);
});


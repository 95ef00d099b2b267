// A source with a session of its own at RingCentral: events over the gateway and by webhook, on real processes, against the simulator. Whatever
// happens in between, every call that was held is stored, whole and ended; and the simulator has nothing to complain about.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { RingCentralSim } from '../../tools/rc-sim/index.mjs';

const SPEED = 20;
let world;
let sim; // of the test at hand
const sims = [];

before(async () => {
  world = await World.start({ tools: false, config: { core: { shards: 2 }, connect: { look_ms: '5s' } }, settings: { party_settle_ms: 300, party_handover_ms: 1000 } });
});
after(async () => {
  await world?.end();
  await Promise.all(sims.map((s) => s.close()));
});

const VERIFICATION = 'callmend-verifies';

async function connected(name, options, connect) {
  sim = await new RingCentralSim({ speed: SPEED, seed: 7, ...options }).listen();
  sims.push(sim);
  const { clientId, clientSecret, jwt } = sim.credentials;
  const { product } = world;
  const source = await product.must('POST', '/api/v1/sources', { name, dialect: 'ringcentral', project_id: world.project.id, api_base: sim.platformUrl,
    connect: { client_id: clientId, client_secret: product.secret('rc-secret', clientSecret), jwt: product.secret('rc-jwt', jwt), ...connect } });
  await live(source);
  return source;
}

const page = (source) => world.product.must('GET', `/api/v1/sources/${source.id}`);
const live = (source) => until('the session is live', async () => (await page(source)).session?.state === 'live');

// Every session the platform has seen is a call of ours that has ended. The seconds of platform and node differ, the stories do not.
async function allStored(source, calls) {
  const ids = calls.flatMap((call) => call.sessions.map((session) => session.id));
  assert.ok(ids.length > 0);
  await until('every call is stored and over', async () => {
    const rows = await world.product.sql(`select provider_call_id, status, live from calls where source_id = '${source.id}'`);
    const over = new Set(rows.filter((row) => row.status === 'ended' && !row.live).map((row) => row.provider_call_id));
    const left = ids.filter((id) => !over.has(id));
    if (left.length)
      throw new Error(`${left.length} of ${ids.length} are left: ${left[0]} ${JSON.stringify(rows.find((row) => row.provider_call_id === left[0]))}`);
    return true;
  }, { timeoutMs: 60000, everyMs: 300 });
}

async function finish(source) {
  await sim.finished();
  await allStored(source, sim.calls);
  assert.deepEqual(sim.violations, []);
  await world.product.must('DELETE', `/api/v1/sources/${source.id}`);
  await until('the session has ended', () => sim.gateway.open.length === 0);
}

const told = async () => (await world.product.metric('callmend_connect_events_total')) ?? 0;
// Events come, so many more than before.
async function eventsCome(n) {
  const before = await told();
  await until('events come', async () => (await told()) >= before + n);
}

// The simulator's clock is most of an hour behind, and what is told counts from when it began by ours.
async function lastsByOurClock(source) {
  const MINUTE = 60000;
  const { calls } = await until('a call runs', async () => {
    const page = await world.product.must('GET', '/api/v1/live/calls');
    return page.calls.some((call) => call.source_id === source.id && call.started_at) && page;
  });
  const ago = (time) => (Date.now() - Date.parse(time)) / MINUTE;
  for (const { started_at: started, began_at: began } of calls.filter((call) => call.source_id === source.id && call.started_at))
    assert.ok(ago(started) > 30 && ago(began) < 15, `${started} ${began}`);
}

test('over the gateway; the line is cut twice, once without a way back', async () => {
  const source = await connected('gateway', { skewMs: 600000 }, { events: 'websocket' });
  sim.startCalls(12, { scenario: 'random' });
  await eventsCome(10);
  await lastsByOurClock(source);
  sim.gateway.drop();
  await until('it is back', () => sim.gateway.upgrades.at(-1).outcome === 'Successful');
  await sim.finished();
  // What we have heard of goes on, or is over; what began and ended meanwhile comes from the call log, later (after_pulls).
  sim.startCalls(4, { scenario: 'hold' });
  await eventsCome(8);
  sim.gateway.refuse.recoveries = 1;
  sim.gateway.drop();
  await until('it is back, with nothing kept', () => sim.gateway.upgrades.at(-1).outcome === 'Failed');
  await finish(source);
});

test('the line is away for more messages than the platform keeps, which calls that a success', async () => {
  const source = await connected('overrun', { gateway: { buffer: 6 } }, { events: 'websocket' });
  const calls = sim.startCalls(8, { scenario: 'hold' });
  const known = async () => new Set((await world.product.sql(`select provider_call_id as id from calls where source_id = '${source.id}'`)).map((row) => row.id));
  await until('all calls are known', async () => {
    const ids = await known();
    return calls.every((call) => call.sessions.length && call.sessions.every((session) => ids.has(session.id)));
  });
  sim.gateway.refuse.upgrades = Array(1000).fill(503);
  sim.gateway.drop();
  await sim.finished();
  sim.gateway.refuse.upgrades = [];
  await until('it is back', () => sim.gateway.upgrades.at(-1).outcome === 'Successful', { timeoutMs: 60000 });
  await finish(source);
});

test('the core is killed while calls run', async () => {
  const source = await connected('killed', { skewMs: -600000 }, { events: 'websocket' });
  sim.startCalls(12, { scenario: 'random' });
  await eventsCome(10);
  await world.product.restarted('core', world.product.kill('core'));
  await world.product.ready();
  await live(source);
  assert.equal(sim.gateway.upgrades.at(-1).outcome, 'Successful');
  await finish(source);
});

test('by webhook, with the handshake and the verification token', async () => {
  const address = `${world.product.url}/in/ringcentral/hooks`;
  const source = await connected('hooks', {}, { events: 'webhook', address, verification: world.product.secret('rc-verify', VERIFICATION) });
  assert.equal(sim.subscriptions.all().length, 1);
  sim.startCalls(8, { scenario: 'random' });
  await finish(source);
  assert.ok(sim.webhooks.ledger.length > 0);
  assert.deepEqual([...new Set(sim.webhooks.ledger.map((d) => d.status))], [200]);
});

test('a webhook subscription that is blacklisted, or gone, is made again, and what happened meanwhile is asked for', async () => {
  const address = `${world.product.url}/in/ringcentral/black`;
  const source = await connected('black', {}, { events: 'webhook', address, verification: world.product.secret('rc-verify', VERIFICATION) });
  const stands = (old) => until('another one stands', () => sim.subscriptions.all().find((s) => s.status === 'Active' && s.id !== old)?.id, { timeoutMs: 20000 });
  const ended = async (call) => until('its end is known', async () => {
    const [row] = await world.product.sql(`select status from calls where source_id = '${source.id}' and provider_call_id = '${call.sessions[0].id}'`);
    return row?.status === 'ended';
  }, { timeoutMs: 30000 });
  let id = await stands();
  for (const lose of [() => sim.blacklist(id), () => sim.expireSubscriptions()]) {
    const [call] = sim.startCalls(1, { scenario: 'hold' });
    await until('the call is known', async () => (await world.product.sql(`select 1 from calls where source_id = '${source.id}' and provider_call_id = '${call.sessions[0]?.id}'`)).length === 1);
    lose();
    await sim.webhooks.idle();
    const before = sim.webhooks.ledger.length;
    await sim.finished();
    id = await stands(id);
    await ended(call);
    assert.equal(sim.webhooks.ledger.length, before, 'by asking: no event told it');
    assert.equal(sim.subscriptions.all().length, 1);
  }
  assert.match(world.product.log(), /the webhook subscription was blacklisted: by order/);
  await finish(source);
});

test('a call that nobody has heard of, though the webhook subscription stood all the time, is swept up from the call log; one that was heard is not doubled', { timeout: 180000 }, async () => {
  const address = `${world.product.url}/in/ringcentral/swept`;
  const source = await connected('swept', { callLogMs: 1000 }, { events: 'webhook', address, verification: world.product.secret('rc-verify', VERIFICATION), recordings: false, after_s: 1 });
  const script = [{ inbound: true }, { ring: 'ann' }, { wait: 2000 }, { answer: 'ann' }, { wait: 6000 }, { hangup: 'customer' }];
  const play = async () => {
    const call = sim.startCall({ script });
    await sim.finished([call]);
    return call;
  };
  const seen = await play();
  sim.deliveries.order({ what: 'lose', times: 1000 });
  const lost = await play();
  sim.deliveries.orders.length = 0;
  const stored = () => world.product.sql(`select provider_call_id as id, imported from calls where source_id = '${source.id}'`);
  assert.ok((await stored()).every(({ id }) => id !== lost.id), 'nobody has told it');
  await until('it is there', async () => (await stored()).some(({ id }) => id === lost.id), { timeoutMs: 120000, everyMs: 500 });
  assert.deepEqual(new Map((await stored()).map(({ id, imported }) => [id, imported])), new Map([[seen.id, false], [lost.id, true]]));
  assert.equal(sim.subscriptions.all().length, 1);
  await until('one look is enough', async () => (await world.product.sql(`select 1 from jobs where kind = 'missed' and key = '${source.id}'`)).length === 0, { timeoutMs: 30000 });
  await finish(source);
});

// RingCentral's calls that nobody told of: asked for by a pull, after a loss, within the platform's budgets. The platform is tools/rc-sim.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { addSource, aftermath, asked, callOf, dueTogether, followed, HOUR, number, platform, play, product, pull, recordingsOf, row, TWO_LEGS, uuidOf, world } from './lib/aftermath.mjs';
import { until } from '../../tools/lib/wait.mjs';

aftermath({ before, after });

// --- pulls ---

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

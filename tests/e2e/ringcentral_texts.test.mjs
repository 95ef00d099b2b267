// Texts to somebody who has not written to us: the conversation that begins with them, every way in which they are refused, and that none is sent
// twice, whatever happens in between. On real processes against the simulator.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { World } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { RingCentralSim } from '../../tools/rc-sim/index.mjs';

const PLENTY = { limits: { Light: 1000, Medium: 1000, Heavy: 100, Auth: 100 } };
const OURS = '+15550107101'; // ann's
const VERIFICATION = 'callmend-verifies';
let world, product, sim, main;
const sims = [];

before(async () => {
  world = await World.start({ tools: false, config: { core: { shards: 2 } }, settings: { text_effect_ms: 60000 } });
  product = world.product;
  [sim, main] = await connected('main');
});
after(async () => {
  await world?.end();
  await Promise.all(sims.map((s) => s.close()));
});

let seed = 1; // equal ones would have equal ids
async function connected(name, connect = {}, more = {}) {
  const at = await new RingCentralSim({ seed: seed++, speed: 20, ...PLENTY }).listen();
  sims.push(at);
  const { clientId, clientSecret, jwt } = at.credentials;
  const source = await product.must('POST', '/api/v1/sources', { name, dialect: 'ringcentral', project_id: world.project.id, api_base: at.platformUrl, ...more,
    connect: { client_id: clientId, client_secret: product.secret('rc-secret', clientSecret), jwt: product.secret('rc-jwt', jwt), from_number: OURS, ...connect } });
  await live(source);
  return [at, source];
}
const live = (source) => until('the session is live', async () => (await product.must('GET', `/api/v1/sources/${source.id}`)).session?.state === 'live', { timeoutMs: 30000 });
const send = (to, text, { source = main, key, ...more } = {}) => product.api('POST', `/api/v1/sources/${source.id}/texts`, { to, text, ...more }, { key });
const get = async (id) => (await product.api('GET', `/api/v1/calls/${id}`)).body;
const reaches = (answer, state) => until(`it is ${state}`, async () => {
  const { command_id: id } = answer.body.command;
  const [row] = await product.sql(`select * from interventions where id = '${id}'`);
  if (row?.state !== state)
    throw new Error(JSON.stringify(row));
  return row;
}, { timeoutMs: 30000 });
const said = async (id) => (await product.sql(`select data, text from call_events where call_id = '${id}' and type = 'message' order by seq`)).map((e) => [e.data.role, e.text]);
const sentTo = (to, at = sim) => at.sent.filter((t) => t.to[0].phoneNumber === to).map((t) => [t.from.phoneNumber, t.text]);

test('the first text is ours: a conversation begins, and the answer comes in it', async () => {
  const them = '+15550100042';
  const first = await send(them, 'Your table is ready.', { reason: 'they asked by telephone' });
  assert.equal(first.status, 200, JSON.stringify(first.body));
  const { call_id: id, command } = first.body;
  assert.equal(command.verb, 'send-text');
  assert.match((await reaches(first, 'effect_seen')).evidence, /delivered/);
  assert.deepEqual(sentTo(them), [[OURS, 'Your table is ready.']]);
  const thread = sim.sms({ from: them, to: 'ann', text: 'On my way.' }).conversation.id;
  await until('the answer is in it', async () => (await said(id)).length === 2);
  assert.deepEqual(await said(id), [['assistant', 'Your table is ready.'], ['user', 'On my way.']]);
  const call = await get(id);
  assert.deepEqual([call.kind, call.status, call.customer.number, call.phone_number, call.provider_call_id], ['sms', 'in-progress', them, OURS, thread]);
  assert.equal((await get(thread)).id, id);
  // An answer to it, and another text to the number: the same conversation.
  assert.equal((await product.api('POST', `/api/v1/calls/${id}/commands`, { verb: 'send-text', text: 'See you.' })).status, 200);
  assert.equal((await send(them, 'Table 7.')).body.call_id, id);
  await until('they are in it', async () => (await said(id)).length === 4);
  assert.equal((await product.sql(`select 1 from calls where customer_number = '${them}'`)).length, 1);
  assert.deepEqual(sim.violations, []);
});

test('somebody has written first: a text to them goes on with that', async () => {
  const them = '+15550100043';
  const thread = sim.sms({ from: them, to: 'ann', text: 'Hello?' }).conversation.id;
  await until('the conversation is known', async () => (await get(thread)).kind === 'sms');
  assert.equal((await send(them, 'Hello!')).body.call_id, (await get(thread)).id);
});

test('the same key is the same text; another text or number with it is a conflict', async () => {
  const them = '+15550100044';
  const answers = await Promise.all([1, 2, 3].map(() => send(them, 'Once.', { key: 'text-1' })));
  assert.deepEqual(answers.map((a) => a.status), [200, 200, 200], JSON.stringify(answers.map((a) => a.body)));
  assert.equal(new Set(answers.map((a) => a.body.command.command_id)).size, 1);
  for (const [to, text] of [[them, 'Twice.'], ['+15550100045', 'Once.']]) {
    const conflict = await send(to, text, { key: 'text-1' });
    assert.equal(conflict.status, 409, JSON.stringify(conflict.body));
    assert.match(conflict.body.detail, /Idempotency-Key was used for another text/);
  }
  const again = await send(them, 'Once.', { key: 'text-1' });
  assert.equal(again.body.command?.command_id, answers[0].body.command.command_id, JSON.stringify(again.body));
  assert.deepEqual([sentTo(them), sentTo('+15550100045')], [[[OURS, 'Once.']], []]);
});

test('what cannot be is refused before anything begins; what the platform refuses is told in its words', async () => {
  const before = sim.sent.length;
  const calls = async () => (await product.sql(`select 1 from calls where customer_number = '+15550100046'`)).length;
  const refused = async (status, why, to, text, more) => {
    const answer = await send(to, text, more);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.match(answer.body.detail, why);
  };
  await refused(404, /source/, '+15550100046', 'x', { source: { id: '00000000-0000-7000-8000-000000000099' } });
  await refused(422, /E\.164/, '5550100046', 'x');
  await refused(422, /at most 1000 UTF-16 units, got 1002/, '+15550100046', '😀'.repeat(501));
  await refused(422, /not a number of this source, which sends from \+15550107101/, '+15550100046', 'x', { from: '+15550107102' });
  const vapi = await product.must('POST', '/api/v1/sources', { name: 'voice', dialect: 'vapi', project_id: world.project.id });
  await until('every shard knows the source', async () => (await Promise.all([1, 2, 3, 4].map(() => send('+15550100046', 'x', { source: vapi })))).every((a) => a.status !== 404));
  const { can } = await product.must('GET', `/api/v1/sources/${vapi.id}`);
  await refused(409, new RegExp(can['send-text'].slice(0, 20)), '+15550100046', 'x', { source: vapi });
  assert.equal(await calls(), 0);
  assert.equal(sim.sent.length, before);
  sim.permit('SMS', false);
  await refused(409, /403: .*\[SMS\] permission \(CMN-401\)/, '+15550100046', 'x');
  sim.permit('SMS', true);
  sim.messages.failing.set('+15550100047', 'SMS-CAR-104');
  assert.match((await reaches(await send('+15550100047', 'x'), 'rejected')).error, /not delivered: SMS-CAR-104/);
});

test('the core is killed while a text is on its way: it is never sent again', async () => {
  const them = '+15550100048';
  sim.fail({ mode: 'hang', when: 'after', path: '/sms' });
  const lost = send(them, 'Only once.', { key: 'text-2' }).catch(() => null);
  await until('the platform has it', () => sentTo(them).length === 1);
  await product.restarted('core', product.kill('core'));
  await product.ready();
  await lost;
  await live(main);
  const again = await send(them, 'Only once.', { key: 'text-2' });
  assert.equal(again.status, 200, JSON.stringify(again.body));
  assert.equal(again.body.command.state, 'unknown');
  await until('it is known from the message store', async () => (await said(again.body.call_id)).length === 1);
  assert.equal(sentTo(them).length, 1);
});

test('by webhook, where events only count: what became of a text is asked for', async () => {
  const address = `${product.url}/in/ringcentral/hooks`;
  const [at, source] = await connected('hooks', { events: 'webhook', address, verification: product.secret('rc-verify', VERIFICATION) });
  at.messages.stuck = true;
  const slow = await send('+15550100049', 'Slowly.', { source });
  const asked = (id) => at.rest.log.filter((r) => r.method === 'GET' && r.path.endsWith(`/message-store/${id}`));
  const { id } = at.messages.list.at(-1).message;
  await until('it is asked about', () => asked(id).length > 0, { timeoutMs: 30000 });
  Object.assign(at.messages.list.at(-1).message, { messageStatus: 'Delivered', lastModifiedTime: new Date().toISOString() });
  assert.match((await reaches(slow, 'effect_seen')).evidence, /delivered/);
  assert.deepEqual(at.violations, []);
});

test('a text is told once, also when it is asked for after its conversation was over and forgotten', { timeout: 120000 }, async () => {
  const them = '+15550100051';
  const address = `${product.url}/in/ringcentral/forgetful`;
  const [at, source] = await connected('forgetful', { events: 'webhook', address, verification: product.secret('rc-verify', VERIFICATION) }, { settings: { text_close_ms: 500, linger_ms: 100 } });
  const over = () => until('the conversation is over', async () => {
    const [call] = await product.sql(`select id, status from calls where source_id = '${source.id}'`);
    return call?.status === 'ended' && call.id;
  }, { timeoutMs: 30000 });
  const told = (id, type) => product.sql(`select data->>'message_id' as message, data->>'state' as state from call_events where call_id = '${id}' and type = '${type}' order by seq`);
  at.sms({ from: them, to: 'ann', text: 'Hello?' });
  const id = await over();
  const sent = await send(them, 'Yes?', { source });
  assert.equal(sent.body.call_id, id);
  await until('it is delivered', async () => (await told(id, 'text.delivery')).some((d) => d.state === 'delivered'), { timeoutMs: 60000 });
  await over();
  const [messages, deliveries] = [await told(id, 'message'), await told(id, 'text.delivery')];
  const asked = () => at.rest.log.filter((r) => r.method === 'GET' && r.path.endsWith('/message-store')).length;
  const before = asked();
  await product.restarted('core', product.kill('core'));
  await product.ready();
  await live(source);
  await until('the texts of the last hour are asked for', () => asked() > before, { timeoutMs: 60000 });
  at.sms({ from: them, to: 'ann', text: 'Thanks.' });
  await until('another is there', async () => (await said(id)).some(([, text]) => text === 'Thanks.'));
  assert.deepEqual(await said(id), [['user', 'Hello?'], ['assistant', 'Yes?'], ['user', 'Thanks.']]);
  assert.deepEqual((await told(id, 'message')).slice(0, 2), messages);
  assert.deepEqual(await told(id, 'text.delivery'), deliveries);
  await over();
});

// A8: what is known of a caller enters the call: as a variable of the assistant-request, or as add-message in a running call.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { readFileSync } from 'node:fs';
import { World, message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { readBody } from '../../tools/vapi-sim/lib/server.mjs';

// One server that is the customer's look-up and the provider's control URL.
class Desk {
  lookups = [];
  controls = [];
  hanging = 0;
  mostHanging = 0;
  answer = () => ({ status: 200, body: { items: [] } });
  server = http.createServer(async (request, response) => {
    const body = (await readBody(request)).toString();
    const url = new URL(request.url, 'http://desk');
    if (url.pathname.startsWith('/control')) {
      this.controls.push({ path: url.pathname, body: JSON.parse(body) });
      response.end('{}');
      return;
    }
    this.lookups.push({ url: request.url, number: url.searchParams.get('number'), headers: request.headers });
    const answer = await this.answer(url);
    if (answer === null) {
      this.mostHanging = Math.max(this.mostHanging, ++this.hanging);
      response.on('close', () => this.hanging--);
      return;
    }
    response.writeHead(answer.status, { 'content-type': 'application/json' });
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  });

  async listen() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
  }
}

const desk = new Desk();
let world;
const w = () => world;
const ANN = '+15550100001';
const INLINE = { name: 'Ava', model: { provider: 'openai', model: 'gpt-4o', messages: [{ role: 'system', content: 'own prompt' }, { role: 'user', content: 'kept' }] }, firstMessage: 'Hello.' };
const SECTION = '# What is known about this caller\n{{callmend_context}}';
let n = 0;

before(async () => {
  await desk.listen();
  world = await World.start({ tools: false });
  await w().addSource('inline', { assistant_mode: 'inline', assistant: INLINE });
});
after(async () => {
  await world?.end();
  desk.server.closeAllConnections();
  await new Promise((resolve) => desk.server.close(resolve));
});

const configure = (fields) => w().product.must('PATCH', `/api/v1/projects/${w().project.id}`, fields);
const post = (item) => w().product.must('POST', '/api/v1/context', { contact_number: ANN, ...item });
const close = (id) => w().product.must('PATCH', `/api/v1/context/${id}`, { closed: true });
const from = (number, type, call, fields = {}) => {
  const m = message(type, call, fields);
  m.message.call.customer = { number };
  m.message.call.monitor = { controlUrl: `${desk.url}/control/${call}` };
  return m;
};
async function ask(source = 'inline', number = ANN, call = `ctx-${++n}`) {
  const response = await w().product.webhook(source, from(number, 'assistant-request', call));
  assert.equal(response.status, 200);
  return { call, body: await response.json() };
}
const variable = (body) => body.assistantOverrides?.variableValues?.callmend_context;
const system = (body) => body.assistant.model.messages[0].content;
const contextOf = (call, match = () => true) => until(`context of ${call}`, async () => (await w().events(call, 'context')).find((e) => match(e.data)));
// Settings reach the shards one after another.
const asked = (what, match, ...args) => until(what, async () => {
  const answer = await ask(...args);
  return match(answer.body) && answer;
});

test('off unless the project wants it: the answer is as before', async () => {
  await post({ title: 'Order 17', text: 'is late', kind: 'order' });
  const { body, call } = await ask();
  assert.equal(body.assistantOverrides, undefined);
  assert.deepEqual(body.assistant, INLINE);
  assert.deepEqual(await w().events(call, 'context'), []);
});

test('open items are the variable callmend_context, and a section names it', async () => {
  await configure({ context: { inject: true } });
  const { body, call } = await asked('injected', (b) => variable(b)?.length > 0);
  assert.equal(variable(body), '- order, Order 17: is late');
  assert.equal(system(body), `own prompt\n\n${SECTION}`);
  assert.deepEqual(body.assistant.model.messages[1], { role: 'user', content: 'kept' });
  const event = await contextOf(call);
  assert.equal(event.data.how, 'assistant-request');
  assert.deepEqual(event.data.items.map((i) => [i.kind, i.title, i.text]), [['order', 'Order 17', 'is late']]);
  const nobody = await ask('inline', '+15550999999');
  assert.equal(variable(nobody.body), '', 'nothing is known: the variable is there and empty');
  assert.equal(system(nobody.body), 'own prompt');
});

test('a text that names the variable gets no section; instructions come first', async () => {
  await w().product.must('PUT', `/api/v1/projects/${w().project.id}/instructions`, { text: 'You are Ava. Known: {{callmend_context}}' });
  const named = await asked('instructions', (b) => system(b).startsWith('You are Ava'));
  assert.equal(system(named.body), 'You are Ava. Known: {{callmend_context}}');
  assert.equal(variable(named.body), '- order, Order 17: is late');
  await w().product.must('PUT', `/api/v1/projects/${w().project.id}/instructions`, { text: 'You are Ava.' });
  await asked('the section', (b) => system(b) === `You are Ava.\n\n${SECTION}`);
});

test('by id: the variable beside the configured ones', async () => {
  await w().addSource('by-id', { assistant_mode: 'id', assistant_id: 'as-1', variable_values: { shop: 'Sakura', callmend_context: 'forged' } });
  const { body } = await asked('by id', (b) => variable(b) === '- order, Order 17: is late', 'by-id');
  assert.equal(body.assistantOverrides.variableValues.shop, 'Sakura');
  assert.equal(body.assistant, undefined);
});

test('closed and expired items are not given; all are listed on demand', async () => {
  const { items } = await w().product.must('GET', `/api/v1/context?contact_number=${encodeURIComponent(ANN)}`);
  assert.equal(items.length, 1);
  assert.ok((await close(items[0].id)).closed_at);
  await post({ title: 'Over', expires_at: '2020-01-01T00:00:00Z' });
  const { body } = await ask();
  assert.equal(variable(body), '');
  assert.equal((await w().product.must('GET', `/api/v1/context?contact_number=${encodeURIComponent(ANN)}`)).items.length, 0);
  assert.equal((await w().product.must('GET', `/api/v1/context?contact_number=${encodeURIComponent(ANN)}&closed=true`)).items.length, 2);
  const again = await w().product.must('PATCH', `/api/v1/context/${items[0].id}`, { closed: false, text: 'is found' });
  assert.equal(again.closed_at, null);
  assert.equal(variable((await ask()).body), '- order, Order 17: is found');
  await close(items[0].id);
});

test('the look-up is asked by number with its headers, and its items come along', async () => {
  desk.answer = () => ({ status: 200, body: { items: [{ kind: 'issue', title: 'Ticket 9', text: 'broken bowl' }, 'loyal since 2019', {}, null] } });
  await configure({ context: { inject: true, lookup: { url: `${desk.url}/crm?number={number}&call={call_id}`, headers: [{ name: 'x-crm', value: 'sakura' }], timeout_ms: 1500 } } });
  const item = await post({ title: 'From the database' });
  const { body, call } = await asked('looked up', (b) => variable(b)?.includes('Ticket 9'));
  assert.deepEqual(variable(body).split('\n').sort(), ['- From the database'.replace('- ', '- note, '), '- issue, Ticket 9: broken bowl', '- loyal since 2019'].sort());
  const { url, number, headers } = desk.lookups.at(-1);
  assert.equal(number, ANN);
  assert.ok(url.includes('%2B1555'), url);
  assert.ok(url.endsWith(`call=${call}`), url);
  assert.equal(headers['x-crm'], 'sakura');
  assert.equal((await contextOf(call)).data.lookup, 'answered');
  await close(item.id);
});

test('any JSON is one item; a look-up that fails leaves the answer whole, and the event says why', async () => {
  desk.answer = () => ({ status: 200, body: { vip: true } });
  assert.equal(variable((await ask()).body), '- {"vip":true}');
  const failures = [[() => ({ status: 500, body: {} }), /status 500/], [() => ({ status: 200, body: 'no json' }), /no JSON/],
    [() => ({ status: 200, body: JSON.stringify({ text: 'x'.repeat(70000) }) }), /too long/]];
  for (const [answer, why] of failures) {
    desk.answer = answer;
    const { body, call } = await ask();
    assert.equal(system(body), 'You are Ava.');
    assert.equal(variable(body), '');
    const event = await contextOf(call);
    assert.equal(event.data.lookup, 'failed');
    assert.match(event.data.error, why);
  }
});

test('a look-up that hangs is given up at its deadline', async () => {
  await configure({ context: { inject: true, lookup: { url: `${desk.url}/crm?number={number}`, timeout_ms: 200 } } });
  desk.answer = () => null;
  const { body, call } = await asked('given up', (b) => variable(b) === '');
  assert.equal(system(body), 'You are Ava.');
  assert.match((await contextOf(call)).data.error, /lookup/);
});

test('a running call is told once when it is under way, and again when something is posted', async () => {
  desk.answer = () => ({ status: 200, body: { items: [{ kind: 'order', title: 'Order 5', text: 'lost parcel' }] } });
  await configure({ context: { inject: true, lookup: { url: `${desk.url}/crm?number={number}`, timeout_ms: 1500 } } });
  await asked('looked up', (b) => variable(b)?.includes('Order 5'));
  const call = 'running-1';
  const told = () => desk.controls.filter((c) => c.path === `/control/${call}`);
  await w().product.webhook('main', from(ANN, 'status-update', call, { status: 'ringing' }));
  await w().product.webhook('main', from(ANN, 'status-update', call, { status: 'in-progress' }));
  await until('told', () => told().length === 1);
  assert.equal(told()[0].body.type, 'add-message');
  assert.ok(JSON.stringify(told()[0].body).includes('lost parcel'));
  const event = await contextOf(call);
  assert.equal(event.data.how, 'running');
  await w().product.webhook('main', from(ANN, 'transcript', call, { role: 'user', transcriptType: 'final', transcript: 'Hello?' }));
  const item = await post({ kind: 'issue', title: 'Refund', text: 'was sent back' });
  await until('told of the new item', () => told().length === 2);
  assert.ok(JSON.stringify(told()[1].body).includes('was sent back'));
  const [command] = await until('the commands are stored', async () => {
    const rows = await w().product.sql(`select i.* from interventions i join calls c on c.id = i.call_id where c.provider_call_id = '${call}' order by i.requested_at`);
    return rows.length === 2 && rows;
  });
  assert.equal(command.actor, 'rule:context');
  await post({ contact_number: '+15550777777', title: 'Somebody else' });
  await w().product.webhook('main', from(ANN, 'transcript', call, { role: 'user', transcriptType: 'final', transcript: 'Still there?' }));
  await until('all is stored', async () => (await w().events(call, 'transcript.final')).length === 2);
  assert.equal(told().length, 2, 'nothing twice, nothing of others');
  await w().product.webhook('main', from(ANN, 'end-of-call-report', call, { endedReason: 'customer-ended-call', artifact: {} }));
  await w().ended(call);
  await close(item.id);
});

test('an item of a conversation reaches its running call', async () => {
  desk.answer = () => ({ status: 200, body: { items: [] } });
  const call = 'running-2';
  await w().product.webhook('main', from('+15550111111', 'status-update', call, { status: 'in-progress' }));
  const row = await w().storedAs(call, (r) => r.conversation_id);
  await w().product.must('POST', '/api/v1/context', { conversation_id: row.conversation_id, title: 'Vegetarian' });
  await until('told', () => desk.controls.some((c) => c.path === `/control/${call}` && JSON.stringify(c.body).includes('Vegetarian')));
});

test('PostgreSQL does not answer: no items, the look-up is used, the answer is whole', async () => {
  desk.answer = () => ({ status: 200, body: { items: [{ title: 'From the desk' }] } });
  const pid = w().product.pid('postgres');
  process.kill(pid, 'SIGSTOP');
  const workers = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  workers.forEach((p) => process.kill(p, 'SIGSTOP'));
  try {
    const { body } = await ask();
    assert.equal(variable(body), '- From the desk');
    assert.equal(system(body), `You are Ava.\n\n${SECTION}`);
  } finally {
    workers.forEach((p) => process.kill(p, 'SIGCONT'));
    process.kill(pid, 'SIGCONT');
  }
});

test('items that could not be had are asked for again by a later message, the look-up is not', async () => {
  desk.answer = () => ({ status: 200, body: { items: [{ title: 'From the desk' }] } });
  await configure({ context: { inject: true, lookup: { url: `${desk.url}/crm?number={number}`, timeout_ms: 1500 } } });
  const item = await post({ title: 'Kept for later', kind: 'order' });
  const call = 'running-again';
  const told = () => desk.controls.filter((c) => c.path === `/control/${call}`).map((c) => JSON.stringify(c.body));
  const speak = (text) => w().product.webhook('main', from(ANN, 'transcript', call, { role: 'user', transcriptType: 'final', transcript: text }));
  const pid = w().product.pid('postgres');
  process.kill(pid, 'SIGSTOP');
  const workers = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
  workers.forEach((p) => process.kill(p, 'SIGSTOP'));
  const seen = desk.lookups.length;
  try {
    await w().product.webhook('main', from(ANN, 'status-update', call, { status: 'in-progress' }));
    await until('told what the look-up knows', () => told().some((t) => t.includes('From the desk')));
    assert.ok(!told().some((t) => t.includes('Kept for later')));
  } finally {
    workers.forEach((p) => process.kill(p, 'SIGCONT'));
    process.kill(pid, 'SIGCONT');
  }
  let i = 0;
  await until('told of the item', async () => {
    await speak(`Number ${++i}?`);
    return told().some((t) => t.includes('Kept for later'));
  }, { timeoutMs: 30000, everyMs: 300 });
  await speak('And now?');
  await until('all is stored', async () => (await w().events(call, 'transcript.final')).length === i + 1);
  assert.equal(told().length, 2, 'each once');
  assert.equal(desk.lookups.length, seen + 1, 'the look-up was asked once');
  await w().product.webhook('main', from(ANN, 'end-of-call-report', call, { endedReason: 'customer-ended-call', artifact: {} }));
  await w().ended(call);
  await close(item.id);
});

test('PostgreSQL is away: the same', async () => {
  const pid = w().product.kill('postgres');
  const { body } = await ask();
  assert.equal(variable(body), '- From the desk');
  await w().product.restarted('postgres', pid);
  await until('it is back', async () => (await w().product.api('GET', '/api/v1/context')).status === 200);
});

test('what is no item, no context and no look-up is refused by name', async () => {
  const items = [[{ title: 'x' }, /contact_number/], [{ contact_number: ANN }, /title/], [{ contact_number: ANN, title: '' }, /title/],
    [{ contact_number: ANN, title: 'x'.repeat(201) }, /title/], [{ contact_number: ANN, title: 'x', text: 'y'.repeat(2001) }, /text/],
    [{ contact_number: ANN, title: 'x', kind: 'rumour' }, /kind/], [{ contact_number: ANN, title: 'x', expires_at: 'soon' }, /expires_at/],
    [{ contact_number: ANN, title: 'x', data: [] }, /data/], [{ conversation_id: 'x', title: 'x' }, /conversation_id/]];
  for (const [body, what] of items) {
    const answer = await w().product.api('POST', '/api/v1/context', body);
    assert.equal(answer.status, 422, JSON.stringify(body));
    assert.match(JSON.stringify(answer.body), what);
  }
  const contexts = [[{ inject: 'yes' }, /context\.inject/], [{ lookup: {} }, /context\.lookup\.url/], [{ lookup: { url: 'ftp://x' } }, /context\.lookup\.url/],
    [{ lookup: { url: 'http://x/', timeout_ms: 3001 } }, /context\.lookup\.timeout_ms/], [{ other: 1 }, /context\.other/],
    [{ lookup: { url: 'http://x/', headers: [{ name: 'authorization', value: 'Bearer x' }] } }, /context\.lookup\.headers\[0\]\.value/]];
  for (const [context, what] of contexts) {
    const answer = await w().product.api('PATCH', `/api/v1/projects/${w().project.id}`, { context });
    assert.equal(answer.status, 422, JSON.stringify(context));
    assert.match(JSON.stringify(answer.body), what);
  }
  const viewer = await w().product.makeToken('viewer', 'vera');
  assert.equal((await w().product.api('POST', '/api/v1/context', { contact_number: ANN, title: 'x' }, { token: viewer })).status, 403);
  assert.equal((await w().product.api('PATCH', '/api/v1/context/01890000-0000-7000-8000-000000000000', { closed: true })).status, 404);
});

test('look-ups that hang, more than may be under way, hold up no command, no webhook and no tool', { timeout: 60000 }, async () => {
  const { product } = w();
  await w().addTool('weather', { url: `${desk.url}/control/tool` });
  await configure({ context: { inject: true, lookup: { url: `${desk.url}/crm?number={number}&hang=1`, timeout_ms: 3000 } } });
  desk.answer = () => ({ status: 200, body: {} });
  await until('configured', async () => (await ask()) && desk.lookups.at(-1).url.includes('&hang=1'));
  const under = (i) => `hanging-${i}`;
  await until('none hangs', () => desk.hanging === 0);
  desk.mostHanging = 0;
  desk.answer = () => null;
  const statuses = await Promise.all(Array.from({ length: 120 }, (_, i) => product.webhook('main', from(ANN, 'status-update', under(i), { status: 'in-progress' }))));
  assert.ok(statuses.every((r) => r.status === 200));
  await until('all that may be are under way', () => desk.mostHanging >= 64); // 32 for each of two lanes
  const command = await product.must('POST', `/api/v1/calls/${under(7)}/commands`, { verb: 'say', text: 'One moment.' });
  assert.equal(command.state, 'accepted');
  const tool = await (await product.webhook('main', from(ANN, 'tool-calls', under(8), { toolCallList: [{ id: 't', name: 'weather', arguments: {} }] }))).json();
  assert.equal(tool.results[0].toolCallId, 't');
  assert.ok(desk.controls.some((c) => c.path === `/control/${under(7)}`));
  assert.ok(desk.controls.some((c) => c.path === '/control/tool'));
  assert.equal(desk.mostHanging, 64, 'never more at a time: the others wait for their turn');
  desk.answer = () => ({ status: 200, body: {} });
  for (let i = 0; i < 120; i++)
    await product.webhook('main', from(ANN, 'end-of-call-report', under(i), { endedReason: 'customer-ended-call', artifact: {} }));
});

const restarts = {
  'is killed': async () => w().product.restarted('core', w().product.kill('core')),
  'is stopped and started': async () => {
    assert.equal((await w().product.stop()).code, 0);
    await w().product.launch();
  },
};
for (const [how, restart] of Object.entries(restarts))
  test(`the core ${how} while a look-up hangs: the call is asked about again, and told once; who was told before is not told again`, async () => {
    await configure({ context: { inject: true, lookup: { url: `${desk.url}/crm?number={number}&call={call_id}`, timeout_ms: 3000 } } });
    desk.answer = () => ({ status: 200, body: {} });
    await until('configured', async () => (await ask()) && desk.lookups.at(-1).url.includes('&call='));
    const of = (call) => desk.lookups.filter((l) => l.url.endsWith(`call=${call}`)).length;
    const told = (call) => desk.controls.filter((c) => c.path === `/control/${call}`).map((c) => JSON.stringify(c.body));
    const say = async (call, text) => (await w().product.webhook('main', from(ANN, 'transcript', call, { role: 'user', transcriptType: 'final', transcript: text })).catch(() => ({}))).status === 200;
    const [before, during] = [`before-${++n}`, `during-${n}`];
    desk.answer = () => ({ status: 200, body: { items: [{ kind: 'order', title: `Order of ${how}`, text: 'lost parcel' }] } });
    await w().product.webhook('main', from(ANN, 'status-update', before, { status: 'in-progress' }));
    await until('the first is told', () => told(before).length === 1);
    desk.answer = () => null;
    await w().product.webhook('main', from(ANN, 'status-update', during, { status: 'in-progress' }));
    await until('the look-up hangs', () => of(during) === 1);
    await restart();
    desk.answer = () => ({ status: 200, body: { items: [{ kind: 'order', title: `Order of ${how}`, text: 'lost parcel' }] } });
    for (const call of [before, during])
      await until('heard again', () => say(call, 'Hello?'));
    await until('told after all', () => told(during).length === 1);
    for (const call of [before, during])
      await until('heard', () => say(call, 'Still there?'));
    for (const call of [before, during]) {
      await until('all is stored', async () => (await w().events(call, 'transcript.final')).some((e) => e.text === 'Still there?'));
      assert.equal(told(call).length, 1, `${call}: ${told(call)}`);
      assert.ok(told(call)[0].includes('lost parcel'));
    }
    assert.deepEqual([of(before), of(during)], [1, 2]);
    assert.deepEqual((await w().events(before, 'context')).map((e) => e.data.lookup), ['answered']);
    assert.deepEqual((await w().events(during, 'context')).map((e) => e.data.lookup), ['answered']);
  });

// The last: the product is down then.
test('the core stops while look-ups hang: who waits is answered with what is there', async () => {
  await configure({ context: { inject: true, lookup: { url: `${desk.url}/crm?number={number}`, timeout_ms: 3000 } } });
  desk.answer = () => null;
  const seen = desk.lookups.length;
  const requests = Array.from({ length: 8 }, () => ask().catch((error) => error));
  await until('they hang', () => desk.lookups.length >= seen + 8);
  const earlier = w().product.log().length;
  const { code } = await w().product.stop();
  assert.equal(code, 0);
  for (const answer of await Promise.all(requests))
    if (!(answer instanceof Error))
      assert.equal(system(answer.body), 'You are Ava.');
  const log = w().product.log().slice(earlier);
  assert.ok(!/CHECK|Assertion|signal|Sanitizer/.test(log), log);
});

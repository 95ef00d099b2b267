// B1: HTTP tools - executed and answered in time, else the fallback; always 200; every call logged with all its fields.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after });
let n = 0;

async function callTool(name, args = {}, { call = `tool-call-${++n}`, id = 'call_1', source = 'main' } = {}) {
  const response = await w().product.webhook(source, message('tool-calls', call, { toolCallList: [{ id, type: 'function', function: { name, arguments: args } }] }));
  assert.equal(response.status, 200, 'always 200');
  const { results } = await response.json();
  assert.equal(results.length, 1);
  assert.equal(results[0].toolCallId, id);
  assert.equal(results[0].name, name);
  return { ...results[0], call };
}

async function row(call) {
  return until(`tool call of ${call} is stored`, async () => {
    const rows = await w().product.sql(`select t.* from tool_calls t join calls c on c.id = t.call_id where c.provider_call_id = '${call}' and t.success is not null`);
    return rows[0];
  });
}

async function tool(name, path, fields = {}) {
  await w().addTool(name, { url: w().toolServer.url + path, ...fields });
  await until(`${name} is served`, async () => {
    const probe = await callTool(name, { probe: true }, { call: `probe-${name}-${++n}` });
    return w().toolServer.requests.some((r) => r.path === path.split('?')[0]) && probe;
  });
}

test('success: a result of one line, and a row with every field of B1', async () => {
  const answer = await callTool('find_table', { day: 'Friday', guests: '4' });
  assert.equal(typeof answer.result, 'string');
  assert.ok(!answer.result.includes('\n'));
  assert.ok(answer.result.includes('Friday'));
  assert.ok(!answer.error);
  const stored = await row(answer.call);
  assert.equal(stored.tool, 'find_table');
  assert.equal(stored.tool_call_id, 'call_1');
  assert.deepEqual(stored.arguments, { day: 'Friday', guests: '4' });
  assert.equal(stored.success, true);
  assert.equal(stored.error, null);
  assert.equal(stored.fallback, false);
  assert.ok(stored.started_at && stored.duration_ms >= 0 && stored.result);
  assert.equal(stored.run_by, 'callmend');
});

test('every shape of a tool call is understood, several in one message are all answered in order', async () => {
  const shapes = [{ id: 'a', type: 'function', function: { name: 'find_table', arguments: { day: 'Monday', guests: '1' } } },
    { id: 'b', type: 'function', function: { name: 'find_table', arguments: '{"day":"Tuesday","guests":"2"}' } },
    { id: 'c', name: 'find_table', arguments: { day: 'Wednesday', guests: '3' } }, { id: 'd', name: 'find_table', parameters: { day: 'Thursday', guests: '4' } }];
  const response = await w().product.webhook('main', message('tool-calls', 'tool-shapes', { toolCallList: shapes }));
  const { results } = await response.json();
  assert.deepEqual(results.map((r) => r.toolCallId), ['a', 'b', 'c', 'd']);
  ['Monday', 'Tuesday', 'Wednesday', 'Thursday'].forEach((day, i) => assert.ok(results[i].result.includes(day), JSON.stringify(results[i])));
});

test('a failing tool: the fallback message, 200, a row that says why', async () => {
  const answer = await callTool('cancel_booking', { name: 'Berger' });
  assert.ok(JSON.stringify(answer).includes('a colleague will call you back'));
  const stored = await row(answer.call);
  assert.equal(stored.success, false);
  assert.equal(stored.fallback, true);
  assert.match(stored.error, /500/);
});

test('200 with nothing found is a failure', async () => {
  const answer = await callTool('search_products', { query: 'dragon platter' });
  const stored = await row(answer.call);
  assert.equal(stored.success, false);
  assert.match(stored.error, /found nothing|empty|nothing/i);
});

test('too slow: the fallback within the timeout, never later than 15 s', async () => {
  await w().addTool('slow', { url: `${w().toolServer.url}/slow?ms=30000`, timeout_ms: 600, fallback: 'That takes too long.' });
  const answer = await until('tool known', async () => {
    const a = await callTool('slow', {});
    return JSON.stringify(a).includes('That takes too long.') && a;
  });
  const stored = await row(answer.call);
  assert.equal(stored.success, false);
  assert.equal(stored.fallback, true);
  assert.ok(stored.duration_ms < 15000);
  const refused = await w().product.api('POST', `/api/v1/projects/${w().project.id}/tools`, { name: 'x', url: 'http://127.0.0.1:9/', timeout_ms: 15001 });
  assert.equal(refused.status, 422);
});

test('connection reset and nobody listening: fallback and a row', async () => {
  await tool('resetting', '/reset', { fallback: 'Sorry.' });
  const reset = await callTool('resetting');
  assert.ok(JSON.stringify(reset).includes('Sorry.'));
  assert.equal((await row(reset.call)).success, false);
  await w().addTool('nobody', { url: 'http://127.0.0.1:1/none', fallback: 'Nobody there.' });
  await until('tool known', async () => JSON.stringify(await callTool('nobody')).includes('Nobody there.'));
});

test('success rules: status, JSON path, pattern, result path', async () => {
  await w().addTool('strict', { url: `${w().toolServer.url}/orders`, success: { json_path: 'order.status', pattern: 'shipped' }, result_path: 'order.status' });
  const good = await until('tool known', async () => {
    const a = await callTool('strict', { number: '1' });
    return a.result === 'shipped' && a;
  });
  assert.equal((await row(good.call)).success, true);
  await w().addTool('pattern', { url: `${w().toolServer.url}/orders`, success: { pattern: 'delivered' } });
  const bad = await until('tool known', async () => {
    const a = await callTool('pattern', { number: '1' });
    return w().toolServer.requests.at(-1).path === '/orders' && a;
  });
  assert.equal((await row(bad.call)).success, false);
});

test('text of several lines becomes one line', async () => {
  await tool('text', '/text');
  const answer = await callTool('text');
  assert.ok(answer.result.includes('Two lines') && answer.result.includes('of plain text.') && !answer.result.includes('\n'));
});

test('requests carry an Idempotency-Key, arguments as body or query, and reuse connections', async () => {
  await w().addTool('by_get', { url: `${w().toolServer.url}/orders`, method: 'GET', headers: [{ name: 'x-shop', value: 'sakura' }] });
  await until('tool known', async () => {
    await callTool('by_get', { number: '772', q: 'a b&c' });
    return w().toolServer.requests.at(-1).method === 'GET';
  });
  const request = w().toolServer.requests.at(-1);
  assert.deepEqual(request.args, { number: '772', q: 'a b&c' });
  assert.equal(request.headers['x-shop'], 'sakura');
  assert.match(request.key, /^[0-9a-f-]{36}$/);
  const connections = w().toolServer.connections;
  const requests = w().toolServer.requests.length;
  for (let i = 0; i < 12; i++)
    await callTool('find_table', { day: 'Friday', guests: String(i) }, { call: 'keep-alive', id: `call_${i}` });
  assert.equal(w().toolServer.requests.length, requests + 12);
  assert.ok(w().toolServer.connections - connections <= 2, 'kept alive');
  const keys = w().toolServer.requests.map((r) => r.key);
  assert.equal(new Set(keys).size, keys.length);
});

test('tool calls answered elsewhere are logged from the history', async () => {
  const sim = await w().simulator('main', { speed: 200 });
  const scenario = { name: 'elsewhere', assistant: { name: 'A', prompt: ['p'], tools: [{ name: 'crm' }] },
    script: [{ user: 'hello' }, { tool: 'crm', arguments: { q: 1 }, elsewhere: true, result: 'Customer since 2019.' }, { assistant: 'Welcome back.' }] };
  const [call] = await sim.finished(sim.start(scenario, 1));
  const stored = await row(call.id);
  assert.equal(stored.run_by, 'elsewhere');
  assert.equal(stored.tool, 'crm');
  assert.ok(JSON.stringify(stored.result).includes('Customer since 2019.'));
});

test('feedback and correction of a person', async () => {
  const answer = await callTool('search_products', { query: 'ramen' });
  const stored = await row(answer.call);
  await w().product.must('PATCH', `/api/v1/tool-calls/${stored.id}`, { user_feedback: 'not_helpful', correction: { mapped_terms: ['noodle soup'] } });
  const [changed] = await w().product.sql(`select user_feedback, correction from tool_calls where id = '${stored.id}'`);
  assert.equal(changed.user_feedback, 'not_helpful');
  assert.equal((await w().product.api('PATCH', `/api/v1/tool-calls/${stored.id}`, { user_feedback: 'great' })).status, 422);
  assert.equal((await w().product.api('PATCH', '/api/v1/tool-calls/01890000-0000-7000-8000-000000000000', { user_feedback: 'helpful' })).status, 404);
});

test('B4: analytics of tools: success rate and latency', async () => {
  const text = JSON.stringify(await w().product.must('GET', '/api/v1/vapi/analytics/tools'));
  assert.ok(text.includes('find_table') && text.includes('search_products'));
  await w().product.must('GET', '/api/v1/vapi/analytics/calls');
});

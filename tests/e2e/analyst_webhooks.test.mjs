// Notifications on real processes (C5): the list, the live socket, and outbound webhooks as Standard Webhooks: signed, tried again, given up,
// sent again, switched off.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Hook, verify } from './lib/hook.mjs';
import { Product } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

const ORG = '00000000-0000-7000-8000-000000000001';

let product;
const hooks = [];
const newSecret = () => `whsec_${randomBytes(24).toString('base64')}`;

before(async () => {
  product = await Product.start({ config: { analyst: { lease_ms: '2s' }, webhooks: { first_retry_ms: '1ms' } } });
});
after(async () => {
  await Promise.all(hooks.map((hook) => hook.close()));
  await product?.destroy();
});

let names = 0;
async function endpoint(hook, fields = {}) {
  hooks.push(await hook.listen());
  hook.secret = newSecret();
  return product.must('POST', '/api/v1/webhook-endpoints', { url: hook.url, secret: product.secret(`hook-${++names}`, `${hook.secret}\n`), ...fields });
}

const putAway = (e) => product.must('DELETE', `/api/v1/webhook-endpoints/${e.id}`);

const notify = (type, title) => product.exec(`select callmend_notify('${ORG}', null, '${type}', '${title}', 'look', 'high', null, '{"projectId": null}')`);

const deliveries = async (e) => (await product.must('GET', `/api/v1/webhook-endpoints/${e.id}/deliveries`)).deliveries;

const settled = (e, state, match = () => true) => until(`a delivery is ${state}`, async () => (await deliveries(e)).find((d) => d.state === state && match(d)));

// Time goes by: whatever waits for its next attempt is due.
const later = () => product.exec(`update jobs set run_at = now() where kind = 'deliver' and state = 'queued'; notify callmend_job`);

test('a notification reaches the list, who watches, and the endpoint that asked for it, signed', async () => {
  const hook = new Hook();
  const e = await endpoint(hook, { types: ['tool_failure'] });
  const viewer = await product.makeToken('viewer', 'wall');
  const live = await product.live({ token: viewer, subscribe: null });
  await live.until('hello', (c) => c.messages.some((m) => m.type === 'hello'));
  await notify('mapping_proposed', 'nobody asked for this by webhook');
  await notify('tool_failure', 'the shop is down ü "quoted"');
  const pushed = await live.until('notification', (c) => c.messages.find((m) => m.type === 'notification' && m.notification.type === 'tool_failure'));
  assert.equal(pushed.notification.title, 'the shop is down ü "quoted"');
  assert.equal(live.messages.filter((m) => m.type === 'notification').length, 2, 'watchers hear of all types, each once');
  const { notifications } = await product.must('GET', '/api/v1/notifications?type=tool_failure');
  assert.deepEqual(notifications[0], pushed.notification);
  const delivery = await settled(e, 'delivered');
  assert.equal(hook.requests.length, 1);
  const [{ headers, body, json }] = hook.requests;
  assert.ok(verify(hook.secret, headers, body), 'the signature is the receiver\'s');
  assert.ok(!verify(newSecret(), headers, body), 'and of no other secret');
  assert.ok(!verify(hook.secret, headers, `${body} `), 'nor of another body');
  assert.equal(headers['webhook-id'], delivery.id);
  assert.equal(headers['content-type'], 'application/json');
  assert.ok(Math.abs(Number(headers['webhook-timestamp']) - Date.now() / 1000) < 120);
  assert.equal(json.type, 'tool_failure');
  assert.equal(json.data.id, pushed.notification.id);
  assert.ok(Date.parse(json.timestamp));
  live.close();
  await putAway(e);
});

test('what fails is tried again under the same id, later when asked so', async () => {
  const hook = new Hook({ status: 500 }, { status: 302, headers: { location: 'http://127.0.0.1:1/' } }, { status: 429, headers: { 'retry-after': '3600' } });
  const e = await endpoint(hook);
  await notify('tool_failure', 'again');
  const waiting = await until('told to wait', async () => (await deliveries(e)).find((d) => d.last_status === 429));
  assert.equal(waiting.attempts, 3, '302 is followed to nowhere: a failure');
  assert.match(waiting.last_error, /429/);
  assert.ok(Date.parse(waiting.next_at) - Date.now() > 3000 * 1000, 'Retry-After counts, not the schedule');
  await later();
  const done = await settled(e, 'delivered');
  assert.equal(done.attempts, 4);
  assert.deepEqual([done.last_status, done.last_error, done.next_at], [204, null, null]);
  assert.equal(new Set(hook.requests.map((r) => r.headers['webhook-id'])).size, 1);
  assert.equal(new Set(hook.requests.map((r) => r.body)).size, 1);
  for (const { headers, body } of hook.requests)
    assert.ok(verify(hook.secret, headers, body));
  await putAway(e);
});

test('while a secret is rotated both are good; one that cannot be used is named, never quoted', async () => {
  const hook = new Hook();
  const e = await endpoint(hook);
  const next = newSecret();
  product.secret('next', next);
  const patch = (fields) => product.must('PATCH', `/api/v1/webhook-endpoints/${e.id}`, fields);
  await patch({ secret: [{ file: 'next' }, e.secret] });
  await notify('tool_failure', 'rotating');
  await settled(e, 'delivered');
  const [{ headers, body }] = hook.requests;
  assert.ok(verify(hook.secret, headers, body) && verify(next, headers, body));
  product.secret('bad', 'hunter2');
  await patch({ secret: { file: 'bad' } });
  await notify('tool_failure', 'bad secret');
  const failed = await until('failed', async () => (await deliveries(e)).find((d) => d.state === 'pending' && d.attempts > 0));
  assert.match(failed.last_error, /whsec_/);
  assert.ok(!JSON.stringify(failed).includes('hunter2') && !product.log().includes('hunter2'));
  assert.equal(hook.requests.length, 1, 'nothing leaves unsigned');
  await patch({ secret: { file: 'next' } });
  await later();
  await until('delivered after all', async () => (await deliveries(e)).every((d) => d.state === 'delivered'));
  await putAway(e);
});

test('410 switches the endpoint off, and the others are told', async () => {
  const other = new Hook();
  const told = await endpoint(other, { types: ['webhook_disabled'] });
  const e = await endpoint(new Hook({ status: 410 }));
  await notify('tool_failure', 'the last one');
  const dead = await settled(e, 'dead');
  assert.equal(dead.attempts, 1);
  const now = await product.must('GET', `/api/v1/webhook-endpoints/${e.id}`);
  assert.match(now.disabled_because, /410/);
  await settled(told, 'delivered');
  assert.equal(other.requests[0].json.data.metadata.endpointId, e.id);
  await notify('tool_failure', 'nobody there');
  assert.equal((await deliveries(e)).length, 1, 'nothing more is put for it');
  const refused = await product.api('POST', `/api/v1/webhook-endpoints/${e.id}/deliveries/${dead.id}/resend`);
  assert.equal(refused.status, 409);
  await product.must('PATCH', `/api/v1/webhook-endpoints/${e.id}`, { disabled: false });
  await product.must('POST', `/api/v1/webhook-endpoints/${e.id}/deliveries/${dead.id}/resend`);
  const again = await settled(e, 'delivered');
  assert.equal(again.id, dead.id);
  await putAway(e);
  await putAway(told);
});

test('given up after ten attempts; five given up in a row switch the endpoint off', { timeout: 180000 }, async () => {
  const hook = new Hook();
  hook.answers = { length: 1, shift: () => ({ status: 503, body: 'x'.repeat(100) }) };
  const e = await endpoint(hook);
  await notify('tool_failure', 'in vain 1');
  const dead = await until('given up', async () => {
    await later();
    return (await deliveries(e)).find((d) => d.state === 'dead');
  }, { timeoutMs: 60000 });
  assert.equal(dead.attempts, 10);
  assert.equal(hook.requests.length, 10);
  assert.equal((await product.sql(`select * from jobs where key = '${dead.id}'`)).length, 0, 'its dead letter is the delivery');
  assert.equal((await product.must('GET', `/api/v1/webhook-endpoints/${e.id}`)).disabled_at, null, 'one is not enough');
  for (let i = 2; i <= 5; i++)
    await notify('tool_failure', `in vain ${i}`);
  await until('switched off', async () => {
    await later();
    return (await product.must('GET', `/api/v1/webhook-endpoints/${e.id}`)).disabled_at;
  }, { timeoutMs: 90000 });
  const off = await product.must('GET', `/api/v1/webhook-endpoints/${e.id}`);
  assert.match(off.disabled_because, /last 5.*503/);
  assert.equal(off.deliveries.dead, 5);
  await putAway(e);
});

test('killed while it waits for the answer: sent again under the same id', { timeout: 60000 }, async () => {
  const hook = new Hook(null);
  const e = await endpoint(hook);
  await notify('tool_failure', 'killed');
  await until('it was sent', () => hook.requests.length === 1);
  const pid = product.kill('analyst-1');
  assert.ok(pid);
  await product.restarted('analyst-1', pid);
  const done = await settled(e, 'delivered');
  assert.equal(hook.requests.length, 2);
  assert.equal(hook.requests[1].headers['webhook-id'], done.id);
  assert.equal(hook.requests[0].headers['webhook-id'], done.id);
  await putAway(e);
});

test('an endpoint that was put away gets nothing any more', async () => {
  const hook = new Hook({ status: 500, headers: { 'retry-after': '3600' } });
  const e = await endpoint(hook);
  await notify('tool_failure', 'too late');
  await until('failed once', async () => (await deliveries(e))[0]?.attempts === 1);
  await putAway(e);
  await later();
  const dead = await settled(e, 'dead');
  assert.match(dead.last_error, /switched off/);
  assert.equal(dead.attempts, 1);
  assert.equal(hook.requests.length, 1);
});

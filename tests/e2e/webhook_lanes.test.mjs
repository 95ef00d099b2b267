// Outbound webhooks beside each other: receivers that hang hold up nobody, two analysts never send the same delivery, and what is told of a failure can be
// stored whatever it quotes.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Hook } from './lib/hook.mjs';
import { BINARY, Product } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

const ORG = '00000000-0000-7000-8000-000000000001';
let product, names = 0;
const hooks = [];

before(async () => {
  product = new Product({ config: { webhooks: { timeout_ms: '500ms' } } });
  // A reason has room for 255 bytes; that of a secret that is missing, "open FOLDER/...", is cut in the middle of an ü.
  const folder = join(product.dir, 'ü'.repeat(60));
  product.secretsDir = join(folder, (Buffer.byteLength(`open ${folder}/`) % 2 ? 'a' : '') + 'ü'.repeat(80));
  mkdirSync(product.secretsDir, { recursive: true, mode: 0o700 });
  await product.launch();
  await product.makeToken();
});
after(async () => {
  await Promise.all(hooks.map((hook) => hook.close()));
  await product?.destroy();
});

async function endpoint(hook, type) {
  hooks.push(await hook.listen());
  const secret = product.secret(`hook-${++names}`, `whsec_${randomBytes(24).toString('base64')}`);
  return product.must('POST', '/api/v1/webhook-endpoints', { url: hook.url, secret, types: [type] });
}
const get = (e) => product.must('GET', `/api/v1/webhook-endpoints/${e.id}`);
const deliveries = async (e) => (await product.must('GET', `/api/v1/webhook-endpoints/${e.id}/deliveries`)).deliveries;
const putAway = (e) => product.must('DELETE', `/api/v1/webhook-endpoints/${e.id}`);
const notify = (type, title) => product.exec(`select callmend_notify('${ORG}', null, '${type}', '${title}', 'look', 'high', null, '{}')`);
// Time goes by: pauses and rests are over.
const later = () => product.exec(`update webhook_endpoints set put_off_until = now() where put_off_until > now();
  update jobs set run_at = now() where kind = 'deliver' and state = 'queued'; notify callmend_job`);

// Answers nothing until it is told to; counts how many of all of these are asked at a time.
const asked = { now: 0, most: 0 };
class HangingHook extends Hook {
  hangs = true;

  async listen() {
    this.server.prependListener('request', (request, response) => {
      if (!this.hangs)
        return;
      this.answers.push(null);
      asked.most = Math.max(asked.most, ++asked.now);
      response.on('close', () => asked.now--);
    });
    return super.listen();
  }
}

test('two receivers that hang do not hold up a third: they are put off, then tried one at a time', { timeout: 120000 }, async () => {
  const hanging = [new HangingHook(), new HangingHook()], good = new Hook();
  const ends = await Promise.all(hanging.map((hook) => endpoint(hook, 'tool_failure')));
  const fine = await endpoint(good, 'mapping_proposed');
  for (let i = 0; i < 3; i++)
    await notify('tool_failure', `nobody answers ${i}`);
  await notify('mapping_proposed', 'behind all of those');
  await until('the third has its own', () => good.requests.length === 1);
  assert.deepEqual(hanging.map((hook) => hook.requests.length), [1, 1], 'their other deliveries wait');
  for (const e of ends) {
    const now = await until('it is put off', async () => (await get(e)).put_off_until && get(e));
    assert.ok(Date.parse(now.put_off_until) > Date.parse(now.updated_at));
  }
  assert.equal((await get(fine)).put_off_until, null);
  await until('nobody is asked any more', () => asked.now === 0);
  asked.most = 0;
  await until('both were tried again', async () => {
    await later();
    return hanging.every((hook) => hook.requests.length >= 4);
  }, { timeoutMs: 60000, everyMs: 200 });
  assert.equal(asked.most, 1, 'never both at a time');
  hanging.forEach((hook) => (hook.hangs = false));
  await product.must('PATCH', `/api/v1/webhook-endpoints/${ends[0].id}`, { description: 'mended' });
  assert.equal((await get(ends[0])).put_off_until, null, 'whoever changes it wants it tried');
  for (const e of ends)
    await until('all is delivered', async () => {
      await later();
      return (await deliveries(e)).every((d) => d.state === 'delivered');
    });
  for (const e of ends)
    assert.equal((await get(e)).put_off_until, null);
  assert.deepEqual((await product.sql(`select timeouts from webhook_endpoints`)).map((r) => r.timeouts), [0, 0, 0]);
  await Promise.all([...ends, fine].map(putAway));
});

test('two analysts that reach for the same delivery at the same moment: it is sent once', { timeout: 60000 }, async () => {
  const waiting = async () => (await product.sql(`select pid from pg_stat_activity where wait_event_type = 'Lock' and wait_event = 'advisory'`)).length;
  const second = spawn(BINARY, ['analyst', '--config', product.configFile], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '', answer;
  second.stderr.on('data', (bytes) => (log += bytes));
  const ended = new Promise((resolve) => second.on('exit', resolve));
  const hook = new Hook(new Promise((resolve) => (answer = resolve)));
  try {
    await until('the second analyst is there', () => /ready/.test(log));
    const e = await endpoint(hook, 'tool_failure');
    const gate = product.exec(`select pg_advisory_lock(hashtext('callmend_deliver_claim')); select pg_sleep(60)`).catch(() => {});
    await until('the gate is closed', async () => (await product.sql(`select 1 from pg_stat_activity where query like '%pg_sleep(60)' and wait_event = 'PgSleep'`)).length === 1);
    await notify('tool_failure', 'for one of you');
    await until('all four lanes reach for it', async () => (await waiting()) === 4); // two of each analyst
    await product.exec(`select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)' and wait_event = 'PgSleep'`);
    await gate;
    await until('all have looked', async () => (await waiting()) === 0 && hook.requests.length > 0);
    assert.equal((await product.sql(`select 1 from jobs where kind = 'deliver' and state = 'running'`)).length, 1);
    answer({ status: 204 });
    const delivery = await until('it is delivered', async () => (await deliveries(e)).find((d) => d.state === 'delivered'));
    assert.deepEqual([delivery.attempts, hook.requests.length], [1, 1]);
    await putAway(e);
  } finally {
    answer({ status: 204 });
    second.kill('SIGTERM');
    await ended;
  }
});

test('the reason of a failure is stored though it was cut in the middle of a character', async () => {
  const e = await endpoint(new Hook(), 'tool_failure');
  await product.must('PATCH', `/api/v1/webhook-endpoints/${e.id}`, { secret: { file: 'nowhere' } });
  await notify('tool_failure', 'with a secret that is not there');
  const failed = await until('it has failed', async () => (await deliveries(e)).find((d) => d.attempts === 1));
  assert.match(failed.last_error, /^open .*üüü\ufffd$/);
  await putAway(e);
});

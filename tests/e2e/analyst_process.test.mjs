// The analyst as a process: started and started again by the parent, gone with it, stopping in order, waiting for PostgreSQL, once on demand;
// what was given up is seen and tried again by the API.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import http from 'node:http';
import { Product, BINARY, alive } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

const ORG = '00000000-0000-7000-8000-000000000001';
const key = 'c0ffee00-0000-7000-8000-000000000001';

let product;
before(async () => {
  product = await Product.start({ config: { analyst: { processes: 2, lease_ms: '1s', drain_limit_ms: '2s' } } });
});
after(() => product?.destroy());

const analysts = () => [1, 2].map((n) => product.pid(`analyst-${n}`)).filter((pid) => pid && alive(pid));

// A delivery that does not exist can never succeed.
const putHopeless = (id) => product.exec(`select callmend_job('deliver', '${id}', '${ORG}', null, 0)`);
const job = async (id) => (await product.sql(`select * from jobs where key = '${id}'`))[0];

test('as many as configured, each started again when it is killed', async () => {
  const first = await until('both run', () => (analysts().length === 2 ? analysts() : null));
  for (const [i, pid] of first.entries()) {
    assert.equal(product.kill(`analyst-${i + 1}`), pid);
    await product.restarted(`analyst-${i + 1}`, pid);
  }
  assert.match(product.log(), /analyst-1 ended \(status 0, signal 9\), starting it again/);
  await until('both run again', () => analysts().length === 2);
  assert.ok(analysts().every((pid) => !first.includes(pid)));
});

test('what can never succeed is a dead letter: seen, tried again and audited', async () => {
  await putHopeless(key);
  await until('given up', async () => (await job(key))?.state === 'dead');
  const { jobs } = await product.must('GET', '/api/v1/jobs?state=dead&kind=deliver');
  assert.equal(jobs[0].error, 'there is no such delivery');
  await until('counted', async () => (await product.metric('callmend_jobs_dead')) === 1, { timeoutMs: 20000 });
  const retried = await product.must('POST', `/api/v1/jobs/deliver/${key}/retry?reason=try`);
  assert.equal(retried.state, 'queued');
  await until('given up again', async () => (await job(key))?.state === 'dead');
  const { entries } = await product.must('GET', `/api/v1/audit?object_kind=job`);
  assert.equal(entries[0].action, 'retry');
  assert.equal(entries[0].reason, 'try');
  await product.exec('delete from jobs');
});

test('PostgreSQL away: they wait and go on', { timeout: 90000 }, async () => {
  const before = analysts();
  const old = product.kill('postgres');
  await product.restarted('postgres', old);
  await until('the job is done', async () => {
    try {
      if (!(await job(key)))
        await putHopeless(key);
      return (await job(key)).state === 'dead';
    } catch {
      return false; // not back yet
    }
  }, { timeoutMs: 60000 });
  assert.deepEqual(analysts(), before, 'nobody died of it');
  await product.exec('delete from jobs');
});

test('--once does what is due and ends', { timeout: 60000 }, async () => {
  const alone = await Product.start({ config: { analyst: { processes: 0 } } });
  try {
    assert.deepEqual(readdirSync(join(alone.stateDir, 'run')).filter((f) => f.startsWith('analyst')), []);
    await alone.exec(`select callmend_job('deliver', '${key}', '${ORG}', null, 0), callmend_job('deliver', 'later', '${ORG}', null, 3600000)`);
    const once = await alone.cli(['analyst', '--once', '--config', alone.configFile]);
    assert.equal(once.code, 0, once.stderr);
    assert.match(once.stdout, /^\d+ jobs\n$/);
    assert.deepEqual((await alone.sql(`select key, state from jobs where kind = 'deliver' order by key`)), [{ key, state: 'dead' }, { key: 'later', state: 'queued' }]);
  } finally {
    await alone.destroy();
  }
  const nobody = await product.cli(['analyst', '--once'], { env: { CALLMEND_DATABASE_URL: 'postgresql://127.0.0.1:1/nowhere' } });
  assert.equal(nobody.code, 1);
});

test('--help says what it does', async () => {
  const { code, stdout } = await product.cli(['analyst', '--help']);
  assert.equal(code, 0);
  assert.match(stdout, /--once/);
  assert.match(stdout, /analyst\.processes/);
});

// A receiver that never answers keeps the analyst at its job.
async function busyAnalyst(run) {
  let asked = 0;
  const server = http.createServer(() => asked++);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hook = await product.must('POST', '/api/v1/webhook-endpoints', { url: `http://127.0.0.1:${server.address().port}/`,
    secret: product.secret('silent', `whsec_${Buffer.alloc(24, 7).toString('base64')}`) });
  try {
    await product.exec(`select callmend_notify('${ORG}', null, 'tool_failure', 'busy', 'x', 'low', null, null)`);
    await until('at work', () => asked > 0);
    await run();
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await product.api('DELETE', `/api/v1/webhook-endpoints/${hook.id}`);
  }
}

test('SIGTERM: at once when idle, after the drain limit when not', { timeout: 60000 }, async () => {
  const env = { ...process.env, CALLMEND_DATABASE_URL: (await product.sql(`select setting from pg_settings where name = 'unix_socket_directories'`))
    .map(({ setting }) => `postgresql:///callmend?host=${encodeURIComponent(setting)}&user=callmend`)[0] };
  const own = spawn(BINARY, ['analyst', '--config', product.configFile], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  own.stderr.on('data', (text) => (said += text));
  const ended = new Promise((resolve) => own.on('exit', (code, signal) => resolve({ code, signal })));
  await until('ready', () => said.includes('analyst: ready'));
  own.kill('SIGTERM');
  assert.deepEqual(await ended, { code: 0, signal: null });
  assert.match(said, /analyst: stopping/);
  await busyAnalyst(async () => {
    const busy = (await product.sql(`select owner from jobs where kind = 'deliver' and state = 'running'`))[0].owner.split(':')[1];
    process.kill(Number(busy), 'SIGTERM');
    await until('it has left', () => !alive(Number(busy)));
    assert.match(product.log(), /not done within analyst\.drain_limit_ms/);
  });
});

test('they go with their parent, however it goes', { timeout: 60000 }, async () => {
  await until('both run', () => analysts().length === 2);
  const pids = analysts();
  product.kill('parent');
  await until('gone', () => pids.every((pid) => !alive(pid)), { timeoutMs: 20000 });
  await product.exit;
  await product.launch();
  await until('both run', () => analysts().length === 2);
  const again = analysts();
  const { code } = await product.stop();
  assert.equal(code, 0);
  assert.ok(again.every((pid) => !alive(pid)));
  assert.ok(!existsSync(join(product.stateDir, 'run', 'analyst-1.pid')));
});

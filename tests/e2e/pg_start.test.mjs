// Starts and stops beside a PostgreSQL that is silent, spoilt, not there, or there later: webhooks are taken meanwhile (A1, I2).
import test from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync, mkdirSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { World, message } from './lib/world.mjs';
import { nothingLeft, processesOf, read, readyz, stopped } from './lib/processes.mjs';
import { Product, alive } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

// A server of this folder that does not answer, left by a parent that was killed: what a start finds after the worst.
async function restartWithSilentPostgres(world) {
  const { product } = world;
  const postgres = product.kill('postgres', 'SIGSTOP');
  const core = product.pid('core');
  product.kill('parent');
  await product.exit;
  await until('the core has noticed', () => !alive(core));
  await product.launch({ ready: false });
  return postgres;
}

test('a restart serves webhooks before PostgreSQL answers; a core that dies meanwhile is started again; nothing is lost', async () => {
  const world = await World.start({ tools: false });
  const { product } = world;
  let postgres;
  try {
    await until('sources are in the local copy', () => read(join(product.stateDir, 'directory.json')).includes('"main"'));
    postgres = await restartWithSilentPostgres(world);
    await until('webhooks are taken', async () => (await product.webhook('main', message('status-update', 'early', { status: 'in-progress' }))).status === 200);
    const now = await readyz(product);
    assert.deepEqual([now.status, now.database], [200, 'away']);
    assert.doesNotMatch(product.log(), /taking over/);
    const old = product.kill('core');
    assert.ok(old);
    await product.restarted('core', old);
    assert.equal((await product.webhook('main', message('transcript', 'early', { role: 'user', transcriptType: 'final', transcript: 'said early' }))).status, 200);
    process.kill(postgres, 'SIGCONT');
    await until('everything is stored', async () => (await world.events('early', 'transcript.final')).length === 1, { timeoutMs: 60000 });
  } finally {
    if (postgres && alive(postgres))
      process.kill(postgres, 'SIGCONT');
    await world.end();
  }
});

test('SIGTERM while a silent PostgreSQL is asked stops that too', async () => {
  const world = await World.start({ tools: false });
  const { product } = world;
  try {
    await until('sources are in the local copy', () => read(join(product.stateDir, 'directory.json')).includes('"main"'));
    const postgres = await restartWithSilentPostgres(world);
    await until('it is asked', () => product.pid('postgres') === postgres && product.pid('core') && alive(product.pid('core')));
    const how = await stopped(product);
    assert.deepEqual(how, { code: 0, signal: null });
    assert.equal(alive(postgres), false);
    await nothingLeft(product.dir);
  } finally {
    await world.end();
  }
});

// PostgreSQL's own words reach our log: here about its settings.
const spoil = (product) => {
  const file = join(product.stateDir, 'postgres', 'data', 'postgresql.conf');
  const good = readFileSync(file);
  writeFileSync(file, `${good}\nno_such_setting = on\n`);
  return () => writeFileSync(file, good);
};

test('a PostgreSQL that does not start is quoted and tried again, while webhooks are taken', async () => {
  const world = await World.start({ tools: false });
  const { product } = world;
  try {
    await until('sources are in the local copy', () => read(join(product.stateDir, 'directory.json')).includes('"main"'));
    await product.stop();
    const repair = spoil(product);
    await product.launch();
    await until('the reason is told', () => /private PostgreSQL: the server stopped at once \(FATAL:.*postgresql\.conf.*Trying again in/.test(product.log()));
    assert.equal((await product.webhook('main', message('status-update', 'kept', { status: 'in-progress' }))).status, 200);
    repair();
    await until('it is stored', async () => world.callRow('kept'), { timeoutMs: 60000 });
    assert.equal(product.child.exitCode, null);
  } finally {
    await world.end();
  }
});

test('a node that never had a database ends when it cannot make one, and says why', async () => {
  const product = new Product();
  try {
    const data = join(product.stateDir, 'postgres', 'data');
    mkdirSync(data, { recursive: true });
    writeFileSync(join(data, 'PG_VERSION'), readdirSync('/usr/lib/postgresql').sort((a, b) => b - a)[0]);
    chmodSync(product.stateDir, 0o755);
    await product.launch({ ready: false });
    const how = await product.exit;
    assert.deepEqual(how, { code: 1, signal: null });
    assert.match(product.log(), /cannot start: private PostgreSQL: the server stopped at once \(postgres.*configuration file/);
    await nothingLeft(product.dir);
  } finally {
    await product.destroy();
  }
});

test('`migrate --wait` waits for its database, and ends with whoever started it', async () => {
  const product = new Product();
  try {
    const gone = await product.cli(['migrate'], { env: { CALLMEND_DATABASE_URL: `host=${product.dir} dbname=x` } });
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /callmend: migrate: PostgreSQL: /);
    product.env = { CALLMEND_DATABASE_URL: `host=${product.dir} dbname=x` };
    await product.launch({ ready: false });
    await until('it waits', () => /waiting for the database: /.test(product.log()));
    const waiting = processesOf(product.dir).find(({ command }) => command.includes('migrate'));
    assert.ok(waiting);
    product.child.kill('SIGKILL');
    await nothingLeft(product.dir);
  } finally {
    await product.destroy();
  }
});

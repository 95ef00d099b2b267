// Nobody uses the schema before it is ready: a first start, and an upgrade whose migration takes long, warn of nothing, and the core takes
// webhooks meanwhile.
import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { World, message } from './lib/world.mjs';
import { Product, alive } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

const MIGRATIONS = new URL('../../migrations', import.meta.url).pathname;

// How many files may be open is the shell's business.
const complaints = (log) => log.split('\n').filter((line) => /^\S+ (warn|error) /.test(line) && !/files and sockets may be open/.test(line));
const readyz = async (product) => (await fetch(`${product.url}/readyz`)).json();

test('a first start warns of nothing', { timeout: 120000 }, async () => {
  const product = new Product();
  try {
    await product.launch();
    await product.makeToken();
    await until('the projector has found its place', () => /stored up to record 0/.test(product.log()));
    await until('all is well', async () => {
      const { database, troubles } = await readyz(product);
      return database === 'connected' && !troubles.length;
    });
    assert.deepEqual(await product.stop(), { code: 0, signal: null });
    assert.deepEqual(complaints(product.log()), []);
  } finally {
    await product.destroy();
  }
});

// The database as the version before left it: without the last migration.
async function withoutTheLastMigration(product) {
  const kept = ['projects', 'sources', 'api_tokens'];
  const files = readdirSync(MIGRATIONS).sort().slice(0, -1);
  await product.exec(`create schema kept; ${kept.map((table) => `create table kept.${table} as table ${table};`).join(' ')}
    drop schema public cascade; create schema public;
    create table schema_migrations (version int primary key, name text not null, checksum text not null, applied_at timestamptz not null default now())`);
  for (const file of files) {
    const text = readFileSync(join(MIGRATIONS, file));
    await product.exec(`${text}; insert into schema_migrations (version, name, checksum)
      values (${parseInt(file)}, '${file.replace('.sql', '')}', '${createHash('sha256').update(text).digest('hex')}')`);
  }
  for (const table of kept)
    await product.exec(`insert into ${table} select r.* from kept.${table} k, jsonb_populate_record(null::${table}, to_jsonb(k)) r`);
}

test('an upgrade whose migration takes long: webhooks are taken, nothing is missed, everything goes on', { timeout: 180000 }, async () => {
  const world = await World.start({ tools: false });
  const { product } = world;
  let release;
  try {
    await until('sources are in the local copy', () => readFileSync(join(product.stateDir, 'directory.json'), 'utf8').includes('"main"'));
    const others = ['core', 'analyst-1'].map((role) => product.pid(role));
    product.kill('parent'); // PostgreSQL stays, and is taken over
    await product.exit;
    await until('the others have noticed', () => !others.some(alive));
    await withoutTheLastMigration(product);
    release = await product.hold('lock table schema_migrations in share mode');
    const before = product.log().length;
    const log = () => product.log().slice(before);
    await product.launch();
    await until('the migration waits', async () =>
      (await product.sql("select 1 from pg_locks where relation = 'schema_migrations'::regclass and not granted")).length);
    for (const part of ['projector', 'directory'])
      await until(`the ${part} waits for it`, () => new RegExp(`${part}: waits until .*the others are running`).test(log()));
    assert.equal((await product.webhook('main', message('transcript', 'held', { role: 'user', transcriptType: 'final', transcript: 'said meanwhile' }))).status, 200);
    const told = (await readyz(product)).troubles;
    assert.ok(told.length && told.every(({ error, degraded }) => error === 'migrating' && !degraded), JSON.stringify(told));
    assert.deepEqual(complaints(log()), []);
    await release();
    release = null;
    await until('it is stored', async () => (await world.events('held', 'transcript.final')).length === 1, { timeoutMs: 60000 });
    await until('all is well', async () => {
      const { database, troubles } = await readyz(product);
      return database === 'connected' && !troubles.length;
    }, { timeoutMs: 90000 });
    assert.deepEqual(complaints(log()), []);
    assert.doesNotMatch(log(), /does not exist|deadlock/);
  } finally {
    await release?.();
    await world.end();
  }
});

// PostgreSQL is there, but refuses: nothing is lost or put aside, /readyz says by name what it is, and it goes on by itself once somebody has
// acted. And a token that asks too often is told when to come again (I1).
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after }, { config: { api: { rate_per_s: 50, rate_burst: 100 } } });

const ready = async () => (await fetch(`${w().product.url}/readyz`)).json();

test('a column renamed by hand holds the rows and is told', { timeout: 90000 }, async () => {
  const { product } = w();
  assert.equal((await ready()).database, 'connected');
  await product.exec('alter table call_events rename column text to said');
  try {
    for (let i = 0; i < 5; i++)
      assert.equal((await product.webhook('main', message('transcript', 'held', { role: 'user', transcriptType: 'final', transcript: `held ${i}` }))).status, 200);
    const told = await until('it is told', async () => (await ready()).troubles.find((trouble) => trouble.part === 'projector'));
    assert.equal(told.error, 'schema');
    assert.equal(told.sqlstate, '42703');
    assert.equal(told.degraded, true);
    assert.match(told.advice, /migrate/);
    const response = await fetch(`${product.url}/readyz`);
    assert.equal(response.status, 200, 'calls go on');
    assert.equal((await response.json()).database, 'degraded');
    assert.ok(await product.metric('callmend_database_errors_total') > 0);
    assert.match(product.log(), /projector: rows cannot be stored.*42703.*What to do/);
  } finally {
    await product.exec('alter table call_events rename column said to text');
  }
  await until('all is stored', async () => (await w().events('held', 'transcript.final')).length === 5);
  await until('nothing is told any more', async () => (await ready()).database === 'connected');
  assert.deepEqual(await product.sql("select reason from quarantine"), []);
});

test('the configured rate holds for each token', { timeout: 60000 }, async () => {
  const { product } = w();
  const token = await product.makeToken('viewer', 'eager');
  const answers = await Promise.all(Array.from({ length: 300 }, () => product.api('GET', '/api/v1/whoami', undefined, { token })));
  const late = answers.filter((answer) => answer.status === 429);
  assert.ok(answers.some((answer) => answer.status === 200));
  assert.ok(late.length > 0, '300 at once are more than 100');
  assert.equal(late[0].headers.get('retry-after'), '1');
  assert.equal(late[0].body.type, 'urn:callmend:problem:rate-limited');
  assert.equal((await product.api('GET', '/api/v1/whoami')).status, 200, 'others are not held up');
  await until('it may come again', async () => (await product.api('GET', '/api/v1/whoami', undefined, { token })).status === 200);
});

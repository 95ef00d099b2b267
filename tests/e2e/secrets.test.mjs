// Secrets in files may change while the node runs (sources.md): the new one counts, the old one no longer, with PostgreSQL and without.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { worldFor, message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { alive } from './lib/product.mjs';

const w = worldFor({ before, after }, { tools: false });
const post = async (source, secret) => (await w().product.webhook(source, message('hang', 'rotated'), { secret })).status;
const counts = (source, secret) => until(`${secret} is accepted`, async () => (await post(source, secret)) === 200);
const file = (name) => join(w().product.secretsDir, name);

test('a file that is replaced, written in place, removed and made again', async () => {
  await w().addSource('rotating', { auth: [{ type: 'secret', secret: w().product.secret('rotating', 'first') }] });
  await counts('rotating', 'first');
  assert.equal(await post('rotating', 'second'), 401);

  writeFileSync(file('next'), 'second\n', { mode: 0o600 });
  renameSync(file('next'), file('rotating'));
  await counts('rotating', 'second');
  assert.equal(await post('rotating', 'first'), 401);

  writeFileSync(file('rotating'), 'third');
  await counts('rotating', 'third');

  unlinkSync(file('rotating'));
  await until('nobody is let in', async () => (await post('rotating', 'third')) === 401);
  w().product.secret('rotating', 'fourth');
  await counts('rotating', 'fourth');
  assert.equal(await post('main', 'hush'), 200, 'other sources are not touched');
});

test('a link that leads to another file, as Kubernetes mounts them', async () => {
  writeFileSync(file('.version-1'), 'one', { mode: 0o600 });
  writeFileSync(file('.version-2'), 'two', { mode: 0o600 });
  symlinkSync('.version-1', file('mounted'));
  await w().addSource('mounted', { auth: [{ type: 'secret', secret: { file: 'mounted' } }] });
  await counts('mounted', 'one');
  symlinkSync('.version-2', file('.next'));
  renameSync(file('.next'), file('mounted'));
  await counts('mounted', 'two');
  assert.equal(await post('mounted', 'one'), 401);
});

test('while PostgreSQL does not answer, also after a restart of the core', async () => {
  const { product } = w();
  const pid = product.kill('postgres', 'SIGSTOP');
  try {
    product.secret('rotating', 'fifth');
    await counts('rotating', 'fifth');
    const old = product.kill('core');
    await product.restarted('core', old);
    await counts('rotating', 'fifth');
    product.secret('rotating', 'sixth');
    await counts('rotating', 'sixth');
    assert.equal(await post('rotating', 'fifth'), 401);
  } finally {
    if (alive(pid))
      process.kill(pid, 'SIGCONT');
  }
});

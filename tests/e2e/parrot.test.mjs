// A provider more is one file, one line in a table and one test folder (docs/adding-a-provider.md): the product linked with that table speaks it,
// end to end. The same provider has a message that stops the process that reads it: one poisoned input never keeps the core down.
import test, { after, before } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../tools/lib/wait.mjs';

const build = process.env.CALLMEND_BUILD ?? new URL('../../build/dev', import.meta.url).pathname;
process.env.CALLMEND_BIN = join(build, 'tests/e2e/callmend-parrot');
const { Product } = await import('./lib/product.mjs');

let product, project;

before(async () => {
  assert.ok(existsSync(process.env.CALLMEND_BIN), `${process.env.CALLMEND_BIN} is built`);
  product = await Product.start();
  project = await product.must('POST', '/api/v1/projects', { name: 'aviary', language: 'en' });
  await product.must('POST', '/api/v1/sources', { name: 'tree', dialect: 'parrot', project_id: project.id, auth: [{ type: 'open' }] });
  await until('the source is known', async () => (await post({})).status !== 404);
});
after(() => product?.destroy());

const post = (message) =>
  fetch(`${product.url}/in/parrot/tree`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(message) });

const stored = (line) => until(`call ${line} is stored`, async () => {
  const { status, body } = await product.api('GET', `/api/v1/calls/${line}`);
  return status === 200 && body;
});

test('calls of a made-up provider are followed and stored', async () => {
  const ms = Date.now();
  assert.equal((await post({ line: 'L-1', what: 'begins', ms })).status, 200);
  assert.equal((await post({ line: 'L-1', what: 'says', who: 'caller', words: 'Pieces of eight?', ms: ms + 100 })).status, 200);
  assert.equal((await post({ line: 'L-1', what: 'ends', why: 'flew-off', ms: ms + 900 })).status, 200);
  const call = await until('the call has ended', async () => {
    const c = await stored('L-1');
    return c.status === 'ended' && c;
  });
  assert.equal(call.ended_reason, 'flew-off');
  await until('the transcript is stored', async () => {
    const { body } = await product.api('GET', '/api/v1/calls/L-1/events');
    return body.events?.some((e) => e.type === 'transcript.final' && e.text === 'Pieces of eight?');
  });
});

test('a message that stops the core is in quarantine after two crashes, the call goes on', async () => {
  const ms = Date.now();
  assert.equal((await post({ line: 'L-2', what: 'begins', ms })).status, 200);
  await stored('L-2');
  const poison = { line: 'L-2', what: 'says', who: 'caller', words: 'boo', ms: ms + 1, crash: true };
  let refused = 0;
  // The provider repeats it until it is acknowledged; it is, once it is known to stop the core.
  await until('the poisoned message is acknowledged', async () => {
    try {
      return (await post(poison)).status === 200;
    } catch {
      refused++;
      await product.ready();
      return false;
    }
  }, { timeoutMs: 60000 });
  assert.ok(refused >= 2, `it stopped the core ${refused} times`);
  assert.ok(refused <= 4, `but only until it was recognised, not ${refused} times`);
  assert.equal((await post({ line: 'L-2', what: 'says', who: 'bird', words: 'still here', ms: ms + 2 })).status, 200);
  await until('the call is flagged and goes on', async () => {
    const { body } = await product.api('GET', '/api/v1/calls/L-2/events');
    return body.events?.some((e) => e.type === 'call.flagged') && body.events.some((e) => e.text === 'still here');
  });
  const { body } = await product.api('GET', '/api/v1/quarantine');
  assert.ok(JSON.stringify(body).includes('applying it stopped the core twice'));
  // And it stays so over a restart.
  process.kill(product.pid('core'), 'SIGKILL');
  await product.ready();
  assert.equal((await post({ line: 'L-2', what: 'ends', why: 'flew-off', ms: ms + 3 })).status, 200);
});

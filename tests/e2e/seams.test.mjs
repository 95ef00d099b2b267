// Where parts meet and time passes in between: waiting requests, expired calls, restarts and stops at the wrong moment. Each test is a crash or a loss
// that once was there.
import test from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { execFileSync } from 'node:child_process';
import { World, message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';

const status = (name, call, fields = {}) => message('status-update', call, { status: name, ...fields });
const ended = (call) => status('ended', call, { endedReason: 'customer-ended-call' });
const restarts = (world) => world.product.log().split('\n').filter((line) => line.includes('the core ended'));

test('several assistant-requests wait for one fetch that fails: each gets 200, the core stays up', async () => {
  const world = await World.start({ config: { core: { shards: 1 } }, tools: false });
  let asked = 0;
  const waiting = [];
  const api = http.createServer((request, response) => {
    asked++;
    waiting.push(() => response.writeHead(500).end('{}'));
    if (asked === 1) // the refresher's own
      waiting.pop()();
  });
  await new Promise((resolve) => api.listen(0, '127.0.0.1', resolve));
  try {
    await world.addSource('fetching', { assistant_mode: 'fetch', assistant_id: 'as-1', api_base: `http://127.0.0.1:${api.address().port}`,
      private_key: world.product.secret('pk', 'pk-1') });
    await until('the refresher has failed', () => asked >= 1);
    const answers = ['x1', 'x2', 'x3'].map((call) => world.product.webhook('fetching', message('assistant-request', call)));
    await until('a second fetch is under way', () => asked >= 2);
    // A newer message on the same shard must not be held up, nor hold up.
    assert.equal((await world.product.webhook('main', status('in-progress', 'other'))).status, 200);
    waiting.splice(0).forEach((answer) => answer());
    for (const answer of await Promise.all(answers))
      assert.equal(answer.status, 200);
    assert.deepEqual(restarts(world), []);
  } finally {
    api.closeAllConnections();
    api.close();
    await world.end();
  }
});

test('a command for a call that has just expired is refused, the core stays up', async () => {
  const world = await World.start({ config: { core: { shards: 1 } }, tools: false, settings: { linger_ms: 200 } });
  try {
    for (let i = 0; i < 5; i++) {
      assert.equal((await world.product.webhook('main', status('in-progress', `l-${i}`))).status, 200);
      assert.equal((await world.product.webhook('main', ended(`l-${i}`))).status, 200);
      await until('the call is stored as ended', async () => (await world.product.api('GET', `/api/v1/calls/l-${i}`)).body?.status === 'ended');
      // From now on it expires; asked again and again until it is gone.
      for (let k = 0; k < 20; k++)
        assert.equal((await world.product.api('POST', `/api/v1/calls/l-${i}/commands`, { verb: 'end' })).status, 409);
    }
    assert.deepEqual(restarts(world), []);
  } finally {
    await world.end();
  }
});

test('the last word about a call is stored although a new session took its place in the same batch', async () => {
  const world = await World.start({ config: { core: { shards: 1 } }, tools: false, settings: { linger_ms: 300 } });
  const postgres = world.product.pid('postgres');
  const backends = () => execFileSync('pgrep', ['-P', String(postgres)]).toString().trim().split('\n').map(Number);
  let held = [];
  try {
    assert.equal((await world.product.webhook('main', status('in-progress', 'first'))).status, 200);
    await until('it is stored', async () => (await world.product.api('GET', '/api/v1/calls/first')).status === 200);
    held = backends();
    held.forEach((pid) => process.kill(pid, 'SIGSTOP'));
    assert.equal((await world.product.webhook('main', status('in-progress', 'c-1'))).status, 200);
    assert.equal((await world.product.webhook('main', message('transcript', 'c-1', { role: 'user', transcriptType: 'final', transcript: 'hello there' }))).status, 200);
    assert.equal((await world.product.webhook('main', ended('c-1'))).status, 200);
    await until('its session is gone', async () => (await world.product.api('GET', '/api/v1/live/calls')).body.calls.every((c) => c.provider_call_id !== 'c-1'));
    const gone = Date.now() + 1500; // linger and the sweep that follows it
    await until('it has expired', () => Date.now() > gone);
    assert.equal((await world.product.webhook('main', message('hang', 'c-1'))).status, 200);
    held.splice(0).forEach((pid) => process.kill(pid, 'SIGCONT'));
    const call = await until('the late message is stored', async () => {
      const { body } = await world.product.api('GET', '/api/v1/calls/c-1/events');
      return body?.events?.some((e) => e.type === 'hang') && (await world.product.api('GET', '/api/v1/calls/c-1')).body;
    });
    assert.equal(call.status, 'ended');
    assert.ok(call.ended_at);
    assert.equal(call.counts.turns, 1);
  } finally {
    held.forEach((pid) => process.kill(pid, 'SIGCONT'));
    await world.end();
  }
});

test('a restart of the core refuses nobody: connections wait until it knows its sources', async () => {
  const world = await World.start({ config: { core: { shards: 2 } }, tools: false });
  const answers = {};
  let stop = false;
  const loop = async (k) => {
    for (let i = 0; !stop; i++) {
      let answer;
      try {
        answer = (await world.product.webhook('main', status('in-progress', `k-${k}-${i}`))).status;
      } catch {
        answer = 'cut';
      }
      answers[answer] = (answers[answer] ?? 0) + 1;
    }
  };
  try {
    const loops = [0, 1, 2, 3].map(loop);
    for (let round = 1; round <= 3; round++) {
      const before = answers[200] ?? 0;
      await until('it answers', () => (answers[200] ?? 0) > before + 20);
      const old = world.product.pid('core');
      process.kill(old, 'SIGKILL');
      await until('a new core', () => world.product.pid('core') !== old && restarts(world).length === round);
    }
    const before = answers[200];
    await until('it answers again', () => answers[200] > before + 20);
    stop = true;
    await Promise.all(loops);
    assert.equal(answers[503], undefined, JSON.stringify(answers));
    assert.equal(answers[404], undefined, JSON.stringify(answers));
  } finally {
    stop = true;
    await world.end();
  }
});

test('a stop while big bodies are being read ends in order', async () => {
  const world = await World.start({ config: { core: { shards: 1, drain_limit_ms: '0ms' } }, tools: false });
  const big = (call) => JSON.stringify(message('end-of-call-report', call, { endedReason: 'x', artifact: { messages: [], transcript: 'é '.repeat(1500000) } }));
  try {
    for (let round = 0; round < 3; round++) {
      const pid = world.product.pid('core');
      const bodies = Array.from({ length: 8 }, (_, i) => big(`b-${round}-${i}`));
      const posts = Promise.allSettled(bodies.map((body) => world.product.webhook('main', body)));
      await until('some body has arrived', async () => (await (await fetch(`${world.product.url}/metrics`)).text()).match(/callmend_webhook_bytes_total (\d+)/)?.[1] > 1000000);
      process.kill(pid, 'SIGINT');
      await until('a new core', () => world.product.pid('core') !== pid && restarts(world).length === round + 1);
      await posts;
      await world.product.ready();
    }
    for (const line of restarts(world))
      assert.match(line, /status 0, signal 0/);
  } finally {
    await world.end();
  }
});

test('a drain: readyz is red, everything is taken, commands too, and the end of the last call ends it', { timeout: 90000 }, async () => {
  const world = await World.start({ config: { core: { shards: 2, drain_limit_ms: '10m' } }, tools: false });
  const { product } = world;
  try {
    assert.equal((await product.webhook('main', status('in-progress', 'd-1'))).status, 200);
    assert.equal((await product.webhook('main', status('in-progress', 'd-2'))).status, 200);
    product.kill('parent', 'SIGTERM');
    await until('readyz is red', async () => (await fetch(`${product.url}/readyz`)).status === 503);
    assert.equal((await product.webhook('main', status('ringing', 'd-3'))).status, 200, 'a new call');
    // Refused by the call (it has no control URL), not by the node.
    const command = await product.api('POST', '/api/v1/calls/d-1/commands', { verb: 'end' });
    assert.equal(command.status, 409, JSON.stringify(command.body));
    assert.equal(command.body.command.state, 'rejected');
    for (const call of ['d-1', 'd-2'])
      assert.equal((await product.webhook('main', ended(call))).status, 200);
    assert.equal(product.child.exitCode, null, 'one call is left');
    assert.equal((await fetch(`${product.url}/readyz`)).status, 503);
    assert.equal((await product.webhook('main', ended('d-3'))).status, 200);
    assert.equal((await product.exit).code, 0);
    await product.launch();
    for (const call of ['d-1', 'd-2', 'd-3'])
      await world.ended(call);
  } finally {
    await world.end();
  }
});

test('a drain is not held up by a call that nobody speaks of any more', { timeout: 90000 }, async () => {
  const world = await World.start({ config: { core: { shards: 2, drain_limit_ms: '20s' } }, tools: false });
  const { product } = world;
  try {
    assert.equal((await product.webhook('main', status('in-progress', 'q-1'))).status, 200);
    product.kill('parent', 'SIGTERM');
    assert.equal((await product.exit).code, 0);
    assert.match(product.log(), /no call has been heard of/);
  } finally {
    await world.end();
  }
});

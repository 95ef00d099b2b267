// PostgreSQL away for a while, also while the core restarts: webhooks get 200, tools and assistant-requests are answered, the live view moves, and
// everything arrives once it is back, once.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message, assertLossless, assertNoEffectTwice } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { alive } from './lib/product.mjs';

const w = worldFor({ before, after });

// Stopped (SIGSTOP) it does not answer, killed it is gone; the parent brings a killed one back, so away for long means stopped.
function pausePostgres() {
  const pid = w().product.kill('postgres', 'SIGSTOP');
  assert.ok(pid);
  return () => alive(pid) && process.kill(pid, 'SIGCONT');
}

async function everythingWorks(label) {
  const { product } = w();
  const live = await product.live();
  await live.ready();
  const id = `away-${label}`;
  assert.equal((await product.webhook('main', message('status-update', id, { status: 'in-progress' }))).status, 200);
  const tool = await (await product.webhook('main', message('tool-calls', id, { toolCallList: [{ id: 'c', name: 'find_table', arguments: { day: 'Friday', guests: '2' } }] }))).json();
  assert.ok(tool.results[0].result.includes('Friday'), 'tools are run');
  const assistant = await (await product.webhook('asking', message('assistant-request', `${id}-ask`))).json();
  assert.equal(assistant.assistantId, 'as-9');
  await product.webhook('main', message('transcript', id, { role: 'user', transcriptType: 'final', transcript: `said while away ${label}` }));
  await live.event('transcript.final', (e) => e.text === `said while away ${label}`);
  live.close();
}

test('away while the core runs, and while it restarts', { timeout: 180000 }, async () => {
  const { product } = w();
  await w().addSource('asking', { assistant_mode: 'id', assistant_id: 'as-9' });
  const sim = await w().simulator('main', { speed: 15, retries: 6, baseDelaySeconds: 0.5, mark: true });
  sim.start('booking', 6, { turns: 24 });
  const resume = pausePostgres();
  try {
    await everythingWorks('running');
    const api = await product.api('GET', '/api/v1/projects');
    assert.ok([200, 503].includes(api.status), 'reads that need the database say so at once');
    const old = product.kill('core');
    await product.restarted('core', old);
    await until('webhooks are taken again', async () => (await product.webhook('main', message('hang', 'away-restarted'))).status === 200, { timeoutMs: 30000 });
    await everythingWorks('restarted');
  } finally {
    resume();
  }
  await sim.finished();
  await assertLossless(product, [sim]);
  for (const label of ['running', 'restarted'])
    await until('arrived once', async () => (await w().events(`away-${label}`, 'transcript.final')).length === 1);
  assertNoEffectTwice([sim], w().toolServer);
});

test('killed again and again while calls run', { timeout: 120000 }, async () => {
  const { product } = w();
  const sim = await w().simulator('main', { speed: 20, mark: true, seed: 77 });
  const calls = sim.start('interruptions', 8);
  let over = false;
  const finished = sim.finished(calls).then(() => (over = true));
  for (let i = 0; i < 4 && !over; i++) {
    const pid = product.kill('postgres');
    await product.restarted('postgres', pid);
  }
  await finished;
  assert.equal(sim.stats().delivery.given_up, 0, 'Vapi noticed nothing, without retries');
  await assertLossless(product, [sim]);
});

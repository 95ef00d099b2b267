// Replaying the journal of a 200-call run gives the same events byte for byte: the same as the watchers saw, also after settings changed in between
// and with another number of shards.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { World } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { loadScenarios, SCENARIOS_DIR } from '../../tools/vapi-sim/lib/scenario.mjs';

const CALLS = Number(process.env.CALLMEND_REPLAY_CALLS ?? 200);

// The events of each call in order, as the bytes they were written with.
const byCall = (texts) => {
  const out = new Map();
  for (const text of texts) {
    const { call_id: id } = JSON.parse(text);
    out.set(id, [...(out.get(id) ?? []), text]);
  }
  return out;
};

async function replay(product) {
  const { code, stdout, stderr } = await product.cli(['replay', join(product.stateDir, 'journal')]);
  assert.equal(code, 0, stderr);
  return stdout.split('\n').filter((line) => line.startsWith('{'));
}

test(`${CALLS} calls: live = replay = replay after changes`, { timeout: 240000 }, async (t) => {
  const world = await World.start({ config: { core: { shards: 2, watcher_queue_bytes: '64MiB' } } });
  t.after(() => world.end());
  const { product } = world;
  const live = await product.live();
  const raw = [];
  live.socket.on('message', (data) => {
    const text = data.toString();
    const at = text.indexOf('"event":{');
    if (text.startsWith('{"type":"event"') && at > 0)
      raw.push(text.slice(at + 8, -1));
  });
  await live.ready();
  const sim = await world.simulator('main', { speed: 60, disorder: 0.05, duplicates: 0.05 });
  const scenarios = loadScenarios(SCENARIOS_DIR);
  const half = await sim.startRamp(scenarios, CALLS / 2, { rampMs: 4000 });
  await product.must('PATCH', `/api/v1/projects/${world.project.id}`, { settings: { frustration_score: 20, turn_gap_ms: 400 } });
  const tools = await product.must('GET', `/api/v1/projects/${world.project.id}/tools`);
  const [first] = tools.tools;
  await product.must('PATCH', `/api/v1/tools/${first.id}`, { timeout_ms: 900 });
  const rest = await sim.startRamp(scenarios, CALLS / 2, { rampMs: 4000 });
  await sim.finished([...half, ...rest]);
  assert.equal(live.snapshots.length, 2, 'the watcher was never dropped to a new snapshot (one per owner)');
  await until('all reports stored', async () => Number((await product.sql(`select count(distinct call_id) as n from call_events where type = 'call.report'`))[0].n) === CALLS,
    { timeoutMs: 60000 });

  const stored = Number((await product.sql('select count(*) as n from call_events'))[0].n);
  await until('the watcher has seen what is stored', () => raw.length >= stored);
  const once = await replay(product);
  const watched = byCall(raw);
  const replayed = byCall(once);
  assert.equal(replayed.size, CALLS);
  for (const [id, events] of watched)
    assert.deepEqual(replayed.get(id)?.slice(0, events.length), events, `call ${id}`);
  live.close();

  assert.equal((await product.stop()).code, 0, 'a clean end');
  product.config.core.shards = 3;
  await product.launch();
  const twice = await replay(product);
  const again = byCall(twice);
  assert.equal(again.size, CALLS);
  for (const [id, events] of replayed)
    assert.deepEqual(again.get(id)?.slice(0, events.length), events, `call ${id} with another number of shards`);
  assert.equal(Number((await product.sql('select count(*) as n from (select call_id, seq from call_events group by 1, 2 having count(*) > 1) x'))[0].n), 0);
  t.diagnostic(`${once.length} events of ${CALLS} calls`);
});

// Analysts killed at any moment while calls end (F3): none is analysed twice in effect, none is left out, and two never have the same call.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Product, alive } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { Random } from '../../tools/vapi-sim/lib/random.mjs';

const ORG = '00000000-0000-7000-8000-000000000001';
const ANALYSTS = 3, ROUNDS = 12, CALLS_A_ROUND = 60, TURNS = 40, HITS = 10;

let product, project;

// Written by PostgreSQL itself: every result that was stored, and every claim that took a job from somebody who still had it.
const WITNESSES = `
  create table stored (call_id uuid, last_seq bigint, how text);
  create function note_stored() returns trigger language plpgsql as $$ begin
    insert into stored values (new.call_id, new.last_seq, tg_op); return null; end $$;
  create trigger note_stored after insert or update on call_analyses for each row execute function note_stored();
  create table taken (key text, owner text, new_owner text, too_early boolean);
  create function note_taken() returns trigger language plpgsql as $$ begin
    insert into taken values (old.key, old.owner, new.owner, old.lease_until >= now()); return null; end $$;
  create trigger note_taken after update on jobs for each row
    when (old.kind = 'analyse' and old.state = 'running' and (new.state = 'queued' and new.error like 'whoever ran it%' or new.state = 'running' and new.owner is distinct from old.owner))
    execute function note_taken();`;

before(async () => {
  product = await Product.start({ config: { analyst: { processes: ANALYSTS, lease_ms: '60s' } } });
  project = await product.must('POST', '/api/v1/projects', { name: 'Killed', language: 'en' });
  await product.exec(WITNESSES);
});
after(() => product?.destroy());

// Calls that have just ended, each with a conversation; imported ones are due at once.
const endCalls = (round) => product.exec(`
  with ended as (
    insert into calls (id, org_id, project_id, provider_call_id, status, live, started_at, ended_at, duration_ms, customer, ended_class, last_seq, imported)
    select gen_random_uuid(), '${ORG}', '${project.id}', 'k-${round}-' || i, 'ended', false, now() - interval '2 minutes', now(), 120000,
      jsonb_build_object('number', '+1555' || (1000000 + ${round} * 100 + i)), 'customer', 100, true
    from generate_series(1, ${CALLS_A_ROUND}) i returning id, org_id
  )
  insert into call_events (call_id, seq, day, type, speaker, text, is_final, at, offset_ms, data, org_id, arrived_at)
  select ended.id, t, (now() at time zone 'UTC')::date, 'turn', case when t % 2 = 0 then 'user' else 'ai' end,
    'This is what was said in turn ' || t || ', and it goes on for a while because people talk.', true, now(), t * 1000, jsonb_build_object('turn', t), ended.org_id, now()
  from ended, generate_series(1, ${TURNS}) t`);

// A late report: what is known of some calls changes, perhaps just while they are analysed.
const lateReports = () => product.exec(`
  update calls set last_seq = last_seq + 1 where id in (select id from calls where provider_call_id like 'k-%' order by random() limit 5)`);

// SIGKILL; and as time would, ends the leases of that process.
async function kill(pid) {
  process.kill(pid, 'SIGKILL');
  await until('it is dead', () => !alive(pid));
  await product.exec(`update jobs set lease_until = now() - interval '1 ms' where state = 'running' and owner like '%:${pid}:%'`);
}

const pids = () => Array.from({ length: ANALYSTS }, (_, i) => product.pid(`analyst-${i + 1}`)).filter((pid) => pid && alive(pid));

// Whoever is seen at work.
async function busy() {
  const owners = await product.sql(`select distinct split_part(owner, ':', 2)::int as pid from jobs where state = 'running' and kind = 'analyse'`);
  return owners.map((o) => o.pid).filter((pid) => pids().includes(pid));
}

const count = async (query) => Number((await product.sql(`select count(*) as n from ${query}`))[0].n);
const queued = () => count(`jobs where kind = 'analyse'`);

test('killed again and again while hundreds of calls end', { timeout: 240000 }, async () => {
  const rng = new Random(4711);
  let rounds = 0;
  for (; rounds < ROUNDS || (await count('(select distinct owner from taken) x')) < HITS; rounds++) {
    assert.ok(rounds < 20 * ROUNDS, 'kills did not hit analysts at work');
    const ending = Promise.all([endCalls(rounds), lateReports()]);
    // One is killed at any moment, the others when they are at work.
    const anybody = pids();
    if (anybody.length > 0 && rng.chance(0.3))
      await kill(rng.pick(anybody));
    await ending;
    for (const pid of await busy())
      if (rng.chance(0.7))
        await kill(pid);
  }
  await until('all work is done', async () => {
    await product.exec(`update jobs set run_at = now() where kind = 'analyse' and state = 'queued'`); // late reports have a grace of 2 s
    return (await queued()) === 0;
  }, { timeoutMs: 120000 });

  const calls = rounds * CALLS_A_ROUND;
  assert.equal(await count(`calls where provider_call_id like 'k-%'`), calls);
  assert.equal(await count('call_analyses'), calls, 'none left out');
  assert.equal(await count('call_analyses a join calls c on c.id = a.call_id where a.last_seq <> c.last_seq'), 0, 'each in its last state');
  assert.equal(await count(`taken where too_early`), 0, 'nobody took a call that another had');
  // A result is stored once for each time it was asked for, at most: its end, and each late report.
  assert.equal(await count(`(select s.call_id from stored s join calls c on c.id = s.call_id group by s.call_id, c.last_seq having count(*) > c.last_seq - 99) x`), 0,
    'none twice');
  assert.equal(await count(`notifications where type = 'analysis_dead'`), 0);
});

test('a stopped analyst that wakes after its lease stores nothing', { timeout: 60000 }, async () => {
  // All but one are stopped; that one is stopped while it has work, its work is taken over, then it wakes.
  await until('all run', () => pids().length === ANALYSTS);
  const all = pids();
  const [one, ...others] = all;
  const signal = (list, name) => list.forEach((pid) => process.kill(pid, name));
  signal(others, 'SIGSTOP');
  try {
    let held = 0;
    for (let i = 0; held === 0; i++) {
      assert.ok(i < 200, 'it was never stopped at work');
      await endCalls(100000 + i);
      process.kill(one, 'SIGSTOP');
      held = await count(`jobs where kind = 'analyse' and state = 'running' and owner like '%:${one}:%'`);
      if (held === 0)
        process.kill(one, 'SIGCONT');
    }
    await product.exec(`truncate taken, stored; update jobs set lease_until = now() - interval '1 ms' where state = 'running'`);
    signal(others, 'SIGCONT');
    await until('others have done it', async () => (await queued()) === 0, { timeoutMs: 30000 });
    assert.ok((await count('taken')) >= held);
    process.kill(one, 'SIGCONT');
    // It has woken when it works again: alone, the others asleep.
    signal(others, 'SIGSTOP');
    await endCalls(200000);
    await until('it works again', async () => (await queued()) === 0, { timeoutMs: 30000 });
    assert.equal(await count(`(select call_id from stored group by call_id having count(*) > 1) x`), 0, 'each once');
    assert.deepEqual(pids(), all, 'nobody died of it');
  } finally {
    signal(all.filter(alive), 'SIGCONT');
  }
});

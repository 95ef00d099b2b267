#!/usr/bin/env node
// ./dev bench analyst: finished calls analysed per second and per CPU second, of the analysts and of PostgreSQL separately, without a model, for stored
// calls of 20 and of 100 turns; and memory. A private PostgreSQL is filled through the real tables (bench/analyst_fill.sql), then two analysts empty the queue.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const HERE = dirname(fileURLToPath(import.meta.url));
const text = { type: 'string' };
const { values: o } = parseArgs({ options: { calls: text, turns: text, analysts: text, batch: text, rounds: text, json: { type: 'boolean' } } });
const TURNS = (o.turns ?? '20,100').split(',').map(Number);
const calls = (o.calls ?? '10000,3000').split(',').map(Number); // one for each of the turns; filling takes longer than analysing
const callsOf = (turns) => calls[Math.min(TURNS.indexOf(turns), calls.length - 1)];
const ANALYSTS = Number(o.analysts ?? 2);
const ROUNDS = Number(o.rounds ?? 2);
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const AIM = { calls: 10000, seconds: 60 };
const run = promisify(execFile);
const say = (line = '') => (o.json ? process.stderr.write(`${line}\n`) : console.log(line));
const middle = (list) => [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)];

function findBench() {
  const build = process.env.CALLMEND_BUILD ?? join(HERE, '../build/release');
  const found = ['bench/analyst_bench', 'analyst_bench'].map((p) => join(build, p)).find(existsSync);
  if (!found)
    throw new Error(`analyst_bench is not built in ${build}`);
  return found;
}

async function measure(bench, turns) {
  const running = run(bench, [join(HERE, 'analyst_fill.sql'), callsOf(turns), turns, ANALYSTS, ...(o.batch ? [o.batch] : [])].map(String));
  const stop = (signal) => running.child.kill(signal); // it stops its PostgreSQL and ends; so do we
  STOPPING.forEach((signal) => process.on(signal, stop));
  try {
    return JSON.parse((await running).stdout);
  } catch (error) {
    process.exit(error.code > 128 ? error.code : (console.error(error.message), 1));
  } finally {
    STOPPING.forEach((signal) => process.off(signal, stop));
  }
}

function combine(turns, rounds) {
  const of = (pick) => middle(rounds.map(pick));
  return { turns, calls: callsOf(turns), analysts: ANALYSTS, batch: rounds[0].batch, wall_s: of((r) => r.wall_s), calls_per_second: of((r) => r.calls / r.wall_s),
    calls_per_cpu_second: of((r) => r.calls / (r.analyst_cpu_s + r.postgres_cpu_s)), calls_per_analyst_cpu_second: of((r) => r.calls / r.analyst_cpu_s),
    calls_per_postgres_cpu_second: of((r) => r.calls / r.postgres_cpu_s), seconds_for_10000: of((r) => AIM.calls * r.wall_s / r.calls),
    cpu_seconds_for_10000: of((r) => AIM.calls * (r.analyst_cpu_s + r.postgres_cpu_s) / r.calls),
    analyst_peak_mib: of((r) => r.analyst_peak_kb / 1024), analyst_grown_mib: of((r) => (r.analyst_peak_kb - r.analyst_before_kb) / 1024),
    postgres_backend_mib: of((r) => r.postgres_backend_kb / 1024) };
}

const ROWS = [['calls/s', 'calls_per_second', 0], ['calls per CPU second, all', 'calls_per_cpu_second', 0], ['calls per CPU second of analysts', 'calls_per_analyst_cpu_second', 0],
  ['calls per CPU second of PostgreSQL', 'calls_per_postgres_cpu_second', 0], ['10,000 calls, s', 'seconds_for_10000', 1], ['10,000 calls, CPU s', 'cpu_seconds_for_10000', 1], ['memory of all analysts at most, MiB', 'analyst_peak_mib', 1],
  ['  of it grown by the work, MiB', 'analyst_grown_mib', 1], ['largest PostgreSQL process, MiB', 'postgres_backend_mib', 1]];

const bench = findBench();
const rounds = new Map(TURNS.map((turns) => [turns, []]));
for (let round = 0; round < ROUNDS; round++)
  for (const turns of TURNS) {
    rounds.get(turns).push(await measure(bench, turns));
    const last = rounds.get(turns).at(-1);
    say(`  round ${round + 1}: ${last.calls} calls of ${turns} turns in ${last.wall_s.toFixed(1)} s, CPU ${last.analyst_cpu_s.toFixed(1)} s analysts, ${last.postgres_cpu_s.toFixed(1)} s PostgreSQL`);
  }
const results = TURNS.map((turns) => combine(turns, rounds.get(turns)));
say(`\nstored calls: ${results.map((r) => `${r.calls} of ${r.turns} turns`).join(', ')}; ${ANALYSTS} analysts, batches of ${results[0].batch} (median of ${ROUNDS} rounds)`);
say(`  ${''.padEnd(38)}${TURNS.map((turns) => `${turns} turns`.padStart(12)).join('')}`);
for (const [title, key, digits] of ROWS)
  say(`  ${title.padEnd(38)}${results.map((r) => r[key].toFixed(digits).padStart(12)).join('')}`);
say(`  aim: ${AIM.calls} calls in less than ${AIM.seconds} s: ${results.every((r) => r.seconds_for_10000 < AIM.seconds) ? 'reached' : 'missed'}`);
if (o.json)
  console.log(JSON.stringify({ aim: AIM, results }, null, 2));

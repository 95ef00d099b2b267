#!/usr/bin/env node
// ./dev bench world: does detection open what is wrong, and only that? Three worlds of 20 projects with 250 calls each, for every seed: nothing wrong; rates
// just on the good side of every limit; one planted cause in each project, each kind in turn. Calls are turns, tool calls and signals read by understand(),
// stored by the analyst's statement, and the check of a project runs after every 10 calls, as it would live (bench/world_bench.c).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HERE = dirname(fileURLToPath(import.meta.url));
const text = { type: 'string' };
const { values: o } = parseArgs({ options: { seeds: text, projects: text, calls: text, worlds: text, processes: text, json: { type: 'boolean' } } });
const SEEDS = Number(o.seeds ?? 10);
const PROJECTS = Number(o.projects ?? 20);
const CALLS = Number(o.calls ?? 250);
const PROCESSES = Number(o.processes ?? 2);
const WORLDS = (o.worlds ?? 'fine,borderline,planted').split(',');
const AIM = { false_percent: 5, right_percent: 90 };
const say = (line = '') => (o.json ? process.stderr.write(`${line}\n`) : console.log(line));

function findBench() {
  const build = process.env.CALLMEND_BUILD ?? join(HERE, '../build/release');
  const found = ['bench/world_bench', 'world_bench'].map((p) => join(build, p)).find(existsSync);
  if (!found)
    throw new Error(`world_bench is not built in ${build}`);
  return found;
}

// One process with a PostgreSQL of its own; its projects, line by line.
function run(bench, jobs, onProject) {
  return new Promise((resolve, reject) => {
    const child = spawn(bench, jobs.flatMap(({ world, seed }) => [world, seed, PROJECTS, CALLS]).map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
    createInterface({ input: child.stdout }).on('line', (line) => onProject(JSON.parse(line)));
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`world_bench ended with ${code}`))));
    child.on('error', reject);
  });
}

// Wilson's 95 % interval, in percent.
function interval(k, n, z = 1.96) {
  const p = k / n, d = 1 + z * z / n, half = z * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / d, centre = (p + z * z / (2 * n)) / d;
  return [Math.max(0, centre - half) * 100, Math.min(1, centre + half) * 100];
}
const share = (k, n) => `${k} of ${n} (${(100 * k / n).toFixed(1)} %, 95 % interval ${interval(k, n).map((x) => x.toFixed(1)).join(' to ')} %)`;
const isRight = (p) => p.issues.some((i) => i.cause === p.cause && i.subject === p.subject);
const middle = (list) => [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)];

const jobs = Array.from({ length: SEEDS }, (_, i) => WORLDS.map((world) => ({ world, seed: i + 1 }))).flat();
const projects = [];
const started = Date.now();
const bench = findBench();
say(`${SEEDS} seeds, worlds of ${PROJECTS} projects with ${CALLS} calls each: ${jobs.length * PROJECTS * CALLS} calls`);
await Promise.all(Array.from({ length: PROCESSES }, (_, n) => jobs.filter((_, i) => i % PROCESSES === n)).filter((mine) => mine.length)
  .map((mine) => run(bench, mine, (project) => projects.push(project))));

const result = { seeds: SEEDS, projects: PROJECTS, calls: CALLS, seconds: (Date.now() - started) / 1000, aim: AIM, worlds: {} };
let reached = true;
for (const world of WORLDS.filter((w) => w !== 'planted')) {
  const all = projects.filter((p) => p.world === world), wrong = all.filter((p) => p.issues.length > 0);
  result.worlds[world] = { projects: all.length, opened: wrong.length, issues: wrong.map((p) => ({ seed: p.seed, issues: p.issues })) };
  // The aim is for the world with nothing wrong; the borderline world must hold it too, it is what the error probability promises.
  reached &&= wrong.length < all.length * AIM.false_percent / 100;
  say(`\n${world}: ${world === 'fine' ? 'nothing is wrong' : 'rates just on the good side of their limits'}`);
  say(`  projects with an issue: ${share(wrong.length, all.length)}`);
  for (const p of wrong)
    say(`    seed ${p.seed}: ${p.issues.map((i) => `${i.cause} ${i.subject}`.trim()).join(', ')}`);
}
if (WORLDS.includes('planted')) {
  const all = projects.filter((p) => p.world === 'planted'), right = all.filter(isRight);
  const others = all.filter((p) => p.issues.some((i) => i.cause !== p.cause || i.subject !== p.subject));
  const kinds = [...new Set(all.map((p) => p.cause))];
  result.worlds.planted = { projects: all.length, right: right.length, with_others: others.length, kinds: {} };
  reached &&= right.length >= all.length * AIM.right_percent / 100;
  say('\nplanted: one cause in each project');
  say(`  the right issue was opened: ${share(right.length, all.length)}`);
  say(`  another one as well, or instead: ${share(others.length, all.length)}`);
  for (const kind of kinds) {
    const of = all.filter((p) => p.cause === kind), found = of.filter(isRight);
    const at = found.map((p) => p.issues.find((i) => i.cause === p.cause).calls).filter((n) => n !== null);
    const beside = of.flatMap((p) => p.issues.filter((i) => i.cause !== p.cause || i.subject !== p.subject).map((i) => i.cause));
    result.worlds.planted.kinds[kind] = { projects: of.length, right: found.length, median_calls: at.length ? middle(at) : null, beside };
    const rate = of[0].rate === undefined ? '' : ` (in ${Math.round(100 * of[0].rate)} % of calls)`;
    say(`    ${(kind + rate).padEnd(44)} ${String(found.length).padStart(4)} of ${String(of.length).padStart(4)}${at.length ? `, after ${middle(at)} calls (median)` : ''}${beside.length ? `; beside: ${beside.join(', ')}` : ''}`);
  }
}
say(`\n  aim: issues in less than ${AIM.false_percent} % of projects where nothing is wrong, the right one in at least ${AIM.right_percent} % where something is: ${reached ? 'reached' : 'missed'}; ${result.seconds.toFixed(0)} s`);
if (o.json)
  console.log(JSON.stringify(result, null, 2));
process.exitCode = reached ? 0 : 1;

#!/usr/bin/env node
// ./dev bench events: webhook → 200 and webhook → watcher latency, saturation, CPU per message, memory and journal bytes per call, for 100 and 500 live
// calls on one core; and in the same run, taking turns, a plain Node.js server that only parses in memory and fans out (bench/node-server.mjs).
//
// Core 0 carries the server alone, all its threads: ours with journal and projector. Core 1 carries load generator, watcher and, beside ours, PostgreSQL;
// the generator has real-time priority there (as root; niceness means nothing between sessions), so that it is on time beside PostgreSQL, too. Neither
// server has a priority of its own. What else the machine does on core 0 meanwhile is printed: figures of a run with much of it are worth nothing.
import { spawn, execFile } from 'node:child_process';
import { mkdtempSync, rmSync, existsSync, chmodSync, readdirSync, readFileSync } from 'node:fs';
import { join, dirname } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { Product } from '../tests/e2e/lib/product.mjs';
import { writeScript } from './script.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const text = { type: 'string' };
const { values: o } = parseArgs({ options: { rate: text, seconds: text, rounds: text, calls: text, json: { type: 'boolean' }, dir: text } });
const RATE = Number(o.rate ?? 2); // messages per second and call, as in a conversation
const SECONDS = Number(o.seconds ?? 12);
const ROUNDS = Number(o.rounds ?? 2);
const CALLS = (o.calls ?? '100,500').split(',').map(Number);
const SECRET = 'bench-secret';
const run = promisify(execFile);
const say = (line = '') => (o.json ? process.stderr.write(`${line}\n`) : console.log(line));

function findLoadgen() {
  const build = process.env.CALLMEND_BUILD ?? join(HERE, '../build/release');
  const found = ['bench/loadgen', 'loadgen'].map((p) => join(build, p)).find(existsSync);
  if (!found)
    throw new Error(`loadgen is not built in ${build}`);
  return found;
}
const LOADGEN = findLoadgen();

// Moves a process (all threads) to a core; its later children follow.
const pin = (pid, core) => run('taskset', ['-acp', String(core), String(pid)]);

const mayRealtime = await run('chrt', ['-f', '1', 'true']).then(() => true, () => false);
const FIRST = mayRealtime ? ['chrt', '-f', '10'] : ['nice', '-n', '-15'];

// Seconds that a core was busy, with whatever.
const busy = (core) => readFileSync('/proc/stat', 'utf8').match(new RegExp(`^cpu${core} (.*)$`, 'm'))[1].split(' ').map(Number)
  .reduce((sum, ticks, column) => sum + (column === 3 || column === 4 || column > 7 ? 0 : ticks), 0) / 100;

function children(pid) {
  const pids = readdirSync('/proc').filter((p) => /^\d+$/.test(p)).map(Number);
  const parentOf = (p) => {
    try {
      return Number(readFileSync(`/proc/${p}/stat`, 'utf8').split(') ')[1].split(' ')[1]);
    } catch {
      return 0;
    }
  };
  return pids.filter((p) => parentOf(p) === pid);
}

async function loadgen(mode, server, script, options) {
  const args = Object.entries({ '--port': server.port, '--pid': server.pid(), '--path': server.path, '--header': `X-Vapi-Secret: ${SECRET}`, '--ws-path': '/api/v1/live',
    '--ws-header': server.token ? `Authorization: Bearer ${server.token}` : '', '--ws-send': '{"type":"subscribe","all":true}', '--script': script, ...options })
    .flatMap(([key, value]) => [key, String(value)]);
  const [before, start] = [busy(0), process.hrtime.bigint()];
  const { stdout } = await run(FIRST[0], [...FIRST.slice(1), 'taskset', '-c', '1', LOADGEN, mode, ...args], { maxBuffer: 1 << 24 });
  const result = JSON.parse(stdout);
  const share = (busy(0) - before) / (Number(process.hrtime.bigint() - start) / 1e9);
  return { ...result, foreign_share: Math.max(0, share - result.server_cpu_share) };
}

// --- the two servers --------------------------------------------------------------------------------------------------------

class Callmend {
  name = 'callmend';
  path = '/in/vapi/bench';

  async start() {
    this.product = await Product.start({ dir: o.dir, config: { core: { shards: 1, max_calls: 200000, mailbox_limit: 65536, watcher_queue_bytes: '64MiB' },
      journal: { segment_bytes: '64MiB' }, log: { level: 'warn' } } });
    const { product } = this;
    const project = await product.must('POST', '/api/v1/projects', { name: 'bench', language: 'en' });
    await product.must('POST', '/api/v1/sources', { name: 'bench', dialect: 'vapi', project_id: project.id, auth: [{ type: 'secret', secret: product.secret('bench', SECRET) }] });
    while ((await product.webhook('bench', '{}', { secret: null })).status === 404)
      await new Promise((resolve) => setTimeout(resolve, 50));
    this.port = product.port;
    this.token = product.token;
    await pin(product.pid('core'), 0);
    const postgres = product.pid('postgres');
    if (postgres)
      for (const pid of [postgres, ...children(postgres)])
        await pin(pid, 1).catch(() => {}); // a backend may have ended
    return this;
  }

  pid() {
    return this.product.pid('core');
  }

  journalBytes() {
    return this.product.metric('callmend_journal_bytes_total');
  }

  // Between phases: what is durable but not yet in PostgreSQL must not be paid for by the next phase.
  async settle() {
    for (let i = 0; i < 1200 && (await this.product.metric('callmend_projector_lag_records')) > 0; i++)
      await new Promise((resolve) => setTimeout(resolve, 50));
  }

  stop() {
    return this.product.destroy();
  }
}

class NodeServer {
  name = 'node';
  path = '/hook';

  async start() {
    this.child = spawn('taskset', ['-c', '0', process.execPath, join(HERE, 'node-server.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.port = Number(await new Promise((resolve) => this.child.stdout.once('data', (data) => resolve(data.toString().trim()))));
    return this;
  }

  pid() {
    return this.child.pid; // taskset has become node
  }

  async settle() {}

  async stop() {
    this.child.kill();
  }
}

const rss = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) * 1024;

// --- the run ---------------------------------------------------------------------------------------------------------------------

// One fresh server per measurement: memory per call is then honest, and neither carries the other's history.
async function measure(Server, calls, script, scriptSize) {
  const server = await new Server().start();
  try {
    const before = rss(server.pid());
    const journal = (await server.journalBytes?.()) ?? 0;
    const paced = await loadgen('paced', server, script, { '--calls': calls, '--rate': RATE, '--seconds': SECONDS, '--warmup': 4, '--connections': 512 });
    const sent = paced.messages + paced.messages / SECONDS * 4;
    const perMessage = server.journalBytes ? ((await server.journalBytes()) - journal) / sent : 0;
    const memory = (paced.rss_bytes - before) / calls;
    await server.settle();
    const full = await loadgen('saturate', server, script, { '--calls': calls, '--seconds': SECONDS / 2, '--warmup': 2, '--connections': Math.min(calls, 128) });
    return { paced, full, memory, journal_per_call: perMessage * scriptSize.messages };
  } finally {
    await server.stop();
  }
}

// The median; of an even number the mean of the two in the middle, so that two rounds do not show the lower one.
function middle(list) {
  const sorted = [...list].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.floor(sorted.length / 2)]) / 2;
}

function combine(results) {
  const of = (pick) => middle(results.map(pick));
  return {
    answer_p50_ms: of((r) => r.paced.answer_p50_ms), answer_p99_ms: of((r) => r.paced.answer_p99_ms), watch_p50_ms: of((r) => r.paced.watch_p50_ms),
    watch_p99_ms: of((r) => r.paced.watch_p99_ms), answer_due_p99_ms: of((r) => r.paced.answer_due_p99_ms), watch_due_p99_ms: of((r) => r.paced.watch_due_p99_ms),
    foreign_share: of((r) => r.paced.foreign_share), foreign_share_saturated: of((r) => r.full.foreign_share), messages_per_second_at_saturation: of((r) => r.full.per_second),
    cpu_us_paced: of((r) => r.paced.cpu_us_per_message), cpu_us_saturated: of((r) => r.full.cpu_us_per_message), messages_per_cpu_second: of((r) => 1e6 / r.full.cpu_us_per_message),
    rss_per_call_bytes: of((r) => r.memory), journal_bytes_per_call: of((r) => r.journal_per_call), refused: results.reduce((n, r) => n + r.paced.refused + r.full.refused, 0),
    late_p99_ms: of((r) => r.paced.late_p99_ms), load_cpu_share_saturated: of((r) => r.full.own_cpu_share),
  };
}

const ROWS = [['webhook → 200 p50, ms', 'answer_p50_ms', 3], ['webhook → 200 p99, ms', 'answer_p99_ms', 3], ['webhook → watcher p50, ms', 'watch_p50_ms', 3],
  ['webhook → watcher p99, ms', 'watch_p99_ms', 3], ['webhook → 200 p99 since due, ms', 'answer_due_p99_ms', 3], ['webhook → watcher p99 since due, ms', 'watch_due_p99_ms', 3], ['messages/s at saturation', 'messages_per_second_at_saturation', 0], ['CPU per message paced, µs', 'cpu_us_paced', 1],
  ['CPU per message saturated, µs', 'cpu_us_saturated', 1], ['messages per CPU second', 'messages_per_cpu_second', 0], ['memory per call, KiB', 'rss_per_call_bytes', 1, 1024],
  ['journal per call, KiB', 'journal_bytes_per_call', 1, 1024], ['refused', 'refused', 0], ['load: late p99, ms', 'late_p99_ms', 3], ['load: share of its core, saturated', 'load_cpu_share_saturated', 2],
  ['others on the server\'s core', 'foreign_share', 2], ['others on it, saturated', 'foreign_share_saturated', 2]];

function table(calls, ours, theirs, disk) {
  say(`\n${calls} live calls, ${RATE} messages/s each`);
  say(`  ${'(median of rounds)'.padEnd(38)}${'callmend'.padStart(12)}${'node'.padStart(12)}${'ratio'.padStart(9)}`);
  for (const [title, key, digits, unit = 1] of ROWS)
    say(`  ${title.padEnd(38)}${(ours[key] / unit).toFixed(digits).padStart(12)}${(theirs[key] / unit).toFixed(digits).padStart(12)}` +
      `${theirs[key] ? (ours[key] / theirs[key]).toFixed(2).padStart(9) : ''}`);
  say(`  webhook → 200 p99 is ${(ours.answer_p99_ms / disk.fdatasync_p99_ms).toFixed(1)} × the disk's fdatasync p99 (${disk.fdatasync_p99_ms.toFixed(3)} ms)`);
}

const work = mkdtempSync(join(tmpdir(), 'callmend-bench-'));
chmodSync(work, 0o755);
try {
  const script = join(work, 'script');
  const size = await writeScript(script);
  say(`bodies: ${size.messages} of one call growing to 100 turns, median ${Math.round(size.median / 1024)} KiB, report ${Math.round(size.largest / 1024)} KiB, ` +
    `${Math.round(size.total / 1048576)} MiB in all`);
  const results = {};
  const disks = [];
  for (let round = 0; round < ROUNDS; round++)
    for (const calls of CALLS) {
      disks.push(JSON.parse((await run('taskset', ['-c', '1', LOADGEN, 'disk', work])).stdout));
      for (const Server of round % 2 ? [NodeServer, Callmend] : [Callmend, NodeServer]) {
        const key = `${Server === Callmend ? 'callmend' : 'node'} ${calls}`;
        results[key] = [...(results[key] ?? []), await measure(Server, calls, script, size)];
        say(`  round ${round + 1}: ${key}: watcher p99 ${results[key].at(-1).paced.watch_p99_ms.toFixed(2)} ms, ${Math.round(results[key].at(-1).full.per_second)} messages/s`);
      }
    }
  const disk = { fdatasync_p50_ms: middle(disks.map((d) => d.fdatasync_p50_ms)), fdatasync_p99_ms: middle(disks.map((d) => d.fdatasync_p99_ms)) };
  const summary = { rate: RATE, seconds: SECONDS, rounds: ROUNDS, bodies: size, disk, calls: {} };
  for (const calls of CALLS) {
    const [ours, theirs] = [combine(results[`callmend ${calls}`]), combine(results[`node ${calls}`])];
    summary.calls[calls] = { callmend: ours, node: theirs, ratio: { watch_p99: ours.watch_p99_ms / theirs.watch_p99_ms,
      messages_per_cpu_second: ours.messages_per_cpu_second / theirs.messages_per_cpu_second, answer_p99_per_fdatasync_p99: ours.answer_p99_ms / disk.fdatasync_p99_ms } };
    table(calls, ours, theirs, disk);
  }
  say(`\ndisk: write + fdatasync of 16 KiB p50 ${disk.fdatasync_p50_ms.toFixed(3)} ms, p99 ${disk.fdatasync_p99_ms.toFixed(3)} ms`);
  if (o.json)
    console.log(JSON.stringify(summary, null, 2));
} finally {
  rmSync(work, { recursive: true, force: true });
}

#!/usr/bin/env node
// ./dev bench media: what a frame of live audio costs, and how many calls a core carries (a call: two legs of 50 frames/s), with decoding, speech detection, levels
// and the ring to listen back, and again with recording on. In the same run, taking turns: the codec alone, in process; a bare epoll server that receives
// and unmasks, and one that decodes, too (media_floor.c); a Node.js server on the `ws` package that does the same (media_node.mjs). And the memory of a call.
//
// The product is the real one, with its journal and PostgreSQL; `json` are Twilio's media messages, `l16` is Vapi's transcriber socket (a frame has both legs);
// `mulaw` and `opus` come as bare frames of a protocol that only this build has (media_raw.c); `grpc` are RingCX's streams, messages of 100 ms that count as
// five frames, one stream a connection or ten; beside it nghttp2 alone (grpc_floor.c) and `@grpc/grpc-js`; `grpc-tls` the same with a certificate of the run, against a
// second node: what TLS costs is its difference to `grpc`. Core 0 carries the server, core 1 the sender; as root
// both have real-time priority, so that others on the machine delay neither. Only ratios within one run say anything.
import { spawn, execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, dirname } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { speak } from '../tools/lib/speech.mjs';
import { until } from '../tools/lib/wait.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const BUILD = process.env.CALLMEND_BUILD ?? join(HERE, '../build/release');
const text = { type: 'string' };
const flag = { type: 'boolean' };
const { values: o } = parseArgs({ options: { sockets: text, formats: text, rounds: text, seconds: text, warmup: text, recording: text, memory: text, ring: text, quick: flag, json: flag } });
const QUICK = o.quick ?? false;
// frames: of a call in a second, 20 ms each (l16: of both legs). path: after the server's name; the other servers take any. wire: what C programs and
// Node's call the format, when not so; pieces: frames in a message; streams: of a connection.
const FORMATS = {
  mulaw: { title: 'µ-law, binary', talk: 8000, frames: 100, sockets: [200, 500, 1000, 2000], dialect: 'raw', path: '/pcmu' },
  json: { title: 'µ-law in JSON, base64 (Twilio)', talk: 8000, frames: 100, sockets: [200, 500, 1000, 2000], dialect: 'twilio', path: '' },
  l16: { title: 'L16, 16 kHz, stereo (Vapi\'s transcriber; a frame has both legs)', talk: 16000, frames: 50, sockets: [200, 500, 1000, 2000], dialect: 'vapi', path: '/transcriber' },
  grpc: { title: 'µ-law over gRPC (RingCX), a stream a connection', talk: 8000, frames: 100, sockets: [200, 500, 1000, 2000], grpc: true, pieces: 5, streams: 1 },
  'grpc-10': { title: 'µ-law over gRPC (RingCX), ten streams a connection', talk: 8000, frames: 100, sockets: [200, 500, 1000, 2000], grpc: true, wire: 'grpc', pieces: 5, streams: 10 },
  'grpc-tls': { title: 'µ-law over gRPC (RingCX) with TLS, a stream a connection', talk: 8000, frames: 100, sockets: [200, 500, 1000, 2000], grpc: true, tls: true, pieces: 5, streams: 1 },
  opus: { title: 'Opus, full band, to 16 kHz', talk: 16000, frames: 100, sockets: [100, 200], dialect: 'raw', path: '/opus' },
  'opus-wide': { title: 'Opus, wide band, to 16 kHz', talk: 16000, frames: 100, sockets: [100, 200], dialect: 'raw', path: '/opus' },
};
const names = o.formats?.split(',') ?? Object.keys(FORMATS);
const counts = (name) => o.sockets?.split(',').map(Number) ?? (QUICK ? [10] : FORMATS[name].sockets);
const ROUNDS = Number(o.rounds ?? (QUICK ? 1 : 3));
const SECONDS = Number(o.seconds ?? (QUICK ? 0.5 : 3));
const WARMUP = Number(o.warmup ?? (QUICK ? 0.5 : 1.5));
const RECORDING = { on: [true], off: [false], both: [false, true] }[o.recording ?? 'both'];
const MEMORY = Number(o.memory ?? (QUICK ? 0 : 500)); // sockets, among whom what a shard has once (2 MiB of events and buffers) is shared; 0: not asked for
const RING_SECONDS = Number(o.ring ?? 32); // until it is full
const TRIES = 3;
const LATE_MS = 2; // p99 of the sender's slots; more and the pace was not held
const FULL = 0.93; // of a core: what a frame costs is then at least so much, since queues grow
const run = promisify(execFile);
const say = (line = '') => (o.json ? process.stderr.write(`${line}\n`) : console.log(line));
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)];

for (const name of names)
  if (!FORMATS[name])
    throw new Error(`--formats: ${name} is none of ${Object.keys(FORMATS).join(', ')}`);

function built(name) {
  const found = join(BUILD, 'bench', name);
  if (!existsSync(found))
    throw new Error(`${name} is not built in ${BUILD}`);
  return found;
}
const LOAD = built('media_load');
const FLOOR = built('media_floor');
process.env.CALLMEND_BIN = built('callmend-media-bench');
const { Product, freePort } = await import('../tests/e2e/lib/product.mjs');
const { grpcTools } = await import('../tools/rc-sim/grpc.mjs');

// --- processes ---------------------------------------------------------------------------------------------------------------------

// Round robin, not FIFO: under FIFO Node sometimes fills a core by itself; perhaps its main thread spins for a helper that does not get to run.
const realtime = await run('chrt', ['-r', '1', 'true']).then(() => true, () => false);
const first = (core, priority) => [...(realtime ? ['chrt', '-r', String(priority)] : []), 'taskset', '-c', String(core)];

let interrupted = false;
const children = new Set();
function start(core, priority, command, args) {
  if (interrupted)
    throw new Error('interrupted');
  const [program, ...rest] = [...first(core, priority), command, ...args];
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  child.on('exit', () => children.delete(child));
  return child;
}

function output(child) {
  let all = '';
  child.stdout.on('data', (data) => { all += data; });
  return new Promise((resolve, reject) => child.on('close', (code) => (code === 0 ? resolve(all) : reject(new Error(`${child.spawnargs.join(' ')}: ${code}`)))));
}

async function stop() {
  while (products.length)
    await products.pop().destroy();
}

let work = null;
const products = []; // that run
async function clean() {
  children.forEach((child) => child.kill());
  await stop();
  if (work)
    rmSync(work, { recursive: true, force: true });
}
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };
for (const [signal, number] of Object.entries(SIGNALS)) {
  process.removeAllListeners(signal); // the product's helper only exits
  process.on(signal, () => {
    if (interrupted)
      return;
    interrupted = true;
    clean().finally(() => process.exit(128 + number));
  });
}

// --- memory that the machine really has ------------------------------------------------------------------------------------------------

// A virtual machine's host gives memory when a page is touched for the first time since the machine began, twenty times as slowly as the kernel then clears it:
// recordings in the page cache and rings would be measured as that. So all that is free is touched once, but for a reserve, and given back.
const GIB = 1 << 30;
const RESERVE_GIB = 3;
async function touchMemory() {
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))[1]) * 1024;
  const blocks = Math.floor(available / GIB) - RESERVE_GIB;
  if (blocks > 0)
    await output(start(0, 1, process.execPath, ['-e', `const all = []; for (let i = 0; i < ${blocks}; i++) all.push(Buffer.alloc(${GIB}, 1))`]));
}

// --- a talk ------------------------------------------------------------------------------------------------------------------------

const LINES = [['Good morning, this is the clinic. How can I help you today?', 1], ['Hello, I would like to make an appointment with the doctor, please.', 0],
  ['Of course. Which day would suit you best?', 1], ['Thursday in the afternoon, if that is possible.', 0], ['I have half past three or a quarter to five.', 1],
  ['Half past three is perfect.', 0], ['May I have your name and your date of birth?', 1], ['My name is Robert Miller, born on the second of March nineteen seventy.', 0]];

// Customer left, assistant right, one after the other with pauses; on both a little noise, as on every line.
function talk(rate) {
  const voices = ['en-us', 'en-gb'];
  const parts = LINES.map(([line, leg]) => ({ leg, pcm: speak(line, { rate, voice: voices[leg] }) }));
  const pause = rate / 2;
  const out = new Int16Array(2 * parts.reduce((n, part) => n + part.pcm.length + pause, 0));
  let seed = 1;
  for (let i = 0; i < out.length; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    out[i] = (seed >>> 25) - 64;
  }
  let at = 0;
  for (const { leg, pcm } of parts) {
    pcm.forEach((s, i) => { out[2 * (at + i) + leg] = Math.max(-32768, Math.min(32767, out[2 * (at + i) + leg] + (s >> 1))); });
    at += pcm.length + pause;
  }
  return Buffer.from(out.buffer);
}

function talkFile(rate) {
  const path = join(work, `talk-${rate}`);
  if (!existsSync(path))
    writeFileSync(path, talk(rate));
  return path;
}

// --- servers: start(format), load options, frames handled, stop ------------------------------------------------------------------------

async function port(child) {
  return Number(await new Promise((resolve, reject) => {
    child.stdout.once('data', (data) => resolve(data.toString().trim()));
    child.once('exit', (code) => reject(new Error(`${child.spawnargs.join(' ')} has exited (${code})`)));
  }));
}

// A process of its own for every measurement; it says at its end how many frames it has had.
class Alone {
  constructor(command, args) {
    this.child = start(0, 5, command, args);
    this.output = output(this.child);
    this.output.catch(() => {}); // ends badly before anybody asks when the run is interrupted
    this.ready = port(this.child);
  }

  async at() {
    return { port: await this.ready, pid: this.child.pid, path: METHOD };
  }

  async handled(wanted) {
    this.child.kill('SIGTERM');
    const { frames } = JSON.parse((await this.output).split('\n')[1]);
    return frames === wanted;
  }
}

// Folders may go while one looks.
function filesBelow(folder) {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((item) =>
      (item.isDirectory() ? (item.name === 'postgres' ? [] : filesBelow(join(folder, item.name))) : [join(folder, item.name)]));
  } catch (error) {
    if (error.code === 'ENOENT')
      return [];
    throw error;
  }
}

// Of this run, self-signed; nobody asks who it is of.
function certificate() {
  const [certificate_file, key_file] = ['cert.pem', 'key.pem'].map((name) => join(work, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', key_file, '-out', certificate_file],
    { stdio: 'ignore' });
  chmodSync(key_file, 0o644); // the product may be another user's, the folder is the run's
  return { certificate_file, key_file };
}

class Callmend {
  constructor(product, format, recording, sockets) {
    Object.assign(this, { product, format, recording, sockets });
  }

  static async start({ listen = true, tls = false } = {}) {
    const grpc = { listen_port: await freePort(), max_connections: 8000, ...(tls ? certificate() : {}) };
    const product = await Product.start({ config: { core: { shards: 1, max_calls: 200000, max_media: 8000, mailbox_limit: 1 << 20 }, grpc, journal: { segment_bytes: '64MiB' }, log: { level: 'warn' },
      media: { bind_grace_ms: '200ms' }, analyst: { processes: 0 } } });
    products.push(product);
    for (const on of [false, true]) {
      const project = await product.must('POST', '/api/v1/projects', { name: on ? 'recorded' : 'heard', language: 'en' });
      await product.must('PATCH', `/api/v1/projects/${project.id}`, { audio: { listen, recording: { on } } });
      for (const dialect of ['raw', 'twilio', 'vapi'])
        await product.must('POST', '/api/v1/sources', { name: Callmend.source(on), dialect, project_id: project.id, auth: [{ type: 'open' }] });
      const auth = [{ type: 'bearer', secret: product.secret(`grpc-${Callmend.source(on)}`, Callmend.source(on)) }];
      await product.must('POST', '/api/v1/sources', { name: `grpc-${Callmend.source(on)}`, dialect: 'ringcx', project_id: project.id, auth });
    }
    await until('the sources are known', async () => (await product.webhook(Callmend.source(true), '{}', { secret: null })).status !== 404);
    const pid = product.pid('core');
    await run('taskset', ['-acp', '0', String(pid)]);
    if (realtime)
      await run('chrt', ['-a', '-r', '-p', '5', String(pid)]);
    return product;
  }

  static source = (recording) => (recording ? 'recorded' : 'heard');

  async count(name) {
    return (await this.product.metric(name)) ?? 0;
  }

  postgres() {
    const server = this.product.pid('postgres');
    const parent = (pid) => {
      try {
        return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')[1]);
      } catch {
        return 0;
      }
    };
    return server ? [server, ...readdirSync('/proc').filter((p) => /^\d+$/.test(p)).map(Number).filter((p) => parent(p) === server)] : [];
  }

  async at() {
    this.audio = await this.count('callmend_media_messages_total{kind="audio"}');
    this.unread = await this.count('callmend_media_messages_total{kind="unreadable"}');
    const { dialect, path, grpc } = FORMATS[this.format];
    if (grpc)
      return { port: this.product.config.grpc.listen_port, pid: this.product.pid('core'), path: METHOD, header: Callmend.source(this.recording), beside: this.postgres().join(',') };
    return { port: this.product.port, pid: this.product.pid('core'), path: `/in/${dialect}/${Callmend.source(this.recording)}${path}`, beside: this.postgres().join(',') };
  }

  // A raw stream's first frame is its start, and counted as that.
  async handled(sent) {
    const wanted = this.audio + sent - (FORMATS[this.format].dialect === 'raw' ? this.sockets : 0);
    const all = await until('all frames are handled', async () => (await this.count('callmend_media_messages_total{kind="audio"}')) >= wanted, { timeoutMs: 20000 }).catch(() => false);
    await until('the calls are over', async () => (await this.count('callmend_media_sockets')) === 0, { timeoutMs: 60000 });
    await until('PostgreSQL has it all', async () => (await this.count('callmend_projector_lag_records')) === 0, { timeoutMs: 120000 });
    this.recorded = filesBelow(this.product.stateDir).filter((path) => path.endsWith('.wav'));
    this.recorded.forEach((path) => rmSync(path, { force: true }));
    return all && (await this.count('callmend_media_messages_total{kind="unreadable"}')) === this.unread &&
      (await this.count('callmend_media_messages_total{kind="audio"}')) === wanted;
  }
}

const METHOD = '/ringcentral.ringcx.streaming.v1beta2.Streaming/Stream';

// --- Node's packages: fetched once, into a folder for temporary files ------------------------------------------------------------------------

const INSTALLED = { folder: '', opus: false, grpc: grpcWorks() };

// Of the repository's own packages (npm ci).
function grpcWorks() {
  try {
    return Boolean(grpcTools());
  } catch {
    return false;
  }
}

async function nodeFolder() {
  if (QUICK)
    return INSTALLED;
  const folder = join(tmpdir(), `callmend-bench-node-${process.getuid?.() ?? 0}`);
  const has = (name) => existsSync(join(folder, 'node_modules', name));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!has('@discordjs/opus')) {
    say('fetching ws, bufferutil and @discordjs/opus with npm');
    await run('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder, 'ws', 'bufferutil', '@discordjs/opus'], { timeout: 300000 }).catch((error) =>
      say(`npm: ${(error.stderr || error.message).trim().split('\n')[0]}`));
  }
  if (!has('ws')) {
    say('Node.js: with the installed ws package (Debian\'s node-ws), without bufferutil');
    return INSTALLED;
  }
  const version = (name) => JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'))).version;
  const opus = has('@discordjs/opus') && opusWorks(folder);
  say(`Node.js ${process.version} with ws ${version('ws')}${has('bufferutil') ? `, bufferutil ${version('bufferutil')}` : ''}${opus ? `, @discordjs/opus ${version('@discordjs/opus')}` : ''}`);
  return { ...INSTALLED, folder, opus };
}

function opusWorks(folder) {
  try {
    execFileSync(process.execPath, ['-e', 'require("@discordjs/opus")'], { cwd: folder, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

// --- the run ---------------------------------------------------------------------------------------------------------------------------

const wire = (format) => FORMATS[format].wire ?? format;

async function load(format, sockets, where, { seconds = SECONDS, warmup = WARMUP } = {}) {
  const options = { '--format': wire(format), '--talk': talkFile(FORMATS[format].talk), '--sockets': sockets, '--seconds': seconds, '--warmup': warmup, '--port': where.port, '--pid': where.pid,
    '--path': where.path, '--streams': FORMATS[format].streams ?? 1, ...(where.header ? { '--header': where.header } : {}), ...(where.beside ? { '--beside': where.beside } : {}) };
  return JSON.parse(await output(start(1, 10, LOAD, Object.entries(options).flat().map(String))));
}

// One measurement, again when the sender was late. {us, ...} or {void: why}.
async function measure(format, sockets, make) {
  let result;
  for (let i = 0; i < TRIES; i++) {
    const server = make();
    const got = await load(format, sockets, await server.at());
    const all = await server.handled(got.sent);
    const share = got.cpu_ns / 1e9 / got.window_s;
    const why = got.blocked ? `${got.blocked} frames found no room` : !all ? 'not every frame was handled' : server.recording && !server.recorded.length ? 'nothing was recorded' :
      !QUICK && got.late_p99_ms > LATE_MS ? `the sender was ${got.late_p99_ms.toFixed(1)} ms late` : '';
    result = { ...got, us: got.cpu_ns / 1000 / got.frames, beside_us: got.beside_ns / 1000 / got.frames, full: share > FULL, void: why };
    if (!why || !why.startsWith('the sender'))
      break;
  }
  return result;
}

async function decodeOnly(format, sockets) {
  const args = ['--decode', QUICK ? 0.1 : 1, '--format', wire(format), '--talk', talkFile(FORMATS[format].talk), '--sockets', sockets].map(String);
  const got = JSON.parse(await output(start(0, 5, LOAD, args)));
  return { us: got.cpu_ns / 1000 / got.frames };
}

const OURS = { callmend: false, recorded: true };

function hasNode(format, node) {
  if (FORMATS[format].grpc)
    return node.grpc && !FORMATS[format].tls;
  return !format.startsWith('opus') || node.opus;
}

// TLS is compared with the same without it: only we have it.
function columns(format, sockets, node, product) {
  const all = { decode: () => decodeOnly(format, sockets) };
  if (!FORMATS[format].tls)
    Object.assign(all, { receive: () => measure(format, sockets, () => new Alone(FLOOR, ['receive', wire(format)])), floor: () => measure(format, sockets, () => new Alone(FLOOR, ['decode', wire(format)])) });
  if (hasNode(format, node))
    all.node = () => measure(format, sockets, () => new Alone(process.execPath, [join(HERE, 'media_node.mjs'), wire(format), ...(node.folder ? [node.folder] : [])]));
  for (const [name, recording] of Object.entries(OURS))
    if (RECORDING.includes(recording))
      all[name] = () => measure(format, sockets, () => new Callmend(product, format, recording, sockets));
  return all;
}

// The median of the rounds that count.
function combine(rounds) {
  const good = rounds.filter((r) => !r.void);
  if (!good.length)
    return { void: rounds.at(-1).void };
  const middle = (key) => median(good.map((r) => r[key] ?? 0));
  const last = good.at(-1);
  const threads = (last.threads ?? []).map(({ ns }) => ns / 1000 / last.frames).sort((a, b) => b - a);
  return { us: middle('us'), full: good.some((r) => r.full), beside_us: middle('beside_us'), late_p99_ms: middle('late_p99_ms'), rounds: good.length, threads };
}

const TITLES = { decode: 'the codec alone, in process', receive: 'epoll: receive, unmask', floor: 'epoll: receive, unmask, decode, level', node: 'Node.js: ws, decode, level',
  callmend: 'callmend', recorded: 'callmend, recording' };
const GRPC_TITLES = { ...TITLES, receive: 'nghttp2: receive, take apart', floor: 'nghttp2: ..., unpack, decode, level', node: 'Node.js: grpc-js, decode, level' };

function table(format, sockets, row) {
  const { title, grpc, frames, pieces = 1, streams = 1 } = FORMATS[format];
  const connections = Math.ceil(sockets / streams);
  const what = grpc ? `calls, ${connections} connection${connections > 1 ? 's' : ''}` : 'sockets';
  say(`\n${title}: ${sockets} ${what}, ${sockets * frames} frames/s${pieces > 1 ? ` in ${sockets * frames / pieces} messages` : ''}`);
  say(`  ${'(medians)'.padEnd(40)}${'µs/frame'.padStart(10)}${'calls/core'.padStart(12)}${(grpc ? '÷ nghttp2' : '÷ epoll').padStart(10)}${'÷ Node'.padStart(9)}   threads, µs; PostgreSQL`);
  for (const [name, r] of Object.entries(row)) {
    const ratio = (other, width = 9) => (other?.us && name !== 'decode' ? (r.us / other.us).toFixed(2) : '').padStart(width);
    const threads = name in OURS && r.us ? `   ${r.threads.slice(0, 4).map((us) => us.toFixed(2)).join(' + ')}; ${r.beside_us.toFixed(2)}` : '';
    say(`  ${(grpc ? GRPC_TITLES : TITLES)[name].padEnd(40)}${r.void ? `  void: ${r.void}` : `${`${r.full ? '≥ ' : ''}${r.us.toFixed(2)}`.padStart(10)}${String(Math.floor(1e6 / frames / r.us)).padStart(12)}${ratio(row.floor, 10)}${ratio(row.node)}${threads}`}`);
  }
}

// --- what was aimed at --------------------------------------------------------------------------------------------------------------------

function aims(results) {
  const out = [];
  const aim = (title, value, holds) => Number.isFinite(value) && out.push({ title, value, holds: holds(value) });
  const of = (format, sockets) => results[`${format} ${sockets}`] ?? {};
  const most = (bar) => (value) => value <= bar;
  const least = (bar) => (value) => value >= bar;
  for (const ours of Object.keys(OURS)) {
    const suffix = ours === 'recorded' ? ', recording' : '';
    for (const format of ['mulaw', 'json', 'l16']) {
      const { [ours]: us, floor, node } = of(format, 1000);
      aim(`${format} at 1000${suffix}: ≤ 1.5 × epoll`, us?.us / floor?.us, most(1.5));
      if (format === 'l16')
        continue;
      aim(`${format} at 1000${suffix}: ≥ 2000 calls per core`, 1e4 / us?.us, least(2000));
      aim(`${format} at 1000${suffix}: ≤ 0.65 × Node`, us?.us / node?.us, most(0.65));
    }
    for (const [format, calls] of [['opus', 290], ['opus-wide', 500]]) {
      const { [ours]: us, decode, receive } = of(format, 200);
      aim(`${format} at 200${suffix}: ≤ decode + 1.5 × receive`, us?.us / (decode?.us + 1.5 * receive?.us), most(1));
      aim(`${format} at 200${suffix}: ≥ ${calls} calls per core`, 1e4 / us?.us, least(calls));
    }
  }
  return out;
}

// Where Node's core is full its cost is only known to be that or more: then fewer sockets tell.
function isFloor(results) {
  const at = [1000, 500, 200].find((n) => results[`mulaw ${n}`]?.floor?.us && results[`mulaw ${n}`]?.node?.us && !results[`mulaw ${n}`].node.full);
  if (!at)
    return say('\nµ-law at 1000 sockets was not compared with Node: whether the epoll server is a floor is not known');
  const { floor, node } = results[`mulaw ${at}`];
  const ratio = floor.us / node.us;
  return say(`\n${ratio > 0.45 ? 'VOID: its floor is not one: ' : ''}the epoll server costs ${ratio.toFixed(2)} × Node on µ-law at ${at} sockets${at < 1000 ? ' (at more Node\'s core is full)' : ''}; ` +
    `${ratio > 0.45 ? 'more than' : 'at most'} 0.45`);
}

function judge(results, memory) {
  isFloor(results);
  const all = [...aims(results), ...Object.entries(memory).map(([title, { kib, bar }]) => ({ title: `${title}: ≤ ${bar} KiB`, value: kib, holds: kib <= bar }))];
  if (all.length)
    say('\naims');
  for (const { title, value, holds } of all)
    say(`  ${holds ? 'met ' : 'NOT '} ${title.padEnd(62)}${value.toFixed(value < 10 ? 2 : 0).padStart(8)}`);
  return all;
}

// --- memory of a call, in a fresh process: what is its own grows by -------------------------------------------------------------------------

async function memoryOf(listen, seconds) {
  const product = await Callmend.start({ listen });
  try {
    const server = new Callmend(product, 'json', false, MEMORY);
    const got = await load('json', MEMORY, await server.at(), { seconds, warmup: 1 });
    return (got.bytes - got.idle_bytes) / MEMORY / 1024;
  } finally {
    await stop();
  }
}

async function memories() {
  const out = {};
  if (!MEMORY)
    return out;
  out['memory of a call, without the ring'] = { kib: await memoryOf(false, 5), bar: 64 };
  out[`memory of a call, with ${RING_SECONDS} s in the ring`] = { kib: await memoryOf(true, RING_SECONDS), bar: 544 };
  return out;
}

async function main() {
  work = mkdtempSync(join(tmpdir(), 'callmend-bench-'));
  chmodSync(work, 0o755);
  const node = await nodeFolder();
  if (!node.opus && names.some((name) => name.startsWith('opus')))
    say('Node.js has no Opus here (@discordjs/opus could not be had): its column is left out there');
  if (!node.grpc && names.some((name) => FORMATS[name].grpc))
    say('Node.js has no gRPC here (npm ci in the repository\'s root): its column is left out there');
  if (!realtime)
    say('no real-time priority (not root): the sender may be late, and a busy machine shows in all figures');
  if (!QUICK)
    await touchMemory();
  const rounds = {};
  const plain = await Callmend.start();
  const secure = names.some((name) => FORMATS[name].tls) ? await Callmend.start({ tls: true }) : null;
  for (let round = 0; round < ROUNDS; round++)
    for (const format of names)
      for (const sockets of counts(format)) {
        const key = `${format} ${sockets}`;
        const turn = Object.entries(columns(format, sockets, node, FORMATS[format].tls ? secure : plain));
        for (const [name, go] of round % 2 ? turn.reverse() : turn)
          ((rounds[key] ??= {})[name] ??= []).push(await go());
        const last = Object.fromEntries(Object.keys(TITLES).filter((name) => rounds[key][name]).map((name) => [name, rounds[key][name].at(-1)]));
        say(`  round ${round + 1}: ${key}: ${Object.entries(last).map(([name, r]) => `${name} ${r.void ? `void (${r.void})` : r.us.toFixed(2)}`).join(', ')}`);
      }
  await stop();
  const results = {};
  for (const [key, row] of Object.entries(rounds))
    results[key] = Object.fromEntries(Object.keys(TITLES).filter((name) => row[name]).map((name) => [name, combine(row[name])]));
  for (const [key, row] of Object.entries(results))
    table(...key.split(' ').map((part, i) => (i ? Number(part) : part)), row);
  const memory = await memories();
  for (const [title, { kib }] of Object.entries(memory))
    say(`\n${title}: ${kib.toFixed(1)} KiB (Twilio's messages, ${MEMORY} sockets)`);
  const judged = QUICK ? [] : judge(results, memory);
  if (o.json)
    console.log(JSON.stringify({ seconds: SECONDS, rounds: ROUNDS, realtime, results, memory, aims: judged }, null, 2));
}

try {
  await main();
} catch (error) {
  if (!interrupted)
    throw error; // else it is that we have ended its processes
} finally {
  if (!interrupted)
    await clean();
}

#!/usr/bin/env node
// ./dev bench listen: how far behind those are who listen to live calls. Sockets send live audio at the pace of life; one call in ten has a listener (the mix, over
// the live WebSocket). Once a second the customer of each call makes a sound after silence: from the moment the frame that begins it is written to the socket until the
// listener has the frame in which it is heard. That takes in the 40 ms of a listener's frame, of which the sound may be the first or the last, and what a codec adds.
//
// The product is the real one, with speech detection, levels, ring, journal and PostgreSQL. `pcm` is Vapi's transcriber socket (16 kHz, both legs in a frame), `opus`
// comes as bare frames of a protocol that only callmend-media-bench has (media_raw.c). Core 0 carries the core process, core 1 sender and listeners:
// without real-time priority (Node's threads spin for each other under it), so that a busy machine shows in the tail.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import WebSocket from '../tools/lib/ws.mjs';
import { until } from '../tools/lib/wait.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const BUILD = process.env.CALLMEND_BUILD ?? join(HERE, '../build/release');
const TICK_MS = 20;
const PERIOD = 50; // frames from sound to sound
const SOUND = 5; // frames
const LOUD = 3000;
const AIM_MS = 300;
const nowMs = () => Number(process.hrtime.bigint() / 1000n) / 1000; // of all threads

// --- what is sent ------------------------------------------------------------------------------------------------------------------

// The customer of one period; a little noise, as on every line.
function customer(rate) {
  let seed = 1;
  return Int16Array.from({ length: rate }, (_, i) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const sound = i < SOUND * rate / PERIOD ? 12000 * Math.sin(2 * Math.PI * 440 * i / rate) : 0;
    return Math.round(sound) + (seed >>> 27) - 16;
  });
}

const bytesOf = (samples) => Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);

// messages[frame of the period]: what a call sends then.
function pcmMessages() {
  const samples = customer(16000), each = samples.length / PERIOD;
  return Array.from({ length: PERIOD }, (_, i) => {
    const stereo = new Int16Array(2 * each);
    for (let k = 0; k < each; k++)
      stereo[2 * k] = samples[i * each + k];
    return [bytesOf(stereo)];
  });
}

function packets(samples) {
  const all = execFileSync(join(BUILD, 'bench/listen_frames'), { input: bytesOf(samples), maxBuffer: 1 << 24 });
  const out = [];
  for (let at = 0; at < all.length; at += 2 + all.readUInt16LE(at))
    out.push(all.subarray(at + 2, at + 2 + all.readUInt16LE(at)));
  return out;
}

function opusMessages() {
  const once = customer(48000), twice = new Int16Array(2 * once.length);
  twice.set(once);
  twice.set(once, once.length);
  const [spoken, silent] = [packets(twice), packets(new Int16Array(twice.length))].map((list) => list.slice(PERIOD)); // the coder has settled
  return spoken.map((frame, i) => [Buffer.concat([Buffer.of(0), frame]), Buffer.concat([Buffer.of(1), silent[i]])]);
}

const FORMATS = {
  pcm: { title: 'PCM, 16 kHz, stereo', dialect: 'vapi', path: '/transcriber', messages: pcmMessages,
    start: '{"type":"start","encoding":"linear16","container":"raw","sampleRate":16000,"channels":2}' },
  opus: { title: 'Opus, full band, 48 kHz', dialect: 'raw', path: '/opus', messages: opusMessages },
};

// --- the sender: a thread of its own -----------------------------------------------------------------------------------------------

function sender({ format, url }) {
  const { messages: make, start } = FORMATS[format];
  const messages = make();
  const sockets = []; // each begins elsewhere in the period, and in the 20 ms
  const began = nowMs();
  let at = 0; // ticks of a ms
  const open = () => new Promise((resolve, reject) => {
    const ws = new WebSocket(url, { perMessageDeflate: false });
    ws.on('error', reject);
    ws.on('open', () => {
      if (start)
        ws.send(start);
      resolve(ws);
    });
  });
  const send = (socket, n, tick) => {
    const frame = (Math.floor(tick / TICK_MS) + 7 * n) % PERIOD;
    if (frame === 0)
      parentPort.postMessage({ sound: n, at: nowMs() });
    messages[frame].forEach((message) => socket.send(message));
  };
  const timer = setInterval(() => {
    for (const until_ = Math.floor(nowMs() - began); at < until_; at++)
      for (let n = at % TICK_MS; n < sockets.length; n += TICK_MS)
        send(sockets[n], n, at);
  }, 1);
  parentPort.on('message', async ({ more, stop }) => {
    for (let i = 0; i < more; i++)
      sockets.push(await open());
    if (more)
      return parentPort.postMessage({ opened: sockets.length });
    clearInterval(timer);
    sockets.forEach((ws) => ws.close());
    return stop && parentPort.close();
  });
}

// --- the product and its listeners ---------------------------------------------------------------------------------------------------

async function main() {
  const text = { type: 'string' }, flag = { type: 'boolean' };
  const { values: o } = parseArgs({ options: { sockets: text, seconds: text, formats: text, quick: flag, json: flag } });
  const sockets = Number(o.sockets ?? (o.quick ? 10 : 100));
  const seconds = Number(o.seconds ?? (o.quick ? 3 : 60));
  const names = o.formats?.split(',') ?? Object.keys(FORMATS);
  const say = (line = '') => (o.json ? process.stderr.write(`${line}\n`) : console.log(line));
  for (const name of names)
    if (!FORMATS[name])
      throw new Error(`--formats: ${name} is none of ${Object.keys(FORMATS).join(', ')}`);
  process.env.CALLMEND_BIN = join(BUILD, 'bench/callmend-media-bench');
  for (const program of [process.env.CALLMEND_BIN, join(BUILD, 'bench/listen_frames')])
    if (!existsSync(program))
      throw new Error(`${program} is not built`);
  const results = {};
  for (const name of names) {
    results[name] = await measure(name, sockets, seconds);
    show(say, FORMATS[name].title, results[name]);
  }
  if (o.json)
    console.log(JSON.stringify(results));
}

// All threads of a process to a core.
const place = (pid, cores) => promisify(execFile)('taskset', ['-acp', cores, String(pid)]);

async function startProduct() {
  const { Product } = await import('../tests/e2e/lib/product.mjs');
  const product = await Product.start({ config: { core: { max_media: 8000 }, log: { level: 'warn' }, media: { bind_grace_ms: '200ms' }, analyst: { processes: 0 } } });
  const project = await product.must('POST', '/api/v1/projects', { name: 'heard', language: 'en', audio: { listen: true } });
  for (const dialect of ['raw', 'vapi'])
    await product.must('POST', '/api/v1/sources', { name: 'heard', dialect, project_id: project.id, auth: [{ type: 'open' }] });
  await until('the sources are known', async () => (await product.webhook('heard', '{}', { secret: null })).status !== 404);
  await place(product.pid('core'), '0');
  return product;
}

const liveCalls = async (product) => (await product.must('GET', '/api/v1/live/calls')).calls.map(({ id }) => id);

// A socket, and who listens to the call it has become.
async function heardSocket(product, work, known) {
  work.ask({ more: 1 });
  const call = await until('its call', async () => (await liveCalls(product)).find((id) => !known.has(id)), { timeoutMs: 30000 });
  known.add(call);
  const live = await product.live({ subscribe: null });
  live.send({ type: 'listen', call, leg: 'mix' });
  await live.message('listening');
  return live;
}

function startSender(name, product) {
  const { dialect, path } = FORMATS[name];
  const worker = new Worker(new URL(import.meta.url), { workerData: { format: name, url: `ws://127.0.0.1:${product.port}/in/${dialect}/heard${path}` } });
  const work = { worker, sounds: [], opened: 0, failed: null, ask: (what) => worker.postMessage(what) };
  worker.on('message', ({ sound, at, opened }) => {
    if (opened)
      work.opened = opened;
    else
      work.sounds.push({ n: sound, at });
  });
  worker.on('error', (error) => { work.failed = error; });
  return work;
}

// When a sound was first heard after silence, by our clock.
function onsets(live, toOurs) {
  let quiet = 0;
  return live.frames.flatMap(({ samples, receivedAt }) => {
    const loud = samples.some((s) => Math.abs(s) > LOUD);
    const first = loud && quiet >= 5;
    quiet = loud ? 0 : quiet + 1;
    return first ? [receivedAt + toOurs] : [];
  });
}

// The delay of every sound that was sent in the time that counts; null: it was not heard within a period.
function delays(sounds, heard, from, to) {
  return sounds.filter(({ at }) => at >= from && at < to).map(({ at }) => {
    const first = heard.find((time) => time >= at);
    return first - at < PERIOD * TICK_MS ? first - at : null;
  });
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

async function measure(name, sockets, seconds) {
  const product = await startProduct();
  const work = startSender(name, product);
  try {
    const known = new Set(), lives = [];
    for (let i = 0; i < Math.max(1, sockets / 10); i++)
      lives.push(await heardSocket(product, work, known));
    work.ask({ more: sockets - lives.length });
    await place(process.pid, '1');
    await until('all sockets are open', () => work.failed || work.opened === sockets, { timeoutMs: 60000 });
    if (work.failed)
      throw work.failed;
    const toOurs = nowMs() - performance.now();
    const from = nowMs() + 2 * PERIOD * TICK_MS, to = from + seconds * 1000; // all have gone round once
    await until('the time is over', () => nowMs() > to + PERIOD * TICK_MS, { timeoutMs: seconds * 1000 + 30000, everyMs: 100 });
    const all = lives.flatMap((live, n) => delays(work.sounds.filter((s) => s.n === n), onsets(live, toOurs), from, to));
    const sorted = all.filter((ms) => ms !== null).sort((a, b) => a - b);
    return { sockets, listeners: lives.length, sounds: all.length, missed: all.length - sorted.length, dropped: (await product.metric('callmend_media_listen_drops_total')) ?? 0,
      p50_ms: quantile(sorted, 0.5), p99_ms: quantile(sorted, 0.99), max_ms: sorted.at(-1) };
  } finally {
    work.ask({ stop: true });
    await work.worker.terminate();
    await place(process.pid, '0,1'); // the next product takes it over
    await product.destroy();
  }
}

function show(say, title, r) {
  const ms = (v) => (v === undefined ? '-' : v.toFixed(1));
  say(`${title}: ${r.sockets} sockets, ${r.listeners} listeners, ${r.sounds} sounds`);
  say(`  socket -> listener, ms: p50 ${ms(r.p50_ms)}, p99 ${ms(r.p99_ms)}, largest ${ms(r.max_ms)}; not heard ${r.missed}; frames left out ${r.dropped}`);
  say(`  ${!r.missed && r.p99_ms < AIM_MS ? 'met ' : 'NOT '} p99 < ${AIM_MS} ms, and every sound is heard`);
}

if (isMainThread)
  await main();
else
  sender(workerData);

// Sound files become finished calls: every format, damaged ones, killed in between, twice.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BINARY } from './lib/product.mjs';
import { World } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { speak } from '../../tools/lib/speech.mjs';

const END = Date.parse('2026-03-04T05:06:07Z');
let world, product;
before(async () => {
  world = await World.start({ tools: false });
  product = world.product;
});
after(() => world?.end());

// --- making files ---

const words = speak('Good evening. I would like a table for two people, please.', { rate: 8000 });
const silent = (n) => new Int16Array(n);
const joined = (...parts) => Int16Array.from(parts.flatMap((part) => [...part]));
// The customer speaks first, then the assistant.
const CUSTOMER = joined(silent(4000), words, silent(words.length + 8000));
const ASSISTANT = joined(silent(8000 + words.length), words, silent(4000));
const SECONDS = CUSTOMER.length / 8000;

function interleaved(...channels) {
  const out = new Int16Array(channels[0].length * channels.length);
  channels.forEach((samples, c) => samples.forEach((v, i) => { out[i * channels.length + c] = v; }));
  return out;
}

const ulaw = (samples) => Buffer.from(samples.map((s) => s)).map((_, i) => {
  const s = Math.max(-32635, Math.min(32635, samples[i])), magnitude = Math.abs(s) + 132;
  const exponent = Math.max(0, 31 - Math.clz32(magnitude) - 7);
  return ~((s < 0 ? 0x80 : 0) | exponent << 4 | magnitude >> (exponent + 3) & 15) & 0xff;
});

function wav(data, { tag = 1, channels = 2, rate = 8000, bits = 16, size = data.length, riff = 36 + size, before = Buffer.alloc(0) } = {}) {
  const head = Buffer.alloc(36);
  head.write('RIFF', 0);
  head.writeUInt32LE((riff + before.length) >>> 0, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(tag, 20);
  head.writeUInt16LE(channels, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * channels * bits / 8, 28);
  head.writeUInt16LE(channels * bits / 8, 32);
  head.writeUInt16LE(bits, 34);
  const length = Buffer.alloc(8);
  length.write('data', 0);
  length.writeUInt32LE(size >>> 0, 4);
  return Buffer.concat([head, before, length, data]);
}

const pcm = (samples) => Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
const STEREO = pcm(interleaved(CUSTOMER, ASSISTANT));

function file(name, content) {
  const path = join(product.dir, name);
  writeFileSync(path, content);
  utimesSync(path, END / 1000, END / 1000);
  return path;
}

// --- looking ---

const runImport = (paths, ...more) => product.cli(['import', ...paths, '--source', 'main', '--config', product.configFile, '--json', ...more]);
async function imported(paths, ...more) {
  const { code, stdout, stderr } = await runImport(paths, ...more);
  assert.equal(code, 0, stderr + stdout);
  const n = JSON.parse(stdout);
  return product.sql(`select c.*, r.id as recording, r.file, r.state, r.duration_ms as recorded_ms, r.error, r.rate_hz from calls c left join recordings r on r.call_id = c.id
    where c.import_id = '${n.import}' order by c.provider_call_id`);
}
const speech = async (call) => (await product.sql(`select type, speaker, offset_ms::int from call_events where call_id = '${call.id}' and type = 'speech.started' order by offset_ms`));
const peaks = (call) => product.must('GET', `/api/v1/recordings/${call.recording}/peaks`);
const span = (all, fromMs, toMs) => {
  const part = all.slice(2 * Math.ceil(fromMs / 100), 2 * Math.floor(toMs / 100));
  return Math.max(...part) - Math.min(...part);
};
const folder = () => join(product.stateDir, 'recordings');
const files = () => (existsSync(folder()) ? readdirSync(folder(), { recursive: true }) : []).filter((name) => statSync(join(folder(), name)).isFile());

const FIRST_MS = [500, 500 + words.length / 8], SECOND_MS = [1000 + words.length / 8, 1000 + words.length / 4];
async function assertTwoSpeakers(call) {
  const started = await speech(call);
  const near = (ms, at) => ms > at - 100 && ms < at + 600;
  assert.ok(started.some((e) => e.speaker === 'user' && near(e.offset_ms, FIRST_MS[0])), JSON.stringify(started));
  assert.ok(started.some((e) => e.speaker === 'ai' && near(e.offset_ms, SECOND_MS[0])), JSON.stringify(started));
  const p = await peaks(call);
  assert.ok(span(p.left, ...FIRST_MS) > 20 && span(p.right, ...FIRST_MS) < 8, 'left the customer');
  assert.ok(span(p.right, ...SECOND_MS) > 20 && span(p.left, ...SECOND_MS) < 8, 'right the assistant');
}

// --- formats ---

test('a stereo WAV: a finished call at its time, who spoke when, a recording', async () => {
  const [call, ...others] = await imported([file('stereo.wav', wav(STEREO))]);
  assert.equal(others.length, 0);
  assert.equal(call.imported, true);
  assert.equal(call.live, false);
  assert.equal(call.kind, 'recording');
  assert.equal(Date.parse(call.ended_at), END, 'it ended when the file was written');
  assert.ok(Math.abs(call.duration_ms - SECONDS * 1000) < 30);
  assert.ok(Math.abs(Date.parse(call.started_at) + call.duration_ms - END) <= 1);
  assert.equal(call.state, 'ready');
  assert.ok(Math.abs(call.recorded_ms - SECONDS * 1000) < 30);
  await assertTwoSpeakers(call);
  const audio = await fetch(`${product.url}/api/v1/recordings/${call.recording}/audio`, { headers: { authorization: `Bearer ${product.token}` } });
  assert.equal(Buffer.from(await audio.arrayBuffer()).toString('latin1', 28, 36), 'OpusHead');
  await until('analysed', async () => (await product.sql(`select 1 from call_analyses where call_id = '${call.id}'`)).length === 1);
});

test('the same again is a duplicate, and nothing is decoded for it', async () => {
  const n = files().length;
  const { code, stdout } = await runImport([file('copy.wav', wav(STEREO)), file('note.txt', 'AI: Hello\nUser: Hi\n')]);
  assert.equal(code, 0);
  const counts = JSON.parse(stdout);
  assert.deepEqual([counts.records, counts.imported, counts.duplicates, counts.bad], [2, 1, 1, 0]);
  assert.equal(files().length, n);
});

test('the other way round, µ-law in a WAV, raw µ-law, Ogg Opus, 24 bits at 48 kHz', async () => {
  const first = (await product.sql(`select file from recordings order by created_at limit 1`))[0];
  copyFileSync(join(folder(), first.file), join(product.dir, 'from.opus'));
  const [swapped] = await imported([file('swapped.wav', wav(pcm(interleaved(ASSISTANT, CUSTOMER))))], '--channels', 'assistant,customer');
  await assertTwoSpeakers(swapped);
  const [coded] = await imported([file('ulaw.wav', wav(ulaw(interleaved(CUSTOMER, ASSISTANT)), { tag: 7, bits: 8 }))]);
  await assertTwoSpeakers(coded);
  const [ogg] = await imported([join(product.dir, 'from.opus')]);
  assert.equal(ogg.rate_hz, 48000);
  await assertTwoSpeakers(ogg);
  const [raw] = await imported([file('raw.ul', ulaw(CUSTOMER))]);
  const events = await product.sql(`select type, speaker from call_events where call_id = '${raw.id}' and type like 'audio.%' order by seq`);
  assert.equal(events[0].type, 'audio.attached');
  assert.ok(events.every((e) => e.speaker === null), 'nobody knows who it is');
  const wide = new Int16Array(2 * 48000).map((_, i) => 9000 * Math.sin((i >> 1) / 20));
  const bytes = Buffer.alloc(wide.length * 3);
  wide.forEach((v, i) => bytes.writeIntLE(v * 256, 3 * i, 3));
  const [deep] = await imported([file('deep.wav', wav(bytes, { rate: 48000, bits: 24 }))]);
  assert.equal(deep.recorded_ms, 1000);
});

test('heads that lie: the right result', async () => {
  const odd = Buffer.concat([Buffer.from('note'), Buffer.from([3, 0, 0, 0]), Buffer.from('abc\0')]);
  const lies = { unknown: { size: 0xffffffff, riff: 0xffffffff }, never: { size: 0, riff: 0 }, larger: { size: STEREO.length * 2 }, smaller: { size: 1000 }, odd: { before: odd } };
  const kept = Object.entries(lies).map(([name, lie], i) => file(`${name}.wav`, wav(pcm(interleaved(CUSTOMER, ASSISTANT.map((v) => v >> (i + 1)))), lie)));
  const calls = await imported(kept);
  assert.equal(calls.length, kept.length);
  for (const call of calls)
    assert.ok(Math.abs(call.recorded_ms - SECONDS * 1000) < 30, `${call.recorded_ms} ms`);
});

test('what cannot be read is named and counted, everything else is in', async () => {
  const good = wav(pcm(interleaved(CUSTOMER.map((v) => v >> 3), ASSISTANT)));
  const opus = readFileSync(join(product.dir, 'from.opus'));
  const cases = [['empty.wav', Buffer.alloc(0), /empty\.wav: it is empty/], ['text.wav', 'hello there, this is text', /does not begin with RIFF/],
    ['head.wav', good.subarray(0, 30), /no data chunk/], ['float.wav', wav(STEREO, { tag: 3, bits: 32 }), /floating point/], ['adpcm.wav', wav(STEREO, { tag: 2, bits: 4 }), /ADPCM/],
    ['many.wav', wav(STEREO, { channels: 6 }), /6 channels/], ['fast.wav', wav(STEREO, { rate: 1 }), /1 samples a second/], ['cut.opus', opus.subarray(0, 60), /cut\.opus: /],
    ['vorbis.ogg', Buffer.concat([opus.subarray(0, 28), Buffer.from('\x01vorbis..........')]), /vorbis\.ogg: /]];
  const paths = cases.map(([name, content]) => file(name, content));
  const { code, stdout, stderr } = await runImport([...paths, file('good.wav', good)]);
  assert.equal(code, 3);
  const counts = JSON.parse(stdout);
  assert.deepEqual([counts.records, counts.imported, counts.bad], [cases.length + 1, 1, cases.length]);
  cases.forEach(([, , pattern], i) => assert.match(stderr.split('\n')[i], pattern));
  cases.forEach((_, i) => assert.match(stderr.split('\n')[i], new RegExp(`record ${i + 1}\\b`)));
  // Damaged in the middle: what can be heard, and the note that something is missing.
  const hole = Buffer.from(opus);
  hole.fill(0x55, opus.length / 2 | 0, (opus.length / 2 | 0) + 300);
  const [holed] = await imported([file('hole.ogg', hole)]);
  assert.match(holed.error, /damaged/);
  const [half] = await imported([file('half.ogg', opus.subarray(0, opus.length / 2))]);
  assert.ok(half.recorded_ms > 500 && half.recorded_ms < SECONDS * 1000);
});

test('a dry run stores nothing', async () => {
  const n = files().length;
  const { code, stdout, stderr } = await product.cli(['import', file('dry.wav', wav(pcm(interleaved(CUSTOMER.map((v) => v >> 4), ASSISTANT)))), '--dry-run', '--config', product.configFile, '--json']);
  assert.equal(code, 0, stderr);
  assert.equal(JSON.parse(stdout).imported, 1);
  assert.equal(files().length, n);
  assert.equal((await product.cli(['import', 'x.wav', '--dry-run', '--channels', 'left', '--config', product.configFile])).code, 2);
});

test('killed in between: the same command goes on, each call is there once', async () => {
  const dir = join(product.dir, 'many');
  mkdirSync(dir);
  for (let i = 0; i < 12; i++) {
    writeFileSync(join(dir, `${String(i).padStart(2, '0')}.wav`), wav(pcm(interleaved(CUSTOMER.map((v) => v + (i + 1) * 3), ASSISTANT))));
    utimesSync(join(dir, `${String(i).padStart(2, '0')}.wav`), END / 1000 + i, END / 1000 + i);
  }
  const args = ['import', dir, '--source', 'main', '--config', product.configFile, '--json'];
  const child = spawn(BINARY, args, { stdio: 'ignore' });
  const stored = async () => (await product.sql(`select records::int as n from imports where name like '%many/00.wav'`))[0]?.n ?? 0;
  await until('some are in', async () => await stored() >= 3);
  child.kill('SIGKILL');
  await new Promise((resolve) => { child.on('exit', resolve); });
  const n = await stored();
  const { code, stdout, stderr } = await product.cli(args);
  assert.equal(code, 0, stderr);
  const counts = JSON.parse(stdout);
  assert.deepEqual([counts.records, counts.imported, counts.duplicates, counts.bad], [12, 12, 0, 0]);
  assert.equal(counts.before, n, 'it went on');
  const calls = await product.sql(`select c.id, r.state from calls c join recordings r on r.call_id = c.id where c.import_id = '${counts.import}'`);
  assert.equal(calls.length, 12);
  const again = await product.cli(args);
  assert.equal(JSON.parse(again.stdout).imported, 12, 'nothing is done again');
});

test('what a killed import has left, never given again: an analyst that starts deletes it, and nothing else', async () => {
  const folder = join(product.stateDir, 'recordings');
  const known = (await product.sql(`select file from recordings where state = 'ready'`)).map((r) => r.file);
  const day = join(folder, '2026-03-04');
  const left = (n, end = '.ogg') => join(day, `00000000-0000-4000-8000-${String(n).padStart(12, '0')}${end}`);
  const old = Date.now() / 1000 - 3601;
  const put = (path, at = old) => {
    copyFileSync(join(folder, known[0]), path);
    utimesSync(path, at, at);
    return path;
  };
  known.forEach((name) => utimesSync(join(folder, name), old, old));
  const orphans = [put(left(1)), put(left(2, '.ogg.tmp'))];
  const others = [put(left(3), old + 600), put(left(4, '.wav')), put(join(day, 'notes.ogg')), put(join(folder, '00000000-0000-4000-8000-000000000005.ogg'))];
  const analyst = async () => {
    const { code, stderr } = await product.cli(['analyst', '--once', '--config', product.configFile]);
    assert.equal(code, 0, stderr);
    return stderr;
  };
  await analyst();
  assert.deepEqual(orphans.filter((name) => existsSync(name)), []);
  assert.deepEqual(others.filter((name) => !existsSync(name)), []);
  assert.deepEqual(known.filter((name) => !existsSync(join(folder, name))), [], 'those of calls');
  // As with a database that is restored from yesterday's backup.
  const many = Array.from({ length: 101 }, (_, i) => put(left(100 + i)));
  assert.match(await analyst(), /more than 100 recordings that this database does not know; none is deleted/);
  assert.deepEqual(many.filter((name) => !existsSync(name)), []);
  [...many, ...others].forEach((name) => rmSync(name));
});

test('words are asked for when the project has speech-to-text', async () => {
  await product.must('PATCH', `/api/v1/projects/${world.project.id}`, { audio: { stt: { provider: 'openai-http', url: 'http://127.0.0.1:9/v1', model: 'm', key: product.secret('stt', 'x') } } });
  const [call] = await imported([file('words.wav', wav(pcm(interleaved(CUSTOMER.map((v) => v >> 2), ASSISTANT))))]);
  const [job] = await product.sql(`select * from jobs where kind = 'transcribe'`);
  assert.equal(job.key, call.recording);
  assert.deepEqual(job.payload, { call_id: call.id });
});

test('the disk is full: the import stops, and goes on when there is room', async () => {
  const name = file('room.wav', wav(pcm(interleaved(CUSTOMER.map((v) => v >> 5), ASSISTANT))));
  const moved = join(product.stateDir, 'recordings');
  const { renameSync } = await import('node:fs');
  renameSync(moved, `${moved}.away`);
  writeFileSync(moved, 'no folder');
  const { code, stderr } = await runImport([name]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /recordings/);
  rmSync(moved);
  renameSync(`${moved}.away`, moved);
  const [call] = await imported([name]);
  assert.equal(call.state, 'ready');
});

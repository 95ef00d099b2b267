// The words of imported sound: found afterwards by an analyst, told as if the call had been imported with them.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { World } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { interleave, join16, pcmBytes, silence } from '../../tools/lib/speech.mjs';
import { SttServer } from '../../tools/stt-sim/server.mjs';
import { say } from '../../tools/stt-sim/ear.mjs';

const KEY = 'the-key';
const END = Date.parse('2026-03-04T05:06:07Z');
let world, product, server;
before(async () => {
  world = await World.start({ tools: false });
  product = world.product;
  server = await new SttServer(['good'], { key: KEY }).listen();
  await transcribing({});
});
after(async () => {
  await world?.end();
  await server?.close();
});

const transcribing = (more) => product.must('PATCH', `/api/v1/projects/${world.project.id}`, { audio: { vad: 'none',
  stt: { provider: 'openai-http', url: server.url, key: product.secret('stt', KEY), ...more } } });

function wav(samples, channels, rate = 8000) {
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + 2 * samples.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(channels, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * channels * 2, 28);
  head.writeUInt16LE(channels * 2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(2 * samples.length, 40);
  return Buffer.concat([head, pcmBytes(samples)]);
}

async function imported(name, bytes) {
  const path = join(product.dir, name);
  writeFileSync(path, bytes);
  utimesSync(path, END / 1000, END / 1000);
  const { code, stdout, stderr } = await product.cli(['import', path, '--source', 'main', '--config', product.configFile, '--json']);
  assert.equal(code, 0, stderr);
  const [call] = await product.sql(`select c.*, r.id as recording from calls c join recordings r on r.call_id = c.id where c.import_id = '${JSON.parse(stdout).import}'`);
  return call;
}

const call = async (id) => (await product.sql(`select * from calls where id = '${id}'`))[0];
const finals = (id) => product.sql(`select text, speaker, offset_ms::int as ms from call_events where call_id = '${id}' and type = 'transcript.final' order by seq`);
const job = async (recording) => (await product.sql(`select state, error, attempts from jobs where kind = 'transcribe' and key = '${recording}'`))[0];
const jobDone = (recording) => until('the job has ended', async () => !(await job(recording)), { timeoutMs: 90000 });

// {at: ms, text} of each side.
function spoken(lines, untilMs) {
  const out = silence(untilMs);
  for (const { at, text } of lines)
    out.set(say(text), at * 8);
  return out;
}

test('a stereo file: who said what and when, the call otherwise as it was', async () => {
  const customer = [{ at: 1000, text: 'alpha bravo charlie' }, { at: 6000, text: 'golf hotel' }];
  const assistant = [{ at: 3000, text: 'delta echo foxtrot' }];
  const before_ = await imported('two.wav', wav(interleave(spoken(customer, 9000), spoken(assistant, 9000)), 2));
  await jobDone(before_.recording);
  assert.deepEqual(server.requests.map((r) => r.said), ['alpha bravo charlie golf hotel', 'delta echo foxtrot'], 'one request a side');
  const said = await finals(before_.id);
  assert.deepEqual(said.map(({ text, speaker }) => [text, speaker]), [['alpha bravo charlie', 'user'], ['delta echo foxtrot', 'ai'], ['golf hotel', 'user']]);
  [1000, 3000, 6000].forEach((at, i) => assert.ok(Math.abs(said[i].ms - at) <= 100, `${said[i].text}: ${said[i].ms}`));
  const now = await call(before_.id);
  for (const name of ['import_id', 'provider_call_id', 'status', 'live', 'kind', 'duration_ms', 'imported'])
    assert.deepEqual(now[name], before_[name], name);
  assert.equal(Date.parse(now.started_at), Date.parse(before_.started_at));
  assert.equal(Date.parse(now.ended_at), Date.parse(before_.ended_at));
  const [{ n, ends }] = await product.sql(`select count(*)::int as n, count(*) filter (where type = 'call.ended')::int as ends from call_events where call_id = '${now.id}'`);
  assert.equal(n, now.event_count, 'nothing of before is left');
  assert.equal(ends, 1);
  await until('analysed with its words', async () => (await product.sql(`select 1 from call_analyses where call_id = '${now.id}' and last_seq = ${now.last_seq}`)).length === 1);
});

test('longer than a piece: nothing is lost or told twice where it is cut', async () => {
  const texts = Array.from({ length: 15 }, (_, i) => ({ at: 500 + i * 10000, text: ['alpha', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot'][i % 6] }));
  const requests = server.requests.length;
  const one = await imported('long.wav', wav(interleave(spoken(texts, 151000), spoken([], 151000)), 2));
  await jobDone(one.recording);
  assert.equal(server.requests.length - requests, 2, 'silence is not asked about');
  const said = await finals(one.id);
  assert.deepEqual(said.map((e) => e.text), texts.map((t) => t.text));
  said.forEach((e, i) => assert.ok(Math.abs(e.ms - texts[i].at) <= 100, `${e.text}: ${e.ms}`));
});

test('servers that fail are asked again, ones that refuse are not', async () => {
  const sound = (text) => wav(interleave(spoken([{ at: 500, text }], 2000), spoken([], 2000)), 2);
  server.behaviours = ['refuse:429', 'refuse:500', 'good'];
  const one = await imported('again.wav', sound('kilo'));
  await jobDone(one.recording);
  assert.deepEqual((await finals(one.id)).map((e) => e.text), ['kilo']);
  await transcribing({ key: product.secret('stt-wrong', 'sk-another') });
  const two = await imported('refused.wav', sound('lima'));
  const dead = await until('given up', async () => {
    const j = await job(two.recording);
    return j?.state === 'dead' && j;
  }, { timeoutMs: 60000 });
  assert.match(dead.error, /refused \(401\)/);
  assert.deepEqual(await finals(two.id), []);
  assert.equal((await call(two.id)).status, 'ended');
});

test('projects with other providers: their way for whole files', async () => {
  for (const provider of ['deepgram', 'openai-realtime']) {
    server.behaviours = ['good'];
    await transcribing({ provider, key: product.secret('stt', KEY) });
    const one = await imported(`${provider}.wav`, wav(interleave(spoken([{ at: 700, text: 'oscar papa' }], 2000 + provider.length), spoken([], 2000)), 2));
    await jobDone(one.recording);
    const [said, ...more] = await finals(one.id);
    assert.deepEqual([said.text, said.speaker, more.length], ['oscar papa', 'user', 0]);
    assert.ok(Math.abs(said.ms - 700) <= 100);
  }
});

test('one channel: nobody knows who speaks, nothing is asked', async () => {
  const requests = server.requests.length;
  const one = await imported('mono.wav', wav(join16(silence(500), say('mike november'), silence(500)), 1));
  await jobDone(one.recording);
  assert.equal(server.requests.length, requests);
});

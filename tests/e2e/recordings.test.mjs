// Recordings on real processes: live audio of a call becomes a stereo file with its waveform, also after SIGKILL; who may hear it, in
// which pieces, until when.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { leftWav } from './lib/wav.mjs';
import { mediaWorldFor } from './lib/media.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { VapiListenServer, VapiTransportServer } from '../../tools/media-sim/index.mjs';

const w = mediaWorldFor({ before, after }, { audio: { listen: true, listen_socket: true, recording: { on: true, keep_days: 3 } }, config: { recording: { min_free_bytes: 0 }, analyst: { lease_ms: 1000 } } },
  (world) => world.mediaSource('twilio', 'phone'));
const folder = () => join(w().product.stateDir, 'recordings');
const files = (end = '') => (existsSync(folder()) ? readdirSync(folder(), { recursive: true }) : []).filter((name) => name.endsWith(end) && statSync(join(folder(), name)).isFile());

const tone = (ms, hz = 440) => new Int16Array(ms * 8).map((_, i) => Math.round(12000 * Math.sin(2 * Math.PI * hz * i / 8000)));
const silent = (ms) => new Int16Array(ms * 8);
const joined = (...parts) => Int16Array.from(parts.flatMap((part) => [...part]));

// A call of two tracks: the customer speaks in the first second, the assistant in the third.
const SOUND = { inbound: joined(tone(1000), silent(3000)), outbound: joined(silent(2000), tone(1000), silent(1000)) };

async function phoneCall(id, sid = `CA${id}`) {
  const call = await w().running(id, { phoneCallProviderId: sid });
  const client = await w().connect('twilio', 'phone', { tracks: ['inbound', 'outbound'], callId: sid });
  client.start();
  return { id, call, client };
}

const listed = async (call) => (await w().product.must('GET', `/api/v1/calls/${call}/recordings`)).recordings;
const ready = (call, n = 1, timeoutMs = 30000) => until(`recording of ${call}`, async () => {
  const all = await listed(call);
  return all.length === n && all.every((r) => r.state === 'ready') && all;
}, { timeoutMs });
const audio = (id, headers = {}) => fetch(`${w().product.url}/api/v1/recordings/${id}/audio`, { headers: { authorization: `Bearer ${w().product.token}`, ...headers } });
const peaks = (id) => w().product.must('GET', `/api/v1/recordings/${id}/peaks`);
const loud = ({ ms, left }, side, fromMs, toMs) => {
  const all = side.slice(2 * Math.ceil(fromMs / ms), 2 * Math.floor(toMs / ms));
  return Math.max(...all) - Math.min(...all);
};
const told = (call, name) => until(`recording ${name}`, () => w().facts(call).find((f) => f.heard === 'recording' && f.name === name));

let recorded; // by the first test, for the others
test('a call is recorded: left the customer, right the assistant', async () => {
  const { id, call, client } = await phoneCall('recorded');
  await client.play(SOUND, { fast: true });
  await told(call, 'started');
  await client.stop();
  await told(call, 'stopped');
  await w().over(id);
  [recorded] = await ready(call);
  assert.equal(recorded.channels, 2);
  assert.equal(recorded.rate_hz, 8000);
  assert.ok(Math.abs(recorded.duration_ms - 4000) < 300, `${recorded.duration_ms} ms`);
  assert.ok(Math.abs(recorded.offset_ms) < 60000);
  const days = (Date.parse(recorded.expires_at) - Date.now()) / 86400e3;
  assert.ok(days > 2.9 && days < 3.1, 'as long as the project says');

  const p = await peaks(recorded.id);
  assert.equal(p.ms, 100);
  assert.ok(loud(p, p.left, 200, 800) > 80 && loud(p, p.right, 200, 1800) < 6, 'the customer');
  assert.ok(loud(p, p.right, 2300, 2800) > 80 && loud(p, p.left, 1300, 3800) < 6, 'the assistant');
  const bytes = Buffer.from(await (await audio(recorded.id)).arrayBuffer());
  assert.equal(bytes.length, recorded.bytes);
  assert.equal(bytes.toString('latin1', 0, 4), 'OggS');
  assert.equal(bytes.toString('latin1', 28, 36), 'OpusHead');
  assert.equal(bytes[37], 2, 'channels');
  await until('the WAV files are gone', () => files('.wav').length === 0);
  assert.deepEqual(files().length, 1);
});

test('whom the listen socket brings besides the carrier is heard and recorded once: as the carrier has it', async (t) => {
  const ringing = Int16Array.from({ length: 16000 * 60 }, (_, i) => 12000 * Math.sin(2 * Math.PI * 440 * i / 16000));
  const sim = await new VapiListenServer({ announce: true, source: () => ({ customer: ringing, assistant: ringing }), play: { stay: true } }).listen();
  t.after(() => sim.close());
  const call = await w().running('twice', { phoneCallProviderId: 'CAtwice', monitor: { listenUrl: sim.listenUrl('twice') } });
  const live = await w().product.live({ subscribe: null });
  live.send({ type: 'listen', id: 'mix', call, leg: 'mix' });
  await told(call, 'started');
  const isLoud = (frame) => frame.samples.some((v) => Math.abs(v) > 3000);
  await live.until('the listen socket alone', () => live.frames.slice(-10).filter(isLoud).length === 10);
  const client = await w().connect('twilio', 'phone', { tracks: ['inbound', 'outbound'], callId: 'CAtwice' });
  client.start();
  let quiet = false; // the carrier has nothing but silence
  const heard = live.until('the carrier alone', () => live.frames.length > 10 && !live.frames.slice(-10).some(isLoud)).finally(() => { quiet = true; });
  for (let played = 0; !quiet || played < 2000; played += 500)
    await client.play({ inbound: silent(500), outbound: silent(500) });
  await heard;
  assert.deepEqual(w().facts(call).filter((f) => f.heard === 'attached').map((f) => [f.name, f.rank]), [['vapi-listen', 2], ['vapi-listen', 2], ['twilio', undefined], ['twilio', undefined]]);
  await client.stop();
  await w().over('twice');
  live.close();
  const [made] = await ready(call);
  const p = await peaks(made.id);
  for (const side of [p.left, p.right]) {
    const spans = side.flatMap((v, i) => (i % 2 === 0 ? [side[i + 1] - v] : []));
    const longest = Math.max(...spans.map((_, i) => [...spans.slice(i), Infinity].findIndex((v) => v >= 6)));
    assert.ok(spans.some((v) => v > 80), 'the listen socket before the carrier');
    assert.ok(longest * p.ms >= 1500, `the carrier: ${longest * p.ms} ms of silence`);
  }
});

test('a call over a transport: what we say is on the left', async (t) => {
  const { product } = w();
  const sim = await new VapiTransportServer({ source: () => Int16Array.from({ length: 16000 }, (_, i) => 12000 * Math.sin(2 * Math.PI * 440 * i / 16000)), play: { stay: true } }).listen();
  t.after(() => sim.close());
  const source = await w().addSource('transport', { api_base: `http://127.0.0.1:${sim.port}`, private_key: product.secret('private', 'private') });
  const placed = await product.must('POST', '/api/v1/calls', { source_id: source.id, assistant_id: 'ava' });
  const other = sim.calls.get(placed.provider_call_id);
  await until('both speak and are heard', () => w().facts(placed.call).filter((f) => f.heard === 'attached').length === 2);
  await until('the assistant has spoken', () => other.heardBytes > 1.5 * 32000);
  const bytes = Buffer.from(Int16Array.from({ length: 16000 }, (_, i) => 12000 * Math.sin(2 * Math.PI * 300 * i / 16000)).buffer);
  const before = other.heardBytes;
  await product.must('POST', `/api/v1/calls/${placed.call}/audio/play`, { payload: bytes.toString('base64') });
  await until('it is heard', () => other.heardBytes > before + 1.5 * 32000);
  sim.end(other);
  const [made] = await ready(placed.call);
  const p = await peaks(made.id);
  const when = (side) => side.flatMap((v, i) => (i % 2 === 0 && side[i + 1] - v > 80 ? [i / 2 * p.ms] : []));
  const [left, right] = [when(p.left), when(p.right)];
  assert.ok(Math.abs(left.length * p.ms - 1000) <= 2 * p.ms && left.at(-1) - left[0] < 1100, `a second of ours: ${left}`);
  assert.ok(Math.abs(right.length * p.ms - 1000) <= 2 * p.ms, `a second of the assistant's: ${right}`);
  assert.ok(right.at(-1) < left[0], 'on one clock');
});

test('ranges of bytes', async () => {
  const whole = await audio(recorded.id);
  const bytes = Buffer.from(await whole.arrayBuffer());
  assert.equal(whole.headers.get('accept-ranges'), 'bytes');
  assert.equal(whole.headers.get('content-type'), 'audio/ogg');
  const etag = whole.headers.get('etag');
  const size = bytes.length;
  for (const [range, from, to] of [['bytes=0-0', 0, 1], ['bytes=10-99', 10, 100], ['bytes=100-', 100, size], ['bytes=-100', size - 100, size], [`bytes=5-${size * 2}`, 5, size],
    [`bytes=-${size * 2}`, 0, size]]) {
    const part = await audio(recorded.id, { range });
    assert.equal(part.status, 206, range);
    assert.equal(part.headers.get('content-range'), `bytes ${from}-${to - 1}/${size}`);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), bytes.subarray(from, to));
  }
  for (const range of [`bytes=${size}-`, 'bytes=-0', `bytes=${'9'.repeat(18)}-`]) {
    const none = await audio(recorded.id, { range });
    assert.equal(none.status, 416, range);
    assert.equal(none.headers.get('content-range'), `bytes */${size}`);
    assert.equal((await none.json()).type, 'urn:callmend:problem:out-of-range');
  }
  for (const range of ['bytes=9-1', 'bytes=0-1,5-6', 'lines=1-2', 'bytes=x', 'bytes=', `bytes=${'9'.repeat(30)}-`])
    assert.equal((await audio(recorded.id, { range })).status, 200, range);
  assert.equal((await audio(recorded.id, { range: 'bytes=0-9', 'if-range': etag })).status, 206);
  assert.equal((await audio(recorded.id, { range: 'bytes=0-9', 'if-range': '"another"' })).status, 200);
  const head = await fetch(`${w().product.url}/api/v1/recordings/${recorded.id}/audio`, { method: 'HEAD', headers: { authorization: `Bearer ${w().product.token}` } });
  assert.equal(Number(head.headers.get('content-length')), size);
});

test('supervisors only, and it is written down', async () => {
  const { product } = w();
  const viewer = await product.makeToken('viewer', 'just looking');
  const supervisor = await product.makeToken('supervisor', 'listens');
  for (const path of [`calls/${recorded.call_id}/recordings`, `recordings/${recorded.id}/audio`, `recordings/${recorded.id}/peaks`]) {
    assert.equal((await product.api('GET', `/api/v1/${path}`, undefined, { token: viewer })).status, 403, path);
    assert.equal((await product.api('GET', `/api/v1/${path}`, undefined, { token: supervisor })).status, 200, path);
  }
  await product.api('GET', `/api/v1/recordings/${recorded.id}/audio`, undefined, { token: supervisor });
  const [{ n }] = await product.sql(`select count(*)::int as n from audit_log where object_kind = 'recording' and object_id = '${recorded.id}' and action = 'listen' and actor = 'token:listens'`);
  assert.equal(n, 1, 'once, however many pieces were asked for');
  assert.equal((await product.api('GET', '/api/v1/recordings/00000000-0000-4000-8000-000000000000/audio')).status, 404);
  assert.equal((await product.api('GET', '/api/v1/calls/nobody/recordings')).status, 404);
});

const command = (call, verb, options, more = {}) => w().product.api('POST', `/api/v1/calls/${call}/commands`, { verb: `record-${verb}`, ...more }, options);
const commands = async (call) => (await w().product.must('GET', `/api/v1/calls/${call}/commands`)).commands;

test('paused: silence of the same length; resumed; written down with who and why', async () => {
  const { product } = w();
  const early = await command(await w().running('unheard'), 'pause');
  const { id, call, client } = await phoneCall('paused');
  assert.deepEqual([early.status, early.body.detail], [409, 'nothing of this call is being recorded here']);
  await client.play({ inbound: tone(1000), outbound: silent(1000) });
  await told(call, 'started');
  assert.equal((await command(call, 'pause', { token: await product.makeToken('viewer', 'another viewer') })).status, 403);
  const answer = await command(call, 'pause', { key: 'first' }, { reason: 'card' });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual([answer.body.verb, answer.body.state, answer.body.evidence], ['record-pause', 'effect_seen', 'the recorder has paused']);
  await told(call, 'paused');
  const same = await command(call, 'pause', { key: 'first' });
  assert.equal(same.body.command_id, answer.body.command_id, 'the same key is the same command');
  const twice = await command(call, 'pause');
  assert.deepEqual([twice.status, twice.body.state, twice.body.evidence], [200, 'effect_seen', 'the recorder has paused'], 'and another one has the same answer');
  await client.play({ inbound: tone(1500), outbound: tone(1500) });
  assert.equal((await command(call, 'resume')).body.state, 'effect_seen');
  await told(call, 'resumed');
  await client.play({ inbound: tone(1000), outbound: silent(1000) });
  await client.stop();
  await w().over(id);
  const [recording] = await ready(call);
  assert.ok(recording.duration_ms > 3300, `${recording.duration_ms} ms: the time line holds`);
  const p = await peaks(recording.id);
  assert.ok(loud(p, p.left, 200, 800) > 80 && loud(p, p.left, 2900, 3300) > 80, 'before and after');
  assert.ok(loud(p, p.left, 1400, 2300) < 6 && loud(p, p.right, 1400, 2300) < 6, 'nothing of what was between');
  const listed = await until('three commands', async () => {
    const all = await commands(call);
    return all.length === 3 && all;
  });
  const asked = listed.find((c) => c.id === answer.body.command_id);
  assert.deepEqual([asked.verb, asked.state, asked.reason, asked.actor], ['record-pause', 'effect_seen', 'card', 'token:e2e admin']);
  assert.ok(asked.requested_at && asked.accepted_at && asked.effect_at);
  const events = await product.sql(`select data->>'state' as state from call_events where call_id = '${call}' and type = 'recording' order by seq`);
  assert.deepEqual(events.map((e) => e.state), ['started', 'paused', 'resumed', 'stopped'], 'where the hole is');
  const over = await command(call, 'pause');
  assert.deepEqual([over.status, over.body.detail], [409, 'call has ended']);
  assert.equal((await command('00000000-0000-7000-8000-000000000009', 'pause')).status, 404);
});

test('a stream that finds its paused call late: what it had of the pause is taken back, and nothing of before', async () => {
  const { id, call, client } = await phoneCall('late');
  await client.play({ inbound: silent(500), outbound: silent(500) });
  await told(call, 'started');
  const stranger = await w().connect('twilio', 'phone', { tracks: ['inbound'], callId: 'CAelsewhere' });
  stranger.start();
  let over = false, spoken = 0;
  const speaking = (async () => {
    for (; !over; spoken++)
      await stranger.play({ inbound: tone(500) });
  })();
  const speaks = (pieces, from = spoken) => until('it is spoken', () => spoken >= from + pieces);
  const { call: from } = await until('a call of its own', () => w().facts().find((f) => f.heard === 'unbound' && f.stream === stranger.streamId));
  await speaks(4);
  const asked = (await command(call, 'pause')).body;
  assert.equal(asked.state, 'effect_seen');
  const paused = Date.now();
  await speaks(6);
  await w().product.must('POST', `/api/v1/calls/${call}/audio`, { from });
  await until('it is paused, too', () => w().facts(call).some((f) => f.heard === 'recording' && f.name === 'paused' && f.stream === stranger.streamId));
  over = true;
  await speaking;
  await Promise.all([stranger.stop(), client.stop()]);
  await w().over(id);
  const [made] = await ready(call);
  const p = await peaks(made.id);
  const loudAt = p.left.flatMap((v, i) => (i % 2 === 0 && p.left[i + 1] - v > 80 ? [Date.parse(made.started_at) + i / 2 * p.ms] : []));
  assert.ok(loudAt.filter((at) => at < paused).length >= 10, 'what was before');
  assert.ok(Math.max(...loudAt) < paused + 1000, `loud ${Math.max(...loudAt) - paused} ms into the pause`);
});

test('killed while paused: what is recorded after the start is paused, too, until somebody resumes it', async () => {
  const { product } = w();
  const { id, call, client } = await phoneCall('kept');
  await client.play({ inbound: tone(2500), outbound: silent(2500) });
  await until('files', () => files('.wav').filter((name) => statSync(join(folder(), name)).size > 8000).length === 2);
  assert.equal((await command(call, 'pause')).status, 200);
  const old = product.kill('core');
  await product.restarted('core', old);
  await product.ready();
  const again = await w().connect('twilio', 'phone', { tracks: ['inbound', 'outbound'], callId: `CA${id}` });
  again.start();
  await again.play({ inbound: tone(200), outbound: tone(200) }); // until its call is known nobody knows that it is paused
  await until('it is known whose it is', () => w().facts(call).some((f) => f.heard === 'attached' && f.stream === again.streamId));
  await again.play({ inbound: tone(1500), outbound: silent(1500) });
  await until('paused again', () => w().facts(call).filter((f) => f.heard === 'recording' && f.name === 'paused').length === 2);
  assert.equal((await command(call, 'resume')).body.state, 'effect_seen');
  await again.play({ inbound: tone(1000), outbound: silent(1000) });
  await again.stop();
  await w().over(id);
  const [recording] = await ready(call);
  const p = await peaks(recording.id);
  assert.ok(loud(p, p.left, 100, 900) > 80, 'before');
  assert.ok(loud(p, p.left, recording.duration_ms - 700, recording.duration_ms - 100) > 80, 'when it was resumed');
  assert.ok(loud(p, p.left, 2700, recording.duration_ms - 1300) < 6, 'nothing between');
  await client.close?.().catch(() => {});
});

test('killed in mid-call: what was recorded is there, and goes on with the next start', async () => {
  const { product } = w();
  const { id, call, client } = await phoneCall('killed');
  await client.play(SOUND);
  // A second and more of each leg is on the disk.
  await until('files', () => files('.wav').filter((name) => statSync(join(folder(), name)).size > 8000).length === 2);
  const old = product.kill('core');
  await product.restarted('core', old);
  await product.ready();
  assert.equal(files('.wav').length, 2);
  const again = await w().connect('twilio', 'phone', { tracks: ['inbound', 'outbound'], callId: `CA${id}` });
  again.start();
  await again.play({ inbound: tone(1000), outbound: silent(1000) });
  await until('the second stream', () => w().facts(call).filter((f) => f.heard === 'recording' && f.name === 'started').length === 2);
  await again.stop();
  await w().over(id);
  const [recording] = await ready(call);
  const p = await peaks(recording.id);
  assert.ok(loud(p, p.left, 200, 800) > 80, 'what was before');
  assert.ok(loud(p, p.left, 4000, recording.duration_ms) > 80, `and after, in one recording: ${recording.duration_ms} ms`);
  assert.ok(loud(p, p.left, 1300, 3800) < 6);
  assert.equal(recording.error, null);
  await client.close?.().catch(() => {});
});

// A stream of no call that webhooks tell of, recorded; its call and its files.
async function alone(sid) {
  const client = await w().connect('twilio', 'phone', { tracks: ['inbound', 'outbound'], callId: sid });
  client.start();
  await client.play(SOUND);
  const { call } = await until('it has a call of its own', () => w().facts().find((f) => f.heard === 'unbound' && f.stream === client.streamId));
  await until('its files', () => files('.wav').filter((name) => name.includes(call) && statSync(join(folder(), name)).size > 8000).length === 2);
  return { call, client };
}

test('killed in mid-call, and nothing comes any more: the recording ends, by itself', async () => {
  const { product } = w();
  const kept = await alone('CAkilled-for-good');
  const gone = await alone('CAkilled-without-files');
  // As if nothing had been on the disk yet.
  rmSync(join(folder(), files('.wav').find((name) => name.includes(gone.call)), '..'), { recursive: true });
  const old = product.kill('core');
  await product.restarted('core', old);
  await product.ready();
  const [made] = await ready(kept.call);
  assert.equal(made.error, null);
  const p = await peaks(made.id);
  assert.ok(loud(p, p.left, 200, 800) > 80 && loud(p, p.right, 2300, 2800) > 80, 'what was on the disk');
  const [lost] = await until('the other is told to be lost', async () => {
    const all = await listed(gone.call);
    return all[0]?.state === 'failed' && all;
  }, { timeoutMs: 30000 });
  assert.match(lost.error, /^nothing of it is on the disk: the core was killed/);
  assert.equal((await product.api('GET', `/api/v1/recordings/${lost.id}/audio`)).status, 409);
  for (const { call, client } of [kept, gone]) {
    const told = w().facts(call).filter((f) => f.heard === 'recording');
    assert.deepEqual(told.map((f) => [f.name, f.text ?? '', f.stream]), [['started', '', client.streamId], ['stopped', 'lost', client.streamId]]);
    const stored = await product.sql(`select data->>'state' as state from call_events where call_id = '${call}' and type = 'recording' order by seq`);
    assert.deepEqual(stored.map((e) => e.state), ['started', 'stopped']);
    await client.closed;
  }
  await until('nothing is left', async () => files('.wav').length === 0 && (await product.sql(`select 1 from jobs where kind = 'recording'`)).length === 0);
});

test('lost for one analyst, found by another: it is there', async () => {
  const { product } = w();
  const call = await w().running('elsewhere');
  const now = Date.now();
  await product.exec(`insert into recordings (id, org_id, call_id, state, started_at, error)
    select '00000000-0000-4000-8000-00000000abcd', org_id, id, 'failed', now(), 'nothing of it' from calls where id = '${call}'`);
  const dir = join(folder(), new Date(now).toISOString().slice(0, 10), call);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${now}-0.wav`), leftWav(now, 0, 2, Buffer.alloc(8000, 0x55)));
  await w().over('elsewhere');
  const [one] = await ready(call);
  assert.notEqual(one.id, '00000000-0000-4000-8000-00000000abcd');
});

test('shown as under way, but its call has ended and nobody has a job for it: asked for by who looks around', async () => {
  const { product } = w();
  const call = await w().running('shown');
  await w().over('shown');
  await until('stored', async () => (await product.sql(`select 1 from calls where id = '${call}' and not live`)).length === 1 &&
    (await product.sql(`select 1 from jobs where kind = 'recording'`)).length === 0);
  await product.exec(`insert into recordings (id, org_id, call_id, state, started_at)
    select '00000000-0000-4000-8000-00000000dcba', org_id, id, 'recording', now() from calls where id = '${call}'`);
  assert.equal((await product.cli(['analyst', '--once', '--config', product.configFile])).code, 0);
  await until('it is gone', async () => (await listed(call)).length === 0); // the node's own analysts may have taken the job
});

test('a call that is not over yet is not ready; a file that cannot be read is told', async () => {
  const { product } = w();
  const call = await w().running('damaged');
  const dir = join(folder(), '2026-01-02', call);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, '1767312000000-0.wav'), Buffer.from('no sound at all'));
  await w().over('damaged');
  const [failed] = await until('it has failed', async () => {
    const all = await listed(call);
    return all[0]?.state === 'failed' && all;
  });
  assert.match(failed.error, /1767312000000-0\.wav cannot be read: .*RIFF/);
  const answer = await product.api('GET', `/api/v1/recordings/${failed.id}/audio`);
  assert.equal(answer.status, 409);
  assert.match(answer.body.detail, /has failed: 1767312000000/);
  assert.equal((await product.api('GET', `/api/v1/recordings/${failed.id}/peaks`)).status, 409);
  await until('it is set aside', () => files('.bad').length === 1);
});

test('an empty file, of a core that was killed before it had written anything, leaves no trace but in the log', async () => {
  const { product } = w();
  const day = '2026-01-06', now = Date.parse(`${day}T05:06:07Z`);
  const empty = (call, name) => {
    const dir = join(folder(), day, call);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, name), '');
    utimesSync(join(dir, name), now / 1000, now / 1000);
    return dir;
  };
  const nothing = await w().running('empty'), some = await w().running('empty-and-more');
  const dir = empty(nothing, `${now}-0.wav`);
  writeFileSync(join(empty(some, `${now}-0.wav`), `${now + 1}-1.wav`), leftWav(now + 1, 1, 1, Buffer.alloc(8000, 0x55)));
  await w().over('empty');
  await w().over('empty-and-more');
  const [made] = await ready(some);
  assert.deepEqual([made.error, made.started_at, made.duration_ms], [null, `${day}T05:06:07.001000Z`, 1000]);
  await until('the other is gone', () => !existsSync(dir));
  assert.deepEqual(await listed(nothing), []);
  assert.ok(product.log().includes(`${nothing}/${now}-0.wav: empty`), 'the log says so');
});

test('a file that cannot be read is told also when the recording is not made at the first try', async () => {
  const { product } = w();
  const call = await w().running('damaged-twice');
  const day = '2026-01-04', now = Date.parse(`${day}T05:06:07Z`), dir = join(folder(), day, call);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${now}-0.wav`), leftWav(now, 0, 2, Buffer.alloc(8000, 0x55)));
  writeFileSync(join(dir, `${now + 1}-1.wav`), Buffer.from('no sound at all'));
  const name = createHash('sha1').update(Buffer.from(call.replaceAll('-', ''), 'hex')).update(`recording:${now}`).digest().subarray(0, 16);
  name[6] = name[6] & 0x0f | 0x50;
  name[8] = name[8] & 0x3f | 0x80;
  const id = name.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  const inTheWay = join(folder(), day, `${id}.ogg.tmp`);
  mkdirSync(inTheWay);
  await w().over('damaged-twice');
  await until('it was tried', async () => (await product.sql(`select 1 from jobs where kind = 'recording' and key = '${call}' and state = 'queued' and error is not null`)).length === 1);
  assert.ok(existsSync(join(dir, `${now + 1}-1.wav`)));
  rmSync(inTheWay, { recursive: true });
  await product.exec(`update jobs set run_at = now() where kind = 'recording' and key = '${call}'`);
  const [made] = await ready(call);
  assert.deepEqual([made.id, made.duration_ms], [id, 1000]);
  assert.match(made.error, /1\.wav cannot be read: .*RIFF/);
  await until('it is set aside', () => existsSync(join(dir, `${now + 1}-1.wav.bad`)));
});

test('an analyst that is killed while it encodes: done again, nothing is left over', async () => {
  const { product } = w();
  const call = await w().running('again');
  const day = new Date().toISOString().slice(0, 10);
  const dir = join(folder(), day, call);
  mkdirSync(dir, { recursive: true });
  const noise = Buffer.from(Array.from({ length: 8000 * 300 }, (_, i) => (i * i * 31 + i * 7 >> 5) & 0xff));
  const now = Date.now();
  writeFileSync(join(dir, `${now}-0.wav`), leftWav(now, 0, 2, noise));
  writeFileSync(join(dir, `${now + 5}-1.wav`), leftWav(now + 5, 1, 1, noise.subarray(8000)));
  await w().over('again');
  await until('it is at work', () => files('.tmp').length === 1, { everyMs: 5 });
  const old = product.kill('analyst-1');
  assert.equal(files('.wav').length, 2);
  await product.restarted('analyst-1', old);
  const [made] = await ready(call, 1, 60000);
  assert.equal(made.duration_ms, 300000);
  assert.equal(made.error, null);
  await until('all is put away', async () => files('.tmp').length === 0 && files('.wav').length === 0 &&
    (await product.sql(`select 1 from jobs where kind = 'recording'`)).length === 0);
});

test('files of no call at all go after a week', async () => {
  const stray = (day, ms) => {
    const dir = join(folder(), day, `00000000-0000-7000-8000-${String(ms).slice(0, 12)}`);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, `${ms}-0.wav`), Buffer.alloc(100));
    return dir;
  };
  const [old, young] = [stray('2026-01-02', 1767312000000), stray('2026-01-03', Date.now() - 6 * 86400e3)];
  assert.equal((await w().product.cli(['analyst', '--once', '--config', w().product.configFile])).code, 0);
  assert.equal(existsSync(old), false);
  assert.equal(existsSync(young), true);
  rmSync(young, { recursive: true });
});

test('deleted: file and row; expired: file and row', async () => {
  const { product } = w();
  const file = files('.ogg').find((name) => name.includes(recorded.id));
  assert.ok(file);
  assert.equal((await product.api('DELETE', `/api/v1/recordings/${recorded.id}?reason=asked`)).status, 204);
  assert.equal(existsSync(join(folder(), file)), false);
  assert.equal((await product.api('DELETE', `/api/v1/recordings/${recorded.id}`)).status, 404);
  assert.equal((await audio(recorded.id)).status, 404);
  assert.deepEqual(await listed(recorded.call_id), []);
  const [entry] = await product.sql(`select * from audit_log where object_kind = 'recording' and object_id = '${recorded.id}' and action = 'delete'`);
  assert.equal(entry.reason, 'asked');

  await product.exec(`update recordings set expires_at = now() - interval '1 second'`);
  const { code, stderr } = await product.cli(['analyst', '--once', '--config', product.configFile]);
  assert.equal(code, 0, stderr);
  assert.deepEqual(files(), []);
  assert.equal((await product.sql('select count(*)::int as n from recordings'))[0].n, 0);
});

test('what lies in the folder is found by an analyst that starts, whoever left it; twice is once', async () => {
  const { product } = w();
  const { id, call, client } = await phoneCall('found');
  await product.must('PATCH', `/api/v1/projects/${w().project.id}`, { audio: { recording: { on: false } } });
  await client.play(SOUND, { fast: true });
  await client.stop();
  await told(call, 'stopped');
  await w().over(id);
  await until('it is over', async () => (await product.api('GET', `/api/v1/calls/${call}`)).body?.live === false);
  const { code, stderr } = await product.cli(['analyst', '--once', '--config', product.configFile]);
  assert.equal(code, 0, stderr);
  const [one] = await ready(call);
  // A crash between storing and deleting: the files are there again.
  const [{ sources }] = await product.sql(`select sources from recordings where id = '${one.id}'`);
  mkdirSync(join(folder(), sources[0], '..'), { recursive: true });
  sources.forEach((name) => writeFileSync(join(folder(), name), Buffer.alloc(100)));
  assert.equal((await product.cli(['analyst', '--once', '--config', product.configFile])).code, 0);
  await until('they are gone', () => files('.wav').length === 0);
  assert.equal((await ready(call))[0].updated_at, one.updated_at, 'not made again');
  assert.equal(files('.bad').length, 0);
});

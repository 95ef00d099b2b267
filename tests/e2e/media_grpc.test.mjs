// RingCX's audio over gRPC when it is hard, from a client that nobody here wrote (@grpc/grpc-js; by hand, with Node's HTTP/2, what it cannot do), in the clear and over TLS: many streams at
// once, slow ones, resets, GOAWAY, cut connections, messages too large, compressed or cut; frames of any size, a bad road, silence. That somebody was heard is proven by the digits that they dial.
import { describe, test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { FrameRoad } from './lib/frames.mjs';
import { MediaWorld } from './lib/media.mjs';
import { freePort } from './lib/product.mjs';
import { RingCxStream, grpcClient, grpcTools, rawSession, readTalk, streamMessages } from '../../tools/rc-sim/index.mjs';
import { cut } from '../../tools/media-sim/index.mjs';
import { join16, pcmBytes, silence, tone } from '../../tools/lib/speech.mjs';
import { until } from '../../tools/lib/wait.mjs';

const STREAMS = 120;
const SILENCE_MS = 100; // and sixty times that once audio has begun
const { status } = grpcTools().grpc;
const AUTHORIZED = { metadata: { authorization: `Basic ${Buffer.from('rc:s3cret').toString('base64')}` }, fast: true };
const dir = mkdtempSync('/tmp/callmend-media-grpc-');
const ways = [{ name: 'h2c' }, { name: 'TLS' }];
const [h2c] = ways;
const quiet = { name: 'quiet' };

async function start(way, config = {}, grpc = {}) {
  const port = await freePort();
  way.target = `localhost:${port}`;
  way.port = port;
  way.world = await MediaWorld.start({ config: { grpc: { listen_port: port, ...grpc }, ...config }, settings: { party_settle_ms: 200 } });
  await way.world.mediaSource('ringcx', 'centre', [{ type: 'basic', user: 'rc', secret: way.world.product.secret('rc', 's3cret') }]);
}

before(async () => {
  const [certificate_file, key_file] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
    '-keyout', key_file, '-out', certificate_file], { stdio: 'ignore' });
  await Promise.all([start(h2c), start(ways[1], {}, { certificate_file, key_file }), start(quiet, { media: { silence_limit_ms: `${SILENCE_MS}ms` } })]);
  ways[1].tls = { ca: readFileSync(certificate_file) };
});
const open = [];
after(async () => {
  open.forEach((connection) => connection.close());
  await Promise.all([...ways, quiet].map((way) => way.world?.end()));
  rmSync(dir, { recursive: true, force: true });
});

// --- what is said ---

const ROWS = [697, 770, 852, 941], COLUMNS = [1209, 1336, 1477];
const KEYS = ['123', '456', '789', '*0#'];
function key(digit, ms) {
  const row = KEYS.findIndex((keys) => keys.includes(digit));
  const [low, high] = [tone(ROWS[row], ms), tone(COLUMNS[KEYS[row].indexOf(digit)], ms)];
  return low.map((sample, i) => sample + high[i]);
}
// Each within 100 ms of its own: on a machine that stands still for a second a pause is heard, between two frames.
const dialled = (digits) => join16(...[...digits].flatMap((digit) => [silence(110), key(digit, 80), silence(10)]));

// Customer and agent, each of whom dials; `ms`: how long the talk lasts.
function dialling(customer, agent, ms = 1000) {
  const talk = readTalk({ script: [{ wait: ms }] });
  [customer, agent].forEach((digits, i) => talk.segments[i].pcm.set(dialled(digits)));
  return talk;
}

const spec = (id, format) => ({ sessionId: `STREAM-${id}`, dialog: { id, type: 'INBOUND', ani: '+15550100001', dnis: '+15550107000' }, format });
const stream = (way, id, talk, { format, ...options } = {}) => new RingCxStream(way.target, talk, spec(id, format), { ...AUTHORIZED, tls: way.tls, ...options });
const play = (...args) => stream(...args).run();
function connection(way, { raw = false, ...options } = {}) {
  const made = (raw ? rawSession : grpcClient)(way.target, { tls: way.tls, ...options });
  made.on?.('error', () => {});
  open.push(made);
  return made;
}

// --- what was heard ---

const sockets = (way) => way.world.counted('callmend_media_sockets');
const allClosed = (way) => until('every line is free again', async () => await sockets(way) === 0);

// Events of the calls whose ids begin so, by id, when `n` of them have ended.
async function endedCalls(way, prefix, n) {
  const from = `from call_events e join calls c on c.id = e.call_id where c.provider_call_id like '${prefix}%'`;
  await until(`${n} calls ${prefix} have ended`, async () => (await way.world.product.sql(`select count(*)::int as n ${from} and e.type = 'call.ended'`))[0].n >= n, { timeoutMs: 30000, everyMs: 100 });
  const rows = await way.world.product.sql(`select c.provider_call_id as id, e.at, e.type, e.speaker, e.data ${from} and e.type <> 'call.started' order by e.call_id, e.seq`);
  return new Map([...new Set(rows.map((r) => r.id))].map((id) => [id, rows.filter((r) => r.id === id)]));
}
const of = (events, type) => events.filter((e) => e.type === type);
// Of sound, without pauses; on a machine that stands still frames may be thought to be missing.
const soundMs = (events, speaker) => of(events, 'audio.level').filter((e) => e.speaker === speaker).reduce((sum, e) => sum + e.data.ms, 0);
const digitsOf = (events, speaker) => of(events, 'dtmf').filter((e) => e.speaker === speaker).map((e) => e.data.digit).join('');

// Both were heard from beginning to end.
function assertHeard(events, customer, agent, what) {
  assert.deepEqual([digitsOf(events, 'user'), digitsOf(events, 'ai')], [customer, agent], what);
  assert.deepEqual(of(events, 'audio.attached').map((e) => [e.data.party, e.data.who, e.speaker]), [['+15550100001', 'Customer', 'user'], ['9', 'Ann Lee', 'ai']], what);
  assert.deepEqual(of(events, 'audio.detached').map((e) => e.data.why), ['left', 'left'], what);
  assert.deepEqual(of(events, 'call.ended').map((e) => e.data.reason), ['closed'], what);
  for (const never of ['audio.unbound', 'audio.quality', 'call.lost'])
    assert.equal(of(events, never).length, 0, `${what}: ${never}`);
}

// What came before was heard; the call is over, and says that its audio was lost.
function assertLost(events, customer, agent, what) {
  assert.deepEqual([digitsOf(events, 'user'), digitsOf(events, 'ai')], [customer, agent], what);
  assert.deepEqual(of(events, 'audio.detached').map((e) => e.data.why), ['lost', 'lost'], what);
  assert.deepEqual(of(events, 'call.ended').map((e) => e.data.reason), ['lost'], what);
}

const liveAudio = async (way, id) => (await way.world.product.must('GET', '/api/v1/live/calls')).calls.find((c) => c.provider_call_id === id)?.audio;
// So many digits, so that whatever follows happens in the middle of the talk.
const heard = (way, id, digits = 6) => until(`${id} is heard`, async () => (await liveAudio(way, id))?.digits >= digits);
const HALF = 17; // messages: what follows is not digits
const waits = (condition) => ({ at: HALF, what: 'stall', until: condition });
function gate() {
  const made = {};
  made.passed = new Promise((resolve) => { made.open = resolve; });
  return made;
}

function hardCases(way) {
  test(`${STREAMS} streams at once: everybody is heard, each in their own call`, async () => {
    const number = (i) => String(i).padStart(3, '0');
    const clients = [connection(way), connection(way)]; // most streams share one, some another, the rest have their own
    let together;
    const all = () => (together ??= until('all are open', async () => await sockets(way) === STREAMS, { timeoutMs: 30000, everyMs: 100 }));
    const results = await Promise.all(Array.from({ length: STREAMS }, (_, i) =>
      play(way, `many-${number(i)}`, dialling(number(i), number(999 - i)), { client: i % 10 ? clients[Number(i % 10 === 1)] : undefined, disturb: [waits(all)] })));
    assert.deepEqual(results.filter((r) => r.code !== status.OK).map((r) => `${r.code} ${r.details}`), []);
    const calls = await endedCalls(way, 'many-', STREAMS);
    assert.equal(calls.size, STREAMS);
    for (let i = 0; i < STREAMS; i++) {
      const events = calls.get(`many-${number(i)}`);
      assertHeard(events, number(i), number(999 - i), `many-${number(i)}`);
      assert.ok(soundMs(events, 'user') >= 1000 && soundMs(events, 'ai') >= 1000);
    }
    await allClosed(way);
  });

  test('too large, compressed, cut, garbage, and slow: each by itself, with its status and its reason; others on the connection go on', async () => {
    const client = connection(way);
    const session = connection(way, { raw: true });
    let over = 0;
    const others = () => until('the others are over', () => over === 5, { timeoutMs: 30000 });
    const bad = (what, options, more = {}) => play(way, `bad-${what}`, dialling('12', '34'), { ...options, disturb: [waits(() => heard(way, `bad-${what}`, 4)), { at: HALF, what, ...more }] })
      .finally(() => over++);
    const [slow, half, oversize, gzip, broken, garbage, zipped] = await Promise.all([
      play(way, 'good-slow', dialling('505', '606'), { client, disturb: [waits(others)] }),
      play(way, 'good-half', dialling('707', '808'), { session, raw: true, pieces: [1, 7, 300], disturb: [{ at: HALF, what: 'split', until: others }] }),
      bad('oversize', { client }, { bytes: 65537 }), bad('gzip', { session, gzip: 'later' }), bad('cut', { session }), bad('garbage', { session }),
      play(way, 'bad-zipped', dialling('1', '2'), { gzip: true }).finally(() => over++),
    ]);
    const told = (result) => [result.code, result.details];
    assert.deepEqual([slow, half].map(told), [[status.OK, ''], [status.OK, '']]);
    assert.equal(oversize.code, status.RESOURCE_EXHAUSTED);
    assert.match(oversize.details, /^a message of 655\d\d bytes: at most 65536 are taken$/);
    const compressed = [status.UNIMPLEMENTED, 'compressed messages are not read here: send them as identity'];
    assert.deepEqual([gzip, zipped].map(told), [compressed, compressed]);
    assert.equal(gzip.headers['grpc-accept-encoding'], 'identity');
    assert.deepEqual(told(broken), [status.INTERNAL, 'the stream ended in the middle of a message']);
    assert.deepEqual(told(garbage), [status.INTERNAL, 'a message begins with 0xff: neither 0 nor 1']);
    const calls = await endedCalls(way, 'bad-', 4);
    assert.equal(calls.has('bad-zipped'), false); // not one word of it was read
    for (const [id, events] of calls)
      assertLost(events, '12', '34', id);
    const good = await endedCalls(way, 'good-', 2);
    assertHeard(good.get('good-slow'), '505', '606', 'slow');
    assertHeard(good.get('good-half'), '707', '808', 'half a message');
    assert.ok((await way.world.counted('callmend_grpc_streams_total{status="unimplemented"}')) >= 2);
    await allClosed(way);
  });

  test('a stream is reset, the client says GOAWAY, the connection breaks: what was there is heard, what goes on goes on, and who comes back is the same call', async () => {
    const road = await FrameRoad.to(way.port, { tls: way.tls });
    open.push(road);
    const by = { world: way.world, target: road.target };
    const client = connection(by);
    const [away, cutOff] = [gate(), gate()];
    const first = play(by, 'road-reset', dialling('12', '34'), { client, disturb: [waits(() => away.passed)] });
    await heard(way, 'road-reset', 4); // so it is the connection's first
    const second = play(by, 'road-goaway', dialling('505', '606'), { client, disturb: [waits(() => away.passed)] });
    await heard(way, 'road-goaway', 6);
    road.reset(1);
    assertLost((await endedCalls(way, 'road-reset', 1)).get('road-reset'), '12', '34', 'reset');
    assert.notEqual((await first).code, status.OK);
    road.goaway();
    away.open();
    assert.equal((await second).code, status.OK);
    assertHeard((await endedCalls(way, 'road-goaway', 1)).get('road-goaway'), '505', '606', 'goaway');

    const whole = play(way, 'whole', dialling('707', '808'), { disturb: [waits(() => cutOff.passed)] });
    const broken = ['cut-1', 'cut-2', 'cut-3'];
    const next = connection(by);
    const lost = broken.map((id) => play(by, id, dialling('12', '34'), { client: next, disturb: [waits(() => cutOff.passed)] }));
    await Promise.all([heard(way, 'whole', 6), ...broken.map((id) => heard(way, id, 4))]);
    road.cut();
    const ended = await endedCalls(way, 'cut-', broken.length);
    for (const id of broken)
      assertLost(ended.get(id), '12', '34', id);
    cutOff.open();
    assert.equal((await whole).code, status.OK);
    assert.deepEqual((await Promise.all(lost)).map((r) => r.code), broken.map(() => status.UNAVAILABLE));
    assertHeard((await endedCalls(way, 'whole', 1)).get('whole'), '707', '808', 'another connection');
    assert.equal((await play(way, 'cut-1', dialling('56', '78'))).code, status.OK);
    const again = await until('it has ended again', async () => {
      const events = (await endedCalls(way, 'cut-1', 1)).get('cut-1');
      return of(events, 'call.ended').length === 2 && events;
    });
    assert.deepEqual([digitsOf(again, 'user'), digitsOf(again, 'ai')], ['1256', '3478']);
    assert.deepEqual(of(again, 'call.ended').map((e) => e.data.reason), ['lost', 'closed']);
    await allClosed(way);
  });
}

function frames() {
  const way = h2c;

  // The talk of `id`, its messages changed before they are sent.
  function changed(id, talk, change, options) {
    const made = stream(way, id, talk, options);
    made.messages = change(made.messages);
    return made;
  }
  const isAudio = (m, segment) => m.kind === 'segment_media' && m.segment.id === segment;
  // Both legs as soon as the customer has left and before the agent does.
  function measured(id) {
    let legs;
    const look = () => until(`${id} is measured`, async () => {
      legs = (await liveAudio(way, id))?.legs;
      return legs?.some((l) => l.speaker === 'user' && !l.attached);
    });
    return { legs: () => legs, before: (messages) => ({ at: messages - 1, what: 'stall', until: look }) };
  }
  const NO_FAULTS = { gaps: 0, gap_ms: 0, late: 0, duplicates: 0, reordered: 0, damaged: 0 };
  const faults = (leg) => Object.fromEntries(Object.keys(NO_FAULTS).map((name) => [name, leg[name]]));

  test('frames of any size, also of an odd number of bytes and with samples cut in two', async () => {
    const sizes = { f20: 20, f60: 60, f17: 137 / 8, f250: 250 };
    const l16 = (messages) => messages.flatMap((m) => {
      if (!isAudio(m, 'g1'))
        return isAudio(m, 'g2') ? [] : [m];
      const { seq } = m.message.segment_media.audio_content;
      return seq > 1 ? [] : cut(pcmBytes(m.segment.pcm), [319, 3, 1601]).map((payload, i) => ({ ...m, message: { ...m.message, segment_media: { segment_id: 'g1', audio_content: { payload, seq: i, duration: 0 } } } }));
    });
    const results = await Promise.all([...Object.entries(sizes).map(([id, frameMs]) => play(way, `size-${id}`, dialling('159', '*0#'), { frameMs })),
      changed('size-l16', dialling('159', ''), l16, { format: { codec: 'L16', rate: 8000, ptime: 20 } }).run()]);
    assert.deepEqual(results.map((r) => r.code), results.map(() => status.OK));
    const calls = await endedCalls(way, 'size-', 5);
    for (const [id, events] of calls) {
      assertHeard(events, '159', id === 'size-l16' ? '' : '*0#', id);
      assert.ok(soundMs(events, 'user') >= 1000, id);
    }
  });

  test('frames that are missing, come twice or late: all that comes is heard as it comes, for their numbers count nothing', async () => {
    const talk = dialling('1', '2', 6000);
    const m = measured('road');
    const road = { loss: 0.1, duplicate: 0.5, late: 0.2, seed: 7 };
    const { length } = streamMessages(talk, spec('road'), { road });
    const result = await play(way, 'road', talk, { road, disturb: [m.before(length)] });
    assert.equal(result.code, status.OK);
    const events = (await endedCalls(way, 'road', 1)).get('road');
    assert.ok(result.sent.media > 140); // of 120
    assert.ok(soundMs(events, 'user') + soundMs(events, 'ai') >= result.sent.media * 100);
    assert.deepEqual(m.legs().map(faults), [NO_FAULTS, NO_FAULTS]);
    assert.equal(of(events, 'audio.quality').length, 0);
  });

  test('a hole of more than a second, in time: a pause, and what follows has its true time', async () => {
    const talk = dialling('1', '2', 2600);
    talk.segments[0].pcm.set(dialled('3'), 8 * 2000);
    const m = measured('hole');
    const made = changed('hole', talk, (messages) => messages.filter((x) => !isAudio(x, 'g1') || x.at < 300 || x.at >= 1800), { fast: false });
    made.options.disturb = [m.before(made.messages.length)];
    assert.equal((await made.run()).code, status.OK);
    const events = (await endedCalls(way, 'hole', 1)).get('hole');
    assertHeard(events, '13', '2', 'hole');
    const [one, three] = of(events, 'dtmf').filter((e) => e.speaker === 'user').map((e) => Date.parse(e.at));
    assert.ok(Math.abs(three - one - 2000) < 200, `${three - one} ms later`);
    assert.ok(Math.abs(of(events, 'audio.detached')[0].data.heard_ms - 2600) < 200);
    assert.deepEqual(m.legs().map(faults), [NO_FAULTS, NO_FAULTS]);
  });
}

function silent() {
  const SILENT = [status.UNAVAILABLE, 'no message for too long'];
  const told = (result) => [result.code, result.details];

  test('a stream that says nothing ends; one in which nobody sends may pause sixty times as long, then it ends and its call with it', async () => {
    const nothing = stream(quiet, 'nothing', dialling('1', '2'), { disturb: [{ at: 0, what: 'stall', until: () => new Promise(() => {}) }] });
    assert.deepEqual(told(await nothing.run()), SILENT);
    let id, result;
    for (let i = 0; i < 5 && !result?.sent.media; i++) { // on a busy machine even the first message may be too late
      id = `paused-${i}`;
      result = await play(quiet, id, dialling('12', '34'), { disturb: [waits(() => new Promise(() => {}))] });
    }
    assert.deepEqual(told(result), SILENT);
    const events = (await endedCalls(quiet, id, 1)).get(id);
    assert.deepEqual([digitsOf(events, 'user'), digitsOf(events, 'ai')], ['12', '34']);
    assert.deepEqual(of(events, 'audio.detached').map((e) => e.data.why), ['closed', 'closed']);
    const lasted = (Date.parse(of(events, 'audio.detached')[0].at) - Date.parse(of(events, 'audio.attached')[0].at));
    assert.ok(lasted >= SILENCE_MS * 60, `${lasted} ms`);
    assert.equal(of(events, 'call.ended')[0].data.reason, 'closed');
    assert.equal((await quiet.world.product.api('GET', '/api/v1/calls/nothing')).status, 404);
    await allClosed(quiet);
  });
}

// Side by side: each waits most of the time.
describe('RingCX over gRPC', { concurrency: 3 }, () => {
  describe('in the clear', { concurrency: 1 }, () => {
    hardCases(h2c);
    frames();
  });
  describe('over TLS', { concurrency: 1 }, () => hardCases(ways[1]));
  describe('silence', silent);
});

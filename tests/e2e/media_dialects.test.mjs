// Every protocol of live audio that dials us, on a real process: who is let in, what ends a connection and with which code, and what a bad road does to
// its frames. What belongs to one protocol alone is in media.test.mjs and media_ringcx.test.mjs.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mediaWorldFor, PUBLIC, TOKEN } from './lib/media.mjs';
import { SECRET } from './lib/world.mjs';
import { MEDIA_CLIENTS, VapiListenServer, VapiTransportServer } from '../../tools/media-sim/index.mjs';
import { AgentSessionClient, readTalk } from '../../tools/rc-sim/index.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { tone } from '../../tools/lib/speech.mjs';

const w = mediaWorldFor({ before, after }, { audio: { listen: true, listen_socket: true }, config: { media: { silence_limit_ms: '2s' } } }, async (world) => {
  const { product } = world;
  const basic = [{ type: 'basic', user: 'us', secret: product.secret('basic', 'pass:word') }];
  await world.mediaSource('twilio', 'line');
  await world.mediaSource('telnyx', 'line', [{ type: 'secret', header: 'x-telnyx-streaming-auth-token', secret: product.secret('telnyx', 'stream-auth-token') }]);
  await world.mediaSource('signalwire', 'line', [{ type: 'bearer', secret: product.secret('signalwire', 'bearer-token') }]);
  for (const dialect of ['plivo', 'exotel', 'ringcx'])
    await world.mediaSource(dialect, 'line', basic);
});

let agents = 0;
const pair = (text) => ({ authorization: `Basic ${Buffer.from(text).toString('base64')}` });
const BASIC = { good: { headers: pair('us:pass:word') }, bad: [{}, { headers: pair('us:pass') }, { headers: { authorization: 'Basic' } }] };
const by = (Client, path, ways, more = {}) => ({ Client, path, ...ways, ...more });
// `speechless`: what it sends before its start, if audio is no text.
const DIALECTS = {
  twilio: by(MEDIA_CLIENTS.twilio, '/in/twilio/line', { good: { authToken: TOKEN, publicUrl: `${PUBLIC}/in/twilio/line` }, bad: [{}, { authToken: 'another', publicUrl: `${PUBLIC}/in/twilio/line` }] }),
  telnyx: by(MEDIA_CLIENTS.telnyx, '/in/telnyx/line', { good: { bearer: 'stream-auth-token' }, bad: [{}, { bearer: 'stream-auth-toke' }, { headers: { authorization: 'Bearer stream-auth-token' } }] }),
  signalwire: by(MEDIA_CLIENTS.signalwire, '/in/signalwire/line', { good: { bearer: 'bearer-token' }, bad: [{}, { bearer: 'bearer-tokens' }, { headers: { authorization: 'bearer-token' } }] }),
  plivo: by(MEDIA_CLIENTS.plivo, '/in/plivo/line', BASIC),
  exotel: by(MEDIA_CLIENTS.exotel, '/in/exotel/line', BASIC),
  'vapi-transcriber': by(MEDIA_CLIENTS['vapi-transcriber'], '/in/vapi/main/transcriber', { good: { secret: SECRET }, bad: [{}, { secret: 'another' }] }, { takesBinary: true }),
  ringcx: by(AgentSessionClient, '/in/ringcx/line', BASIC, { connect: (url, opts) => AgentSessionClient.connect(url, { callId: `agent-${++agents}` }, opts), patient: true }),
};
const connect = ({ Client, path, connect: how }, opts, at = path) => (how ?? ((url, o) => Client.connect(url, o)))(w().ws + at, opts);

for (const [name, dialect] of Object.entries(DIALECTS)) {
  test(`${name}: who is not let in`, async () => {
    for (const bad of dialect.bad)
      await assert.rejects(connect(dialect, bad), (error) => error.status === 401, JSON.stringify(bad));
    for (const at of [dialect.path.replace(/line|main/, 'nobody'), dialect.path.replace('/in/', '/in/x')])
      await assert.rejects(connect(dialect, dialect.good, at), (error) => error.status === 404, at);
    await (await connect(dialect, dialect.good)).close();
  });

  test(`${name}: what ends a connection`, async () => {
    const closes = async (say, code, reason) => {
      const client = await connect(dialect, dialect.good);
      say(client);
      const end = await client.closed;
      assert.equal(end.code, code, `${end.code} ${end.reason}`);
      assert.match(end.reason, reason);
    };
    await closes((c) => c.send(Buffer.alloc(160)), dialect.takesBinary ? 1008 : 1003, dialect.takesBinary ? /start/ : /binary/);
    if (!dialect.takesBinary)
      await closes((c) => c.start().send(Buffer.alloc(160)), 1003, /binary/);
    const refused = async (why) => await w().counted(`callmend_media_refused_total{why="${why}"}`);
    const [large, odd] = [await refused('too_large'), await refused('no_utf8')];
    await closes((c) => c.start().declare(2 ** 30), 1009, /too large/);
    await closes((c) => c.start().declare(300 * 1024), 1009, /too large/); // more than its protocol has, and no more comes of it
    await closes((c) => c.start().declare(2 ** 30, { binary: false, first: Buffer.from('{"event":"') }), 1009, /too large/);
    await closes((c) => c.send(JSON.stringify({ event: 'start', more: 'x'.repeat(512 * 1024) })), 1009, /too large/);
    await closes((c) => c.start().socket.send(Buffer.of(0xff), { binary: false }), 1007, /UTF-8/);
    await until('all of it is counted', async () => (await refused('too_large')) - large === 4 && (await refused('no_utf8')) - odd === 1);
    await closes((c) => c.send('{"event":'), 1008, /./);
    await until('no socket is left', async () => (await w().counted('callmend_media_sockets')) === 0);
  });

  test(`${name}: silence`, async () => {
    const mute = [await connect(dialect, dialect.good)];
    if (!dialect.patient) // its audio pauses on hold: sixty times as patient once it has begun
      mute.push((await connect(dialect, dialect.good)).start());
    for (const client of mute) {
      const { code, reason } = await client.closed;
      assert.equal(code, 4408);
      assert.match(reason, /no message/);
    }
  });
}

// The first two bytes say that eight of length follow; no mask, since it comes from a server.
const GIGABYTE = Buffer.from([0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0, 1, 2, 3, 4]);

test('vapi-listen, which we dial: silent, or too much at once, is a loss: dialled again as long as the call runs', async (t) => {
  const sim = await new VapiListenServer({ announce: true }).listen();
  t.after(() => sim.close());
  const call = await w().running('quiet', { monitor: { listenUrl: sim.listenUrl('quiet') } });
  await until('dialled again after silence', () => sim.connections.length === 2 && sim.connections[0].readyState === 3, { timeoutMs: 20000 });
  sim.connections[1]._socket.write(GIGABYTE);
  await until('dialled again after a gigabyte', () => sim.connections.length === 3 && sim.connections[1].readyState === 3, { timeoutMs: 20000 });
  sim.connections[2].send(Buffer.alloc(640));
  await until('it is heard', () => w().facts(call).filter((f) => f.heard === 'attached').length >= 2);
  await w().over('quiet');
  await until('no more', () => sim.connections.at(-1).readyState === 3);
});

// A call that was placed over WebSocket, and runs. `answered`: its socket from then on, the n-th of them (from 1).
async function placed(t, options = {}, more = {}) {
  const { product } = w();
  const sim = await new VapiTransportServer(options).listen();
  t.after(() => sim.close());
  const source = await w().addSource(`placed-${sim.port}`, { api_base: `http://127.0.0.1:${sim.port}`, private_key: product.secret('private', 'private') });
  const { call, provider_call_id } = await product.must('POST', '/api/v1/calls', { source_id: source.id, assistant_id: 'ava', ...more });
  const other = sim.calls.get(provider_call_id);
  const answered = (n) => until(`socket ${n} is open`, () => sim.connections.length === n && other.socket.readyState === 1 && other.socket, { timeoutMs: 20000 });
  const attached = (n) => until(`heard ${n} times`, () => w().facts(call).filter((f) => f.heard === 'attached' && f.leg === 0).length >= n);
  return { sim, call, other, answered, attached };
}

test('vapi-websocket, which we dial: silent, or too much at once, is a loss: dialled again as long as the call runs', async (t) => {
  const { sim, other, answered, attached } = await placed(t);
  const mute = await answered(1);
  const loud = await answered(2);
  assert.equal(mute.readyState, 3, 'dialled again after silence');
  loud._socket.write(GIGABYTE);
  const large = await answered(3);
  assert.equal(loud.readyState, 3, 'dialled again after a gigabyte');
  large.send(Buffer.alloc(640));
  await attached(1);
  large._socket.write(GIGABYTE);
  const last = await answered(4);
  last.send(Buffer.alloc(640));
  await attached(2);
  sim.end(other);
  await until('the end is known', () => last.readyState === 3);
  assert.equal(sim.connections.length, 4);
});

test('vapi-websocket: what is no message is passed over, before its audio begins and afterwards', async (t) => {
  const { sim, other, answered, attached } = await placed(t);
  const socket = await answered(1);
  const unreadable = () => w().counted('callmend_media_messages_total{kind="unreadable"}');
  const early = ['hello', '[1]', '{"type":', '"status-update"', 'null', '{"status":"in-progress"}'];
  const first = await unreadable();
  for (const wrong of early)
    socket.send(wrong);
  socket.send(Buffer.alloc(640));
  await attached(1);
  assert.equal(await unreadable() - first, early.length);
  const before = await unreadable();
  for (const wrong of ['hello', '[1]', '{}', '{"type":7}'])
    socket.send(wrong);
  socket.send(Buffer.alloc(0));
  socket.send(Buffer.alloc(1)); // half a sample
  socket.send(Buffer.alloc(1));
  sim.tell(other, { type: 'transcript', role: 'user', transcriptType: 'final', transcript: 'still here' });
  await until('what follows is heard', async () => (await w().events(other.id, 'transcript.final')).length === 1);
  assert.equal(await unreadable() - before, 4);
  assert.equal(socket.readyState, 1);
  sim.end(other);
  await until('the end is known', () => socket.readyState === 3);
  assert.equal(other.closeCode, 1000);
});

// --- the road ---

const MS = 6000;
const ODD = [641, 159, 1280, 37];
const pcm = (hz, rate) => tone(hz, MS, { rate });
const TALK = { customer: pcm(300, 16000), assistant: tone(500, MS, { rate: 16000, level: 2000 }) };
const SENDERS = {
  'vapi-transcriber': (client, options) => client.start().play(TALK, options),
  ringcx: (client) => client.play(readTalk({ script: [{ tone: ['customer', 300, MS] }, { tone: ['ann', 500, 20] }] })),
};
const play = (name, client, options) => (SENDERS[name] ?? ((c, o) => c.start().play(pcm(300, c.rate), o)))(client, { fast: true, seed: 3, ...options });

// What was told of each leg of a stream that is over, and of its sound: that is the same on every road that loses nothing.
function summary(facts) {
  const over = facts.filter((f) => f.heard === 'detached').sort((a, b) => a.leg - b.leg);
  const legs = over.map(({ leg, ms }) => {
    const { gaps = 0, ms: gapMs = 0, late = 0, duplicates = 0, reordered = 0, damaged = 0 } = facts.findLast((f) => f.heard === 'quality' && f.leg === leg) ?? {};
    return { ms, gaps, gapMs, late, duplicates, reordered, damaged };
  });
  const sound = over.map(({ leg }) => facts.filter((f) => f.heard === 'level' && f.leg === leg).map(({ ms, value, peak, noise, speech_ms: speech }) => ({ ms, value, peak, noise, speech })));
  return { legs, sound };
}

// The same sound over some road. Gives how many frames left, and what was told of the stream when it was over.
async function heard(name, options, more = {}) {
  const before = new Set(w().facts().map((f) => f.stream));
  const client = await connect(DIALECTS[name], { ...DIALECTS[name].good, ...more });
  const frames = await play(name, client, options);
  await (client.stopMessage ? client.stop() : client.close());
  const told = await until('it is over', () => {
    const facts = w().facts().filter((f) => !before.has(f.stream));
    return facts.some((f) => f.heard === 'detached') && summary(facts);
  });
  return { frames, ...told };
}
const CLEAN = { ms: MS, gaps: 0, gapMs: 0, late: 0, duplicates: 0, reordered: 0, damaged: 0 };

for (const name of ['twilio', 'telnyx', 'signalwire', 'plivo', 'exotel']) {
  test(`${name}: frames of odd sizes, losses, doubles, overtaking`, async () => {
    const { frameMs } = DIALECTS[name].Client.defaults;
    const { sound } = await heard(name);
    assert.ok(sound[0].length > 0);
    const odd = await heard(name, { frameBytes: ODD });
    assert.deepEqual(odd, { ...odd, legs: [CLEAN], sound });
    const lossy = await heard(name, { loss: 0.1 });
    assert.ok(lossy.legs[0].gaps > 0);
    assert.deepEqual(lossy.legs, [{ ...CLEAN, gaps: lossy.legs[0].gaps, gapMs: MS - lossy.frames * frameMs }]);
    const doubled = await heard(name, { duplicate: 0.1 });
    assert.deepEqual(doubled.legs, [{ ...CLEAN, duplicates: doubled.frames - MS / frameMs }]);
    const [late] = (await heard(name, { late: 0.1, reorder: 3 })).legs;
    if (name === 'telnyx') // frames of the others do not overtake each other
      assert.deepEqual(late, { ...CLEAN, reordered: late.reordered });
    else
      assert.deepEqual(late, { ...CLEAN, late: late.late, gaps: late.gaps, gapMs: late.gapMs });
    assert.ok(late.reordered + late.late > 0);
  });
}

const SPLINTERS = [640, 1, 1, 1, 637]; // also less than a sample

test('vapi-transcriber: two channels, cut anywhere', async () => {
  const { sound } = await heard('vapi-transcriber');
  assert.ok(sound[0][0].value > sound[1][0].value + 50, JSON.stringify(sound));
  for (const frameBytes of [ODD, SPLINTERS]) {
    const { legs, sound: same } = await heard('vapi-transcriber', { frameBytes });
    assert.deepEqual([legs, same], [[CLEAN, CLEAN], sound]);
  }
});

let overheards = 0;
// The same over a socket that we dial to listen; it plays once and closes, and is not there any more.
async function overheard(t, { sound = TALK, ...format }, options) {
  const id = `overheard-${++overheards}`;
  const sim = await new VapiListenServer(format).listen();
  t.after(() => sim.close());
  const call = await w().running(id, { monitor: { listenUrl: sim.listenUrl(id) } });
  const socket = await until('dialled', () => sim.connections[0]);
  sim.live = () => false;
  const frames = await sim.play(socket, sound, { fast: true, seed: 3, ...options });
  const told = await until('it is over', () => {
    const facts = w().facts(call);
    return facts.some((f) => f.heard === 'detached') && { attached: facts.filter((f) => f.heard === 'attached').map((f) => [f.leg, f.value, f.speaker]), ...summary(facts) };
  });
  await w().over(id);
  return { frames, ...told };
}
const STEREO = [[0, 16000, 'user'], [1, 16000, 'ai']];

test('vapi-listen: two channels, cut anywhere; frames are lost and come twice, nothing numbers them', async (t) => {
  const { sound, ...whole } = await overheard(t, { announce: true });
  assert.deepEqual(whole, { frames: MS / 20, attached: STEREO, legs: [CLEAN, CLEAN] });
  assert.ok(sound[0][0].value > sound[1][0].value + 50, JSON.stringify(sound));
  for (const frameBytes of [ODD, SPLINTERS]) {
    const odd = await overheard(t, { announce: true }, { frameBytes });
    assert.deepEqual(odd, { frames: odd.frames, attached: STEREO, legs: [CLEAN, CLEAN], sound });
  }
  for (const road of [{ loss: 0.1 }, { duplicate: 0.1 }]) { // time is counted in samples: the sound is shorter or longer
    const { frames, legs } = await overheard(t, { announce: true }, road);
    assert.notEqual(frames, MS / 20);
    assert.deepEqual(legs, Array(2).fill({ ...CLEAN, ms: frames * 20 }));
  }
});

test('vapi-listen, measured: cut anywhere, what came before the format was known is heard, too, and nothing of more than is kept for that is lost', async (t) => {
  const short = { customer: TALK.customer.subarray(0, 16000 * 5.5), assistant: TALK.assistant.subarray(0, 16000 * 5.5) };
  const { sound } = await overheard(t, { announce: true, sound: short });
  // A busy machine may keep it from sending for seconds, which sounds like another format.
  const measured = await until('it is measured', async () => {
    const heard = await overheard(t, { sound: short }, { frameBytes: ODD, fast: false });
    return JSON.stringify(heard.attached) === JSON.stringify(STEREO) && heard;
  }, { timeoutMs: 40000 });
  assert.deepEqual([measured.attached, measured.legs.map(({ ms }) => ms), measured.sound], [STEREO, [5500, 5500], sound]);
  const long = { customer: tone(300, 12000, { rate: 16000 }), assistant: tone(500, 12000, { rate: 16000, level: 2000 }) };
  const clean = await overheard(t, { announce: true, sound: long });
  const burst = await overheard(t, { announce: { channels: undefined }, sound: long }, { frameBytes: ODD });
  assert.deepEqual([burst.attached, burst.legs.map(({ ms }) => ms), burst.sound], [STEREO, [12000, 12000], clean.sound]);
});

test('vapi-websocket: cut anywhere, in both formats; frames are lost and come twice, nothing numbers them', async (t) => {
  for (const [format, rate] of [['pcm_s16le', 16000], ['mulaw', 8000]]) {
    const over = async (options) => {
      const { sim, call, other, answered } = await placed(t, {}, { format });
      await answered(1);
      const frames = await sim.play(other, pcm(300, rate), { fast: true, seed: 3, ...options });
      sim.end(other);
      const told = await until('it is over', () => {
        const facts = w().facts(call).filter((f) => f.leg === 0); // the other is what we say
        return facts.some((f) => f.heard === 'detached') && summary(facts);
      });
      return { frames, ...told };
    };
    const { sound, ...whole } = await over();
    assert.deepEqual(whole, { frames: MS / 20, legs: [CLEAN] });
    assert.ok(sound[0].length > 0);
    for (const frameBytes of [ODD, SPLINTERS]) {
      const odd = await over({ frameBytes });
      assert.deepEqual(odd, { frames: odd.frames, legs: [CLEAN], sound });
    }
    for (const road of [{ loss: 0.1 }, { duplicate: 0.1 }]) {
      const { frames, legs } = await over(road);
      assert.notEqual(frames, MS / 20);
      assert.deepEqual(legs, [{ ...CLEAN, ms: frames * 20 }]);
    }
  }
});

test('ringcx: frames of another size, losses and doubles; nothing numbers them', async () => {
  const over = (options) => heard('ringcx', {}, { fast: true, frameMs: 20, ...options });
  const [whole] = (await over({ frameMs: 70 })).legs;
  assert.ok(whole.ms >= MS && whole.gaps === 0);
  for (const road of [{ loss: 0.1 }, { duplicate: 0.1 }, { late: 0.1 }]) {
    const { legs } = await over({ road });
    assert.equal(legs.length, 2);
    assert.ok(legs.every(({ ms }) => Math.abs(ms - whole.ms) < whole.ms / 4), JSON.stringify(legs));
  }
});

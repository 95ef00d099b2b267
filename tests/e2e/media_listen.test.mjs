// Watchers hear a call while it runs: how far behind, from when on, which leg; and see its levels.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mediaWorldFor } from './lib/media.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { VapiTransportServer } from '../../tools/media-sim/index.mjs';

const w = mediaWorldFor({ before, after }, {}, (world) => world.mediaSource('twilio', 'phone'));

const FRAME = 160; // samples of 20 ms
const tone = (ms, amplitude = 12000, hz = 440) => new Int16Array(ms * 8).map((_, i) => Math.round(amplitude * Math.sin(2 * Math.PI * hz * i / 8000)));
const silent = (ms) => new Int16Array(ms * 8);
const joined = (...parts) => Int16Array.from(parts.flatMap((part) => [...part]));
const loud = (frame) => frame.samples.some((s) => Math.abs(s) > 3000);

// A stream with both tracks and a call of its own; feed(inbound, outbound) sends what is given at the pace of the clock.
async function stream() {
  const client = await w().connect('twilio', 'phone', { tracks: ['inbound', 'outbound'] });
  client.start();
  await client.play({ inbound: silent(400), outbound: silent(400) });
  const unbound = until('it has a call', () => w().facts().find((f) => f.heard === 'unbound' && f.stream === client.streamId));
  await client.play({ inbound: silent(1000), outbound: silent(1000) });
  return { client, call: (await unbound).call };
}

// How far behind it is, is a figure: ./dev bench listen.
test('live audio comes while it is spoken, and on the leg it belongs to', async () => {
  const { client, call } = await stream();
  const [customer, assistant, mix] = await Promise.all(['customer', 'assistant', 'mix'].map(async (leg) => {
    const live = await w().product.live({ subscribe: null });
    live.send({ type: 'listen', id: leg, call, leg });
    const begun = await live.message('listening');
    assert.deepEqual({ ...begun, receivedAt: 0 }, { type: 'listening', id: leg, call, leg, rate: 8000, frame_ms: 40, receivedAt: 0 });
    return live;
  }));
  await client.play({ inbound: silent(200), outbound: silent(200) });
  const heard = (live, from = 0) => live.until('the tone', () => live.frames.slice(from).find(loud));
  const [c, m] = [customer.frames.length, mix.frames.length];
  await client.play({ inbound: tone(300), outbound: silent(300) });
  await heard(customer, c);
  await heard(mix, m);
  await client.play({ inbound: silent(400), outbound: silent(400) });
  await client.play({ inbound: silent(200), outbound: tone(200) });
  await heard(assistant);
  const frames = customer.frames;
  assert.ok(frames.every((f) => f.version === 1 && f.leg === 0 && f.rate === 8000 && f.samples.length === 2 * FRAME));
  frames.forEach((f, i) => assert.equal(f.sequence, i));
  frames.slice(1).forEach((f, i) => assert.equal(f.atMs - frames[i].atMs, 40));
  assert.ok(Math.abs(frames.at(-1).atMs - Date.now()) < 60000, 'ms since 1970');
  assert.ok(assistant.frames.every((f) => f.leg === 1) && mix.frames.every((f) => f.leg === 2));
  customer.send({ type: 'unlisten' });
  await customer.message('unlistened');
  await client.stop();
  assert.equal((await mix.message('listen-end')).reason, 'over');
  [customer, assistant, mix].forEach((live) => live.close());
});

test('what we say over a transport is heard, too: as the customer, and in the mix', async (t) => {
  const { product } = w();
  const sim = await new VapiTransportServer({ source: () => new Int16Array(16000 * 60) }).listen();
  t.after(() => sim.close());
  const source = await w().addSource('transport', { api_base: `http://127.0.0.1:${sim.port}`, private_key: product.secret('private', 'private') });
  const { call, provider_call_id } = await product.must('POST', '/api/v1/calls', { source_id: source.id, assistant_id: 'ava' });
  await until('it has audio', () => w().facts(call).filter((f) => f.heard === 'attached').length === 2);
  const [customer, assistant, mix] = await Promise.all(['customer', 'assistant', 'mix'].map(async (leg) => {
    const live = await product.live({ subscribe: null });
    live.send({ type: 'listen', id: leg, call, leg });
    await live.message('listening');
    return live;
  }));
  const said = Int16Array.from({ length: 8000 }, (_, i) => 12000 * Math.sin(2 * Math.PI * 440 * i / 16000));
  await product.must('POST', `/api/v1/calls/${call}/audio/play`, { payload: Buffer.from(said.buffer).toString('base64') });
  await customer.until('the tone', () => customer.frames.find(loud));
  const first = await mix.until('the tone', () => mix.frames.find(loud));
  await assistant.until('as much', () => assistant.frames.at(-1)?.atMs >= first.atMs);
  assert.ok(!assistant.frames.some(loud));
  sim.end(sim.calls.get(provider_call_id));
  assert.equal((await mix.message('listen-end')).reason, 'over');
  [customer, assistant, mix].forEach((live) => live.close());
});

// Two sockets of one call, a track each, as a platform that copies tracks one by one has them.
test('legs that come over several sockets are heard together, also one that comes later; one that stops holds nobody up', async () => {
  const call = await w().running('two-sockets', { phoneCallProviderId: 'CAtwo' });
  const socket = async (track) => {
    const client = await w().connect('twilio', 'phone', { tracks: [track], callId: 'CAtwo' });
    client.start();
    await client.play({ [track]: silent(200) });
    await until(`${track} is heard`, () => w().facts(call).some((f) => f.heard === 'attached' && f.stream === client.streamId));
    return client;
  };
  const mix = await w().product.live({ subscribe: null });
  const since = async (what, from, match) => mix.until(what, () => mix.frames.slice(from).find(match));
  // Tones of different strength: alone each, and both together.
  const peak = (frame) => Math.max(...frame.samples.map(Math.abs));
  const between = (low, high) => (frame) => peak(frame) > low && peak(frame) < high;
  const inbound = await socket('inbound');
  mix.send({ type: 'listen', call, leg: 'mix' });
  await mix.message('listening');
  const outbound = await socket('outbound');
  const together = (a, b) => Promise.all([inbound.play({ inbound: a }), outbound.play({ outbound: b })]);
  await together(silent(400), silent(400));
  let n = mix.frames.length;
  await together(tone(400, 4000), silent(400));
  await since('the first alone', n, between(3000, 5000));
  n = mix.frames.length;
  await together(silent(400), tone(400, 8000));
  await since('the one that came later', n, between(7000, 9000));
  n = mix.frames.length;
  await together(tone(800, 4000), tone(800, 8000, 700));
  await since('both at once', n, (frame) => peak(frame) > 9500);
  // One says nothing any more, though its socket is open; then it is closed.
  n = mix.frames.length;
  await inbound.play({ inbound: tone(600, 4000) });
  await since('who goes on', n, between(3000, 5000));
  await outbound.stop();
  n = mix.frames.length;
  await inbound.play({ inbound: tone(600, 4000) });
  await since('who is left', n, between(3000, 5000));
  assert.equal(mix.messages.some((m) => m.type === 'listen-end'), false);
  mix.frames.forEach((f, i) => assert.equal(f.sequence, i));
  mix.frames.slice(1).forEach((f, i) => assert.ok(f.atMs - mix.frames[i].atMs >= 40 && (f.atMs - mix.frames[i].atMs) % 40 === 0, 'no moment twice'));
  await inbound.stop();
  assert.equal((await mix.message('listen-end')).reason, 'over');
  await w().over('two-sockets');

  // What was before, of both.
  const again = await w().running('two-before', { phoneCallProviderId: 'CAbefore' });
  const clients = await Promise.all(['inbound', 'outbound'].map(async (track) => {
    const client = await w().connect('twilio', 'phone', { tracks: [track], callId: 'CAbefore' });
    client.start();
    await client.play({ [track]: joined(track === 'inbound' ? tone(600, 4000) : tone(600, 8000, 700), silent(1000)) });
    return client;
  }));
  await until('both are heard', () => w().facts(again).filter((f) => f.heard === 'attached').length === 2);
  const back = await w().product.live({ subscribe: null });
  back.send({ type: 'listen', call: again, leg: 'mix', from_ms: -30000 });
  await back.until('both, of before', () => back.frames.some((frame) => peak(frame) > 9500));
  await Promise.all(clients.map((client) => client.stop()));
  await w().over('two-before');
  [mix, back].forEach((live) => live.close());
});

test('scrubbing back: what was before comes at once, then what is now', async () => {
  const { client, call } = await stream();
  await client.play({ inbound: tone(400), outbound: silent(400) });
  await client.play({ inbound: silent(1000), outbound: silent(1000) });
  const live = await w().product.live({ subscribe: null });
  live.send({ type: 'listen', call, leg: 'customer', from_ms: -1600 });
  await live.until('the tone of before, and all that is behind it', () => live.frames.some(loud) && live.frames.length >= 35); // nothing is sent meanwhile
  assert.ok(live.frames.at(-1).atMs - live.frames[0].atMs >= 1360);
  const n = live.frames.length;
  await client.play({ inbound: tone(200), outbound: silent(200) });
  await live.until('what is now', () => live.frames.slice(n).some(loud));
  live.frames.forEach((f, i) => assert.equal(f.sequence, i));
  const before = live.frames.length;
  live.send({ type: 'listen', call, leg: 'customer', from_ms: -30000 });
  await live.until('all there is, from its begin', () => live.frames.slice(before).some((f) => f.sequence === 0));
  await client.stop();
  live.close();
});

test('who may listen, and what is said when there is nothing', async () => {
  const { product } = w();
  const { client, call } = await stream();
  const viewer = await product.live({ subscribe: null, token: await product.makeToken('viewer') });
  viewer.send({ type: 'listen', call });
  assert.equal((await viewer.message('error')).status, 403);
  const live = await product.live({ subscribe: null, token: await product.makeToken('supervisor') });
  live.send({ type: 'listen', id: 1, call: '00000000-0000-7000-8000-000000000000' });
  assert.equal((await live.message('listen-end', (m) => m.id === 1)).reason, 'no-audio');
  live.send({ type: 'listen', id: 2, call, leg: 'nobody' });
  assert.equal((await live.message('error', (m) => m.id === 2)).name, 'leg');
  const rows = () => product.sql("select * from audit_log where action = 'listen'");
  live.send({ type: 'listen', id: 3, call, leg: 'mix' });
  await until('the listener is in the audit log', async () => (await rows()).some((r) => r.object_id === call && r.new.leg === 'mix' && /supervisor/.test(r.actor)));
  await client.stop();
  viewer.close();
  live.close();
});

test('levels come about five times a second to those who asked for them', async () => {
  const live = await w().product.live({ subscribe: { type: 'subscribe', all: true, levels: true } });
  const without = await w().product.live();
  const { client, call } = await stream();
  await client.play({ inbound: tone(1000), outbound: silent(1000) });
  const of = (match) => live.messages.filter((m) => m.type === 'levels' && m.call === call && match(m.legs));
  await until('a loud customer and a silent assistant', () => of((legs) => legs.some((l) => l.speaker === 'user' && l.level > -20) &&
    legs.some((l) => l.speaker === 'ai' && l.level < -60)).length > 2);
  assert.equal(without.messages.some((m) => m.type === 'levels'), false);
  await client.stop();
  live.close();
  without.close();
});

test('audio.listen is off: nothing is kept, nobody hears', async () => {
  const { product, project } = w();
  const set = (listen) => product.must('PATCH', `/api/v1/projects/${project.id}`, { audio: { listen } });
  await set(false);
  await until('it is off', async () => {
    const { client, call } = await stream();
    const live = await product.live({ subscribe: null });
    live.send({ type: 'listen', call });
    await live.message('listening');
    await client.play({ inbound: silent(200), outbound: silent(200) });
    await live.until('an answer', () => live.frames.length > 0 || live.messages.some((m) => m.type === 'listen-end'));
    const end = live.messages.find((m) => m.type === 'listen-end');
    await client.stop();
    live.close();
    return end?.reason === 'off';
  });
  await set(true);
});

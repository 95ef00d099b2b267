// The simulators of live audio against a stand-in that says what it got: tests of the tests' own tools.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import WebSocket from '../../tools/lib/ws.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { alawByte, alawSample, interleave, join16, pcmBytes, pcmSamples, resample, silence, speak, tone, ulawByte, ulawBytes, ulawSample, ulawSamples } from '../../tools/lib/speech.mjs';
import { cut, MEDIA_CLIENTS, Playout, travel, twilioSignature, VapiListenServer, VapiTransportServer, walk } from '../../tools/media-sim/index.mjs';

async function standIn(t, onMessage = () => {}) {
  const server = http.createServer();
  const sockets = new WebSocket.WebSocketServer({ server });
  const world = { messages: [], headers: [], send: (m) => world.socket.send(typeof m === 'string' || Buffer.isBuffer(m) ? m : JSON.stringify(m)) };
  sockets.on('connection', (ws, request) => {
    world.socket = ws;
    world.headers.push(request.headers);
    ws.on('error', () => {});
    ws.on('message', (data, binary) => {
      const message = binary ? data : JSON.parse(data.toString());
      world.messages.push(message);
      onMessage(message, world);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  world.url = `ws://127.0.0.1:${server.address().port}/in`;
  world.of = (event) => world.messages.filter((m) => m.event === event);
  t.after(() => {
    sockets.clients.forEach((ws) => ws.terminate());
    return new Promise((resolve) => server.close(resolve));
  });
  return world;
}

test('the signature is that of Twilio', () => {
  assert.equal(twilioSignature('12345', 'wss://gw.example.com/twilio'), 'PR3+KYrf7MWMzYmLhInwh0sAJ7Q=');
});

test('Twilio: connected, start, frames, digits, stop, as on the wire', async (t) => {
  const world = await standIn(t);
  const client = await MEDIA_CLIENTS.twilio.connect(world.url, { authToken: '12345', publicUrl: 'wss://gw.example.com/twilio', tracks: ['inbound', 'outbound'],
    streamId: 'MZ1', callId: 'CA1', accountId: 'AC1' });
  assert.equal(world.headers[0]['x-twilio-signature'], 'PR3+KYrf7MWMzYmLhInwh0sAJ7Q=');
  client.start({ params: { callmend_token: 't' } });
  await client.play({ inbound: tone(440, 100), outbound: silence(100) }, { fast: true });
  client.dtmf('7');
  await client.stop();
  const [connected, start, ...rest] = world.messages;
  assert.deepEqual(connected, { event: 'connected', protocol: 'Call', version: '1.0.0' });
  assert.deepEqual(start, { event: 'start', sequenceNumber: '1', start: { accountSid: 'AC1', streamSid: 'MZ1', callSid: 'CA1', tracks: ['inbound', 'outbound'],
    mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 }, customParameters: { callmend_token: 't' } }, streamSid: 'MZ1' });
  assert.deepEqual(rest.slice(0, 3).map((m) => [m.media.track, m.media.chunk, m.media.timestamp, m.sequenceNumber]),
    [['inbound', '1', '0', '2'], ['outbound', '1', '0', '3'], ['inbound', '2', '20', '4']]);
  assert.equal(Buffer.from(rest[0].media.payload, 'base64').length, 160);
  assert.deepEqual(rest.map((m) => m.event), [...Array(10).fill('media'), 'dtmf', 'stop']);
});

test('what is sent is played at its pace: marks come back behind it, at once when idle, all of them when cleared', async (t) => {
  const world = await standIn(t);
  const client = await MEDIA_CLIENTS.twilio.connect(world.url, { streamId: 'MZ1', speed: 10 });
  client.start();
  const said = (event, more) => world.send({ event, streamSid: 'MZ1', ...more });
  const second = { media: { payload: ulawBytes(silence(1000)).toString('base64') } };
  await until('started', () => world.of('start').length);
  said('mark', { mark: { name: 'idle' } });
  said('media', second);
  said('mark', { mark: { name: 'after' } });
  await until('both marks', () => world.of('mark').length === 2);
  assert.deepEqual(client.marks, [{ name: 'idle', how: 'played' }, { name: 'after', how: 'played' }]);
  for (let i = 0; i < 600; i++)
    said('media', second);
  said('mark', { mark: { name: 'never heard' } });
  said('mark', { mark: { name: 'nor this' } });
  said('clear');
  await until('cleared', () => client.marks.length === 4);
  assert.deepEqual(client.marks.slice(2), [{ name: 'never heard', how: 'cleared' }, { name: 'nor this', how: 'cleared' }]);
  assert.ok(client.playout.clearedMs > 0 && client.playout.waitingMs === 0);
  assert.deepEqual(client.complaints, []);
});

test('complaints as in the debugger: binary, members too many, another stream, one-way streams', async (t) => {
  const world = await standIn(t);
  const client = await MEDIA_CLIENTS.twilio.connect(world.url, { streamId: 'MZ1' });
  client.start();
  await until('started', () => world.of('start').length);
  for (const wrong of [Buffer.from([1]), 'nonsense', { event: 'dance' }, { event: 'clear', streamSid: 'MZ2' }, { event: 'clear', streamSid: 'MZ1', sequenceNumber: '1' },
    { event: 'media', streamSid: 'MZ1', media: { payload: 'AAAA', track: 'outbound' } }, { event: 'media', streamSid: 'MZ1', media: { payload: 'AA-A' } },
    { event: 'mark', streamSid: 'MZ1' }])
    world.send(wrong);
  await until('all seen', () => client.complaints.length === 8);
  assert.deepEqual(client.complaints.map((c) => c.code), [31950, ...Array(7).fill(31951)]);
  const fork = await MEDIA_CLIENTS.twilio.connect(world.url, { streamId: 'MZ3', bidirectional: false });
  fork.start();
  await until('started', () => world.of('start').length === 2);
  world.send({ event: 'clear', streamSid: 'MZ3' });
  await until('complained', () => fork.complaints.length);
  assert.equal(fork.complaints[0].code, 31924);
});

test('the relatives: their own names, numbers and ends', async (t) => {
  const world = await standIn(t);
  const play = async (name, opts, pcm) => {
    world.messages.length = 0;
    const client = await MEDIA_CLIENTS[name].connect(world.url, opts);
    client.start({ params: { k: 'v' } });
    await client.play(pcm, { fast: true });
    client.dtmf('5');
    await client.stop();
    return { client, messages: [...world.messages] };
  };
  const events = ({ messages }) => messages.map((m) => m.event);
  const telnyx = await play('telnyx', { encoding: 'L16', rate: 16000, streamId: 's' }, tone(100, 40, { rate: 16000 }));
  assert.deepEqual(events(telnyx), ['connected', 'start', 'media', 'media', 'dtmf', 'stop']);
  const bytes = Buffer.from(telnyx.messages[2].media.payload, 'base64');
  assert.equal(bytes.length, 640);
  assert.equal(bytes.readInt16BE(2), tone(100, 1, { rate: 16000 })[1]);
  assert.equal(telnyx.messages[2].stream_id, 's');
  const signalwire = await play('signalwire', { bidirectional: false, encoding: 'audio/x-L16', rate: 24000 }, silence(40, 24000));
  assert.deepEqual(signalwire.messages.at(-1), { event: 'stop', sequenceNumber: '5' });
  assert.ok(signalwire.messages.every((m) => !('streamSid' in m)));
  assert.equal(signalwire.messages[4].dtmf.duration, 200);
  const plivo = await play('plivo', { streamId: 's' }, silence(40));
  assert.deepEqual(events(plivo), ['start', 'media', 'media', 'dtmf']);
  assert.equal(plivo.messages[0].extra_headers, 'k=v');
  assert.deepEqual(plivo.messages.slice(1, 3).map(({ media }) => [media.chunk, Number(media.timestamp) - plivo.client.startedAt]), [[1, 0], [2, 20]]);
  const exotel = await play('exotel', {}, silence(200));
  assert.deepEqual(events(exotel), ['connected', 'start', 'media', 'media', 'dtmf', 'stop']);
  assert.equal(Buffer.from(exotel.messages[2].media.payload, 'base64').length, 1600);
});

test('packets that are encoded already, and a message that is said to be huge', async (t) => {
  const world = await standIn(t);
  const client = await MEDIA_CLIENTS.telnyx.connect(world.url, { encoding: 'OPUS', rate: 16000 });
  client.start();
  assert.equal(await client.playPackets([Buffer.from([1, 2]), Buffer.from([3])], { fast: true }), 2);
  await until('there', () => world.of('media').length === 2);
  assert.deepEqual(world.of('media').map((m) => [m.media.timestamp, m.media.payload]), [['0', 'AQI='], ['20', 'Aw==']]);
  client.declare(2 ** 30);
  assert.equal((await client.closed).code, 1009);
});

test('Plivo and Exotel obey their own messages', async (t) => {
  const world = await standIn(t);
  const plivo = await MEDIA_CLIENTS.plivo.connect(world.url, { streamId: 's', speed: 1000 });
  plivo.start();
  await until('started', () => world.of('start').length);
  world.send({ event: 'playAudio', media: { contentType: 'audio/x-l16', sampleRate: 8000, payload: pcmBytes(silence(20)).toString('base64') } });
  world.send({ event: 'checkpoint', streamId: 's', name: 'cp' });
  world.send({ event: 'clearAudio', streamId: 's' });
  world.send({ event: 'playAudio', media: { contentType: 'audio/x-mulaw', sampleRate: 8000, payload: '' } });
  await until('answers', () => world.of('playedStream').length && world.of('clearedAudio').length && plivo.complaints.length);
  assert.equal(world.of('playedStream')[0].name, 'cp');
  const exotel = await MEDIA_CLIENTS.exotel.connect(world.url, { streamId: 'e' });
  exotel.start();
  await until('started', () => world.of('start').length === 2);
  for (const n of [3200, 3201, 1600])
    world.send({ event: 'media', stream_sid: 'e', media: { payload: Buffer.alloc(n).toString('base64') } });
  await until('heard', () => exotel.audio.length === 3);
  assert.deepEqual(exotel.complaints.map((c) => c.code), ['gap', 'gap']);
  await Promise.all([plivo.close(), exotel.close()]);
});

test('the road: sizes, loss, doubles and overtaking, the same for the same seed', () => {
  const bytes = Buffer.from(Array.from({ length: 100 }, (_, i) => i));
  assert.deepEqual(cut(bytes, 32).map((b) => b.length), [32, 32, 32, 4]);
  assert.deepEqual(Buffer.concat(cut(bytes, [1, 7, 30])), bytes);
  const frames = Array.from({ length: 1000 }, (_, i) => i);
  const road = { loss: 0.05, duplicate: 0.05, late: 0.1, reorder: 3, seed: 4 };
  const came = travel(frames, road);
  assert.deepEqual(travel(frames, road), came);
  assert.notDeepEqual(travel(frames, { ...road, seed: 5 }), came);
  assert.deepEqual(travel(frames), frames);
  const lost = 1000 - new Set(came).size;
  assert.ok(lost > 20 && lost < 90 && came.length > new Set(came).size);
  let overtaken = 0;
  came.forEach((n, i) => came.slice(0, i).some((m) => m > n) && overtaken++);
  assert.ok(overtaken > 20 && came.every((n, i) => came.slice(0, i).every((m) => m - n <= 4)));
});

// Time is ours: it moves when the test says so.
function clock(t) {
  let now = 1000;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  t.mock.method(performance, 'now', () => now);
  return async (ms) => {
    now += ms;
    t.mock.timers.tick(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
}

test('real pace is a clock: a frame each 20 ms, and what was held up comes at once', async (t) => {
  const pass = clock(t);
  const sent = [];
  const walked = walk([1, 2, 3, 4, 5, 6], (frame) => { sent.push(frame); });
  const counts = [];
  for (const ms of [0, 19, 1, 20, 60]) {
    await pass(ms);
    for (let i = 0; i < 5; i++) // those that are due wait for a timer of 0 ms each
      await pass(0);
    counts.push(sent.length);
  }
  assert.deepEqual(counts, [1, 1, 2, 3, 6]);
  assert.equal(await walked, 6);
});

test('Vapi transcriber: start, interleaved stereo cut anywhere, words taken back', async (t) => {
  const world = await standIn(t);
  const client = await MEDIA_CLIENTS['vapi-transcriber'].connect(world.url, { secret: 's3', headers: { 'x-call-id': 'c' } });
  assert.equal(world.headers[0]['x-vapi-secret'], 's3');
  client.start();
  const [customer, assistant] = [tone(300, 60, { rate: 16000 }), tone(500, 40, { rate: 16000 })];
  await client.play({ customer, assistant }, { fast: true, frameBytes: [641, 3, 1000] });
  await until('all there', () => world.messages.slice(1).reduce((n, b) => n + b.length, 0) === 60 * 64);
  assert.deepEqual(world.messages[0], { type: 'start', encoding: 'linear16', container: 'raw', sampleRate: 16000, channels: 2 });
  assert.deepEqual(pcmSamples(Buffer.concat(world.messages.slice(1))), interleave(customer, assistant));
  world.send({ type: 'transcriber-response', transcription: 'hel', channel: 'customer', transcriptType: 'partial' });
  world.send({ type: 'transcriber-response', transcription: 'hello', channel: 'customer' });
  world.send({ type: 'transcriber-response', transcription: 'hello', channel: 'caller' });
  await until('taken', () => client.complaints.length);
  assert.deepEqual(client.transcripts.map((x) => x.transcriptType), ['partial', 'final']);
  await client.close();
});

const dial = (url, headers = {}) => new Promise((resolve, reject) => {
  const ws = new WebSocket(url, { headers });
  const got = { ws, messages: [] };
  ws.on('message', (data, binary) => got.messages.push(binary ? data : JSON.parse(data.toString())));
  ws.on('close', (code) => { got.closeCode = code; });
  ws.on('open', () => resolve(got));
  ws.on('unexpected-response', (request, response) => reject(Object.assign(new Error('refused'), { status: response.statusCode })));
  ws.on('error', reject);
});

test('the listenUrl: refusals first, announced or not, closed at the end', async (t) => {
  const source = () => ({ customer: tone(300, 100, { rate: 16000 }), assistant: silence(100, 16000) });
  const server = await new VapiListenServer({ announce: true, bearer: 'pub', source, play: { fast: true }, live: (id) => id === 'c1' }).listen();
  t.after(() => server.close());
  server.refuse.push(503);
  const bearer = { authorization: 'Bearer pub' };
  await assert.rejects(dial(server.listenUrl('c1'), bearer), { status: 503 });
  await assert.rejects(dial(server.listenUrl('c1')), { status: 401 });
  await assert.rejects(dial(server.listenUrl('c2'), bearer), { status: 404 });
  const heard = await dial(server.listenUrl('c1'), bearer);
  await until('over', () => heard.closeCode === 1000);
  assert.equal(heard.messages[0].type, 'start');
  assert.equal(Buffer.concat(heard.messages.slice(1)).length, 100 * 64);
  const quiet = await new VapiListenServer({ rate: 8000, channels: 1, source: () => ({ customer: silence(40) }), play: { fast: true } }).listen();
  t.after(() => quiet.close());
  const plain = await dial(quiet.listenUrl('x'));
  await until('over', () => plain.closeCode === 1000);
  assert.deepEqual(plain.messages.map((m) => m.length), [320, 320]);
});

test('the transport: a call is placed, audio both ways, commands taken, pauses and wrong frames noticed', async (t) => {
  const server = await new VapiTransportServer({ privateKey: 'pk', source: () => tone(300, 60), play: { fast: true } }).listen();
  t.after(() => server.close());
  const place = (body, key = 'pk') => fetch(`http://127.0.0.1:${server.port}/call`, { method: 'POST', body: JSON.stringify(body),
    headers: { authorization: `Bearer ${key}` } });
  const transport = { provider: 'vapi.websocket', audioFormat: { format: 'mulaw', container: 'raw', sampleRate: 8000 } };
  assert.equal((await place({ transport }, 'no')).status, 401);
  assert.equal((await place({ transport: { provider: 'twilio' } })).status, 400);
  const placed = await (await place({ assistantId: 'a', transport })).json();
  const call = server.calls.get(placed.id);
  const end = await dial(placed.transport.websocketCallUrl);
  end.ws.send(Buffer.alloc(160, 0x7f));
  end.ws.send(Buffer.alloc(100, 0x7f));
  end.ws.send(JSON.stringify({ type: 'say', content: 'hello' }));
  end.ws.send(JSON.stringify({ type: 'dance' }));
  await until('heard', () => call.complaints.length === 2 && end.messages.length === 4);
  assert.equal(call.heardBytes, 260);
  assert.deepEqual(end.messages[0], { type: 'status-update', status: 'in-progress' });
  assert.deepEqual(end.messages.slice(1).map((m) => m.length), [160, 160, 160]);
  end.ws.send(JSON.stringify({ type: 'end-call' }));
  await until('over', () => end.closeCode === 1000);
  assert.deepEqual(call.commands.map((c) => c.type), ['say', 'end-call']);
  assert.equal(end.messages.at(-1).type, 'call-ended');
});

test('speech: sentences of both rates, kept; mu-law there and back', () => {
  const low = speak('Good morning, this is a test.');
  const high = speak('Good morning, this is a test.', { rate: 16000 });
  assert.equal(speak('Good morning, this is a test.'), low);
  assert.ok(low.length > 8000 && Math.abs(high.length - 2 * low.length) < 4, `${low.length} ${high.length}`);
  const loudest = low.reduce((m, s) => Math.max(m, Math.abs(s)), 0);
  assert.ok(loudest > 3000);
  assert.throws(() => speak('x', { rate: 11025 }), /8000 or 16000/);
  for (let b = 0; b < 256; b++)
    if (b !== 0x7f) // minus zero
      assert.equal(ulawByte(ulawSample(b)), b);
  assert.equal(ulawByte(0), 0xff);
  for (let b = 0; b < 256; b++)
    assert.equal(alawByte(alawSample(b)), b);
  assert.deepEqual([alawByte(0), alawByte(-1), alawByte(32767), alawByte(-32768)], [0xd5, 0x55, 0xaa, 0x2a]);
  assert.equal(ulawByte(-32768), 0x00);
  assert.ok(ulawSamples(ulawBytes(low)).every((s, i) => Math.abs(s - low[i]) <= 16 + Math.abs(low[i]) / 16));
  const twice = resample(tone(1000, 100, { rate: 8000 }), 8000, 16000);
  assert.ok(tone(1000, 100, { rate: 16000 }).slice(100, -100).every((s, i) => Math.abs(s - twice[i + 100]) < 600));
  assert.equal(join16(low, silence(10)).length, low.length + 80);
});

test('a playout plays as long as audio lasts; closed early it gives nothing back', async (t) => {
  const pass = clock(t);
  const given = [];
  const playout = new Playout({ onMark: (name) => given.push(name) });
  playout.audio(20);
  playout.mark('first');
  playout.audio(20);
  playout.mark('late');
  await pass(19);
  assert.deepEqual(given, []);
  await pass(1);
  assert.deepEqual(given, ['first']);
  playout.close();
  await pass(1000);
  assert.deepEqual(given, ['first']);
});

// The sound of the demo's calls against a stand-in: tests of the tests' own tools.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import WebSocket from '../../tools/lib/ws.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { ulawSamples } from '../../tools/lib/speech.mjs';
import { twilioSignature } from '../../tools/media-sim/index.mjs';
import { PhoneLine } from '../../tools/demo/phone_line.mjs';
import { Simulator } from '../../tools/vapi-sim/lib/simulator.mjs';
import { Receiver } from './lib/receiver.mjs';

const SENTENCE = 'Good evening, we have a table by the window for you and for all of your guests.';
const callOf = (speed, language = 'en') => ({ speed, scenario: { name: 'stub', language }, script: [{ user: ['Hello.', 'It is me.'] }, { pause: 5 }],
  context: { assistant: { firstMessage: '' }, call: { phoneCallProviderId: 'CA77' } } });

async function standIn(t) {
  const server = http.createServer();
  const world = { messages: [] };
  const sockets = new WebSocket.WebSocketServer({ server });
  sockets.on('connection', (ws, request) => {
    world.headers = request.headers;
    ws.on('message', (data) => world.messages.push(JSON.parse(data.toString())));
    ws.on('close', () => { world.closed = true; });
    world.socket = ws;
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    sockets.clients.forEach((ws) => ws.terminate());
    return new Promise((resolve) => server.close(resolve));
  });
  world.url = `ws://127.0.0.1:${server.address().port}/in/twilio/x`;
  world.frames = (track) => world.messages.filter((m) => m.media?.track === track).map((m) => ulawSamples(Buffer.from(m.media.payload, 'base64')));
  return world;
}

const loudest = (frame) => Math.max(...frame.map(Math.abs));

test('both sides of the call with its CallSid; who speaks is heard, who is interrupted a little longer', async (t) => {
  const world = await standIn(t);
  const line = new PhoneLine(callOf(1), { url: world.url, authToken: 'secret', publicUrl: 'wss://gw.example.com/in/twilio/x' });
  t.after(() => line.hangUp());
  line.answer();
  line.say('assistant', SENTENCE);
  await until('the assistant is heard', () => world.frames('outbound').filter((f) => loudest(f) > 3000).length > 5);
  line.hush('assistant');
  const { at, end } = line.sides.assistant;
  assert.ok(end > at && end <= at + 2400, `${end - at} samples are on their way`);
  await until('and falls silent', () => world.frames('outbound').length > end / 160 + 5);
  line.hangUp();
  await until('the stream is over', () => world.closed);

  assert.equal(world.headers['x-twilio-signature'], twilioSignature('secret', 'wss://gw.example.com/in/twilio/x'));
  assert.deepEqual(world.messages.slice(0, 2).map((m) => m.event), ['connected', 'start']);
  assert.equal(world.messages[1].start.callSid, 'CA77');
  assert.deepEqual(world.messages[1].start.tracks, ['inbound', 'outbound']);
  assert.equal(world.messages.at(-1).event, 'stop');
  const [caller, assistant] = [world.frames('inbound'), world.frames('outbound')];
  assert.equal(caller.length, assistant.length);
  assert.ok(caller.every((f) => f.length === 160 && loudest(f) < 40) && caller.every((f) => loudest(f) > 0), 'a line that hisses');
  assert.ok(assistant.slice(Math.ceil(end / 160)).every((f) => loudest(f) === 0));
  assert.equal(line.failure, null);
});

test('voices are as quick as the callers, up to twice; what takes longer is cut', () => {
  const length = (speed) => {
    const line = new PhoneLine(callOf(speed), {});
    line.say('user', SENTENCE);
    return line.sides.user.samples.length;
  };
  const [human, twice, four] = [length(1), length(2), length(4)];
  assert.ok(twice < 0.7 * human, `${twice} of ${human} samples`);
  assert.equal(four, twice);
});

test('caller and assistant have voices of their own, in the language of the call', () => {
  const voices = ['en', 'es'].flatMap((language) => Object.values(new PhoneLine(callOf(1, language), {}).voices));
  assert.equal(new Set(voices).size, 4);
});

test('a stream that is refused, or closed in the middle of a call, is told', async (t) => {
  const world = await standIn(t);
  const refused = new PhoneLine(callOf(1), { url: 'ws://127.0.0.1:9/' });
  refused.answer();
  await refused.done;
  assert.match(refused.failure.message, /ECONNREFUSED/);
  const line = new PhoneLine(callOf(1), { url: world.url });
  line.answer();
  await until('frames come', () => world.frames('inbound').length);
  world.socket.close(1008);
  await line.done;
  assert.match(line.failure.message, /closed: 1008/);
});

test('the simulator tells a line what is said, until it is over', async (t) => {
  const receiver = await new Receiver(() => undefined).listen();
  const told = [];
  const line = () => ({ answer: () => told.push('answer'), hangUp: () => told.push('hangUp'), say: (role, text) => told.push({ role, text }), hush: (role) => told.push(role) });
  const sim = await new Simulator({ target: receiver.url, speed: 200, seed: 7, reportDelayMs: 0, line }).listen();
  t.after(async () => {
    await sim.close();
    await receiver.close();
  });
  const [call] = await sim.finished(sim.start('angry', 1));
  assert.equal(told[0], 'answer');
  assert.equal(told.at(-1), 'hangUp');
  const said = told.filter((x) => x.text);
  assert.deepEqual(said.map((x) => x.role), call.spoken.map((x) => x.role));
  assert.ok(call.spoken.every(({ text }, i) => said[i].text.startsWith(text)), 'whole, though interrupted');
  told.forEach((x, i) => x.text && assert.equal(told[i + 1], x.role));
});

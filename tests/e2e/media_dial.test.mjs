// Sockets that Callmend dials: where a Vapi call can be listened to, and the transport of a call it placed.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mediaWorldFor } from './lib/media.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { speak } from '../../tools/lib/speech.mjs';
import { VapiListenServer, VapiTransportServer } from '../../tools/media-sim/index.mjs';

const servers = [];
const server = async (Server, options) => {
  const s = await new Server(options).listen();
  servers.push(s);
  return s;
};
after(() => Promise.all(servers.map((s) => s.close())));

const LIMITS = { say_effect_ms: 3000, add_message_effect_ms: 3000, mute_effect_ms: 3000, unmute_effect_ms: 3000, end_effect_ms: 3000 };
const w = mediaWorldFor({ before, after }, { audio: { listen: true, listen_socket: true }, settings: LIMITS }, async (world) => {
  await world.addSource('keyed', { control_key: world.product.secret('control', 'control-key') });
});

const told = (call, kind, match = () => true) => until(`${kind} of ${call}`, () => w().facts(call).find((f) => f.heard === kind && match(f)));
const attached = (call, n) => until(`${n} legs`, () => {
  const facts = w().facts(call).filter((f) => f.heard === 'attached');
  return facts.length >= n ? facts : null;
});
const talk = (rate) => {
  const customer = speak('Good evening, I would like to book a table for two at eight.', { rate });
  return { customer, assistant: speak('Of course. What is the name, please?', { rate, voice: 'en-gb' }) };
};

test('the listen socket: announced format, both legs, the end of the call', async () => {
  const sim = await server(VapiListenServer, { announce: true, rate: 16000, channels: 2, source: () => talk(16000), play: { stay: true } });
  const call = await w().running('listen-1', { monitor: { listenUrl: sim.listenUrl('listen-1') } });
  const legs = await attached(call, 2);
  assert.deepEqual(legs.map((f) => [f.name, f.text, f.value, f.speaker]), [['vapi-listen', 'l16', 16000, 'user'], ['vapi-listen', 'l16', 16000, 'ai']]);
  await told(call, 'speech_started', (f) => f.speaker === 'user');
  await w().over('listen-1');
  await told(call, 'detached', (f) => f.name === 'call ended');
  await until('the socket is closed', () => sim.connections[0].readyState === 3);
  assert.equal(sim.handshakes.length, 1);
});

// Who is kept from sending for seconds, on a busy machine, sounds like another format: such a try does not count.
test('the listen socket: format measured from what comes', async () => {
  let tries = 0;
  for (const [id, rate, channels] of [['stereo', 16000, 2], ['mono', 16000, 1], ['narrow', 8000, 1]])
    await until(`${id} is measured`, async () => {
      const name = `measured-${id}-${tries++}`;
      const sim = await server(VapiListenServer, { rate, channels, source: () => talk(rate), play: { stay: true } });
      const call = await w().running(name, { monitor: { listenUrl: sim.listenUrl(name) } });
      const legs = await until('legs', () => w().facts(call).filter((f) => f.heard === 'attached').length && w().facts(call).filter((f) => f.heard === 'attached'));
      await w().over(name);
      return legs.length === channels && legs.every((f) => f.value === rate);
    }, { timeoutMs: 45000 });
});

test('the listen socket: refused, then let in with the key; lost in mid-call, then there again', async () => {
  const sim = await server(VapiListenServer, { announce: true, bearer: 'control-key', source: () => talk(16000), play: { stay: true } });
  sim.refuse.push(503, 503);
  const call = await w().running('listen-2', { monitor: { listenUrl: sim.listenUrl('listen-2') } }, 'keyed');
  await attached(call, 2);
  assert.equal(sim.handshakes.length, 3);
  sim.connections[0].terminate();
  await told(call, 'detached', (f) => f.name === 'lost');
  await attached(call, 4);
  await w().over('listen-2', 'keyed');
  await until('no more', () => sim.connections.at(-1).readyState === 3);
  assert.equal(sim.handshakes.length, 4);
});

test('the listen socket: closed with a code, and no URL that could be dialled: told and logged with source and call', async () => {
  const sim = await server(VapiListenServer, { announce: true, source: () => talk(16000), play: { stay: true } });
  const call = await w().running('listen-3', { monitor: { listenUrl: sim.listenUrl('listen-3') } }, 'keyed');
  await attached(call, 2);
  sim.connections[0].close(1011, 'NET-0001');
  await attached(call, 4);
  const logged = (...parts) => w().product.log().split('\n').some((line) => parts.every((part) => line.includes(part)));
  assert.ok(logged('source keyed', `call ${call}`, 'closed by the other side (1011): NET-0001'));
  await w().over('listen-3', 'keyed');

  const never = await w().running('listen-4', { monitor: { listenUrl: 'ftp://127.0.0.1/s3cret' } });
  await told(never, 'unreached', (f) => f.name === 'vapi-listen');
  assert.ok(logged('warn', 'source main', `call ${never}`, 'given up'));
  assert.ok(!w().product.log().includes('s3cret'));
  await w().over('listen-4');
  await w().ended('listen-4');
  const [event] = await w().events('listen-4', 'audio.unreached');
  assert.deepEqual(event.data, { dialect: 'vapi-listen', why: 'its URL, or the key for it, cannot be used' });
});

test('a call placed over WebSocket: audio both ways on a steady clock, its messages as webhooks', async () => {
  const { product } = w();
  const sim = await server(VapiTransportServer, { privateKey: 'private', bearer: 'private', source: () => talk(16000).assistant });
  const source = await w().addSource('placed', { api_base: `http://127.0.0.1:${sim.port}`, private_key: product.secret('private', 'private') });
  const placed = await product.must('POST', '/api/v1/calls', { source_id: source.id, assistant_id: 'ava', name: 'a test' });
  const call = sim.calls.get(placed.provider_call_id);
  assert.deepEqual(call.request, { assistantId: 'ava', name: 'a test', transport: { provider: 'vapi.websocket', audioFormat: { format: 'pcm_s16le', container: 'raw', sampleRate: 16000 } } });
  const legs = await attached(placed.call, 2);
  assert.deepEqual(legs.map((f) => [f.leg, f.speaker, f.value]), [[0, 'ai', 16000], [1, 'user', 16000]]);
  await told(placed.call, 'speech_started', (f) => f.speaker === 'ai');
  assert.equal((await until('in progress', async () => {
    const { body } = await product.api('GET', `/api/v1/calls/${placed.call}`);
    return body.status === 'in-progress' ? body : null;
  })).provider_call_id, placed.provider_call_id);
  await until('a second of silence', () => call.heardBytes >= 32000);
  const said = speak('Hello there.', { rate: 16000 });
  const bytes = Buffer.from(said.buffer, said.byteOffset, said.byteLength);
  await product.must('POST', `/api/v1/calls/${placed.call}/audio/play`, { payload: bytes.toString('base64') });
  await until('what was played is heard', () => Buffer.concat(call.heard).includes(bytes.subarray(0, bytes.length - bytes.length % 640)));
  await told(placed.call, 'speech_started', (f) => f.speaker === 'user'); // we are the customer
  assert.deepEqual(call.complaints, []);
  sim.end(call);
  await told(placed.call, 'detached', (f) => f.name === 'closed');
  assert.equal(sim.handshakes.filter((h) => h.url.includes('transport')).length, 1);
  const audit = await product.sql("select * from audit_log where action = 'place'");
  assert.equal(audit.length, 1);
});

test('a call cannot be placed: no key, refused by the provider, nobody there, another protocol', async () => {
  const { product } = w();
  const place = (source) => product.api('POST', '/api/v1/calls', { source_id: source.id, assistant_id: 'ava' });
  const sim = await server(VapiTransportServer, { privateKey: 'another' });
  const refused = await place(await w().addSource('wrong-key', { api_base: `http://127.0.0.1:${sim.port}`, private_key: product.secret('wrong', 'wrong') }));
  assert.equal(refused.status, 503);
  assert.match(refused.body.detail, /401/);
  assert.equal((await place(await w().addSource('nobody', { api_base: 'http://127.0.0.1:1', private_key: product.secret('wrong', 'wrong') }))).status, 503);
  assert.equal((await place(w().source)).status, 422);
  const fine = await server(VapiTransportServer, { privateKey: 'wrong' });
  const wide = await product.api('POST', '/api/v1/calls', { source_id: (await w().addSource('wide', { api_base: `http://127.0.0.1:${fine.port}`, private_key: product.secret('wrong', 'wrong') })).id,
    assistant_id: 'ava', format: 'mulaw', sample_rate: 16000 });
  assert.deepEqual([wide.status, wide.body.detail, fine.calls.size], [422, 'pcmu runs at 8000 Hz, not 16000', 0]);
  assert.equal((await place({ id: '00000000-0000-7000-8000-000000000000' })).status, 404);
});

// --- commands over the transport ---

const command = (call, body, options) => w().product.api('POST', `/api/v1/calls/${call}/commands`, body, options);
const reaches = (id, state) => until(`command is ${state}`, async () => {
  const [row] = await w().product.sql(`select * from interventions where id = '${id}'`);
  if (row?.state !== state)
    throw new Error(`state is ${row?.state}`);
  return row;
}, { timeoutMs: 12000 });

let transports = 0;
// A call that runs over the transport; without a control URL unless `options` say so.
async function transported(options = {}) {
  const { product } = w();
  const sim = await server(VapiTransportServer, options);
  const source = await w().addSource(`transported-${transports++}`, { api_base: `http://127.0.0.1:${sim.port}`, private_key: product.secret('private', 'private') });
  const { call, provider_call_id } = await product.must('POST', '/api/v1/calls', { source_id: source.id, assistant_id: 'ava' });
  await until('in progress', async () => (await product.api('GET', `/api/v1/calls/${call}`)).body?.status === 'in-progress');
  return { sim, call, other: sim.calls.get(provider_call_id) };
}

test('commands of a call without a control URL go over its socket: each verb, and what shows it', async () => {
  const { sim, call, other } = await transported();
  const say = await command(call, { verb: 'say', text: 'Your table is ready now.', reason: 'asked' }, { key: 'once' });
  assert.deepEqual([say.status, say.body.state], [200, 'accepted']);
  sim.tell(other, { type: 'transcript', role: 'assistant', transcriptType: 'final', transcript: 'Your table is ready now.' });
  assert.equal((await reaches(say.body.command_id, 'effect_seen')).reason, 'asked');
  assert.equal((await command(call, { verb: 'say', text: 'Your table is ready now.' }, { key: 'once' })).body.command_id, say.body.command_id);

  const added = await w().product.must('POST', `/api/v1/vapi/call/${other.id}/inject`, { message: 'A regular guest.', type: 'add-message' });
  sim.tell(other, { type: 'speech-update', status: 'started', role: 'assistant' });
  await until('the assistant speaks', async () => (await w().product.must('GET', '/api/v1/live/calls')).calls.some((c) => c.id === call && c.speaking === 'ai'));
  const mute = await command(call, { verb: 'mute' });
  sim.tell(other, { type: 'speech-update', status: 'stopped', role: 'assistant' });
  await reaches(mute.body.command_id, 'effect_seen');
  const unmute = await command(call, { verb: 'unmute' });
  sim.tell(other, { type: 'speech-update', status: 'started', role: 'assistant' });
  await reaches(unmute.body.command_id, 'effect_seen');
  await reaches((await command(call, { verb: 'mute', target: 'customer' })).body.command_id, 'not_observable');
  await reaches(added.command_id, 'timed_out');
  const end = await command(call, { verb: 'end' });
  assert.equal(end.status, 200);
  await reaches(end.body.command_id, 'effect_seen');
  assert.deepEqual(other.commands, [
    { type: 'say', content: 'Your table is ready now.', interruptAssistantEnabled: false, endCallAfterSpoken: false },
    { type: 'add-message', message: { role: 'system', content: 'A regular guest.' }, triggerResponseEnabled: true },
    { type: 'control', control: 'mute-assistant' }, { type: 'control', control: 'unmute-assistant' },
    { type: 'control', control: 'mute-customer' }, { type: 'end-call' }]);
  assert.deepEqual(other.complaints, []);
});

test('where there is a control URL, commands go there', async () => {
  const { sim, call, other } = await transported({ control: true });
  assert.equal((await command(call, { verb: 'mute', target: 'customer' })).status, 200);
  assert.deepEqual([other.posted, other.commands], [[{ type: 'control', control: 'mute-customer' }], []]);
  sim.end(other);
});

test('the socket is lost: refused while it is away, sent when it is back; lost under a command it is not repeated', async () => {
  const { sim, call, other } = await transported();
  sim.refuse.push(503, 503, 503); // seven seconds in which it is away
  other.socket.terminate();
  await until('it is dialled again', () => sim.handshakes.length > 1);
  const away = await command(call, { verb: 'say', text: 'Is anybody there?' });
  assert.equal(away.status, 409);
  assert.match(away.body.detail, /not delivered: the call's socket is not open/);
  assert.equal(away.body.command.state, 'rejected');
  await until('it is back', () => other.socket.readyState === 1);
  const back = await until('sent', async () => {
    const answer = await command(call, { verb: 'mute', target: 'customer' });
    return answer.status === 200 && answer;
  });
  await reaches(back.body.command_id, 'not_observable');

  const heard = other.commands.length;
  other.socket.once('message', function cut(data, binary) {
    if (binary)
      other.socket.once('message', cut);
    else
      other.socket.terminate();
  });
  const under = await command(call, { verb: 'say', text: 'Nobody will say this.' });
  assert.equal(under.status, 200);
  await reaches(under.body.command_id, 'timed_out');
  await until('it is back again', () => other.socket.readyState === 1);
  assert.equal(other.commands.filter((c) => c.content === 'Nobody will say this.').length, 1);
  assert.equal(other.commands.length, heard + 1);
  sim.end(other);
});

test('after a restart there is no socket: refused with the reason, and what was asked before stands', async () => {
  const { call, other } = await transported();
  const before = await command(call, { verb: 'mute', target: 'customer' }, { key: 'before' });
  assert.equal(before.status, 200);
  const old = w().product.kill('core');
  await w().product.restarted('core', old);
  await w().product.ready();
  const again = await until('answered', async () => {
    const answer = await command(call, { verb: 'mute', target: 'customer' }, { key: 'before' });
    return answer.status < 500 && answer;
  });
  assert.deepEqual([again.status, again.body.command_id], [200, before.body.command_id]);
  const after = await command(call, { verb: 'end' });
  assert.equal(after.status, 409);
  assert.match(after.body.detail, /the call's socket is not open here, and there is no control URL/);
  assert.equal(other.commands.length, 1);
});

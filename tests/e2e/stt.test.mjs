// Speech-to-text on real processes: live audio of a call comes back as its transcript, from each provider, over lost connections, once and
// at its time; a provider that is dead or refuses leaves the call alone.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mediaWorldFor } from './lib/media.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { join16, silence, speak } from '../../tools/lib/speech.mjs';
import { SttServer } from '../../tools/stt-sim/server.mjs';
import { Ear, GAP_MS, say, WORD_MS } from '../../tools/stt-sim/ear.mjs';

const KEY = 'the-key';
const servers = {};

// A project with speech-to-text, a server of its own, and a source of that dialect, all called `name`.
async function listening(world, name, provider, { dialect = 'twilio', vad = 'standard', key = KEY, options = {}, auth } = {}) {
  const { product } = world;
  const server = await new SttServer(['good'], { key: KEY, ...options }).listen();
  servers[name] = server;
  const project = await product.must('POST', '/api/v1/projects', { name, language: 'en', settings: {},
    audio: { vad, stt: { provider, url: server.url, key: product.secret(`stt-${name}`, key) } } });
  world.project = project;
  if (dialect === 'vapi')
    await world.addSource(name);
  else
    await world.mediaSource(dialect, name, auth);
}

const w = mediaWorldFor({ before, after }, {}, async (world) => {
  const { project } = world;
  await listening(world, 'deepgram', 'deepgram');
  await listening(world, 'realtime', 'openai-realtime');
  await listening(world, 'http', 'openai-http', { options: { script: ['I would like a table for two.', 'Tomorrow at seven, please.'] } });
  await listening(world, 'http-blind', 'openai-http', { vad: 'none' });
  await listening(world, 'refused', 'deepgram', { key: 'sk-another' });
  await listening(world, 'transcriber', 'deepgram', { dialect: 'vapi' });
  await listening(world, 'transcriber-refused', 'deepgram', { dialect: 'vapi', key: 'sk-another' });
  world.project = project;
});
after(() => Promise.all(Object.values(servers).map((server) => server.close())));

const TALK = [['alpha bravo charlie', 600], ['delta echo foxtrot golf hotel', 2200], ['india juliett', 4600]];
const lengthMs = (text) => text.split(' ').length * (WORD_MS + GAP_MS) - GAP_MS;
function spoken(talk, untilMs, rate = 8000) {
  const out = new Int16Array(untilMs * rate / 1000);
  for (const [text, at] of talk)
    out.set(say(text, rate), at * rate / 1000);
  return out;
}

async function phoneCall(source, id) {
  const sid = `CA${id}`;
  const call = await w().running(id, { phoneCallProviderId: sid });
  const client = await w().connect('twilio', source, { callId: sid });
  client.start();
  return { id, call, client };
}

const words = (call, final = true) => w().facts(call).filter((f) => f.heard === 'transcript' && (f.final ?? false) === final);
// Where the leg's clock begins, which is what counts: when its first frame came. Its first level is told of so many ms since.
const beginOf = (call) => until('a level', () => w().facts(call).find((f) => f.heard === 'level')).then((f) => f.at_us - f.ms * 1000);
const states = (call) => w().facts(call).filter((f) => f.heard === 'transcriber').map((f) => f.name);

// Each line once, within 100 ms of where it was on the call's clock.
async function assertHeard(call, talk) {
  const begin = await beginOf(call);
  const heard = words(call);
  assert.deepEqual(heard.map((f) => f.text), talk.map(([text]) => text));
  heard.forEach((f, i) => {
    const off = (f.at_us - begin) / 1000 - talk[i][1];
    assert.ok(Math.abs(off) <= 100, `${f.text}: ${off} ms off`);
    assert.ok(Math.abs((f.ms ?? 0) - lengthMs(f.text)) <= 100, `${f.text}: ${f.ms} ms long`);
    assert.equal(f.speaker, 'user');
  });
}

async function assertTold({ id, call, client }, talk, name) {
  await until('all words', () => words(call).length >= talk.length, { timeoutMs: 10000 });
  await assertHeard(call, talk);
  assert.ok(words(call).every((f) => f.name === name && f.value > 900));
  await client.stop();
  await w().over(id);
  await w().ended(id);
  const rows = await w().events(id, 'transcript.final');
  assert.deepEqual(rows.map((e) => e.text), talk.map(([text]) => text));
  assert.deepEqual(rows.map((e) => e.speaker), talk.map(() => 'user'));
}

test('Deepgram, with a reconnect in mid-call', async () => {
  servers.deepgram.behaviours = ['drop:2600', 'refuse:503', 'good'];
  const it = await phoneCall('deepgram', 'dg');
  await it.client.play(spoken(TALK, 6000));
  await assertTold(it, TALK, 'deepgram');
  assert.deepEqual(states(it.call), ['connected', 'lost', 'connected']);
  assert.ok(words(it.call, false).length > 0, 'partial ones, too');
  assert.equal(servers.deepgram.sessions.length, 2);
  assert.equal(servers.deepgram.sessions[0].query.encoding, 'mulaw');
  await until('it was closed in order', () => servers.deepgram.sessions[1].control.includes('CloseStream'));
});

test('OpenAI Realtime, with a reconnect in mid-call', async () => {
  servers.realtime.behaviours = ['drop:2600', 'good'];
  const it = await phoneCall('realtime', 'rt');
  await it.client.play(spoken(TALK, 6000));
  await assertTold(it, TALK, 'openai-realtime');
  assert.deepEqual(states(it.call), ['connected', 'lost', 'connected']);
});

test('OpenAI over HTTP: utterances cut at pauses of speech, a request that fails', async () => {
  servers.http.behaviours = ['refuse:500', 'good'];
  const it = await phoneCall('http', 'http');
  const first = speak('I would like a table for two.');
  const second = speak('Tomorrow at seven, please.');
  const call = join16(silence(800), first, silence(1800), second, silence(1500));
  await it.client.play(call);
  await until('both', () => words(it.call).length >= 2, { timeoutMs: 10000 });
  assert.deepEqual(words(it.call).map((f) => f.text), ['I would like a table for two.', 'Tomorrow at seven, please.']);
  const begin = await beginOf(it.call);
  const sounds = [];
  new Ear(8000, { onWord: ({ start }) => sounds.push(start) }).feed(call);
  const expected = [sounds[0], sounds.find((at) => at > 2600 + first.length / 8)];
  words(it.call).forEach((f, i) => assert.ok(Math.abs((f.at_us - begin) / 1000 - expected[i]) <= 100, `${f.text}: ${(f.at_us - begin) / 1000}, not ${expected[i]}`));
  assert.deepEqual(states(it.call), ['lost', 'connected']);
  await it.client.stop();
});

test('last words: what was said just before the end is waited for', async () => {
  servers.deepgram.behaviours = ['slow:300'];
  const calls = [];
  for (const source of ['deepgram', 'realtime', 'http-blind']) {
    const it = await phoneCall(source, `last-${source}`);
    await it.client.play(spoken([['kilo lima', 300]], 800), { fast: true });
    await it.client.stop();
    calls.push(it.call);
  }
  for (const call of calls)
    await until('the words', () => words(call).map((f) => f.text).join() === 'kilo lima', { timeoutMs: 10000 });
  const own = await w().connect('twilio', 'realtime', { callId: 'CAown' }); // a call that is nothing but its audio, and ends with it
  own.start();
  await own.play(spoken([['mike november', 300]], 800), { fast: true });
  await own.stop();
  const { call } = await until('its words', () => w().facts().find((f) => f.text === 'mike november' && f.final), { timeoutMs: 10000 });
  await until('they are stored', async () => (await w().product.sql(`select e.text from call_events e join calls c on c.id = e.call_id and not c.live
    where e.call_id = '${call}' and e.type = 'transcript.final'`)).map((e) => e.text).join() === 'mike november');
  await until('no line is left', async () => (await w().counted('callmend_stt_legs')) === 0 && (await w().counted('callmend_media_sockets')) === 0);
});

test('Vapi custom transcriber: words go back to the platform, each on its channel, once', async () => {
  servers.transcriber.behaviours = ['drop:1500', 'good'];
  await w().running('custom', {}, 'transcriber');
  const client = await w().connect('vapi', 'transcriber', { headers: { 'x-vapi-secret': 'hush', 'x-call-id': 'custom' } }, '/transcriber');
  client.start();
  const customer = [['alpha bravo', 300], ['echo foxtrot', 2500]];
  const assistant = [['charlie delta', 1300], ['golf', 3600]];
  await client.play({ customer: spoken(customer, 5000, 16000), assistant: spoken(assistant, 5000, 16000) });
  const final = (channel) => client.transcripts.filter((t) => t.transcriptType === 'final' && t.channel === channel).map((t) => t.transcription);
  await until('all words', () => final('customer').length >= 2 && final('assistant').length >= 2, { timeoutMs: 10000 });
  assert.deepEqual(final('customer'), customer.map(([text]) => text));
  assert.deepEqual(final('assistant'), assistant.map(([text]) => text));
  assert.ok(client.transcripts.some((t) => t.transcriptType === 'partial'));
  assert.deepEqual(client.complaints, []);
  await client.close();
  await until('linear16 at the stream\'s rate', () => servers.transcriber.sessions.every((s) => s.query.encoding === 'linear16' && s.query.sample_rate === '16000'));
});

const line = (...parts) => w().product.log().split('\n').find((text) => parts.every((part) => text.includes(part)));

// Vapi's transcriber socket of a call that is known by its webhooks.
async function transcriber(source, id) {
  const call = await w().running(id, {}, source);
  const client = await w().connect('vapi', source, { headers: { 'x-vapi-secret': 'hush', 'x-call-id': id } }, '/transcriber');
  client.start();
  return { call, client };
}

test('Vapi custom transcriber whose key is refused, or cannot be read: closed with the reason, told, logged with source and call', async () => {
  const refused = await transcriber('transcriber-refused', 'wordless');
  await refused.client.play({ customer: spoken(TALK, 6000, 16000) });
  await until('closed', () => refused.client.closeCode);
  assert.deepEqual([refused.client.closeCode, refused.client.closeReason], [1011, 'no speech-to-text']);
  await until('told', () => w().facts(refused.call).some((f) => f.heard === 'detached'));
  assert.deepEqual([...new Set(states(refused.call))], ['failed']);
  assert.ok(line('warn', 'Deepgram', 'source transcriber-refused', `call ${refused.call}`, 'key was refused'));

  const { id } = (await w().product.must('GET', '/api/v1/projects')).projects.find((p) => p.name === 'transcriber-refused');
  await w().product.must('PATCH', `/api/v1/projects/${id}`, { audio: { stt: { provider: 'deepgram', key: { file: 'nowhere' } } } });
  // Without audio nobody is asked: only what cannot be read closes.
  const unreadable = await until('the change is known', async () => {
    const it = await transcriber('transcriber-refused', 'unreadable');
    return until('closed', () => it.client.closeCode, { timeoutMs: 500 }).then(() => it, () => it.client.close() && null);
  });
  assert.deepEqual([unreadable.client.closeCode, unreadable.client.closeReason], [1011, 'no speech-to-text']);
  const told = await until('told', () => w().facts(unreadable.call).find((f) => f.heard === 'transcriber' && /nowhere/.test(f.text)));
  assert.equal(told.name, 'failed');
  assert.ok(line('warn', 'no speech-to-text for', 'source transcriber-refused', 'theirs: unreadable', 'nowhere'));
});

test('Vapi custom transcriber of a project without speech-to-text: its audio is taken, and it is told that no words go back', async () => {
  const { call, client } = await transcriber('main', 'unwanted');
  await client.play({ customer: spoken(TALK, 6000, 16000) });
  const told = await until('told', () => w().facts(call).find((f) => f.heard === 'transcriber'));
  assert.deepEqual([told.name, told.text], ['failed', 'the project has no audio.stt, and the platform waits for words']);
  await until('it is heard', () => w().facts(call).some((f) => f.heard === 'level' && f.peak > -600));
  assert.ok(client.isOpen);
  await client.close();
  await until('the end', () => w().facts(call).some((f) => f.heard === 'detached'));
  assert.equal(states(call).length, 1);
  assert.ok(line('warn', 'no speech-to-text for', 'source main', 'theirs: unwanted', 'audio.stt'));
});

test('a refused key, a dead server, rubbish: told, and the call goes on', async () => {
  servers.realtime.behaviours = ['rubbish'];
  const refused = await phoneCall('refused', 'refused');
  const mad = await phoneCall('realtime', 'mad');
  await servers.deepgram.close();
  const dead = await phoneCall('deepgram', 'dead');
  const all = [refused, mad, dead];
  const audio = await w().counted('callmend_media_messages_total{kind="audio"}');
  const frames = await Promise.all(all.map(({ client }) => client.play(spoken(TALK.slice(0, 1), 3000))));
  await until('every frame is heard', async () => (await w().counted('callmend_media_messages_total{kind="audio"}')) - audio === frames.reduce((a, b) => a + b));
  await until('it is told', () => states(refused.call).includes('failed') && states(dead.call).includes('lost'));
  assert.deepEqual(states(refused.call), ['failed']);
  assert.match(w().facts(refused.call).find((f) => f.heard === 'transcriber').text, /key was refused/);
  for (const { id, call } of [refused, dead]) // a refusal may be quicker than its call is found
    assert.ok(line('warn', 'Deepgram', `call ${call}`, 'leg 0') ?? line('warn', 'Deepgram', `theirs: CA${id}`, 'leg 0'));
  assert.deepEqual(states(dead.call), ['lost']);
  for (const { id, call, client } of all) {
    assert.ok(client.isOpen);
    assert.deepEqual(words(call), []);
    await client.stop();
    assert.equal(client.closeCode, 1000);
    await w().over(id);
    await w().ended(id);
  }
  assert.equal(await w().counted('callmend_media_thinned_total'), 0);
  assert.ok(!w().product.log().includes('sk-another'), 'no key in the log');
});

test('the node stops in mid-call, with words under way', async () => {
  servers.realtime.behaviours = ['slow:400'];
  const calls = await Promise.all(['realtime', 'http-blind', 'refused'].map((source) => phoneCall(source, `stop-${source}`)));
  await Promise.all(calls.map(({ client }) => client.play(spoken(TALK, 6000), { speed: 4 })));
  assert.equal((await w().product.stop()).code, 0);
  assert.ok(!/ERROR: \w+Sanitizer|runtime error/.test(w().product.log()));
});

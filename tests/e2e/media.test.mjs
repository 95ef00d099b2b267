// Sockets of live audio on real processes: who is let in, what is refused and how, and what becomes of a whole stream.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mediaWorldFor, PUBLIC, TOKEN } from './lib/media.mjs';
import { MEDIA_CLIENTS, twilioSignature } from '../../tools/media-sim/index.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { speak } from '../../tools/lib/speech.mjs';

const w = mediaWorldFor({ before, after }, { config: { media: { silence_limit_ms: '2s' } } }, async (world) => {
  const { product } = world;
  await world.mediaSource('twilio', 'phone');
  await world.mediaSource('plivo', 'path', [{ type: 'path', secret: product.secret('path', 'a-secret-part') }]);
  await world.mediaSource('exotel', 'basic', [{ type: 'basic', user: 'exo', secret: product.secret('basic', 'pass:word') }]);
  await world.mediaSource('telnyx', 'closed', []);
});

const refused = (promise, status) => assert.rejects(promise, (error) => error.status === status);

test('a whole stream: let in by its signature, heard, told to a call of its own', async () => {
  const client = await w().connect('twilio', 'phone');
  client.start();
  const audio = await w().counted('callmend_media_messages_total{kind="audio"}');
  const frames = await client.play(speak('Good evening, I would like to book a table for two.'), { fast: true });
  await until('bound', async () => (await w().bound('own')) >= 1);
  await client.stop();
  assert.equal(client.closeCode, 1000);
  assert.deepEqual(client.complaints, []);
  await until('all heard', async () => (await w().counted('callmend_media_messages_total{kind="audio"}')) - audio === frames);
  await until('gone', async () => (await w().counted('callmend_media_sockets')) === 0);
  assert.equal(await w().counted('callmend_media_thinned_total'), 0);
});

test('Twilio: the signature covers the public URL, with or without a port, and the path', async () => {
  const at = '/in/twilio/phone';
  const connect = (signed, token = TOKEN) => MEDIA_CLIENTS.twilio.connect(w().ws + at, { headers: { 'x-twilio-signature': twilioSignature(token, signed) } });
  for (const good of [PUBLIC + at, `${PUBLIC}:443${at}`])
    await (await connect(good)).close();
  for (const bad of [`${PUBLIC}:444${at}`, `https://gateway.example.com${at}`, `${PUBLIC}/in/twilio/other`, `${PUBLIC}${at}/`])
    await refused(connect(bad), 401);
  await refused(connect(PUBLIC + at, 'another token'), 401);
  await refused(MEDIA_CLIENTS.twilio.connect(w().ws + at, {}), 401);
  await (await MEDIA_CLIENTS.twilio.connect(`${w().ws}${at}/more`, { authToken: TOKEN, publicUrl: `${PUBLIC}${at}/more` })).close();
});

test('Twilio: a URL with encoded characters is signed as it is written', async () => {
  const connect = (target, signed = target) => MEDIA_CLIENTS.twilio.connect(w().ws + target, { headers: { 'x-twilio-signature': twilioSignature(TOKEN, PUBLIC + signed) } });
  const at = '/in/twilio/phone';
  for (const more of ['/two%20words', '/a+b', '/a%2Bb', '/caf%C3%A9', '?name=two%20words', '?name=two+words', '?path=a%2Fb', '?path=a%2fb', '?path=a/b', '?sum=1%2B1',
    '?name=M%C3%BCller', '?name=M%c3%bcller%26S%c3%b6hne&flag&empty=&b=2'])
    await (await connect(at + more)).close();
  await refused(connect(`${at}?name=two%20words`, `${at}?name=two%20word`), 401);
  await refused(connect(`${at}?path=a%2Fb`, `${at}?path=a%252Fb`), 401);
});

test('a secret in the path, user and password, no way at all', async () => {
  const plivo = (path) => MEDIA_CLIENTS.plivo.connect(`${w().ws}/in/plivo/path${path}`, {});
  await (await plivo('/a-secret-part')).close();
  await (await plivo('/a-secret-part/and-more')).close();
  await refused(plivo(''), 401);
  await refused(plivo('/a-secret-par'), 401);
  const exotel = (pair) => MEDIA_CLIENTS.exotel.connect(`${w().ws}/in/exotel/basic`, { headers: { authorization: `Basic ${Buffer.from(pair).toString('base64')}` } });
  await (await exotel('exo:pass:word')).close();
  for (const bad of ['exo:pass', 'ex:opass:word', ''])
    await refused(exotel(bad), 401);
  await refused(MEDIA_CLIENTS.telnyx.connect(`${w().ws}/in/telnyx/closed`, {}), 401);
});

test('wrong paths are 404', async () => {
  for (const path of ['/in/twilio/unknown', '/in/nothing/phone', '/in/vapi/main', '/in/vapi/main/elsewhere', '/in/vapi-listen/main', '/in/vapi-transcriber/main'])
    await refused(MEDIA_CLIENTS.twilio.connect(w().ws + path, {}), 404);
});

test('what cannot be: a binary message, media before start, a declared gigabyte, a second start, an unknown codec', async () => {
  const closes = async (say, code, reason) => {
    const client = await w().connect('twilio', 'phone');
    say(client);
    const end = await client.closed;
    assert.equal(end.code, code);
    assert.match(end.reason, reason);
  };
  await closes((c) => {
    c.encoding = 'audio/x-nothing';
    c.callId = 'CAnothing';
    c.start();
  }, 4415, /audio\/x-nothing/);
  await closes((c) => c.send(Buffer.alloc(160)), 1003, /binary/);
  await closes((c) => c.sendFrame(Buffer.alloc(160)), 1008, /start/);
  await closes((c) => c.declare(1 << 30), 1009, /too large/);
  await closes((c) => c.send('{"event":'), 1008, /./);
  assert.match(w().product.log(), /warn .*Twilio Media Streams of source phone, .*\(theirs: CAnothing\): refused: codec "audio\/x-nothing" is not known here/);
  const refusals = await w().counted('callmend_media_refused_total');
  assert.ok(refusals >= 5);
  await until('no socket is left', async () => (await w().counted('callmend_media_sockets')) === 0);
});

test('a stream goes on past messages that cannot be read', async () => {
  const client = await w().connect('twilio', 'phone');
  client.start();
  for (let i = 0; i < 20; i++)
    client.send('{"event":"media","media":{"payload":"###"}}');
  await until('the log says so', () => /warn .* source phone, .*: a message is passed over: the payload is no base64/.test(w().product.log()));
  const before = await w().counted('callmend_media_messages_total{kind="audio"}');
  client.sendFrame(Buffer.alloc(160, 0xff));
  await until('the frame is heard', async () => (await w().counted('callmend_media_messages_total{kind="audio"}')) > before);
  assert.ok(client.isOpen);
  await client.stop();
});

test('silence: a socket on which nothing comes is closed', async () => {
  const client = await w().connect('twilio', 'phone');
  client.start();
  const { code, reason } = await client.closed;
  assert.equal(code, 4408);
  assert.match(reason, /no message/);
});

test('what the caller heard: marks come back as played, or as cleared', async () => {
  const { product } = w();
  const client = await w().connect('twilio', 'phone');
  client.start();
  const sending = client.play(new Int16Array(8000 * 8)); // the line lives meanwhile
  const { call } = await until('it has a call', () => w().facts().find((f) => f.heard === 'unbound' && f.stream === client.streamId));
  const path = `/api/v1/calls/${call}/audio`;
  const say = (ms, mark) => product.must('POST', `${path}/play`, { payload: Buffer.alloc(ms * 8, 0xff).toString('base64'), mark });
  await say(200, 'first');
  await say(100, 'second');
  const played = (mark) => until(`mark ${mark}`, () => w().facts(call).find((f) => f.heard === 'played' && f.text === mark));
  assert.deepEqual([await played('first'), await played('second')].map(({ name, ms }) => ({ name, ms })), [{ name: 'played', ms: 200 }, { name: 'played', ms: 300 }]);
  await say(60000, 'third');
  await product.must('POST', `${path}/clear`, {});
  const third = await played('third');
  assert.deepEqual({ name: third.name, ms: third.ms }, { name: 'cleared', ms: 300 });
  await say(200, 'fourth');
  const fourth = await played('fourth');
  assert.deepEqual({ name: fourth.name, ms: fourth.ms }, { name: 'played', ms: 500 }); // the minute was never heard
  assert.deepEqual(client.complaints, []);
  assert.deepEqual(client.marks.map((m) => m.how), ['played', 'played', 'cleared', 'played']);
  assert.equal((await product.api('POST', `${path}/play`, { payload: '###' })).status, 422);
  client.kill();
  await sending;
  await until('lost', () => w().facts(call).find((f) => f.heard === 'detached' && f.name === 'lost'));
  assert.equal((await product.api('POST', `${path}/play`, { payload: 'AAAA' })).status, 404);
});

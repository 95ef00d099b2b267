// Whose audio is it? Every way of docs/media.md, "Whose audio it is", on real processes.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mediaWorldFor } from './lib/media.mjs';
import { message, SECRET } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { speak } from '../../tools/lib/speech.mjs';

const w = mediaWorldFor({ before, after }, {}, async (world) => {
  await world.mediaSource('twilio', 'phone');
  await world.addSource('tokens', { assistant_mode: 'inline', assistant: { name: 'Ava', transcriber: { provider: 'custom-transcriber',
    server: { url: `${world.ws}/in/vapi/tokens/transcriber` } } } });
  await world.addSource('single');
});

const hello = () => speak('Good evening, I would like to book a table for two at eight.', { rate: 16000 });
const both = () => ({ customer: hello(), assistant: new Int16Array(hello().length) });
const transcriber = (source, path = '', headers = {}) => w().connect('vapi', source, { secret: SECRET, headers }, `/transcriber${path}`);
const told = (call, kind, match = () => true) => until(`${kind} of ${call}`, () => w().facts(call).find((f) => f.heard === kind && match(f)));

// Plays, leaves, and proves that the call was told of the whole stream, and nobody else was.
async function heardBy(call, client) {
  client.start();
  await client.play(both(), { fast: true });
  await client.close();
  const { stream } = await told(call, 'detached');
  const facts = w().facts().filter((f) => f.stream === stream);
  assert.deepEqual([...new Set(facts.map((f) => f.call))], [call]);
  assert.equal(facts.filter((f) => f.heard === 'attached').length, 2);
  assert.ok(facts.some((f) => f.heard === 'speech_started'));
}

test('by the token that assistant-request issued', async () => {
  const { product } = w();
  const answer = await (await product.webhook('tokens', message('assistant-request', 'by-token'))).json();
  const { url } = answer.assistant.transcriber.server;
  assert.match(url, /\/in\/vapi\/tokens\/transcriber\/[0-9a-f]{64}$/);
  const call = await w().running('by-token', {}, 'tokens');
  await w().running('another', {}, 'tokens'); // the only call it is not
  await heardBy(call, await transcriber('tokens', url.slice(url.lastIndexOf('/'))));
  assert.equal(await w().bound('token'), 1);
  await w().over('by-token', 'tokens');
  await w().over('another', 'tokens');
});

test('a token of another source, or made up, is none', async () => {
  const { product } = w();
  const answer = await (await product.webhook('tokens', message('assistant-request', 'token-2'))).json();
  const token = answer.assistant.transcriber.server.url.split('/').at(-1);
  const call = await w().running('token-2', {}, 'tokens');
  const made = token.replace(/^../, (two) => (two === '00' ? '11' : '00'));
  const client = await transcriber('single', `/${token}`);
  client.start();
  await client.play(both(), { fast: true });
  const stranger = await transcriber('tokens', `/${made}`, { 'x-call-id': 'nobody' });
  stranger.start();
  await stranger.play(both(), { fast: true });
  await Promise.all([client.close(), stranger.close()]);
  await until('both have calls of their own, or the only one', async () => await w().bound('own') + await w().bound('only_call') >= 2);
  assert.equal(await w().bound('token'), 1);
  await w().over('token-2', 'tokens');
  assert.ok(call);
});

test('by the header x-call-id, also when the webhook comes later', async () => {
  const call = await w().running('by-header');
  await w().running('by-header-2');
  await heardBy(call, await transcriber('main', '', { 'x-call-id': 'by-header' }));
  const client = await transcriber('main', '', { 'x-call-id': 'by-header-3' });
  client.start();
  await client.play(both(), { fast: true });
  const late = await w().running('by-header-3');
  await told(late, 'attached');
  await client.close();
  await told(late, 'detached');
  for (const id of ['by-header', 'by-header-2', 'by-header-3'])
    await w().over(id);
});

test('x-call-id of a call whose webhooks come long after: its own call is that call', async () => {
  const client = await transcriber('main', '', { 'x-call-id': 'by-header-4' });
  client.start();
  const sending = client.play({ customer: new Int16Array(16000 * 6), assistant: new Int16Array(16000 * 6) });
  const seen = new Set(w().facts().map((f) => f.stream));
  const unbound = await until('it has a call of its own', () => w().facts().find((f) => f.heard === 'unbound' && !seen.has(f.stream)));
  assert.equal(await w().running('by-header-4'), unbound.call);
  client.kill();
  await sending;
  await told(unbound.call, 'detached');
  assert.equal(w().facts(unbound.call).some((f) => f.heard === 'linked'), false);
  assert.equal(w().facts(unbound.call).filter((f) => f.heard === 'attached').length, 2);
  await w().over('by-header-4');
});

test('the only call in progress of the source without audio', async () => {
  const call = await w().running('only-one', {}, 'single');
  const first = await transcriber('single');
  await heardBy(call, first);
  const again = await transcriber('single'); // it has none now
  again.start();
  await again.play(both(), { fast: true });
  await until('bound again', async () => await w().bound('only_call') >= 2);
  const third = await transcriber('single'); // and now it has
  const own = await w().bound('own');
  third.start();
  await third.play(both(), { fast: true });
  await until('the third has a call of its own', async () => await w().bound('own') > own);
  await Promise.all([again.close(), third.close()]);
  await w().over('only-one', 'single');
});

test('nobody can tell: a call of its own, unbound, until linked by API; what was heard before is told again', async () => {
  const { product } = w();
  const a = await w().running('two-a', {}, 'single');
  await w().running('two-b', {}, 'single');
  const client = await transcriber('single');
  const before = new Set(w().facts().map((f) => f.stream));
  client.start();
  await client.play(both(), { fast: true });
  const unbound = await until('it is unbound', () => w().facts().find((f) => f.heard === 'unbound' && !before.has(f.stream)));
  const first = w().facts(unbound.call).filter((f) => f.heard !== 'unbound');
  assert.equal(first.filter((f) => f.heard === 'attached').length, 2);
  const bad = await product.api('POST', `/api/v1/calls/${a}/audio`, { from: a });
  assert.equal(bad.status, 409);
  assert.equal((await product.api('POST', `/api/v1/calls/${a}/audio`, { from: '00000000-0000-7000-8000-000000000000' })).status, 404);
  const linked = await product.must('POST', `/api/v1/calls/${a}/audio`, { from: unbound.call });
  assert.deepEqual(linked, { call: a, from: unbound.call });
  await told(unbound.call, 'linked', (f) => f.id === a);
  const again = await until('told again', () => {
    const facts = w().facts(a).filter((f) => f.stream === unbound.stream);
    return facts.length >= first.length ? facts : null;
  });
  assert.deepEqual(again.slice(0, first.length).map(({ heard, at_us: at }) => ({ heard, at })), first.map(({ heard, at_us: at }) => ({ heard, at })));
  await client.close();
  await told(a, 'detached', (f) => f.stream === unbound.stream);
  const audit = await product.sql("select * from audit_log where object_kind = 'audio'");
  assert.ok(audit.some((row) => row.action === 'link' && row.object_id === a && row.new.from === unbound.call));
  await w().over('two-a', 'single');
  await w().over('two-b', 'single');
});

async function fromTwilio(sid) {
  const client = await w().connect('twilio', 'phone', { callId: sid });
  client.start();
  await client.play(speak('Good evening.'), { fast: true });
  return client;
}

test('the carrier\'s id of a Vapi call: webhook first', async () => {
  const call = await w().running('tel-1', { phoneCallProvider: 'twilio', phoneCallProviderId: 'CAfirst' });
  const client = await fromTwilio('CAfirst');
  await told(call, 'attached', (f) => f.name === 'twilio');
  await client.stop();
  await told(call, 'detached', (f) => f.name === 'stop');
  await w().over('tel-1');
});

test('the carrier\'s id of a Vapi call: audio first, and long before', async () => {
  const client = await fromTwilio('CAsecond');
  const unbound = await until('it has a call of its own', () => w().facts().find((f) => f.heard === 'unbound' && f.stream === client.streamId));
  const call = await w().running('tel-2', { phoneCallProvider: 'twilio', phoneCallProviderId: 'CAsecond' });
  await told(unbound.call, 'linked', (f) => f.id === call);
  const attached = await told(call, 'attached');
  assert.equal(attached.at_us, w().facts(unbound.call).find((f) => f.heard === 'attached').at_us);
  await client.stop();
  await told(call, 'detached');
  assert.equal(w().facts(unbound.call).some((f) => f.heard === 'detached'), false);
  await w().over('tel-2');
});

test('after a crash audio whose socket is gone is over; the same stream of the platform begins anew', async () => {
  const { product } = w();
  const call = await w().running('crash', { phoneCallProvider: 'twilio', phoneCallProviderId: 'CAcrash' });
  const own = await fromTwilio('CAalone');
  const before = await fromTwilio('CAcrash');
  await told(call, 'attached');
  const alone = await until('it has a call of its own', () => w().facts().find((f) => f.heard === 'unbound' && f.stream === own.streamId));
  const pid = product.kill('core');
  await product.restarted('core', pid);
  await product.ready();
  const lost = await told(call, 'detached');
  const attached = w().facts(call).find((f) => f.heard === 'attached');
  assert.deepEqual([lost.name, lost.stream, lost.leg, lost.speaker], ['lost', attached.stream, attached.leg, attached.speaker]);
  assert.ok(lost.at_us >= attached.at_us && lost.at_us <= Date.now() * 1000);
  const legs = async () => (await product.must('GET', '/api/v1/live/calls')).calls.find(({ id }) => id === call).audio.legs.map((leg) => leg.attached);
  await until('the call says so', async () => !(await legs()).includes(true));
  await told(alone.call, 'detached', (f) => f.name === 'lost');
  await until('a call of nothing but audio ends with it', async () => (await product.must('GET', `/api/v1/calls/${alone.call}`)).status === 'ended');
  const again = await fromTwilio('CAcrash');
  await told(call, 'attached', (f) => f.at_us > lost.at_us);
  assert.ok((await legs()).includes(true));
  await again.stop();
  await told(call, 'detached', (f) => f.name === 'stop');
  assert.equal(w().facts(call).filter((f) => f.name === 'lost').length, 1);
  await Promise.all([before.closed, own.closed]);
  await w().over('crash');
});

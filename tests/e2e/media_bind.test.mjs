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
  const before = new Set(w().facts().map((f) => f.stream));
  client.start();
  await client.play(both(), { fast: true });
  await client.close();
  const { stream } = await told(call, 'detached', (f) => !before.has(f.stream));
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

// What comes of a stream that may name no call of ours: its own call, which nobody has.
async function staysAlone(client, before = new Set(w().facts().map((f) => f.stream))) {
  const unbound = await until('it has a call of its own', () => w().facts().find((f) => f.heard === 'unbound' && !before.has(f.stream)));
  await client.close();
  await told(unbound.call, 'detached', (f) => f.stream === unbound.stream);
  assert.deepEqual([...new Set(w().facts().filter((f) => f.stream === unbound.stream).map((f) => f.call))], [unbound.call]);
  return unbound.call;
}

const issued = async (id, source = 'tokens') => {
  const answer = await (await w().product.webhook(source, message('assistant-request', id))).json();
  return answer.assistant.transcriber.server.url.split('/').at(-1);
};
const tokenOf = (id, options) => w().product.api('GET', `/api/v1/calls/${id}/audio/token`, undefined, options);

test('the same token as a parameter of a stream of another source, as soon as the call was asked for; the API has it, too', async () => {
  const token = await issued('by-parameter');
  const early = await fromTwilio('CAof-nobody', { callmend_token: token });
  const call = await w().running('by-parameter', {}, 'tokens');
  await told(call, 'attached', (f) => f.stream === early.streamId && f.name === 'twilio');
  assert.deepEqual((await tokenOf('by-parameter')).body, { call, token });
  const again = await fromTwilio('CAof-nobody-either', { callmend_token: (await tokenOf(call)).body.token });
  await told(call, 'attached', (f) => f.stream === again.streamId);
  await Promise.all([early.stop(), again.stop()]);
  for (const { streamId } of [early, again]) {
    await told(call, 'detached', (f) => f.stream === streamId && f.name === 'stop');
    assert.deepEqual([...new Set(w().facts().filter((f) => f.stream === streamId).map((f) => f.call))], [call]);
  }
  await heardBy(call, await transcriber('single', `/${token}`));
  await w().over('by-parameter', 'tokens');
  await until('it is not live any more', async () => (await tokenOf(call)).status === 404);
  assert.notEqual(await staysAlone(await fromTwilio('CAtoo-late', { callmend_token: token })), call);
});

test('a token that is made up is none', async () => {
  const token = await issued('token-2');
  const call = await w().running('token-2', {}, 'tokens');
  await w().running('token-2-too', {}, 'tokens'); // so that neither is the only one
  const made = token.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')); // of this call, but its MAC is another
  const parameter = await staysAlone(await fromTwilio('CAmade-up', { callmend_token: made }));
  const before = new Set(w().facts().map((f) => f.stream));
  const client = await transcriber('tokens', `/${made}`, { 'x-call-id': 'nobody' });
  client.start();
  await client.play(both(), { fast: true });
  const path = await staysAlone(client, before);
  assert.equal(path, await w().ours('nobody'));
  assert.equal(new Set([call, parameter, path]).size, 3);
  assert.deepEqual(w().facts(call), []);
  await w().over('token-2', 'tokens');
  await w().over('token-2-too', 'tokens');
});

test('a token of another organisation is none', async () => {
  const { product } = w();
  const org = '00000000-0000-7000-8000-0000000000ff', theirs = { token: 'other-organisation-token' };
  await product.exec(`insert into organisations (id, name) values ('${org}', 'other');
    insert into api_tokens (org_id, name, role, hash) values ('${org}', 'other', 'admin', sha256('${theirs.token}'::bytea))`);
  await until('the token is known', async () => (await product.api('GET', '/api/v1/whoami', undefined, theirs)).status === 200);
  const { body: project } = await product.api('POST', '/api/v1/projects', { name: 'Theirs' }, theirs);
  await product.api('PATCH', `/api/v1/projects/${project.id}`, { audio: { listen: true } }, theirs);
  const auth = [{ type: 'basic', user: 'them', secret: product.secret('them', 'them') }];
  const made = await product.api('POST', '/api/v1/sources', { name: 'theirs', dialect: 'telnyx', project_id: project.id, auth }, theirs);
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const headers = { authorization: `Basic ${Buffer.from('them:them').toString('base64')}` };
  const token = await issued('token-3');
  const call = await w().running('token-3', {}, 'tokens');
  assert.equal((await tokenOf(call, theirs)).status, 404);
  for (const path of ['', `/${token}`]) {
    const before = new Set(w().facts().map((f) => f.stream));
    const client = await until('their source is known', () => w().connect('telnyx', 'theirs', { headers }, path).catch(() => null));
    client.start({ params: { callmend_token: token } });
    await client.play(speak('Good evening.'), { fast: true });
    const own = await staysAlone(client, before);
    assert.equal((await product.api('GET', `/api/v1/calls/${own}`, undefined, theirs)).status, 200);
  }
  assert.deepEqual(w().facts(call), []);
  await w().over('token-3', 'tokens');
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

test('who names a call that is not known, or is over, is not the only other call there is', async () => {
  const other = await w().running('not-named', {}, 'single');
  const early = await transcriber('single', '', { 'x-call-id': 'named-early' });
  early.start();
  await early.play(both(), { fast: true });
  const own = await staysAlone(early);
  assert.equal(await w().running('named-early', {}, 'single'), own);
  const token = await issued('named-over');
  await w().running('named-over', {}, 'tokens');
  await w().over('named-over', 'tokens');
  await w().ended('named-over');
  const another = await w().running('not-named-either', {}, 'tokens');
  const late = await transcriber('tokens', `/${token}`);
  late.start();
  await late.play(both(), { fast: true });
  await staysAlone(late);
  for (const call of [other, another])
    assert.deepEqual(w().facts(call), []);
  for (const [id, source] of [['not-named', 'single'], ['named-early', 'single'], ['not-named-either', 'tokens']])
    await w().over(id, source);
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
  const over = await w().running('two-over', {}, 'single');
  await w().over('two-over', 'single');
  await w().ended('two-over');
  assert.equal((await product.api('POST', `/api/v1/calls/${over}/audio`, { from: unbound.call })).status, 404, 'not to a call that is over');
  const linked = await product.must('POST', `/api/v1/calls/${a}/audio`, { from: unbound.call });
  assert.deepEqual(linked, { call: a, from: unbound.call });
  await told(unbound.call, 'linked', (f) => f.id === a);
  const again = await until('told again', () => {
    const facts = w().facts(a).filter((f) => f.stream === unbound.stream);
    return facts.length >= first.length ? facts : null;
  });
  assert.deepEqual(again.slice(0, first.length).map(({ heard, at_us: at }) => ({ heard, at })), first.map(({ heard, at_us: at }) => ({ heard, at })));
  const b = await w().ours('two-b');
  const mine = await product.api('POST', `/api/v1/calls/${b}/audio`, { from: a });
  assert.deepEqual([mine.status, mine.body.detail], [409, 'that call has no live audio of its own now'], 'bound audio stays where it is');
  await client.close();
  await told(a, 'detached', (f) => f.stream === unbound.stream);
  const audit = await product.sql("select * from audit_log where object_kind = 'audio'");
  assert.ok(audit.some((row) => row.action === 'link' && row.object_id === a && row.new.from === unbound.call));
  await w().over('two-a', 'single');
  await w().over('two-b', 'single');
});

async function fromTwilio(sid, params) {
  const client = await w().connect('twilio', 'phone', { callId: sid });
  client.start({ params });
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

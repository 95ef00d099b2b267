// RingCX's live audio on real processes: whose call it is, who comes and goes, holds, how it ends; over gRPC and the older WebSocket; as the audio of a RingCentral call.
import { describe, test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mediaWorldFor } from './lib/media.mjs';
import { freePort } from './lib/product.mjs';
import { AgentSessionClient, RingCentralSim, RingCxStream, readTalk } from '../../tools/rc-sim/index.mjs';
import { until } from '../../tools/lib/wait.mjs';

const port = await freePort();
const BASIC = { metadata: { authorization: `Basic ${Buffer.from('rc:s3cret').toString('base64')}` }, fast: true };
const w = mediaWorldFor({ before, after }, { audio: { listen: true, recording: { on: true } }, config: { grpc: { listen_port: port }, recording: { min_free_bytes: 0 } } }, async (world) => {
  await world.mediaSource('ringcx', 'centre', [{ type: 'basic', user: 'rc', secret: world.product.secret('rc', 's3cret') }]);
});

const platforms = [];
after(() => Promise.all(platforms.map((at) => at.close())));

const spec = (id, { attributes = {}, sessionId = `STREAM-${id}`, ...more } = {}) => ({ sessionId, account: { id: '1', sub_account_id: '2', rc_account_id: '3' },
  dialog: { id, type: 'INBOUND', ani: '+15550100001', dnis: '+15550107000', attributes }, ...more });
const play = (talk, id, more, options) => RingCxStream.play(`127.0.0.1:${port}`, talk, spec(id, more), { ...BASIC, ...options });
const events = (id) => w().events(id);
const call = async (id) => (await w().product.api('GET', `/api/v1/calls/${id}`)).body;
const ended = (id) => until(`${id} has ended`, async () => ((await events(id)).some((e) => e.type === 'call.ended') ? events(id) : null));
const of = (all, type) => all.filter((e) => e.type === type);

test('a dialog is a call: participants come and go, one is held, it ends with its stream', async () => {
  const talk = readTalk({ script: [{ say: ['customer', 'I have a question about my bill.'] }, { hold: 8000 }, { say: ['ann', 'I will put you through.'] }, { transfer: ['ann', 'bob'] },
    { say: ['bob', 'This is Bob.'] }, { say: ['customer', 'Hello Bob.'] }] });
  const result = await play(talk, 'd-1');
  assert.equal(result.code, 0, result.details);
  const ours = await w().ours('d-1');
  const all = await ended('d-1');
  assert.deepEqual(of(all, 'audio.attached').map((e) => [e.data.party, e.data.who, e.speaker]),
    [['+15550100001', 'Customer', 'user'], ['9', 'Ann Lee', 'ai'], ['12', 'Bob Stone', 'ai']]);
  assert.ok(of(all, 'audio.held').length >= 2);
  assert.equal(of(all, 'call.started')[0].data.customer.number, '+15550100001');
  for (const never of ['audio.unbound', 'audio.quality', 'call.lost'])
    assert.equal(of(all, never).length, 0, never);
  assert.equal(of(all, 'call.ended')[0].data.reason, 'closed');
  assert.equal(of(all, 'audio.detached').filter((e) => e.data.why === 'left').length, 3);
  assert.equal((await call(ours)).provider_call_id, 'd-1');
});

test('who comes later, to the place of one who has left, is in the recording', async () => {
  const tones = [{ tone: ['customer', 300, 1000] }, { tone: ['ann', 500, 1000] }, ...Array(5).fill([{ transfer: ['ann', 'bob'] }, { tone: ['bob', 700, 400] }, { transfer: ['bob', 'ann'] }, { tone: ['ann', 900, 400] }]).flat()];
  const talk = readTalk({ script: tones });
  assert.equal((await play(talk, 'd-5', {}, { fast: false })).code, 0); // in time: its call is known when the first one leaves
  const all = await ended('d-5');
  assert.equal(of(all, 'audio.attached').length, 12);
  assert.deepEqual(of(all, 'recording').map((e) => e.data.state), ['started', 'stopped']);
  const ours = await w().ours('d-5');
  const recordings = await until('it is ready', async () => {
    const { recordings: list } = await w().product.must('GET', `/api/v1/calls/${ours}/recordings`);
    return list.length && list.every((r) => r.state === 'ready') && list;
  }, { timeoutMs: 30000 });
  assert.equal(recordings.length, 1);
  assert.ok(Math.abs(recordings[0].duration_ms - talk.durationMs) < 1000, `${recordings[0].duration_ms} of ${talk.durationMs} ms`);
});

test('streams of one participant each are one call', async () => {
  const talk = readTalk({ script: 'simple' });
  await Promise.all(talk.segments.map(({ id }) => play(talk, 'd-2', { sessionId: `S-${id}`, segment: id })));
  const all = await ended('d-2');
  assert.equal(new Set(of(all, 'audio.attached').map((e) => e.data.stream)).size, 2);
  assert.equal(of(all, 'audio.unbound').length, 0);
});

test('a dialog that names the telephone call of another source is that call', async () => {
  const ours = await w().running('vapi-1', { phoneCallProviderId: 's-77' });
  const result = await play(readTalk({ script: 'simple' }), 'd-3', { attributes: { Telephony_Session_Id: 's-77' } });
  assert.equal(result.code, 0);
  await until('it was heard', () => w().facts(ours).find((f) => f.heard === 'detached'));
  assert.equal(await w().bound('telephony_id'), 1);
  assert.notEqual((await w().product.api('GET', '/api/v1/calls/d-3')).status, 200);
  await w().over('vapi-1');
});

test('a dialog with the token of a call of another source is that call', async () => {
  const ours = await w().running('vapi-2');
  const { token } = await w().product.must('GET', `/api/v1/calls/${ours}/audio/token`);
  const result = await play(readTalk({ script: 'simple' }), 'd-6', { attributes: { 'Callmend Token': token } });
  assert.equal(result.code, 0);
  await until('it was heard', () => w().facts(ours).find((f) => f.heard === 'detached'));
  assert.equal(await w().bound('token'), 1);
  assert.notEqual((await w().product.api('GET', '/api/v1/calls/d-6')).status, 200);
  await w().over('vapi-2');
});

test('what can be done in such a call, and what cannot', async () => {
  const stream = new RingCxStream(`127.0.0.1:${port}`, readTalk({ script: [{ tone: ['customer', 300, 60000] }] }), spec('d-4'), { ...BASIC, fast: false });
  const running = stream.run();
  const ours = await w().ours('d-4');
  await until('it is in progress', async () => (await call(ours)).status === 'in-progress');
  const say = await w().product.api('POST', `/api/v1/calls/${ours}/commands`, { verb: 'say', text: 'hello' });
  assert.match(JSON.stringify(say.body) + JSON.stringify(of(await events('d-4'), 'command')), /receive-only/);
  stream.halt();
  await running;
  await ended('d-4');
});

test('the older way: sessions of agents by WebSocket', async () => {
  const talk = readTalk({ script: 'simple' });
  const headers = { authorization: BASIC.metadata.authorization };
  await assert.rejects(AgentSessionClient.connect(`${w().ws}/in/ringcx/centre`, { callId: 'x-1' }), (e) => e.status === 401);
  const client = await AgentSessionClient.connect(`${w().ws}/in/ringcx/centre`, { callId: 'x-1', sessionId: 1 }, { headers, fast: true });
  client.send({ event: 'Media', perspective: 'Conference', sequenceId: '1', media: Buffer.alloc(160, 0xff).toString('base64') }); // has overtaken its Start
  await client.play(talk);
  const all = await ended('x-1');
  assert.deepEqual(of(all, 'audio.attached').map((e) => e.speaker).sort(), ['ai', 'user']);
  assert.equal(of(all, 'audio.unbound').length, 0);
  const second = await AgentSessionClient.connect(`${w().ws}/in/ringcx/centre?k=s3cret`, { callId: 'x-2' }, { fast: true }).catch((e) => e);
  assert.equal(second.status, 401); // of Basic the pair is wanted
});

// --- the session, its media and its recordings are one call ---

// A RingCentral source whose events come by the gateway, and its platform, where time goes five times as fast.
async function telephony(name, seed) {
  const at = await new RingCentralSim({ seed, speed: 5, startAt: Date.now(), limits: { Light: 1000, Medium: 1000, Heavy: 100, Auth: 100 }, callLogMs: 1000, recordingMinMs: 5000 }).listen();
  platforms.push(at);
  const { clientId, clientSecret, jwt } = at.credentials;
  const { product } = w();
  const source = await product.must('POST', '/api/v1/sources', { name, dialect: 'ringcentral', project_id: w().project.id, api_base: at.platformUrl, settings: { party_settle_ms: 200 },
    connect: { client_id: clientId, client_secret: product.secret(`${name}-secret`, clientSecret), jwt: product.secret(`${name}-jwt`, jwt), after_s: 1 } });
  await until('the session is live', async () => (await product.must('GET', `/api/v1/sources/${source.id}`)).session?.state === 'live', { timeoutMs: 30000 });
  return at;
}
const TALKING = [{ inbound: true }, { ring: 'ann' }, { answer: 'ann' }, { record: 'ann' }];
const talks = (id) => until(`they talk in ${id}`, async () => (await call(id)).parties?.some((p) => p.side === 'inside' && p.state === 'talking'), { timeoutMs: 20000 });
async function seen(id, verb) {
  const { status, body } = await w().product.api('POST', `/api/v1/calls/${id}/commands`, { verb });
  assert.equal(status, 200, `${verb}: ${JSON.stringify(body)}`);
  await until(`the effect of ${verb}`, async () => {
    const [row] = await w().product.sql(`select state, error from interventions where id = '${body.command_id}'`);
    if (row?.state !== 'effect_seen')
      throw new Error(JSON.stringify(row));
    return true;
  }, { timeoutMs: 20000, everyMs: 100 });
}
const recordingsOf = async (id) => (await w().product.must('GET', `/api/v1/calls/${(await call(id)).id}/recordings`)).recordings;

describe('a telephony session, its stream and its recordings are one call, commanded where its session is', { concurrency: 2 }, () => {
  for (const [first, seed] of [['session', 1], ['stream', 2]])
    test(`the ${first} comes first`, { timeout: 120000 }, async () => {
      const at = await telephony(`pbx-${first}`, seed);
      const session = at.startCall({ script: first === 'session' ? TALKING : [{ wait: 1e9 }] });
      const { id } = session;
      const dialog = `dialog-${first}`;
      if (first === 'session')
        await talks(id);
      const stream = new RingCxStream(`127.0.0.1:${port}`, readTalk({ script: [{ say: ['customer', 'I would like to change my reservation.'] }, { tone: ['ann', 500, 60000] }] }),
        spec(dialog, { attributes: { telephonySessionId: id } }), { ...BASIC, fast: false });
      const running = stream.run();
      if (first === 'stream') { // so early that it has a call of its own already
        await until('it has a call of its own', async () => (await call(dialog)).id);
        TALKING.forEach((step) => at.step(session, step));
        await talks(id);
      }
      await until('it is heard', async () => of(await events(id), 'speech.started').length > 0, { everyMs: 100 });
      const { can } = await call(id);
      assert.deepEqual([can.hold, can.mute, can.transfer], [true, true, true]); // a dialog's own call can hold, and not mute
      for (const verb of ['hold', 'unhold', 'mute', 'unmute'])
        await seen(id, verb);
      assert.deepEqual(at.commands.map((c) => [c.method, c.path.replace(/.*\/parties\/[^/]*/, '')]), [['POST', '/hold'], ['POST', '/unhold'], ['PATCH', ''], ['PATCH', '']]);
      assert.ok(at.commands.every((c) => c.path.includes(`/telephony/sessions/${id}/`)));
      await until('it was recorded long enough', () => at.clock.now() - session.session.recorded[0].from > at.recordingMinMs);
      await seen(id, 'end');
      stream.halt();
      assert.equal((await running).code, 0);

      const listed = await until('both recordings are ready', async () => {
        const list = await recordingsOf(id);
        return list.length === 2 && list.every((r) => r.state === 'ready') && list;
      }, { timeoutMs: 30000, everyMs: 100 });
      const theirs = listed.find((r) => r.platform_id);
      assert.deepEqual([theirs.platform_id, theirs.mixed], [session.session.recorded[0].id, true]);
      assert.ok(theirs.duration_ms > at.recordingMinMs);
      assert.equal(listed.find((r) => r !== theirs).mixed, false); // ours, of the stream
      const all = await until('the audio has ended, too', async () => {
        const found = await events(id);
        return of(found, 'audio.detached').length === 2 && found;
      }, { everyMs: 100 });
      for (const [type, source] of [['party', 'session'], ['audio.attached', 'stream'], ['speech.started', 'stream'], ['recording', 'recorder'], ['command', 'command']])
        assert.ok(of(all, type).length > 0, `${type}: nothing of the ${source}`);
      assert.deepEqual(of(all, 'audio.attached').map((e) => [e.data.who, e.data.stream]), [['Customer', `STREAM-${dialog}`], ['Ann Lee', `STREAM-${dialog}`]]);
      assert.deepEqual(of(all, 'call.ended').map((e) => e.data.reason), ['customer-hung-up']);
      assert.equal((await call(id)).live, false);
      const rows = await w().product.sql(`select provider_call_id as id, ended_reason as why from calls where provider_call_id in ('${id}', '${dialog}') order by 1`);
      assert.deepEqual(rows, [...(first === 'stream' ? [{ id: dialog, why: 'audio-linked' }] : []), { id, why: 'customer-hung-up' }]);
      if (first === 'stream')
        assert.equal((await recordingsOf(dialog)).length, 0);
      assert.deepEqual(at.violations, []);
    });
});

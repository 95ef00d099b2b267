// Calls that were followed live and brought no words get them from their recording: added to what they were told, once.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mediaWorldFor } from './lib/media.mjs';
import { message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { join16, silence } from '../../tools/lib/speech.mjs';
import { SttServer } from '../../tools/stt-sim/server.mjs';
import { say } from '../../tools/stt-sim/ear.mjs';

const KEY = 'the-key';
const RECORDED = { vad: 'none', recording: { on: true } };
const server = new SttServer(['good'], { key: KEY });
const w = mediaWorldFor({ before, after }, { audio: RECORDED, config: { recording: { min_free_bytes: 0 }, analyst: { lease_ms: 1000 } } },
  () => server.listen());
after(() => server.close());

// A project of its own with this audio, and sources of it: Twilio's streams and, called the same, Vapi's webhooks.
async function place(name, audio = RECORDED) {
  w().project = await w().product.must('POST', '/api/v1/projects', { name, language: 'en', settings: {}, audio });
  await w().addSource(name);
  await w().mediaSource('twilio', name);
  return name;
}
const wants = (audio) => w().product.must('PATCH', `/api/v1/projects/${w().project.id}`, { audio });
const stt = (key = KEY, name = 'stt') => ({ ...RECORDED, stt: { provider: 'deepgram', url: server.url, key: w().product.secret(name, key) } });
const call = async (id) => (await w().product.sql(`select * from calls where id = '${id}'`))[0];
const events = (id, where = 'true') => w().product.sql(`select seq::text, type, speaker, text, offset_ms::int as ms, data, conversation_id from call_events where call_id = '${id}' and ${where} order by seq`);
const finals = (id) => events(id, `type = 'transcript.final'`);
const jobs = () => w().product.sql(`select key, state, error from jobs where kind in ('recording', 'transcribe', 'analyse')`);

const settled = () => until('all jobs have ended', async () => (await jobs()).length === 0, { timeoutMs: 60000 });

const joined = (at, text, untilMs) => {
  const out = silence(untilMs);
  out.set(say(text), at * 8);
  return out;
};
const SOUND = { inbound: joined(500, 'alpha bravo charlie', 4000), outbound: joined(2500, 'delta echo', 4000) };

async function stream(source, sid = `CA${source}`) {
  const client = await w().connect('twilio', source, { tracks: ['inbound', 'outbound'], callId: sid });
  client.start();
  return client;
}

// A call of nothing but audio, over. `meanwhile`: before its audio ends.
async function alone(source, meanwhile) {
  const client = await stream(source);
  await client.play(SOUND);
  const { call: id } = await until('it has a call of its own', () => w().facts().find((f) => f.heard === 'unbound' && f.stream === client.streamId));
  await meanwhile(id);
  await client.stop();
  await until('it is over', async () => (await call(id))?.live === false);
  return id;
}

async function assertSpoken(id) {
  const said = await until('its words', async () => {
    const all = await finals(id);
    return all.length === 2 && all;
  }, { timeoutMs: 60000 });
  assert.deepEqual(said.map((e) => [e.text, e.speaker]), [['alpha bravo charlie', 'user'], ['delta echo', 'ai']]);

  const between = said[1].ms - said[0].ms;
  assert.ok(Math.abs(between - 2000) <= 200, `${between} ms`);
  return said;
}

test('speech-to-text was off: the words are added to what the call was told, and it is analysed with them', async () => {
  const id = await alone(await place('off'), async (running) => {
    await until('it was heard', () => w().facts(running).some((f) => f.heard === 'recording'));
    await wants(stt());
  });
  const said = await assertSpoken(id);
  await settled();
  const now = await call(id), all = await events(id);
  assert.equal(now.imported, false);
  assert.equal(now.import_id, null);
  assert.deepEqual([now.kind, now.status, Number(now.turn_count)], ['audio', 'ended', 2]);
  assert.equal(all.length, Number(now.event_count));
  assert.equal(all.at(-1).seq, now.last_seq.toString(), 'what came last is what the row reflects');
  assert.ok(all.some((e) => e.type === 'audio.attached' && e.data.dialect === 'twilio'), 'what it was told live is there');
  for (const once of ['call.started', 'call.ended'])
    assert.equal(all.filter((e) => e.type === once).length, 1, once);
  assert.ok(all.every((e) => e.conversation_id === now.conversation_id));
  const ended = all.findIndex((e) => e.type === 'call.ended');
  assert.ok(all.findIndex((e) => e.seq === said[0].seq) > ended);
  const [attached] = await events(id, `type = 'audio.attached' and speaker = 'user'`);
  const after_ = said[0].ms - attached.ms;
  assert.ok(after_ >= 400 && after_ <= 1500, `said ${after_} ms after its audio began`);
  const { turns } = await w().product.must('GET', `/api/v1/calls/${id}/transcript`);
  assert.deepEqual(turns.map((t) => [t.speaker, t.text]), [['user', 'alpha bravo charlie'], ['ai', 'delta echo']]);
  assert.equal((await w().product.sql(`select 1 from call_analyses where call_id = '${id}' and last_seq = ${now.last_seq}`)).length, 1);

  // Asked for once more, as after a crash between storing and the end of the job.
  const requests = server.requests.length;
  await w().product.exec(`select callmend_job('transcribe', r.id::text, r.org_id, '{}', 0) from recordings r where r.call_id = '${id}'`);
  await settled();
  assert.equal(server.requests.length, requests, 'nothing is asked');
  assert.equal((await finals(id)).length, 2);
});

test('speech-to-text failed while the call ran: afterwards', async () => {
  const id = await alone(await place('failed', stt('sk-another', 'wrong')), async (running) => {
    await until('the key was refused', () => w().facts(running).some((f) => f.heard === 'transcriber' && f.name === 'failed'));
    await wants(stt());
  });
  await assertSpoken(id);
  await settled();
});

test('an analyst that is killed while it asks: asked again, told once', async () => {
  await place('killed');
  server.behaviours = ['mute', 'good'];
  const id = await alone('killed', () => wants(stt()));
  await until('it has asked', () => server.behaviours.length === 1, { timeoutMs: 60000 });
  const { product } = w();
  const old = product.kill('analyst-1');
  await product.restarted('analyst-1', old);
  await assertSpoken(id);
  await settled();
  assert.equal((await finals(id)).length, 2);
});

test('a call that has words from its platform is not transcribed', async () => {
  const requests = server.requests.length;
  await place('words');
  const id = await w().running('words', { phoneCallProviderId: 'CAwords' }, 'words');
  const client = await stream('words');
  await client.play(SOUND);
  await until('it is recorded', () => w().facts(id).some((f) => f.heard === 'recording'));
  await wants(stt());
  await client.stop();
  await w().product.webhook('words', message('end-of-call-report', 'words', { endedReason: 'customer-ended-call', artifact: { messages: [
    { role: 'bot', message: 'Good evening.', time: Date.now() - 3000, secondsFromStart: 0.5 }, { role: 'user', message: 'A table, please.', time: Date.now() - 2000, secondsFromStart: 1.5 }] } }));
  await until('its recording is made', async () => (await w().product.sql(`select 1 from recordings where call_id = '${id}' and state = 'ready'`)).length === 1);
  await settled();
  assert.equal(server.requests.length, requests);
  assert.deepEqual(await finals(id), []);
});

test('a platform whose report is still to come has a minute for it', async () => {
  await place('late');
  const id = await w().running('late', { phoneCallProviderId: 'CAlate' }, 'late');
  const client = await stream('late');
  await client.play(SOUND);
  await until('it is recorded', () => w().facts(id).some((f) => f.heard === 'recording'));
  await wants(stt());
  await client.stop();
  await w().over('late', 'late');
  const job = await until('asked for', async () => (await w().product.sql(`select j.run_at, r.updated_at, j.key from jobs j join recordings r on r.id::text = j.key where j.kind = 'transcribe' and r.call_id = '${id}'`))[0]);
  assert.equal(Date.parse(job.run_at) - Date.parse(job.updated_at), 60000);
  await w().product.exec(`update jobs set run_at = now() where key = '${job.key}'`);
  await assertSpoken(id);
  await settled();
});

// One real flow through every layer: webhooks of every type → live view → API → rows. A1, A2, A3, A4, A7.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message, SECRET } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { loadScenarios, SCENARIOS_DIR } from '../../tools/vapi-sim/lib/scenario.mjs';

const w = worldFor({ before, after });

test('A1: every message type Vapi sends gets 200, and none is lost', async () => {
  const { product } = w();
  const types = {
    'status-update': { status: 'in-progress' }, 'assistant.started': { newAssistant: { name: 'Ava' } },
    'speech-update': { status: 'started', role: 'user', turn: 0 }, transcript: { role: 'user', transcriptType: 'final', transcript: 'hello there' },
    'transcript[transcriptType="final"]': { role: 'user', transcriptType: 'final', transcript: 'and again' },
    'assistant.speechStarted': { text: 'Good evening', turn: 1, source: 'model' },
    'conversation-update': { messages: [{ role: 'bot', message: 'Good evening', time: 1760000000000, secondsFromStart: 1 }],
      messagesOpenAIFormatted: [{ role: 'assistant', content: 'Good evening' }] },
    'model-output': { output: 'Good', turnId: 't1' }, 'voice-input': { input: 'Good evening' }, 'user-interrupted': { turnId: 't1' }, hang: {},
    'language-change-detected': { language: 'es' }, 'language-changed': { language: 'en' },
    'transfer-update': { destination: { type: 'number', number: '+15550100900' } }, 'phone-call-control': { request: 'hang-up' },
    'call.artifact.upload': { artifacts: [{ type: 'log', success: true }] }, 'chat.created': { chat: { id: 'c' } }, 'session.updated': { session: { id: 's' } },
    'call.deleted': {}, 'workflow.node.started': { node: { name: 'n' } }, 'something-new-of-2027': { anything: [1, 2, { deep: true }] },
    'end-of-call-report': { endedReason: 'customer-ended-call', artifact: { messages: [] }, analysis: {} },
  };
  for (const [type, fields] of Object.entries(types))
    assert.equal((await product.webhook('main', message(type, 'all-types', fields))).status, 200, type);
  await until('all stored', async () => (await w().events('all-types', 'call.report')).length === 1);
  const stored = await w().events('all-types');
  const has = (type, match = () => true) => assert.ok(stored.some((e) => e.type === type && match(e)), `${type} in ${stored.map((e) => e.type)}`);
  has('transcript.final', (e) => e.text === 'hello there' && e.speaker === 'user' && e.is_final);
  has('transcript.final', (e) => e.text === 'and again');
  has('interruption');
  has('hang');
  has('message', (e) => e.text === 'Good evening' && e.speaker === 'ai');
  has('speech.started');
  has('model.output');
  has('voice.input');
  has('language.changed');
  has('transfer');
  has('assistant.started');
  const unknown = stored.filter((e) => e.type === 'provider.message');
  assert.ok(unknown.some((e) => JSON.stringify(e.data).includes('"deep":true') || JSON.stringify(e.data).includes('"deep": true')), 'unknown types are kept raw');
  assert.ok(stored.every((e) => e.conversation_id), 'A2: every event carries the conversation');
});

test('the row of a call that only hears sound is written now and then, by itself and at its end', async () => {
  const { product } = w();
  const say = (fields) => product.webhook('main', message('speech-update', 'only-sound', { role: 'user', ...fields }));
  const stored = async () => (await w().events('only-sound')).length;
  const row = async () => (await product.sql(`select event_count, live from calls where provider_call_id = 'only-sound'`))[0];
  const isWhole = (what) => until(what, async () => Number((await row())?.event_count) === await stored());
  await product.exec(`create table call_writes (n int); create function count_call_writes() returns trigger language plpgsql as
      $$ begin insert into call_writes values (1); return null; end $$;
    create trigger count_call_writes after update on calls for each row when (new.provider_call_id = 'only-sound') execute function count_call_writes()`);
  await product.webhook('main', message('status-update', 'only-sound', { status: 'in-progress' }));
  await isWhole('the call is there');
  for (let turn = 0; turn < 40; turn++) {
    const before = await stored();
    await say({ status: turn % 2 ? 'stopped' : 'started', turn: turn >> 1 });
    await until(`event ${turn} is stored`, async () => await stored() > before, { everyMs: 5 });
  }
  await isWhole('and comes to be whole without any more news');
  const writes = Number((await product.sql('select count(*) as n from call_writes'))[0].n);
  assert.ok(writes >= 1 && writes <= 20, `${writes} writes for 40 events`);
  await say({ status: 'started', turn: 99 });
  await product.webhook('main', message('status-update', 'only-sound', { status: 'ended', endedReason: 'customer-ended-call' }));
  await until('its end is there', async () => !(await row()).live);
  await isWhole('with everything');
  await product.exec('drop trigger count_call_writes on calls; drop function count_call_writes; drop table call_writes');
});

test('A2-A4, A7: a call is followed live, ends, and is found in API and tables with the same facts', async () => {
  const { product } = w();
  const live = await product.live();
  await live.ready();
  const sim = await w().simulator('main', { speed: 40 });
  const [call] = sim.start('booking', 1);
  const started = await live.event('call.started');
  const id = started.call_id;
  await live.event('speech.started', (e) => e.call_id === id && e.speaker === 'ai');
  await live.event('transcript.partial', (e) => e.call_id === id);
  const yes = () => live.events.filter((e) => e.call_id === id && e.type === 'transcript.final' && e.text === 'Yes.' && e.speaker === 'user');
  await live.until('two genuine "yes" are two', () => yes().length === 2);
  await live.event('tool.finished', (e) => e.call_id === id && e.data.success === true);
  await live.event('call.ended', (e) => e.call_id === id);
  await call.done;
  assert.ok(call.toolResults.every((r) => r.result && !r.error && !r.problems), JSON.stringify(call.toolResults));

  const seqs = live.events.filter((e) => e.call_id === id).map((e) => e.seq);
  assert.ok(seqs.every((s, i) => i === 0 || s > seqs[i - 1]), 'sequences grow');
  const row = await w().ended(call.id);
  assert.equal(row.id, id);
  assert.equal(row.tool_call_count, 2);
  assert.equal(row.tool_error_count, 0);
  assert.equal(row.ended_reason, 'customer-ended-call');
  assert.equal(row.transcript_live, true);
  assert.ok(row.duration_ms > 0);
  const stored = await w().events(call.id);
  const watched = live.events.filter((e) => e.call_id === id).map((e) => `${e.seq} ${e.type}`);
  const missing = watched.filter((key) => !stored.some((e) => `${e.seq} ${e.type}` === key));
  assert.deepEqual(missing, [], 'what was seen live is what is stored');

  for (const key of [id, call.id]) { // paths with a call id take ours or Vapi's
    const one = await product.must('GET', `/api/v1/calls/${key}`);
    assert.equal(one.id, id);
    assert.equal(one.provider_call_id, call.id);
    assert.equal(one.status, 'ended');
  }
  const text = JSON.stringify(await product.must('GET', `/api/v1/calls/${id}/transcript`));
  assert.ok(text.includes('Dana Wells') && text.includes('What time would you like to come?'));
  const tools = JSON.stringify(await product.must('GET', `/api/v1/calls/${id}/tools`));
  assert.ok(tools.includes('find_table') && tools.includes('book_table'));
  const events = await product.must('GET', `/api/v1/calls/${id}/events?limit=5`);
  assert.ok(JSON.stringify(events).includes('call.started'));
  live.close();
});

test('secrets and control URLs never reach PostgreSQL, API, log or watchers', async () => {
  const { product } = w();
  const live = await product.live();
  await live.ready();
  const sim = await w().simulator('main', { speed: 200 });
  const calls = sim.start('angry', 2);
  await sim.finished(calls);
  await Promise.all(calls.map((c) => w().ended(c.id)));
  const places = {
    rows: JSON.stringify(await product.sql(`select to_jsonb(e) as e from call_events e`)) + JSON.stringify(await product.sql('select to_jsonb(c) as c from calls c')) +
      JSON.stringify(await product.sql('select to_jsonb(m) as m from messages m')),
    api: JSON.stringify(await product.must('GET', '/api/v1/calls')),
    live: JSON.stringify(live.messages),
    log: product.log(),
  };
  for (const [place, text] of Object.entries(places))
    for (const secret of ['sim-twilio-auth-token', 'sim-phone-secret', 'sim-server-secret', '/control"', '/listen"', SECRET])
      assert.ok(!text.includes(secret), `${secret} is in ${place}`);
  live.close();
});

test('every scenario becomes a call with the right end', async () => {
  const sim = await w().simulator('main', { speed: 200 });
  const scenarios = loadScenarios(SCENARIOS_DIR).filter((s) => !s.assistantRequest);
  const calls = await sim.finished(sim.start(scenarios, scenarios.length));
  for (const call of calls) {
    const row = await w().ended(call.id);
    assert.equal(row.ended_reason, call.endReason, call.scenario.name);
    const finals = (await w().events(call.id, 'transcript.final')).length;
    const sent = sim.delivery.ledger.filter((item) => item.callId === call.id && item.type === 'transcript' && item.tag).length;
    assert.equal(finals, sent, `${call.scenario.name}: every final once`);
  }
  const failing = calls.find((c) => c.scenario.name === 'tool-failing');
  assert.equal((await w().callRow(failing.id)).tool_error_count, 2, 'nothing found is an error too (B1)');
  const angry = calls.find((c) => c.scenario.name === 'angry');
  assert.equal((await w().callRow(angry.id)).user_sentiment, 'frustrated');
});

test('A2: the conversation and its messages are kept in step', async () => {
  const sim = await w().simulator('main', { speed: 200 });
  const [call] = await sim.finished(sim.start('spanish', 1));
  const row = await w().ended(call.id);
  const expected = call.history.filter((e) => ['user', 'bot'].includes(e.role)).map((e) => e.message);
  await until('messages stored', async () => {
    const rows = await w().product.sql(`select text, speaker from messages where call_id = '${row.id}' and role in ('user', 'assistant') order by seq`);
    assert.deepEqual(rows.map((r) => r.text), expected);
    return true;
  });
});

test('disordered and late messages lose nothing', async () => {
  const sim = await w().simulator('main', { speed: 100, disorder: 0.3, mark: true });
  const [call] = await sim.finished(sim.start('interruptions', 1));
  const sent = sim.delivery.ledger.filter((i) => i.type === 'transcript' && i.tag).map((i) => i.tag).sort();
  await w().ended(call.id);
  await until('finals stored', async () => {
    assert.deepEqual((await w().events(call.id, 'transcript.final')).map((e) => e.text).sort(), sent);
    return true;
  });
});

// `callmend watch` without a terminal (A2, A3): lines, limits, raw events, losses.
import test from 'node:test';
import assert from 'node:assert/strict';
import { StandIn, TOKEN, callmend, eventOf, ids, snapshotOf, until } from './stand_in.mjs';

async function node(t) {
  const server = await new StandIn().start();
  t.after(() => server.stop());
  server.calls = [snapshotOf(ids.anna)];
  return server;
}
const watch = (server, ...args) => callmend(['watch', '--url', server.url, '--token', TOKEN, ...args]);
const subscribed = (server, n = 1) => until('subscribed', () => server.asked.filter((m) => m.type === 'subscribe').length >= n);
const ended = (id) => eventOf(id, 'call.ended', { data: { reason: 'customer-ended-call', class: 'customer', duration_ms: 61000 } });

test('one line per event: time, call, what', async (t) => {
  const server = await node(t);
  const run = watch(server, '--calls', '1');
  await until('announced', () => run.out.includes('is live'));
  server.send(
    eventOf(ids.bert, 'call.started', { data: { customer: { number: '+49301234' }, assistant: { name: 'Mia' } } }),
    eventOf(ids.bert, 'transcript.partial', { speaker: 'user', text: 'not this' }),
    eventOf(ids.bert, 'transcript.final', { speaker: 'user', text: 'Grüße 你好\u001b[31m', is_final: true }),
    eventOf(ids.bert, 'tool.finished', { data: { name: 'book', success: false, error: 'HTTP 500', duration_ms: 12 } }),
    eventOf(ids.bert, 'signal', { data: { signal: 'frustration', state: 'raised', score: 80 } }),
    eventOf(ids.bert, 'something.new', { data: { a: 1 } }),
    ended(ids.bert));
  const r = await run.ended;
  assert.equal(r.status, 0, r.err);
  const lines = r.out.trim().split('\n');
  for (const line of lines) assert.match(line, /^\d\d:\d\d:\d\d\.\d{3} 3f2a(91c8|77d1) /);
  assert.deepEqual(lines.map((l) => l.slice(13)), [
    lines[0].slice(13),
    '3f2a77d1 call started: +49301234 with Mia',
    '3f2a77d1 user: Grüße 你好?[31m',
    '3f2a77d1 tool book FAILED after 12 ms: HTTP 500',
    '3f2a77d1 signal frustration raised (80)',
    '3f2a77d1 something.new {"a":1}',
    '3f2a77d1 call ended: customer-ended-call after 1:01',
  ]);
  assert.match(lines[0], /3f2a91c8 is live: \+14155550123 with Anna, 1:0\d$/);
});

test('facts, what is known of the caller, escalations (A8, A9)', async (t) => {
  const server = await node(t);
  const run = watch(server, '--calls', '1');
  await subscribed(server);
  server.send(
    eventOf(ids.anna, 'fact', { data: { field: 'guests', label: 'number of people', state: 'captured', value: '7', how: 'answer' } }),
    eventOf(ids.anna, 'fact', { data: { field: 'phone', label: 'phone number', state: 'refused', value: null } }),
    eventOf(ids.anna, 'context', { data: { how: 'running', items: [{ id: '1', title: '#17', text: 'lost' }, { id: '2', title: 'Refund', text: 'open' }] } }),
    eventOf(ids.anna, 'context', { data: { how: 'running', items: [], error: 'timed out' } }),
    eventOf(ids.anna, 'escalation.proposed', { data: { rule: 'escalate_on_frustration', action: 'propose', signal: 'frustration', score: 75 } }),
    ended(ids.anna));
  const r = await run.ended;
  assert.deepEqual(r.out.trim().split('\n').slice(1, -1).map((l) => l.slice(22)), [
    'fact number of people: 7 (answer)',
    'fact phone number: refused',
    'known of the caller: #17: lost; Refund: open',
    'known of the caller: timed out',
    'ESCALATION proposed: frustration (75) by rule escalate_on_frustration',
  ]);
});

test('whose call it is, who is in it, texts', async (t) => {
  const server = await node(t);
  Object.assign(server.calls[0], { source: 'centre', dialect: 'ringcx', parties: [{ party_id: '1', side: 'inside', state: 'talking', name: 'Ann Lee', muted: true }, { party_id: '2', state: 'left' }] });
  const run = watch(server, '--calls', '1');
  await subscribed(server);
  const party = (data) => eventOf(ids.anna, 'party', { data: { party_id: '1', side: 'inside', name: 'Ann Lee', ...data } });
  server.send(
    eventOf(ids.bert, 'call.started', { data: { kind: 'sms', source: 'main', customer: { number: '+1555' } } }),
    eventOf(ids.bert, 'message', { speaker: 'user', text: 'A table?', data: { role: 'user', message_id: '7' } }),
    eventOf(ids.anna, 'message', { speaker: 'user', text: 'model', data: { role: 'user' } }),
    eventOf(ids.bert, 'text.delivery', { speaker: 'ai', data: { message_id: '8', state: 'failed', error: 'SMS-CAR-411' } }),
    party({ state: 'held' }), party({ state: 'talking', late: true }), party({ state: 'moved', reason: 'BlindTransfer' }),
    eventOf(ids.anna, 'audio.held', { speaker: 'user', data: { leg: 0, held: true } }),
    eventOf(ids.anna, 'audio.held', { speaker: 'user', data: { leg: 0, held: false } }),
    eventOf(ids.anna, 'insight', { data: { kind: 'summary', insight: { value: 'A table was moved.' } } }),
    ended(ids.anna));
  const r = await run.ended;
  const [live, ...lines] = r.out.trim().split('\n');
  assert.match(live, /is live: \+14155550123 with Anna by centre \(ringcx\), 1:0\d; Ann Lee \(inside\) talks, muted$/);
  assert.deepEqual(lines.slice(0, -1).map((l) => l.slice(22)), [
    'texts started: +1555 by main',
    'user: A table?',
    'text 8: failed - SMS-CAR-411',
    'Ann Lee (inside) is on hold',
    'Ann Lee (inside) talks (late news)',
    'Ann Lee (inside) was handed on: BlindTransfer',
    'user is on hold',
    'user is off hold',
    'insight summary: A table was moved.',
  ]);
});

test('--all shows partial transcripts too', async (t) => {
  const server = await node(t);
  const run = watch(server, '--plain', '--all', '--calls', '1');
  await subscribed(server);
  server.send(eventOf(ids.anna, 'transcript.partial', { speaker: 'user', text: 'half a' }), ended(ids.anna));
  assert.match((await run.ended).out, /user … half a\n/);
});

test('--json prints the events as they are, --calls counts ends once', async (t) => {
  const server = await node(t);
  const run = watch(server, '--json', '--calls', '2');
  await subscribed(server);
  const revised = ended(ids.anna);
  revised.data.revision = true;
  const events = [eventOf(ids.bert, 'call.started'), ended(ids.anna), revised, eventOf(ids.cleo, 'call.started'), ended(ids.bert), ended(ids.cleo)];
  server.send(...events);
  const r = await run.ended;
  assert.equal(r.status, 0);
  assert.deepEqual(r.out.trim().split('\n').map((l) => JSON.parse(l)), events.slice(0, 5));
});

test('batched events (coalesced partials, resumed) count like single ones', async (t) => {
  const server = await node(t);
  const run = watch(server, '--json', '--calls', '1');
  await subscribed(server);
  for (const s of server.sockets) s.send(JSON.stringify({ type: 'events', events: [{ owner: 0, event: ended(ids.anna) }] }));
  assert.equal((await run.ended).status, 0);
});

test('--for stops by itself; with --calls not reached it is a failure', async (t) => {
  const server = await node(t);
  assert.equal((await watch(server, '--for', '0.2').ended).status, 0);
  assert.equal((await watch(server, '--for', '0.2', '--calls', '1').ended).status, 1);
  for (const bad of [['--for', '0'], ['--for', 'soon'], ['--for', 'nan'], ['--calls', '0'], ['--calls', '2x'], ['--json', '--plain'], ['more']])
    assert.equal((await watch(server, ...bad).ended).status, 2, bad.join(' '));
});

test('interrupted: status 0', async (t) => {
  const server = await node(t);
  const run = watch(server);
  await subscribed(server);
  await until('live', () => run.out.includes('is live'));
  run.child.kill('SIGINT');
  assert.equal((await run.ended).status, 0);
});

test('a lost connection comes back, with a fresh snapshot', async (t) => {
  const server = await node(t);
  const run = watch(server, '--calls', '1');
  await subscribed(server);
  for (const s of server.sockets) s.close(1012, 'the node is stopping');
  await subscribed(server, 2);
  server.send(ended(ids.anna));
  const r = await run.ended;
  assert.equal(r.status, 0);
  assert.match(r.err, /NO CONNECTION, again in 1 s \(closed by the other side \(1002, or one of 1012 to 1015\): the node is stopping\)/);
});

test('a node that starts again is waited for, through refusals by draining', async (t) => {
  const server = await node(t);
  const run = watch(server, '--calls', '1');
  await subscribed(server);
  server.refuse = 503;
  for (const s of server.sockets) s.terminate();
  await until('refused twice', () => server.connections >= 3);
  server.refuse = 0;
  await subscribed(server, 2);
  server.send(ended(ids.anna));
  assert.equal((await run.ended).status, 0);
  assert.match(run.err, /503|not 101/);
});

test('nobody there: 3; not let in: 1', async (t) => {
  const server = await node(t);
  const gone = await new StandIn().start();
  await gone.stop();
  const nobody = await watch(gone).ended;
  assert.equal(nobody.status, 3);
  assert.match(nobody.err, /no node answers at http:\/\/127\.0\.0\.1:\d+/);
  const wrong = await callmend(['watch', '--url', server.url, '--token', 'cm_no']).ended;
  assert.equal(wrong.status, 1);
  assert.match(wrong.err, /does not let us in \(401\)/);
});

test('a closed pipe ends it', async (t) => {
  const server = await node(t);
  const run = watch(server, '--json');
  await subscribed(server);
  run.child.stdout.destroy();
  const pump = setInterval(() => server.send(eventOf(ids.anna, 'hang')), 10);
  t.after(() => clearInterval(pump));
  assert.equal((await run.ended).status, 1);
});

test('messages that are not understood do no harm', async (t) => {
  const server = await node(t);
  const run = watch(server, '--json', '--calls', '1');
  await subscribed(server);
  for (const s of server.sockets) {
    for (const text of ['{', '[]', '"x"', '{"type":"event"}', '{"type":"event","event":{"type":"turn"}}', '{"type":"events","events":[1,null]}',
      '{"type":"snapshot","owner":999,"calls":[{"live":true}]}', '{"type":"new thing"}', `{"type":"event","event":{"call_id":"${'x'.repeat(500)}"}}`])
      s.send(text);
    s.send(Buffer.from([1, 2, 3]));
  }
  server.send(ended(ids.anna));
  assert.equal((await run.ended).status, 0);
});

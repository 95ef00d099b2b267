// A call that was placed over Vapi's WebSocket is told of over that socket and by webhook: everything once, tools run once, and nothing is lost
// while the node is full.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync, rmSync, readdirSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { MediaWorld, mediaWorldFor } from './lib/media.mjs';
import { message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { VapiTransportServer } from '../../tools/media-sim/index.mjs';

const BUILD = process.env.CALLMEND_BUILD ?? new URL('../../build/dev', import.meta.url).pathname;
const w = mediaWorldFor({ before, after }, { tools: true });

let placed = 0;
// A call that was placed, and runs. `hook(type, fields)` posts a webhook of it.
async function place(t, world) {
  const { product } = world;
  const sim = await new VapiTransportServer().listen();
  t.after(() => sim.close());
  const name = `told-${placed++}`;
  const source = await world.addSource(name, { api_base: `http://127.0.0.1:${sim.port}`, private_key: product.secret('private', 'private') });
  const { call, provider_call_id: id } = await product.must('POST', '/api/v1/calls', { source_id: source.id, assistant_id: 'ava' });
  await until('in progress', async () => (await product.api('GET', `/api/v1/calls/${call}`)).body?.status === 'in-progress');
  const other = sim.calls.get(id);
  const hook = async (type, fields) => {
    const response = await product.webhook(name, message(type, id, { call: { id, type: 'vapi.websocketCall' }, ...fields }));
    assert.equal(response.status, 200);
    return response.json();
  };
  return { sim, call, id, other, hook, tell: (type, fields) => sim.tell(other, { type, ...fields }) };
}

const BOOK = { toolCallList: [{ id: 'call_1', type: 'function', function: { name: 'book_table', arguments: { day: 'Friday', guests: '4' } } }] };
const FACTS = [
  ['speech-update', { status: 'started', role: 'user' }],
  ['transcript', { role: 'user', transcriptType: 'final', transcript: 'Please book me a table.' }],
  ['user-interrupted', { turnId: 'turn-1' }],
  ['tool-calls', BOOK],
];
const ORDERS = {
  'socket first': async (c, type, fields) => {
    c.tell(type, fields);
    await c.arrived(type);
    return c.hook(type, fields);
  },
  'webhook first': async (c, type, fields) => {
    const answer = await c.hook(type, fields);
    c.tell(type, fields);
    return answer;
  },
  'webhook only': (c, type, fields) => c.hook(type, fields),
  'socket only': async (c, type, fields) => c.tell(type, fields),
};
const EVENTS = { 'speech-update': 'speech.started', transcript: 'transcript.final', 'user-interrupted': 'interruption', 'tool-calls': 'tool.requested' };

for (const [order, tellBoth] of Object.entries(ORDERS))
  test(`told by both ways, ${order}: once`, async (t) => {
    const c = await place(t, w());
    const bookings = () => w().toolServer.requests.filter((r) => r.path === '/bookings').length;
    const before = bookings();
    c.arrived = (type) => until(`${type} is known`, async () => (await w().events(c.id, EVENTS[type])).length > 0);
    let answer;
    for (const [type, fields] of FACTS)
      answer = await tellBoth(c, type, fields);
    const byHook = order !== 'socket only';
    assert.equal(bookings() - before, byHook ? 1 : 0, 'the table is booked once, and only where somebody takes the answer');
    if (byHook)
      assert.equal(answer.results[0].toolCallId, 'call_1');
    c.sim.end(c.other);
    await w().ended(c.id);
    for (const type of Object.values(EVENTS))
      assert.equal((await w().events(c.id, type)).length, 1, type);
    const turns = (await w().events(c.id, 'turn')).filter((e) => e.speaker === 'user');
    assert.deepEqual([...new Set(turns.map((e) => e.text))], ['Please book me a table.']);
    const rows = await w().product.sql(`select t.* from tool_calls t join calls c on c.id = t.call_id where c.provider_call_id = '${c.id}'`);
    assert.deepEqual(rows.map((r) => [r.tool_call_id, r.run_by]), [['call_1', byHook ? 'callmend' : 'elsewhere']]);
    assert.equal(bookings() - before, byHook ? 1 : 0);
  });

test('the answer to the placing and the first webhook are one status', async (t) => {
  const c = await place(t, w());
  await c.hook('status-update', { status: 'queued' });
  c.sim.end(c.other);
  const { flags } = await w().ended(c.id);
  assert.deepEqual((await w().events(c.id, 'call.status')).map((e) => e.data.status), ['queued', 'in-progress', 'ended']);
  assert.ok(!(flags ?? []).includes('late_messages'));
});

test('the journal takes nothing for a while: what the socket tells meanwhile arrives', { timeout: 90000 }, async (t) => {
  const control = `/tmp/callmend-tell-${process.pid}`;
  mkdirSync(control, { recursive: true });
  chmodSync(control, 0o777);
  const shim = join(BUILD, readdirSync(BUILD, { recursive: true }).find((f) => /(^|\/)(lib)?diskshim\.so$/.test(f)));
  const world = await MediaWorld.start({ env: { LD_PRELOAD: shim, DISKSHIM_DIR: control, ASAN_OPTIONS: 'verify_asan_link_order=0:detect_leaks=0' } });
  t.after(() => {
    rmSync(control, { recursive: true, force: true }); // nothing may hang when the world ends
    return world.end();
  });
  const c = await place(t, world);
  const full = () => world.counted('callmend_webhooks_total{result="overloaded"}');
  writeFileSync(join(control, 'hold'), '');
  const sent = [];
  let refused = 0;
  for (let bytes = 8 << 20; bytes > 1024; bytes /= 8) { // what is left is filled with smaller ones
    const pad = 'x'.repeat(bytes);
    for (let i = 0; i < 10; i++)
      sent.push(world.product.webhook('main', message('transcript', 'large', { role: 'user', transcriptType: 'final', transcript: 'large', pad })).then((r) => r.status));
    await until(`there is no room for ${bytes}`, async () => (await full()) > refused, { timeoutMs: 30000 });
    refused = await full();
  }
  c.tell('transcript', { role: 'user', transcriptType: 'final', transcript: 'Is anybody there?', pad: 'x'.repeat(8192) });
  await until('refused, and tried again', async () => (await full()) >= refused + 3);
  c.sim.end(c.other);
  rmSync(join(control, 'hold'));
  const row = await world.ended(c.id);
  assert.equal(row.ended_reason, 'customer-ended-call');
  assert.deepEqual((await world.events(c.id, 'transcript.final')).map((e) => e.text), ['Is anybody there?']);
  await Promise.all(sent);
});

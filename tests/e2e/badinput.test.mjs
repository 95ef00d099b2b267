// Bad input: each has a clear answer, and nothing is lost. (Unreachable control URL and upstream, hanging tools, commands on ended calls, clocks: in
// commands, upstream, tools and lost.test.mjs.)
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { worldFor, message, SECRET } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after });
const post = async (body, options) => (await w().product.webhook('main', body, options)).status;
const quarantined = (reason = '') => w().product.sql(`select kind, reason, convert_from(body, 'LATIN1') as body from quarantine where reason ilike '%${reason}%' order by id`);

async function stillFine(label) {
  assert.equal(await post(message('transcript', `fine-${label}`, { role: 'user', transcriptType: 'final', transcript: 'still here' })), 200);
  await until('stored', async () => (await w().events(`fine-${label}`, 'transcript.final')).length === 1);
}

const MALFORMED = ['', '{', '{"message":', '[1,2', 'hello', '{"message":{"type":"hang"}} trailing', '{"message":{"type":"hang","type2":tru}}', '{"a":"\u0001"}',
  '{"message":{"n":01}}', '\ufeff{', '{"message":{"type":"hang",}}', `${'['.repeat(100000)}`, '{"message":{"s":"\\x"}}', '{"message":{"s":"\\u12"}}'];

test('malformed JSON: 400, and the bytes are kept in quarantine', async () => {
  for (const text of MALFORMED) {
    const status = await post(text);
    assert.equal(status, 400, JSON.stringify(text.slice(0, 40)));
  }
  await until('kept', async () => (await quarantined()).some((row) => row.body.endsWith('{"message":{"type":"hang",}}')));
  await stillFine('malformed');
});

test('invalid UTF-8: a clear answer', async () => {
  const bytes = Buffer.from(JSON.stringify(message('transcript', 'utf8', { role: 'user', transcriptType: 'final', transcript: 'XX' })));
  bytes[bytes.indexOf('XX')] = 0xff;
  const status = await post(bytes);
  assert.ok([200, 400].includes(status), String(status));
  await stillFine('utf8');
});

test('lone surrogates and \\u0000 are taken, and stored as something PostgreSQL takes', async () => {
  const raw = (id, text) => JSON.stringify(message('transcript', id, { role: 'user', transcriptType: 'final', transcript: 'PLACE' })).replace('PLACE', text);
  assert.equal(await post(raw('surrogate', 'before \\ud800 after')), 200);
  assert.equal(await post(raw('nul', 'before \\u0000 after')), 200);
  assert.equal(await post(JSON.stringify(message('something-unknown', 'nul-raw', { x: 'PLACE' })).replace('PLACE', '\\u0000 \\udfff')), 200);
  for (const id of ['surrogate', 'nul']) {
    const [event] = await until('stored', async () => {
      const rows = await w().events(id, 'transcript.final');
      return rows.length && rows;
    });
    assert.match(event.text, /^before .* ?after$/);
  }
  await until('raw stored', async () => (await w().events('nul-raw', 'provider.message')).length === 1);
  await stillFine('nul');
});

test('an 11 MB body is refused with 413, one of 10 MB is taken', async () => {
  const padded = (bytes, id) => JSON.stringify(message('hang', id, { pad: 'x'.repeat(bytes) }));
  assert.equal(await post(padded(12 * 1024 * 1024, 'too-big')), 413);
  assert.equal(await post(padded(10 * 1024 * 1024, 'big')), 200);
  await w().storedAs('big');
  assert.equal(await w().callRow('too-big'), undefined);
  await stillFine('big');
});

const WRONG_TYPES = [{ message: 5 }, { message: null }, { message: [] }, { message: {} }, {}, { message: { type: 7 } }, { message: { type: 'transcript' } },
  { message: { type: 'transcript', call: 'x', role: 5, transcript: { a: 1 }, transcriptType: [] } }, { message: { type: 'status-update', call: { id: 5 }, status: {} } },
  { message: { type: 'conversation-update', call: { id: 'types' }, messages: 'no', messagesOpenAIFormatted: 7 } },
  { message: { type: 'conversation-update', call: { id: 'types' }, messages: [null, 5, [], { role: 9, message: [] }] } },
  { message: { type: 'end-of-call-report', call: { id: 'types' }, endedReason: 5, artifact: 'x', analysis: [], cost: 'much', startedAt: 5, endedAt: {} } },
  { message: { type: 'speech-update', call: { id: 'types' }, status: 'sideways', role: 'dog', turn: 'x' } },
  { message: { type: 'hang', call: { id: 'types' }, timestamp: 'yesterday' } }, { message: { type: 'hang', call: { id: 'types' }, timestamp: -1e300 } },
  { message: { type: 'hang', call: { id: '' } } }, { message: { type: 'hang', call: { id: 'x'.repeat(5000) } } }];

test('wrong types everywhere: 200 or 400, never an error of ours, never a crash', async () => {
  const pid = w().product.pid('core');
  for (const body of WRONG_TYPES) {
    const status = await post(body);
    assert.ok([200, 400].includes(status), `${status} for ${JSON.stringify(body).slice(0, 120)}`);
  }
  for (const shape of [{ toolCallList: 'no' }, { toolCallList: [] }, { toolCallList: [null, 5] }, { toolCallList: [{ id: 5, name: [] }] }, {},
    { toolCallList: [{ id: 'x', name: 'find_table', arguments: 'not json' }] }, { toolCallList: [{ id: 'x', function: { name: 'find_table', arguments: [1] } }] }]) {
    const response = await w().product.webhook('main', message('tool-calls', 'types-tools', shape), { signal: AbortSignal.timeout(5000) });
    assert.equal(response.status, 200, JSON.stringify(shape));
    assert.ok(Array.isArray((await response.json()).results), JSON.stringify(shape));
  }
  assert.equal(w().product.pid('core'), pid, 'the core did not restart');
  await stillFine('types');
});

test('a transcript of 3 MB does not keep watchers out', async () => {
  assert.equal(await post(message('transcript', 'long-winded', { role: 'user', transcriptType: 'final', transcript: 'blah '.repeat(600000) })), 200);
  const live = await w().product.live();
  await live.ready();
  assert.ok([...live.calls().values()].some((c) => c.provider_call_id === 'long-winded'));
  live.close();
});

test('wrong signature: 401; unknown source: 404; wrong method: 426, since audio comes there by an upgrade', async () => {
  assert.equal(await post(message('hang', 'x'), { secret: 'wrong' }), 401);
  assert.equal((await w().product.webhook('unknown-source', message('hang', 'x'))).status, 404);
  const get = await fetch(`${w().product.url}/in/vapi/main`, { headers: { 'x-vapi-secret': SECRET } });
  assert.equal(get.status, 426);
  assert.equal((await fetch(`${w().product.url}/in/other/main`, { method: 'POST', body: '{}' })).status, 404);
});

test('whoever is refused again and again does not fill the log: five lines of a kind, then their number', async () => {
  const upgrade = () => new Promise((resolve, reject) => {
    const request = http.get(`${w().product.url}/in/vapi/main/transcriber`, { headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'MDEyMzQ1Njc4OWFiY2RlZg==' } });
    request.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject);
  });
  for (let i = 0; i < 20; i++) {
    assert.equal(await post(message('hang', 'x'), { secret: 'wrong' }), 401);
    assert.equal(await upgrade(), 401);
  }
  for (const who of ['webhook', 'media']) {
    const lines = w().product.log().split('\n').filter((line) => line.includes(`${who}: source main: `));
    assert.ok(lines.length >= 5 && lines.length <= 10, `${who}: ${lines.join('\n')}`); // a minute may end in between
  }
});

test('unknown call: 404 with problem details', async () => {
  const answer = await w().product.api('GET', '/api/v1/calls/no-such-call');
  assert.equal(answer.status, 404);
  assert.match(answer.headers.get('content-type'), /application\/problem\+json/);
  assert.equal(answer.body.status, 404);
});

test('a connection that dies in the middle of a body leaves nothing behind', async () => {
  await new Promise((resolve) => {
    const request = http.request(`${w().product.url}/in/vapi/main`, { method: 'POST', headers: { 'x-vapi-secret': SECRET, 'content-length': 1000 } });
    request.on('error', resolve);
    request.write('{"message":{"type":"hang","call":{"id":"cut"}', () => request.destroy());
    request.on('close', resolve);
  });
  await stillFine('cut');
  assert.equal(await w().callRow('cut'), undefined);
});

test('API: malformed bodies, wrong types, unknown parameters', async () => {
  const { product } = w();
  assert.equal((await product.api('POST', '/api/v1/projects', '{')).status, 400);
  assert.equal((await product.api('POST', '/api/v1/projects', { name: 5 })).status, 422);
  assert.equal((await product.api('POST', '/api/v1/projects', { name: 'x', surprise: 1 })).status, 422);
  assert.equal((await product.api('GET', '/api/v1/calls?limit=99999')).status, 400);
  assert.equal((await product.api('GET', '/api/v1/calls?surprise=1')).status, 400);
  assert.equal((await product.api('GET', '/api/v1/nowhere')).status, 404);
  const nul = await product.api('POST', '/api/v1/projects', '{"name":"a\\u0000b"}');
  assert.ok([201, 400, 422].includes(nul.status), String(nul.status));
  assert.equal((await product.api('GET', '/api/v1/projects')).status, 200);
});

// D9 on real processes: files of every format through the pipeline, damaged records, killed in between, duplicates, pulled from the
// provider's API.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { spawn } from 'node:child_process';
import { writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BINARY } from './lib/product.mjs';
import { World } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';

const START = Date.parse('2026-02-03T10:00:00Z');
let world, product;
before(async () => {
  world = await World.start({ tools: false });
  product = world.product;
});
after(() => world?.end());

const iso = (ms) => new Date(ms).toISOString();

// A finished call as GET /call gives it; every third has a tool call, ids of tool calls repeat.
function vapiCall(i, fields = {}) {
  const at = START + i * 60000;
  const say = (role, message, s) => ({ role, message, time: at + s * 1000, endTime: at + s * 1000 + 900, secondsFromStart: s });
  const messages = [say('system', 'You take bookings.', 0), say('bot', 'Hello, how can I help?', 1), say('user', `A table for ${i % 9 + 1} please.`, 4)];
  if (i % 3 === 0) {
    messages.push({ role: 'tool_calls', time: at + 5000, secondsFromStart: 5, message: '',
      toolCalls: [{ id: 'call_1', type: 'function', function: { name: 'book_table', arguments: JSON.stringify({ party: i % 9 + 1 }) } }] });
    messages.push({ role: 'tool_call_result', time: at + 6000, secondsFromStart: 6, toolCallId: 'call_1', name: 'book_table', result: i % 2 ? '{"ok":true}' : 'Error: no table' });
  }
  messages.push(say('bot', 'Done, goodbye.', 8));
  return { id: `imported-${i}`, orgId: 'org', type: 'inboundPhoneCall', status: 'ended', createdAt: iso(at - 500), startedAt: iso(at), endedAt: iso(at + 10000), updatedAt: iso(at + 15000),
    endedReason: 'customer-ended-call', customer: { number: `+1415555${String(i % 10000).padStart(4, '0')}` }, cost: 0.05,
    artifact: { messages, transcript: 'AI: Hello' }, analysis: { summary: `Call ${i}`, successEvaluation: i % 4 ? 'true' : 'false' }, ...fields };
}

const file = (name, content) => {
  const path = join(product.dir, name);
  writeFileSync(path, content);
  return path;
};
const runImport = (args, options) => product.cli(['import', ...args, '--config', product.configFile, '--json'], options);
const counts = ({ stdout }) => JSON.parse(stdout);
const number = async (query) => (await product.sql(query))[0].n;
const callsLike = (prefix) => number(`select count(*)::int as n from calls where provider_call_id like '${prefix}%'`);

test('D9: an array of calls: times, tools, report are those of the call, and it is analysed', async () => {
  const path = file('calls.json', JSON.stringify([...Array(6).keys()].map((i) => vapiCall(i, { id: `array-${i}` })), null, 2));
  const { code, stdout, stderr } = await runImport([path, '--source', 'main']);
  assert.equal(code, 0, stderr);
  const n = JSON.parse(stdout);
  assert.deepEqual([n.records, n.imported, n.duplicates, n.bad, n.tool_calls, n.tool_results], [6, 6, 0, 0, 2, 2]);
  const [call] = await product.sql(`select * from calls where provider_call_id = 'array-3'`);
  assert.equal(Date.parse(call.started_at), START + 3 * 60000);
  assert.equal(call.duration_ms, 10000);
  assert.equal(call.live, false);
  assert.equal(call.imported, true);
  assert.deepEqual(call.flags.filter((f) => f !== 'imported'), [], 'no clock is off, nothing is late');
  assert.equal(call.ended_class, 'customer');
  assert.equal(call.customer_number, '+14155550003');
  assert.equal(call.report.success_evaluation, 'true');
  assert.equal(call.import_id, n.import);
  const [tool] = await product.sql(`select * from tool_calls where call_id = '${call.id}'`);
  assert.equal(tool.tool, 'book_table');
  assert.deepEqual(tool.arguments, { party: 4 });
  assert.equal(tool.success, true);
  assert.equal(tool.run_by, 'elsewhere');
  assert.equal(await number(`select count(*)::int as n from tool_calls t join calls c on c.id = t.call_id where c.provider_call_id = 'array-0' and not t.success`), 1, 'an error in plain text is a failure');
  // Events lie in the partition of the day of the import.
  assert.equal(await number(`select count(*)::int as n from call_events where call_id = '${call.id}' and arrived_at > now() - interval '1 hour'`),
    await number(`select event_count::int as n from calls where id = '${call.id}'`));
  assert.equal(await number(`select count(*)::int as n from call_events where call_id = '${call.id}' and at > '2026-02-04'`), 0);
  await until('analysed', async () => (await number(`select count(*)::int as n from call_analyses a join calls c on c.id = a.call_id where c.provider_call_id like 'array-%'`)) === 6);
});

test('the same again: duplicates are skipped; so are calls that were followed live', async () => {
  const before = await number('select count(*)::int as n from call_events');
  const copy = file('copy.jsonl', [...Array(6).keys()].map((i) => JSON.stringify(vapiCall(i, { id: `array-${i}` }))).join('\n'));
  assert.deepEqual((({ imported, duplicates, bad }) => ({ imported, duplicates, bad }))(counts(await runImport([copy, '--source', 'main']))), { imported: 0, duplicates: 6, bad: 0 });
  const sim = await world.simulator();
  const live = { message: { type: 'status-update', status: 'in-progress', timestamp: iso(Date.now()), call: { id: 'array-live' } } };
  assert.equal((await product.webhook('main', live)).status, 200);
  await until('stored', async () => (await callsLike('array-live')) === 1);
  const again = file('live.json', JSON.stringify(vapiCall(1, { id: 'array-live' })));
  const { stdout, code } = await runImport([again, '--source', 'main']);
  assert.equal(code, 0);
  assert.equal(JSON.parse(stdout).duplicates, 1);
  assert.equal((await product.sql(`select imported from calls where provider_call_id = 'array-live'`))[0].imported, false);
  assert.ok(sim);
  assert.equal(await number(`select count(*)::int as n from call_events e join calls c on c.id = e.call_id where c.provider_call_id like 'array-_'`), before);
});

test('the same file again does nothing at all', async () => {
  const path = join(product.dir, 'calls.json');
  const n = counts(await runImport([path, '--source', 'main']));
  assert.deepEqual([n.before, n.records, n.imported, n.events], [6, 6, 6, 0]);
});

const KILLS = Number(process.env.IMPORT_KILLS ?? 6);
test('D9: 10,000 records with 1 % damaged, killed again and again, go in exactly once', { timeout: 400000 }, async (t) => {
  const total = 10000;
  const bad = new Map(); // record number -> how
  const lines = [];
  for (let i = 0; i < total; i++) {
    const line = JSON.stringify(vapiCall(i, { id: `many-${i}` }));
    if (i % 100 !== 37) {
      lines.push(line);
      continue;
    }
    const damage = [() => line.slice(0, line.length / 2), () => line.replace('"id"', '"di"'), () => `${line}}`, () => 'null', () => line.replace('"artifact":{', '"artifact":{]')][i / 100 % 5 | 0];
    bad.set(i + 1, damage());
    lines.push(damage());
  }
  const path = file('many.jsonl', lines.join('\n'));
  const args = ['import', path, '--source', 'main', '--config', product.configFile, '--json'];
  const done = () => number(`select coalesce(max(records), 0)::int as n from imports where name like '%many.jsonl'`);
  for (let kill = 1; kill <= KILLS; kill++) {
    const child = spawn(BINARY, args, { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    await until(`part ${kill} is stored`, async () => (await done()) >= (total * kill) / (KILLS + 2), { timeoutMs: 120000, everyMs: 5 });
    child.kill('SIGKILL');
    await ended;
    assert.ok((await done()) < total, 'it was killed before its end');
  }
  const before = await done();
  const began = performance.now();
  const { code, stdout, stderr } = await runImport([path, '--source', 'main']);
  const seconds = (performance.now() - began) / 1000;
  assert.equal(code, 3, stderr);
  const n = JSON.parse(stdout);
  t.diagnostic(`${total - before} records of 6 messages in ${seconds.toFixed(1)} s: ${((total - before) / seconds).toFixed(0)} calls/s`);
  assert.deepEqual([n.records, n.imported, n.duplicates, n.bad], [total, total - bad.size, 0, bad.size]);
  const [row] = await product.sql(`select * from imports where name like '%many.jsonl'`);
  assert.deepEqual([row.state, row.records, row.imported, row.bad, row.mistakes.length], ['done', total, total - bad.size, bad.size, 100]);
  assert.deepEqual(row.mistakes.map((m) => m.record), [...bad.keys()], 'each is named, once');
  assert.ok(row.mistakes.every((m) => m.line === m.record && m.error.length > 5));
  assert.equal(await callsLike('many-'), total - bad.size);
  // Exactly once: as many events as the sessions counted, no sequence twice, every tool call with its result.
  const mine = `from calls c where c.import_id = '${n.import}'`;
  assert.equal(await number(`select count(*)::int as n from call_events e join calls c on c.id = e.call_id where c.import_id = '${n.import}'`), await number(`select sum(event_count)::int as n ${mine}`));
  assert.equal(await number(`select sum(tool_call_count)::int as n ${mine}`), await number(`select count(*)::int as n from tool_calls t join calls c on c.id = t.call_id where c.import_id = '${n.import}' and t.finished_seq is not null`));
  assert.equal(await number(`select count(*)::int as n from quarantine`), 0);
});

test('D9: message lists with tool calls: paired by order, outcome from the reward', async () => {
  const asks = (id, city) => ({ role: 'assistant', content: null, tool_calls: [{ id, type: 'function', function: { name: 'weather', arguments: JSON.stringify({ city }) } }] });
  const runs = [{ task: 1, reward: 1, traj: [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: 'Weather in Rome and Oslo?' }, asks('same', 'Rome'), { role: 'tool', tool_call_id: 'same', name: 'weather', content: 'Sunny' },
    asks('same', 'Oslo'), { role: 'tool', tool_call_id: 'same', name: 'weather', content: 'Error: city unknown' }, { role: 'assistant', content: 'Rome is sunny.' }] },
  { id: 'list-2', started_at: '2026-01-05T12:00:00Z', outcome: 'failed', messages: [{ role: 'user', content: 'Hi' }, { role: 'assistant', content: 'Hello' }] }];
  const path = file('runs.json', JSON.stringify(runs));
  const n = counts(await runImport([path, '--source', 'main']));
  assert.deepEqual([n.imported, n.bad, n.tool_calls, n.tool_results], [2, 0, 2, 2]);
  const tools = await product.sql(`select t.* from tool_calls t join calls c on c.id = t.call_id where c.import_id = '${n.import}' order by t.requested_seq`);
  assert.deepEqual(tools.map((t) => [t.arguments.city, t.result, t.success]), [['Rome', 'Sunny', true], ['Oslo', 'Error: city unknown', false]]);
  const [list] = await product.sql(`select * from calls where provider_call_id = 'list-2'`);
  assert.equal(Date.parse(list.started_at), Date.parse('2026-01-05T12:00:00Z'));
  await until('analysed', async () => (await number(`select count(*)::int as n from call_analyses a join calls c on c.id = a.call_id where c.import_id = '${n.import}'`)) === 2);
  const outcomes = await product.sql(`select a.outcome from call_analyses a join calls c on c.id = a.call_id where c.import_id = '${n.import}' order by a.outcome`);
  assert.deepEqual(outcomes.map((o) => o.outcome), ['failure', 'success']);
});

test('D9: plain transcripts, several in a file, and a folder of them', async () => {
  const folder = join(product.dir, 'transcripts');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'a.txt'), '# id: talk-1\n# started_at: 2026-01-06T09:00:00Z\n[00:01] Agent: Good morning!\n[00:04] Guest: A room\nfor two.\n---\n# id: talk-2\nAgent: Hello\nGuest: Wrong number.\n');
  writeFileSync(join(folder, 'b.txt'), '# id: talk-3\nAgent: Hi\nGuest: Hi\n---\nnobody is speaking here\n');
  const { code, stdout, stderr } = await runImport([folder, '--source', 'main', '--ai-label', 'Agent', '--user-label', 'Guest']);
  assert.equal(code, 3);
  assert.match(stderr, /^bad: record 4, line 5.*nobody's/m);
  assert.deepEqual([JSON.parse(stdout).imported, JSON.parse(stdout).bad], [3, 1]);
  const turns = await product.sql(`select e.speaker, e.text, e.offset_ms from call_events e join calls c on c.id = e.call_id where c.provider_call_id = 'talk-1' and e.type = 'message' order by e.seq`);
  assert.deepEqual(turns.map((e) => [e.speaker, e.text, e.offset_ms]), [['ai', 'Good morning!', 1000], ['user', 'A room for two.', 4000]]);
});

test('recorded webhook bodies one by one: tool calls are history, nothing is sent out', async () => {
  const call = { id: 'recorded-1', createdAt: '2026-01-07T08:00:00Z' };
  const bodies = [{ message: { type: 'assistant-request', timestamp: '2026-01-07T08:00:00Z', call } },
    { message: { type: 'tool-calls', timestamp: '2026-01-07T08:00:20Z', call, toolCallList: [{ id: 't', function: { name: 'book_table', arguments: { party: 2 } } }] } },
    { message: { type: 'status-update', status: 'ended', endedReason: 'customer-ended-call', timestamp: '2026-01-07T08:01:00Z', call } }];
  const paths = bodies.map((b, i) => file(`body-${i}.json`, JSON.stringify(b, null, 2)));
  const { code, stdout, stderr } = await runImport([...paths, '--source', 'main']);
  assert.equal(code, 0, stderr);
  const n = JSON.parse(stdout);
  assert.deepEqual([n.records, n.imported, n.duplicates, n.bad, n.tool_calls], [3, 1, 0, 0, 1]);
  const [row] = await product.sql(`select * from calls where provider_call_id = 'recorded-1'`);
  assert.deepEqual([row.live, row.ended_reason], [false, 'customer-ended-call']);
});

test('stopped by a signal: said, marked, and gone on with', { timeout: 60000 }, async () => {
  const path = file('stopped.jsonl', [...Array(3000).keys()].map((i) => JSON.stringify(vapiCall(i, { id: `stopped-${i}` }))).join('\n'));
  const child = spawn(BINARY, ['import', path, '--source', 'main', '--config', product.configFile], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => { said += text; });
  const ended = new Promise((resolve) => child.on('exit', (code) => resolve(code)));
  await until('some are stored', async () => (await callsLike('stopped-')) > 0);
  child.kill('SIGINT');
  assert.equal(await ended, 1);
  assert.match(said, /stopped; the same command goes on where it stopped/);
  assert.equal((await product.sql(`select state from imports where name like '%stopped.jsonl'`))[0].state, 'failed');
  const n = counts(await runImport([path, '--source', 'main']));
  assert.deepEqual([n.imported, n.duplicates, n.bad], [3000, 0, 0]);
  assert.ok(n.before > 0 && n.before < 3000);
});

test('a finished list may also be posted to a source of the dialect openai', async () => {
  await product.must('POST', '/api/v1/sources', { name: 'lists', dialect: 'openai', project_id: world.project.id, auth: [{ type: 'open' }] });
  const post = (body) => fetch(`${product.url}/in/openai/lists`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const list = { id: 'posted-1', started_at: iso(Date.now() - 60000), messages: [{ role: 'user', content: 'Hello there' }, { role: 'assistant', content: 'Good day' }] };
  await until('the source is known', async () => (await post(list)).status === 200);
  await until('stored', async () => (await product.sql(`select live, imported, message_count from calls where provider_call_id = 'posted-1'`))[0]?.message_count === 2);
  const [call] = await product.sql(`select live, imported, flags from calls where provider_call_id = 'posted-1'`);
  assert.deepEqual([call.live, call.imported], [false, false]);
  assert.equal((await post({ id: 'posted-2', messages: [] })).status, 400);
});

test('refusals: no source, no file, no format; a dry run stores nothing and needs no source', async () => {
  const good = join(product.dir, 'calls.json');
  const cases = [[[good], 2, /--source NAME/], [[good, '--source', 'nowhere'], 1, /no source nowhere/], [['/nonexistent', '--source', 'main'], 1, /No such file/],
    [[good, '--source', 'main', '--format', 'xml'], 2, /no format `xml`/], [['--source', 'main'], 2, /which FILE/], [['--pull'], 2, /--source NAME/],
    [['--pull', '--source', 'main'], 1, /no private key/], [['--pull', '--source', 'main', '--since', 'soon'], 2, /--since/]];
  for (const [args, status, message] of cases) {
    const { code, stderr } = await runImport(args);
    assert.equal(code, status, `${args}: ${stderr}`);
    assert.match(stderr, message);
  }
  const before = await number('select count(*)::int as n from calls');
  const fresh = file('fresh.json', JSON.stringify([vapiCall(1, { id: 'fresh-1' }), vapiCall(2, { id: 'fresh-1' }), { hello: 1 }]));
  const { code, stdout } = await runImport([fresh, '--dry-run']);
  assert.equal(code, 3);
  assert.deepEqual((({ imported, duplicates, bad }) => [imported, duplicates, bad])(JSON.parse(stdout)), [1, 1, 1]);
  assert.equal(await number('select count(*)::int as n from calls'), before);
});

// The provider's list of calls: no pages, no order, refuses at times.
async function provider(calls) {
  const asked = [];
  let refuse = 2;
  const gate = { passed: Promise.resolve(), open() {}, shut() { gate.passed = new Promise((resolve) => { gate.open = resolve; }); } };
  const server = http.createServer(async (request, response) => {
    await gate.passed;
    const url = new URL(request.url, 'http://x');
    const answer = (status, body, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    if (request.headers.authorization !== 'Bearer sesame')
      return answer(401, { message: 'no' });
    if (refuse-- > 0)
      return answer(429, { message: 'slow down' }, { 'retry-after': '0' });
    asked.push(url.search);
    const from = Date.parse(url.searchParams.get('createdAtGe')), to = Date.parse(url.searchParams.get('createdAtLt'));
    const found = calls.filter((c) => Date.parse(c.createdAt) >= from && Date.parse(c.createdAt) < to).sort((a, b) => (a.id < b.id ? -1 : 1));
    return answer(200, found.slice(0, Number(url.searchParams.get('limit'))));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, asked, gate, close: () => server.close() };
}

test('D9: finished calls are pulled from the provider window by window, by hand and by the API', { timeout: 120000 }, async () => {
  const calls = [...Array(450).keys()].map((i) => vapiCall(i, { id: `pulled-${i}` }));
  calls.push(vapiCall(460, { id: 'pulled-running', status: 'in-progress', endedAt: undefined, endedReason: undefined }));
  const api = await provider(calls);
  try {
    await world.addSource('puller', { api_base: api.url, private_key: product.secret('vapi-key', 'sesame') });
    const window = ['--since', '2026-02-03T00:00:00Z', '--until', '2026-02-05T00:00:00Z', '--rate', '6000'];
    const { code, stdout, stderr } = await runImport(['--pull', '--source', 'puller', ...window]);
    assert.equal(code, 0, stderr);
    const n = JSON.parse(stdout);
    assert.deepEqual([n.imported, n.duplicates, n.bad, n.skipped], [450, 0, 0, 1]);
    assert.ok(api.asked.length > 5, 'a window with more than a page was halved');
    assert.equal(await callsLike('pulled-'), 450);

    calls.at(-1).status = 'ended';
    Object.assign(calls.at(-1), { endedAt: calls.at(-1).updatedAt, endedReason: 'customer-ended-call' });
    const source = (await product.must('GET', '/api/v1/sources')).sources.find((s) => s.name === 'puller');
    api.gate.shut();
    const asked = await product.api('POST', `/api/v1/sources/${source.id}/pull?since=2026-02-03T17:00:00Z&until=2026-02-04T00:00:00Z&rate=6000`);
    assert.equal(asked.status, 202, JSON.stringify(asked.body));
    assert.deepEqual([asked.body.kind, asked.body.key], ['pull', source.id]);
    await until('it runs', async () => (await product.sql(`select 1 from jobs where kind = 'pull' and state = 'running'`)).length === 1);
    assert.equal((await product.api('POST', `/api/v1/sources/${source.id}/pull`)).status, 409, 'one at a time');
    api.gate.open();
    const two = await until('pulled', async () => {
      const { imports } = await product.must('GET', `/api/v1/sources/${source.id}/imports`);
      return imports.length === 2 && imports.every((i) => i.state === 'done') ? imports : null;
    }, { timeoutMs: 60000 });
    assert.deepEqual([two[0].imported, two[0].skipped, two[0].bad], [1, 0, 0]);
    assert.ok(two[0].duplicates > 0);
    assert.equal(await callsLike('pulled-running'), 1);
    assert.equal((await product.sql(`select * from jobs where kind = 'pull'`)).length, 0, 'the job is done');
    const keyless = (await product.must('GET', '/api/v1/sources')).sources.find((s) => s.name === 'main');
    assert.equal((await product.api('POST', `/api/v1/sources/${keyless.id}/pull`)).status, 409);
    assert.equal((await product.api('POST', '/api/v1/sources/00000000-0000-7000-8000-00000000dead/pull')).status, 404);
  } finally {
    api.close();
  }
});

test('a pull without a time goes on where the pulls have no gap, and never from the future', { timeout: 60000 }, async () => {
  const api = await provider([]);
  try {
    await world.addSource('gaps', { api_base: api.url, private_key: product.secret('vapi-key', 'sesame') });
    const pull = async (...times) => {
      api.asked.length = 0;
      const { code, stderr } = await runImport(['--pull', '--source', 'gaps', '--rate', '60000', ...times]);
      assert.equal(code, 0, stderr);
      return (Date.now() - Date.parse(new URLSearchParams(api.asked[0]).get('createdAtGe'))) / 3600000; // hours ago
    };
    const near = (hours, wanted) => assert.ok(Math.abs(hours - wanted) < 0.5, `began ${hours} hours ago, not ${wanted}`);
    near(await pull('--since', '5d', '--until', '3d'), 120);
    near(await pull('--since', '1h', '--until', '2099-01-01T00:00:00Z'), 1);
    assert.ok((await number(`select count(*)::int as n from imports where until > now()`)) === 0, 'nothing is pulled before it is');
    near(await pull(), 96); // the narrow one hides nothing: a day before the end of the first
    near(await pull(), 24); // all is there now
  } finally {
    api.close();
  }
});

test('a refused key is said and not tried again', async () => {
  const api = await provider([]);
  try {
    await world.addSource('refused', { api_base: api.url, private_key: product.secret('wrong-key', 'wrong') });
    const { code, stderr } = await runImport(['--pull', '--source', 'refused', '--since', '1d']);
    assert.equal(code, 1);
    assert.match(stderr, /refuses the private key \(HTTP 401\)/);
    assert.doesNotMatch(stderr, /wrong/);
    const source = (await product.must('GET', '/api/v1/sources')).sources.find((s) => s.name === 'refused');
    const { imports } = await product.must('GET', `/api/v1/sources/${source.id}/imports`);
    assert.deepEqual(imports.map((i) => [i.name, i.state, i.records]), [['pull', 'failed', 0]]);
    assert.equal((await product.api('POST', `/api/v1/sources/${source.id}/pull?since=2026-02-03T00:00:00Z`)).status, 202);
    await until('given up at once', async () => (await product.sql(`select state from jobs where kind = 'pull'`))[0]?.state === 'dead');
    assert.match((await product.sql(`select error from jobs where kind = 'pull'`))[0].error, /refuses the private key/);
  } finally {
    api.close();
  }
});

// What is exported is what is stored: calls, analyses and events, as JSON lines and CSV.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { World } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';

const CALLS = 450; // more than two pages
const ODD = 'said "no",\nthen\r\nyes, ünïcode';
let world, product;
const iso = (ms) => new Date(ms).toISOString();
const call = (i, fields = {}) => {
  const at = Date.parse('2026-02-03T10:00:00Z') + (i % 100) * 1000; // several begin at once: the id decides
  return { id: `out-${i}`, orgId: 'org', status: 'ended', startedAt: iso(at), endedAt: iso(at + 9000), endedReason: 'customer-ended-call', customer: { number: `+1415${i}` },
    artifact: { messages: [{ role: 'bot', message: 'Hello', time: at + 1000 }, { role: 'user', message: `Number ${i}`, time: at + 3000 }] }, ...fields };
};
const run = (args) => product.cli([...args, '--config', product.configFile]);
const number = async (query) => (await product.sql(query))[0].n;
const lines = ({ stdout }) => stdout.trimEnd().split('\n').filter(Boolean).map((l) => JSON.parse(l));

before(async () => {
  world = await World.start({ tools: false });
  product = world.product;
  const path = join(product.dir, 'calls.jsonl');
  const odd = call(0, { id: 'odd-1', startedAt: '2025-05-05T05:05:05Z', createdAt: '2025-05-05T05:05:00Z', endedAt: '2025-05-05T05:06:00Z', artifact: { messages: [] }, analysis: { summary: ODD } });
  writeFileSync(path, [odd, ...[...Array(CALLS).keys()].map((i) => call(i))].map((c) => JSON.stringify(c)).join('\n'));
  const { code, stderr } = await run(['import', path, '--source', 'main']);
  assert.equal(code, 0, stderr);
  await until('all are analysed', async () => (await number('select count(*)::int as n from call_analyses')) === CALLS + 1, { timeoutMs: 60000 });
});
after(() => world?.end());

// RFC 4180, enough of it to read back what was written.
function readCsv(text) {
  const rows = [[]];
  for (const [, quoted, plain, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r\n|$)/g)) {
    rows.at(-1).push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === '')
      break;
    if (end === '\r\n')
      rows.push([]);
  }
  return rows.filter((r) => r.length > 1);
}

test('calls as JSON lines: each once, oldest first', async () => {
  const rows = lines(await run(['export', 'calls']));
  assert.equal(rows.length, CALLS + 1);
  assert.equal(new Set(rows.map((r) => r.id)).size, rows.length);
  assert.ok(rows.every((r, i) => i === 0 || rows[i - 1].started_at < r.started_at || (rows[i - 1].started_at === r.started_at && rows[i - 1].id < r.id)));
  assert.deepEqual([rows[0].provider_call_id, rows[0].summary, rows[0].source, rows[0].project, rows[0].imported], ['odd-1', ODD, 'main', 'Sakura Table', true]);
});

test('filters: project by name or id, from and to', async () => {
  assert.equal(lines(await run(['export', 'calls', '--project', world.project.id])).length, CALLS + 1);
  assert.equal(lines(await run(['export', 'calls', '--from', '2026-01-01T00:00:00Z', '--project', 'Sakura Table'])).length, CALLS);
  assert.equal((await run(['export', 'calls', '--project', 'no such'])).stdout, '');
});

test('where there are several organisations one is named, or a project; a project name that several have is refused, and their ids are named', async () => {
  const output = join(product.dir, 'kept.jsonl');
  writeFileSync(output, 'as it was');
  const other = '01890000-0000-7000-8000-0000000000aa';
  await product.exec(`insert into organisations (id, name) values ('${other}', 'Others')`);
  const id = '01890000-0000-7000-8000-0000000000ab';
  await product.exec(`insert into projects (id, org_id, name) values ('${id}', '${other}', 'Sakura Table')`);
  for (const what of ['calls', 'analyses', 'events']) {
    const { code, stdout, stderr } = await run(['export', what, '--project', 'Sakura Table', '--output', output]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /several projects are called Sakura Table; say the id/);
    assert.ok(stderr.includes(id) && stderr.includes(world.project.id), stderr);
  }
  assert.equal(readFileSync(output, 'utf8'), 'as it was');
  assert.equal(lines(await run(['export', 'calls', '--project', world.project.id])).length, CALLS + 1);
  assert.equal((await run(['export', 'calls', '--project', id])).stdout, '');
  const ours = (await product.sql(`select name from organisations where id <> '${other}'`))[0].name;
  for (const what of ['calls', 'analyses', 'events']) {
    const { code, stdout, stderr } = await run(['export', what, '--output', output]);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /several organisations; say --org/);
    assert.ok(stderr.includes('Others') && stderr.includes(ours), stderr);
    const unknown = await run(['export', what, '--org', 'Nobody']);
    assert.deepEqual([unknown.code, unknown.stdout], [1, '']);
    assert.match(unknown.stderr, /there is no organisation Nobody/);
    assert.equal((await run(['export', what, '--org', 'Others'])).stdout, '');
    assert.equal((await run(['export', what, '--org', other, '--project', 'Sakura Table'])).stdout, '', 'their project of that name');
  }
  assert.equal(readFileSync(output, 'utf8'), 'as it was');
  assert.equal(lines(await run(['export', 'calls', '--org', ours])).length, CALLS + 1);
  assert.equal(lines(await run(['export', 'analyses', '--org', ours, '--project', 'Sakura Table'])).length, CALLS + 1);
  await product.exec(`delete from projects where id = '${id}'`);
  await product.exec(`delete from organisations where id = '${other}'`);
});

test('CSV: what needs quotes has them, the head names the columns', async () => {
  const { stdout } = await run(['export', 'calls', '--format', 'csv', '--to', '2025-06-01T00:00:00Z']);
  const csv = readCsv(stdout);
  const cell = (name) => csv[1][csv[0].indexOf(name)];
  assert.equal(csv.length, 2);
  assert.equal(csv[0].length, csv[1].length);
  assert.deepEqual([cell('provider_call_id'), cell('summary'), cell('duration_ms'), cell('cost'), cell('flags')], ['odd-1', ODD, '55000', '', '["imported"]']);
  assert.ok(stdout.endsWith('\r\n'));
});

test('analyses, to a file', async () => {
  const out = join(product.dir, 'analyses.csv');
  const { code, stdout, stderr } = await run(['export', 'analyses', '--format', 'csv', '--output', out]);
  assert.deepEqual([code, stdout], [0, '']);
  assert.match(stderr, new RegExp(`^${CALLS + 1} rows$`, 'm'));
  assert.equal(readCsv(readFileSync(out, 'utf8')).length, CALLS + 2);
  const rows = lines(await run(['export', 'analyses', '--to', '2025-06-01T00:00:00Z']));
  assert.deepEqual([rows.length, typeof rows[0].doc, Array.isArray(rows[0].tags)], [1, 'object', true]);
});

test('events: those of each call in order', async () => {
  const events = lines(await run(['export', 'events']));
  assert.equal(events.length, await number('select count(*)::int as n from call_events'));
  const last = new Map();
  for (const e of events) {
    assert.ok((last.get(e.call_id) ?? -1) < e.seq);
    last.set(e.call_id, e.seq);
  }
  assert.equal(last.size, CALLS + 1);
});

test('refusals', async () => {
  for (const [args, code, message] of [[['people'], 2, /cannot export `people`/], [['calls', '--format', 'xml'], 2, /jsonl or csv/], [['calls', '--from', 'yesterday'], 2, /--from, --to/],
    [['calls', '--output', '/nonexistent/x'], 1, /No such file/]]) {
    const refused = await run(['export', ...args]);
    assert.equal(refused.code, code);
    assert.match(refused.stderr, message);
  }
});

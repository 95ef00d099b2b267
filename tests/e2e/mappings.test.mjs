// B2-B5: a failing search, its correction by a person, the review, and the rewritten search that succeeds.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import { World, message } from './lib/world.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { readBody } from '../../tools/vapi-sim/lib/server.mjs';

// A shop that knows its products by one name each.
class Shop {
  searches = [];
  server = http.createServer(async (request, response) => {
    const { query } = JSON.parse((await readBody(request)).toString());
    this.searches.push(query);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ products: query === 'noodle soup' || query === 'dumplings' ? [{ name: query }] : [] }));
  });

  async listen() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}/search`;
    return this;
  }
}

const shop = new Shop();
let world;
const w = () => world;
before(async () => {
  await shop.listen();
  world = await World.start({ tools: false });
  await w().addTool('search_products', { url: shop.url, success: { empty_path: 'products' }, search_argument: 'query' });
  await until('the tool is served', async () => (await search('probe').then(() => shop.searches.includes('probe'))));
});
after(async () => {
  await world?.end();
  shop.server.closeAllConnections();
  await new Promise((resolve) => shop.server.close(resolve));
});

const MAPPINGS = '/api/v1/vapi/mappings';
let n = 0;

async function search(query, call = `search-${++n}`, id = 'call_1') {
  const response = await w().product.webhook('main', message('tool-calls', call, {
    toolCallList: [{ id, type: 'function', function: { name: 'search_products', arguments: { query } } }] }));
  assert.equal(response.status, 200);
  const { results } = await response.json();
  return { ...results[0], call };
}

const stored = (call) => until(`the tool call of ${call} is stored`, async () => (await w().product.sql(`select t.* from tool_calls t
  join calls c on c.id = t.call_id where c.provider_call_id = '${call}' and t.success is not null`))[0]);
const mapping = (id) => w().product.must('GET', `${MAPPINGS}/${id}`);
const review = (id, approved, options) => w().product.api('PUT', `${MAPPINGS}/${id}/review`, { approved }, options);

// Until a search for `said` reaches the shop as `becomes`.
const rewritten = (said, becomes) => until(`"${said}" is searched as "${becomes}"`, async () => {
  const answer = await search(said);
  return shop.searches.at(-1) === becomes && answer;
});

let learned;

test('the correction of a search proposes a mapping, which is not in use', async () => {
  const failed = await stored((await search('Ramen!')).call);
  assert.equal(failed.success, false);
  const judged = await w().product.must('PATCH', `/api/v1/tool-calls/${failed.id}`, { correction: { arguments: { query: 'noodle soup' } } });
  assert.ok(judged.proposed_mapping);
  learned = await mapping(judged.proposed_mapping);
  assert.equal(learned.search_term, 'ramen');
  assert.deepEqual(learned.mapped_terms, ['noodle soup']);
  assert.equal(learned.source, 'auto_learned');
  assert.equal(learned.active, false);
  assert.equal(learned.approved, null);
  assert.equal(learned.confidence, 0.5);
  assert.equal(learned.learned_from_tool_call, failed.id);
  const { notifications } = await w().product.must('GET', '/api/v1/notifications');
  assert.ok(notifications.some((x) => x.type === 'mapping_proposed' && x.metadata.mappingId === learned.id));
  const activities = JSON.stringify(await w().product.must('GET', '/api/v1/activities'));
  assert.ok(activities.includes('mapping.proposed') && activities.includes(learned.id));
  await search('ramen');
  assert.equal(shop.searches.at(-1), 'ramen', 'never before a person has reviewed it');
  const again = await w().product.must('PATCH', `/api/v1/tool-calls/${failed.id}`, { correction: { arguments: { query: 'Noodle  soup' } } });
  assert.equal(again.proposed_mapping, null, 'the same is not proposed twice');
});

test('corrections from which nothing can be learned', async () => {
  const failed = await stored((await search('udon')).call);
  for (const correction of [{ mapped_terms: ['x'] }, { arguments: {} }, { arguments: { query: 'UDON' } }, { arguments: { query: '!!' } }])
    assert.equal((await w().product.must('PATCH', `/api/v1/tool-calls/${failed.id}`, { correction })).proposed_mapping ?? null, null, JSON.stringify(correction));
});

test('approved by a manager it rewrites the search at call time, visibly, and is counted', async () => {
  const supervisor = await w().product.makeToken('supervisor', 'sue');
  assert.equal((await review(learned.id, true, { token: supervisor })).status, 403);
  assert.equal((await mapping(learned.id)).active, false);
  const { status, body } = await review(learned.id, true);
  assert.equal(status, 200);
  assert.equal(body.active, true);
  assert.equal(body.approved, true);
  assert.match(body.reviewed_by, /^token:/);
  const answer = await rewritten('RAMEN', 'noodle soup');
  assert.ok(answer.result.includes('noodle soup'));
  const row = await stored(answer.call);
  assert.equal(row.success, true);
  assert.equal(row.mapping_id, learned.id);
  assert.deepEqual(row.arguments, { query: 'noodle soup' });
  assert.deepEqual(row.arguments_before, { query: 'RAMEN' });
  const [event] = await w().events(answer.call, 'tool.finished');
  assert.deepEqual(event.data.rewritten, { mapping_id: learned.id, argument: 'query', from: 'RAMEN', to: 'noodle soup' });
  const used = await until('it is counted', async () => {
    const m = await mapping(learned.id);
    return m.times_used > 0 && m;
  });
  assert.equal(used.times_successful, used.times_used);
  assert.equal(used.confidence, Number(((1 + used.times_successful) / (2 + used.times_used)).toFixed(4)));
  const tool = await w().product.must('GET', `/api/v1/tool-calls/${row.id}`);
  assert.equal(tool.mapping_id, learned.id);
});

test('one mapping in use per term: the conflict names the other', async () => {
  const other = await w().product.must('POST', MAPPINGS, { search_term: 'ramen', mapped_terms: ['dumplings', 'gyoza'], source: 'manual' });
  assert.equal(other.active, false);
  const refused = await review(other.id, true);
  assert.equal(refused.status, 409);
  assert.ok(refused.body.detail.includes(learned.id), refused.body.detail);
  await w().product.must('POST', `${MAPPINGS}/${learned.id}/deactivate`);
  assert.equal((await mapping(learned.id)).active, false);
  assert.equal((await review(other.id, true)).body.active, true);
  await rewritten('ramen', 'dumplings');
  assert.equal((await review(other.id, false)).body.active, false);
  await rewritten('ramen', 'ramen');
  assert.equal((await w().product.api('POST', MAPPINGS, { search_term: 'x y', mapped_terms: ['z'] })).status, 201);
  assert.equal((await w().product.api('POST', MAPPINGS, { search_term: 'X-Y', mapped_terms: ['z'] })).status, 409, 'it says the same');
});

test('what is no mapping is refused by name', async () => {
  const cases = [[{ mapped_terms: ['a'] }, /search_term/], [{ search_term: '?!', mapped_terms: ['a'] }, /search_term/], [{ search_term: 'a' }, /mapped_terms/],
    [{ search_term: 'a', mapped_terms: [] }, /mapped_terms/], [{ search_term: 'a', mapped_terms: ['A.'] }, /mapped_terms\[0\]/],
    [{ search_term: 'a', mapped_terms: ['b', 1] }, /mapped_terms\[1\]/], [{ search_term: 'a', mapped_terms: ['b', '--'] }, /mapped_terms/],
    [{ search_term: 'a', mapped_terms: Array(21).fill('b') }, /mapped_terms/], [{ search_term: 'a', mapped_terms: ['b'], source: 'rumour' }, /source/],
    [{ search_term: 'a', mapped_terms: ['b'], active: true }, /active/], [{ search_term: 'a', mapped_terms: ['b'], project_id: '01890000-0000-7000-8000-000000000000' }, /project_id/]];
  for (const [body, what] of cases) {
    const answer = await w().product.api('POST', MAPPINGS, body);
    assert.equal(answer.status, 422, JSON.stringify(body));
    assert.match(JSON.stringify(answer.body), what);
  }
  assert.equal((await w().product.api('GET', `${MAPPINGS}/01890000-0000-7000-8000-000000000000`)).status, 404);
  assert.equal((await review('01890000-0000-7000-8000-000000000000', true)).status, 404);
  assert.equal((await w().product.api('PUT', `${MAPPINGS}/${learned.id}/review`, {})).status, 422);
  assert.equal((await w().product.api('PUT', `${MAPPINGS}/${learned.id}/review`, { approved: 'yes' })).status, 422);
});

test('lists by term, use and review', async () => {
  const ids = async (query) => (await w().product.must('GET', `${MAPPINGS}?${query}`)).mappings.map((m) => m.id);
  assert.ok((await ids('search_term=Ramen!')).includes(learned.id));
  assert.deepEqual(await ids('active=true'), []);
  assert.ok(!(await ids('reviewed=false')).includes(learned.id));
  assert.deepEqual(await ids('source=auto_learned'), [learned.id]);
  const first = await w().product.must('GET', `${MAPPINGS}?limit=1`);
  assert.equal(first.mappings.length, 1);
  const second = await w().product.must('GET', `${MAPPINGS}?limit=1&cursor=${first.next_cursor}`);
  assert.notEqual(second.mappings[0].id, first.mappings[0].id);
});

test('with more than one project the body must say which', async () => {
  await w().product.must('POST', '/api/v1/projects', { name: 'Another' });
  assert.equal((await w().product.api('POST', MAPPINGS, { search_term: 'pho', mapped_terms: ['noodle soup'] })).status, 422);
  assert.equal((await w().product.api('POST', MAPPINGS, { search_term: 'pho', mapped_terms: ['noodle soup'], project_id: w().project.id })).status, 201);
});

test('failing searches are grouped when their calls have ended, and B5 is told', async () => {
  for (const call of ['lost-1', 'lost-2']) {
    await w().product.webhook('main', message('status-update', call, { status: 'in-progress' }));
    await w().product.webhook('main', message('transcript', call, { role: 'user', transcriptType: 'final', transcript: 'Do you have tonkotsu?' }));
    await search('Tonkotsu', call);
    await w().product.webhook('main', message('end-of-call-report', call, { endedReason: 'customer-ended-call', durationMs: 60000, artifact: {} }));
  }
  const found = await until('the analyst has seen them', async () => {
    const { searches } = await w().product.must('GET', '/api/v1/vapi/failed-searches?unmapped=true&at_least=2');
    return searches.find((s) => s.term === 'tonkotsu' && s.count === 2);
  }, { timeoutMs: 30000 });
  assert.equal(found.tool, 'search_products');
  assert.equal(found.found_nothing, 2);
  assert.equal(found.contexts.length, 2);
  assert.equal(found.contexts[0].query, 'Tonkotsu');
  assert.equal(found.mapping, null);
  const kpi = await w().product.must('GET', '/api/v1/vapi/analytics/learnings');
  assert.equal(kpi.learned, 1);
  assert.equal(kpi.weeks.reduce((sum, week) => sum + week.learned, 0), 1);
  assert.ok(kpi.accuracy.used >= 1 && kpi.accuracy.rate === kpi.accuracy.successful / kpi.accuracy.used);
  assert.equal(kpi.accuracy.met, kpi.accuracy.rate > 0.8);
  assert.ok(kpi.still_failing.some((s) => s.term === 'tonkotsu' && s.count === 2));
  assert.equal(kpi.found_nothing.before.searches, 0);
  assert.equal(kpi.found_nothing.before.rate, null);
  assert.ok(kpi.found_nothing.after.found_nothing >= 2);
  assert.equal((await w().product.api('GET', '/api/v1/vapi/analytics/learnings?from=yesterday')).status, 400);
});

// Outgoing https:// against servers with certificates of a CA made here (tls.ca_file): trusted, of a stranger's CA, for another host. What is refused is
// refused before a byte of the request has left, and says why.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { World, message } from './lib/world.mjs';
import { Changing, ORG } from './lib/suggestions.mjs';
import { ModelServer } from '../../tools/model-sim/model.mjs';
import { BINARY, Product } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

const dir = mkdtempSync('/tmp/callmend-tls-');
const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });

function makeCa(name) {
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-keyout', `${name}.key`, '-out', `${name}.pem`);
}

function makeCertificate(ca, name, host) {
  writeFileSync(join(dir, `${name}.ext`), `subjectAltName=DNS:${host}\n`);
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', `/CN=${host}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
  openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.pem`);
}

// Answers everything, remembers what came.
async function serve(name) {
  const seen = [], refused = [];
  const server = https.createServer({ key: readFileSync(join(dir, `${name}.key`)), cert: readFileSync(join(dir, `${name}.pem`)) }, (request, response) => {
    let body = '';
    request.on('data', (part) => (body += part)).on('end', () => {
      seen.push({ method: request.method, path: request.url, body });
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(ANSWERS[request.url.split(/[/?]/)[1]] ?? { ok: true }));
    });
  });
  server.on('tlsClientError', (error) => refused.push(error.code));
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  return { url: `https://localhost:${server.address().port}`, seen, refused, close: () => (server.closeAllConnections(), server.close()) };
}

// The same in front of a server that speaks http.
async function front(name, target) {
  let opened = 0;
  const server = https.createServer({ key: readFileSync(join(dir, `${name}.key`)), cert: readFileSync(join(dir, `${name}.pem`)) }, (request, response) => {
    const on = http.request(target + request.url, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    opened++;
    request.pipe(on);
  });
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  fronts.push(server);
  return { url: `https://localhost:${server.address().port}`, opened: () => opened };
}

const fronts = [];
const ANSWERS = {
  call: [],
  tool: { table: 'by the window' },
  assistant: { id: 'as-1', name: 'Ava', model: { provider: 'openai', model: 'gpt-4o', messages: [{ role: 'system', content: 'p' }] } },
};
const servers = {};
let world, model;

before(async () => {
  makeCa('ours');
  makeCa('stranger');
  makeCertificate('ours', 'good', 'localhost');
  makeCertificate('stranger', 'foreign', 'localhost');
  makeCertificate('ours', 'elsewhere', 'calls.example.com');
  for (const name of ['good', 'foreign', 'elsewhere'])
    servers[name] = await serve(name);
  model = await new ModelServer(['good']).listen();
  world = await World.start({ config: { tls: { ca_file: join(dir, 'ours.pem') }, model: { url: (await front('good', new URL(model.url).origin)).url + new URL(model.url).pathname, name: 'sim-1' } }, tools: false });
});
after(async () => {
  await world?.end();
  Object.values(servers).forEach((server) => server.close());
  fronts.forEach((server) => (server.closeAllConnections(), server.close()));
  await model?.close();
  rmSync(dir, { recursive: true, force: true });
});

let calls = 0;
async function callTool(name) {
  const call = `tls-${++calls}`;
  const response = await world.product.webhook('main', message('tool-calls', call, { toolCallList: [{ id: 'c', name, arguments: {} }] }));
  assert.equal(response.status, 200);
  const row = await until('the tool call is stored', async () => (await world.product.sql(`select t.* from tool_calls t join calls c on c.id = t.call_id
    where c.provider_call_id = '${call}' and t.success is not null`))[0]);
  return { answer: JSON.stringify(await response.json()), row };
}

// Its first run once the node knows it: nobody else speaks of the address.
async function tool(name, url) {
  await world.addTool(name, { url, fallback: 'Not now.' });
  return until('the tool is known', async () => {
    const done = await callTool(name);
    return (done.row.success || done.answer.includes('Not now.')) && done;
  });
}

test('a certificate of the configured CA, for this host: the tool runs', async () => {
  const { answer, row } = await tool('good', `${servers.good.url}/tool`);
  assert.match(answer, /by the window/);
  assert.equal(row.success, true);
  assert.equal(servers.good.seen.filter((r) => r.path === '/tool').length >= 1, true);
});

test('a certificate of a CA that nobody trusts: refused, nothing sent, the reason is told', async () => {
  const { answer, row } = await tool('foreign', `${servers.foreign.url}/tool`);
  assert.match(answer, /Not now\./);
  assert.equal(row.success, false);
  assert.match(row.error, /certificate/i);
  assert.deepEqual(servers.foreign.seen, []);
});

test('a certificate for another host: refused, nothing sent, the reason is told', async () => {
  const { answer, row } = await tool('elsewhere', `${servers.elsewhere.url}/tool`);
  assert.match(answer, /Not now\./);
  assert.equal(row.success, false);
  assert.match(row.error, /certificate.*localhost|localhost.*certificate/i);
  assert.deepEqual(servers.elsewhere.seen, []);
});

test('control URLs, upstreams and the provider\'s API the same way', async () => {
  const { product } = world;
  await world.addSource('up', { upstream_url: `${servers.good.url}/upstream`, upstream_timeout_ms: 5000, private_key: product.secret('pk', 'pk-1'),
    assistant_mode: 'fetch', assistant_id: 'as-1', api_base: servers.good.url });
  await product.webhook('up', message('hang', 'tls-up'));
  await until('the upstream has it', () => servers.good.seen.some((r) => r.path === '/upstream' && r.body.includes('tls-up')));
  await until('the assistant is fetched', () => servers.good.seen.some((r) => r.method === 'GET' && r.path === '/assistant/as-1'));
  for (const [name, state] of [['good', 'accepted'], ['foreign', 'rejected']]) {
    const body = message('status-update', `tls-${name}`, { status: 'in-progress' });
    body.message.call.monitor = { controlUrl: `${servers[name].url}/control` };
    assert.equal((await product.webhook('main', body)).status, 200);
    const answer = await until('the call is known', async () => {
      const a = await product.api('POST', `/api/v1/calls/tls-${name}/commands`, { verb: 'say', text: 'One moment.' });
      return a.status !== 404 && a;
    });
    if (state === 'accepted') {
      assert.equal(answer.body.state, 'accepted', JSON.stringify(answer.body));
      assert.ok(servers.good.seen.some((r) => r.path === '/control' && r.body.includes('One moment.')));
    } else {
      assert.notEqual(answer.body.state, 'accepted');
      assert.match(JSON.stringify(answer.body), /certificate/i);
      assert.deepEqual(servers.foreign.seen, []);
    }
  }
});

test('what is asked for and waited for (here: pulled) the same way', async () => {
  const { product } = world;
  const pull = (name) => ['import', '--pull', '--source', name, '--since', '1h', '--config', product.configFile];
  for (const name of ['good', 'foreign'])
    await world.addSource(`pull-${name}`, { api_base: servers[name].url, private_key: product.secret('pk', 'pk-1') });
  const good = await product.cli(pull('pull-good'));
  assert.equal(good.code, 0, good.stderr);
  assert.ok(servers.good.seen.some((r) => r.path.startsWith('/call?')));
  const before = servers.foreign.refused.length;
  const child = spawn(BINARY, pull('pull-foreign'), { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.on('exit', resolve));
  await until('a stranger is not trusted', () => servers.foreign.refused.length > before);
  child.kill('SIGINT'); // else it would try again for minutes
  assert.equal(await ended, 1);
  assert.deepEqual(servers.foreign.seen, []);
});

test('the PATCH of an assistant the same way', async () => {
  for (const name of ['good', 'foreign']) {
    const c = await Changing.start(world, { name: `apply-${name}` });
    let way;
    await c.patched({ through: async (url) => (way = await front(name, url)).url });
    const id = await c.suggest();
    await c.accept(id);
    if (name === 'good') {
      await c.applied(id);
      assert.equal(c.patches().length, 1);
      assert.ok(way.opened() > 0);
    } else {
      const failed = await c.until(id, 'failed', (s) => s.applyError);
      assert.match(failed.applyError, /certificate/i);
      assert.equal(way.opened(), 0);
    }
  }
});

test('outbound webhooks the same way', async () => {
  const { product } = world;
  const secret = product.secret('hook', `whsec_${Buffer.alloc(24, 7).toString('base64')}`);
  const ends = {};
  for (const name of ['good', 'foreign'])
    ends[name] = await product.must('POST', '/api/v1/webhook-endpoints', { url: `${servers[name].url}/hook`, secret, types: ['tool_failure'] });
  await product.exec(`select callmend_notify('${ORG}', null, 'tool_failure', 'told', 'look', 'high', null, '{}')`);
  const tried = (e) => until('it was tried', async () => (await product.must('GET', `/api/v1/webhook-endpoints/${e.id}/deliveries`)).deliveries.find((d) => d.attempts > 0));
  assert.equal((await tried(ends.good)).state, 'delivered');
  assert.equal(servers.good.seen.filter((r) => r.path === '/hook').length, 1);
  assert.match((await tried(ends.foreign)).last_error, /certificate/i);
  assert.deepEqual(servers.foreign.seen, []);
  for (const e of Object.values(ends))
    await product.must('DELETE', `/api/v1/webhook-endpoints/${e.id}`);
});

test('the model the same way', async () => {
  const { product } = world;
  const suggested = async (name) => {
    const c = await Changing.start(world, { name });
    await product.exec(`insert into issues (org_id, project_id, cause, subject, title, evidence)
      values ('${ORG}', '${c.project.id}', 'best_practice', 'one_question', 'Ask one question at a time', '{"eligible": 40, "events": 36, "rate": 90, "quotes": []}')`);
    const [{ id }] = await product.sql(`select id from issues where project_id = '${c.project.id}'`);
    await product.must('POST', `${c.root}/generate`, { issueId: id });
    return until('a suggestion', async () => (await product.must('GET', c.root)).suggestions[0], { timeoutMs: 30000 });
  };
  assert.equal((await suggested('model-good')).generatedBy, 'sim-1');
  const asked = model.requests.length;
  assert.ok(asked > 0);
  const foreign = await front('foreign', new URL(model.url).origin);
  await product.stop();
  product.config.model.url = foreign.url + new URL(model.url).pathname;
  await product.launch();
  const s = await suggested('model-foreign');
  assert.equal(s.generatedBy, 'rules');
  assert.match(s.modelUsage.fallback, /certificate/i);
  assert.deepEqual([model.requests.length, foreign.opened()], [asked, 0]);
});

test('a CA file that is missing or holds no certificate stops the start and is named', async () => {
  writeFileSync(join(dir, 'empty.pem'), 'no certificate here\n');
  for (const [file, reason] of [['nowhere.pem', /No such file/], ['empty.pem', /no certificate in PEM form/]]) {
    const product = new Product({ config: { tls: { ca_file: join(dir, file) } } });
    try {
      await product.launch({ ready: false });
      assert.equal((await product.exit).code, 1);
      assert.match(product.log(), /cannot start: tls\.ca_file: /);
      assert.match(product.log(), reason);
      const check = await product.cli(['check', '--config', product.configFile]);
      assert.equal(check.code, 1);
      assert.match(check.stderr, reason);
    } finally {
      await product.destroy();
    }
  }
});

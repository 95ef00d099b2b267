// Who may post webhooks: shared secret, bearer, HMAC with its options, several at once, open only on purpose. And who may use the API.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message } from './lib/world.mjs';
import { signatureHeaders } from '../../tools/vapi-sim/lib/delivery.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after });
const KEY = 'a-key-of-the-source';
const body = (n) => JSON.stringify(message('hang', `auth-${n}`));

async function sourceWith(name, auth) {
  const key = w().product.secret('hmac', KEY);
  await w().product.must('POST', '/api/v1/sources', { name, dialect: 'vapi', project_id: w().project.id, auth: auth.map((a) => (a.type === 'open' ? a : { secret: key, ...a })) });
  await w().sourceKnown(name);
}

async function post(name, text, headers) {
  return (await w().product.webhook(name, text, { headers, secret: null })).status;
}

test('shared secret: right, wrong, missing, nearly right', async () => {
  await sourceWith('s', [{ type: 'secret' }]);
  assert.equal(await post('s', body(1), { 'x-vapi-secret': KEY }), 200);
  for (const wrong of [`${KEY} `, KEY.slice(0, -1), `${KEY}x`, KEY.toUpperCase(), ''])
    assert.equal(await post('s', body(1), wrong.trim() === KEY ? {} : { 'x-vapi-secret': wrong }), 401, JSON.stringify(wrong));
  assert.equal(await post('s', body(1), {}), 401);
  assert.equal(await post('s', body(1), { authorization: `Bearer ${KEY}` }), 401, 'another mode than the configured');
});

test('bearer token', async () => {
  await sourceWith('b', [{ type: 'bearer' }]);
  assert.equal(await post('b', body(2), { authorization: `Bearer ${KEY}` }), 200);
  assert.equal(await post('b', body(2), { authorization: KEY }), 401);
  assert.equal(await post('b', body(2), { authorization: `Bearer ${KEY}x` }), 401);
  assert.equal(await post('b', body(2), { 'x-vapi-secret': KEY }), 401);
});

const HMACS = {
  'default': [{}, {}],
  'sha512, prefix': [{ algorithm: 'sha512', prefix: 'sha512=' }, { algorithm: 'sha512', signaturePrefix: 'sha512=' }],
  'sha1': [{ algorithm: 'sha1' }, { algorithm: 'sha1' }],
  'base64 signature': [{ encoding: 'base64' }, { signatureEncoding: 'base64' }],
  'own headers': [{ signature_header: 'x-hub-signature', timestamp_header: 'x-hub-time' }, { signatureHeader: 'x-hub-signature', timestampHeader: 'x-hub-time' }],
  'without time stamp': [{ include_timestamp: false, payload_format: '{body}' }, { includeTimestamp: false, payloadFormat: '{body}' }],
  'svix-like payload': [{ payload_format: '{svix-id}.{timestamp}.{body}', message_id_header: 'svix-id' }, { payloadFormat: '{svix-id}.{timestamp}.{body}', messageIdHeader: 'svix-id' }],
};

for (const [name, [ours, theirs]] of Object.entries(HMACS))
  test(`HMAC: ${name}`, async () => {
    const source = `h-${name.replace(/[^a-z0-9]+/gi, '-')}`;
    await sourceWith(source, [{ type: 'hmac', ...ours }]);
    const text = body(3);
    const sign = (bytes, more = {}) => signatureHeaders({ mode: 'hmac', secret: KEY, ...theirs, ...more }, bytes, { id: 'msg_1' });
    assert.equal(await post(source, text, sign(text)), 200);
    assert.equal(await post(source, `${text} `, sign(text)), 401, 'one byte more');
    assert.equal(await post(source, text, sign(text, { secret: `${KEY}x` })), 401, 'another key');
    assert.equal(await post(source, text, {}), 401);
    const headers = sign(text);
    const signature = theirs.signatureHeader ?? 'x-signature';
    assert.equal(await post(source, text, { ...headers, [signature]: headers[signature].slice(0, -2) }), 401, 'cut short');
    if (headers['x-timestamp'])
      assert.equal(await post(source, text, { ...headers, 'x-timestamp': `${Number(headers['x-timestamp']) + 1}` }), 401, 'another time');
  });

test('HMAC: secret as base64, both time stamp units, tolerance', async () => {
  const raw = Buffer.from('binary\x00key\xff', 'latin1');
  w().product.secret('hmac64', raw.toString('base64'));
  await sourceWith('h64', [{ type: 'hmac', secret: { file: 'hmac64' }, secret_is_base64: true, tolerance_ms: 60000 }]);
  const text = body(4); // once: it carries the time
  const sign = (now, unit) => signatureHeaders({ mode: 'hmac', secret: raw.toString('base64'), secretIsBase64: true, timestampUnit: unit }, text, { now });
  assert.equal(await post('h64', text, sign(Date.now(), 'ms')), 200);
  assert.equal(await post('h64', text, sign(Date.now(), 's')), 200);
  assert.equal(await post('h64', text, sign(Date.now() - 3600000, 'ms')), 401, 'too old');
  assert.equal(await post('h64', text, sign(Date.now() + 3600000, 's')), 401, 'from the future');
});

test('several at once: any one suffices', async () => {
  await sourceWith('multi', [{ type: 'secret' }, { type: 'hmac' }]);
  assert.equal(await post('multi', body(5), { 'x-vapi-secret': KEY }), 200);
  const text = body(5);
  assert.equal(await post('multi', text, signatureHeaders({ mode: 'hmac', secret: KEY }, text)), 200);
  assert.equal(await post('multi', body(5), { 'x-vapi-secret': 'no', 'x-signature': 'no', 'x-timestamp': '1' }), 401);
});

test('without authentication nobody is let in, unless the source is open on purpose', async () => {
  const { product } = w();
  const made = await product.api('POST', '/api/v1/sources', { name: 'none', dialect: 'vapi', project_id: w().project.id });
  if (made.status < 300) { // a source may be prepared before its secret; then it lets nobody in
    await w().sourceKnown('none');
    assert.equal(await post('none', body(6), {}), 401);
  } else {
    assert.equal(made.status, 422);
  }
  await sourceWith('open', [{ type: 'open' }]);
  assert.equal(await post('open', body(6), {}), 200);
});

test('a refused webhook leaves no trace', async () => {
  await until('refused', async () => (await post('s', JSON.stringify(message('hang', 'never-let-in')), { 'x-vapi-secret': 'no' })) === 401);
  assert.equal((await w().product.webhook('nowhere', body(7))).status, 404);
  await w().product.webhook('main', message('hang', 'let-in'));
  await w().storedAs('let-in');
  assert.equal(await w().callRow('never-let-in'), undefined);
});

test('a source changed by the API is checked by its new secret at once', async () => {
  const { product } = w();
  const source = (await product.must('POST', '/api/v1/sources', { name: 'turn', dialect: 'vapi', project_id: w().project.id,
    auth: [{ type: 'secret', secret: product.secret('old', 'old-secret') }] }));
  await until('old works', async () => (await post('turn', body(8), { 'x-vapi-secret': 'old-secret' })) === 200);
  await product.must('PATCH', `/api/v1/sources/${source.id}`, { auth: [{ type: 'secret', secret: product.secret('new', 'new-secret') }] });
  await until('new works', async () => (await post('turn', body(8), { 'x-vapi-secret': 'new-secret' })) === 200);
  assert.equal(await post('turn', body(8), { 'x-vapi-secret': 'old-secret' }), 401);
  const shown = JSON.stringify(await product.must('GET', `/api/v1/sources/${source.id}`));
  assert.ok(!shown.includes('new-secret'), 'secrets are references');
});

test('API: no token, wrong token, token in the URL, roles', async () => {
  const { product } = w();
  assert.equal((await product.api('GET', '/api/v1/calls', undefined, { token: null })).status, 401);
  assert.equal((await product.api('GET', '/api/v1/calls', undefined, { token: 'x'.repeat(40) })).status, 401);
  const inUrl = await product.api('GET', `/api/v1/calls?token=${product.token}`, undefined, { token: null });
  assert.ok([400, 401].includes(inUrl.status), 'a token in the URL counts for nothing');
  const viewer = await product.makeToken('viewer');
  assert.equal((await product.api('GET', '/api/v1/calls', undefined, { token: viewer })).status, 200);
  assert.equal((await product.api('POST', '/api/v1/calls/let-in/commands', { verb: 'end' }, { token: viewer })).status, 403);
  assert.equal((await product.api('POST', '/api/v1/projects', { name: 'x' }, { token: viewer })).status, 403);
  const supervisor = await product.makeToken('supervisor');
  assert.equal((await product.api('POST', '/api/v1/sources', { name: 'x' }, { token: supervisor })).status, 403);
  assert.notEqual((await product.api('POST', '/api/v1/calls/unknown-call/commands', { verb: 'end' }, { token: supervisor })).status, 403);
});

test('every change is audited: who, what, old and new', async () => {
  const { product } = w();
  const tool = await w().addTool('audited', { url: 'http://127.0.0.1:9/a' });
  await product.must('PATCH', `/api/v1/tools/${tool.id}`, { url: 'http://127.0.0.1:9/b' });
  const audit = JSON.stringify(await product.must('GET', '/api/v1/audit'));
  assert.ok(audit.includes('http://127.0.0.1:9/a') && audit.includes('http://127.0.0.1:9/b') && audit.includes('e2e admin'));
});

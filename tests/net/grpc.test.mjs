// The gRPC server against a client that nobody here wrote (@grpc/grpc-js), in the clear and over TLS.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import http2 from 'node:http2';
import grpc from '@grpc/grpc-js';
import { until } from '../../tools/lib/wait.mjs';

const PATH = '/test.v1.Test/Stream';
const dir = mkdtempSync('/tmp/callmend-grpc-');
const certificate = join(dir, 'cert.pem'), key = join(dir, 'key.pem');

class Server {
  static async start(...args) {
    const s = new Server();
    s.child = spawn(process.env.GRPC_SERVER, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    s.lines = createInterface({ input: s.child.stdout })[Symbol.asyncIterator]();
    s.port = Number((await s.lines.next()).value);
    return s;
  }
  async seen() {
    this.child.stdin.write('?\n');
    return JSON.parse((await this.lines.next()).value);
  }
  // Until a test's own streams are there, whatever came before.
  async more(since, wanted) {
    return until(`the server has seen ${JSON.stringify(wanted)} more`, async () => {
      const now = await this.seen();
      return Object.entries(wanted).every(([what, n]) => now[what] - since[what] === n) && now;
    });
  }
  async stop() {
    this.child.stdin.end();
    const code = await new Promise((resolve) => this.child.on('exit', resolve));
    assert.equal(code, 0);
  }
}

let ways = [];
before(async () => {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  ways = [
    { name: 'h2c', server: await Server.start(), credentials: grpc.credentials.createInsecure() },
    { name: 'TLS', server: await Server.start(certificate, key), credentials: grpc.credentials.createSsl(readFileSync(certificate)) },
  ];
});
after(async () => {
  for (const way of ways)
    await way.server.stop();
  rmSync(dir, { recursive: true, force: true });
});

const clients = [];
function connect(way, options = {}) {
  const client = new grpc.Client(`localhost:${way.server.port}`, way.credentials, { 'grpc.use_local_subchannel_pool': 1, ...options });
  clients.push(client);
  return client;
}
after(() => clients.forEach((client) => client.close()));

const good = () => {
  const m = new grpc.Metadata();
  m.set('authorization', 'Bearer good');
  return m;
};
const bytes = (b) => b;

// One stream: { call, done }, done is { code, details, answer } and never fails.
function open(client, { path = PATH, metadata = good() } = {}) {
  let call;
  const done = new Promise((resolve) => {
    call = client.makeClientStreamRequest(path, bytes, bytes, metadata, (error, answer) =>
      resolve({ code: error ? error.code : 0, details: error?.details, answer }));
  });
  return { call, done };
}
const write = (call, b) => new Promise((resolve) => call.write(b, resolve));

const each = (name, body) => {
  for (const i of [0, 1])
    test(`${name} (${['h2c', 'TLS'][i]})`, () => body(ways[i]));
};

each('200 streams at once: every message of each, in whatever frames', async (way) => {
  const client = connect(way), before = await way.server.seen();
  const sizes = [0, 1, 800, 800, 800, 20000, 100000];
  const results = await Promise.all(Array.from({ length: 200 }, async () => {
    const { call, done } = open(client);
    for (const size of sizes)
      await write(call, Buffer.alloc(size, 7));
    call.end();
    return done;
  }));
  for (const r of results)
    assert.deepEqual([r.code, r.answer?.length], [0, 0], JSON.stringify(r));
  const now = await way.server.more(before, { opened: 200, ended: 200, messages: 200 * sizes.length });
  assert.equal(now.bytes - before.bytes, 200 * sizes.reduce((a, b) => a + b));
  assert.equal(now.closed.finished - (before.closed.finished ?? 0), 200);
});

each('slow streams beside busy ones', async (way) => {
  const client = connect(way), before = await way.server.seen();
  const slow = Array.from({ length: 20 }, () => open(client));
  const busy = open(connect(way));
  for (let round = 0; round < 10; round++) {
    for (const { call } of slow)
      await write(call, Buffer.alloc(800));
    for (let i = 0; i < 100; i++)
      await write(busy.call, Buffer.alloc(8000));
    await way.server.more(before, { messages: (round + 1) * 120 });
  }
  for (const s of [...slow, busy]) {
    s.call.end();
    assert.equal((await s.done).code, 0);
  }
});

each('cancelled in the middle: told, and nobody else is disturbed', async (way) => {
  const client = connect(way), before = await way.server.seen();
  const calls = Array.from({ length: 20 }, () => open(client));
  for (const { call } of calls)
    await write(call, Buffer.alloc(800));
  await way.server.more(before, { opened: 20, messages: 20 });
  calls.slice(0, 10).forEach(({ call }) => call.cancel());
  for (const { done } of calls.slice(0, 10))
    assert.equal((await done).code, grpc.status.CANCELLED);
  // The library may end a stream before it resets it; then it was answered.
  const ends = ({ closed }) => (closed['reset by the client (CANCEL)'] ?? 0) + (closed.finished ?? 0);
  await until('the ends are told', async () => ends(await way.server.seen()) - ends(before) === 10);
  for (const { call, done } of calls.slice(10)) {
    await write(call, Buffer.alloc(800));
    call.end();
    assert.equal((await done).code, 0);
  }
  await way.server.more(before, { messages: 30 });
});

each('a client that closes its channel, and one that says GOAWAY, finish what they have begun', async (way) => {
  const client = connect(way), before = await way.server.seen();
  const { call, done } = open(client);
  await write(call, Buffer.alloc(10));
  await way.server.more(before, { messages: 1 });
  client.close();
  await write(call, Buffer.alloc(10));
  call.end();
  const r = await done;
  assert.equal(r.code, 0, r.details);
  const tls = way.name === 'TLS';
  const session = http2.connect(`${tls ? 'https' : 'http'}://localhost:${way.server.port}`, tls ? { ca: readFileSync(certificate) } : {});
  const stream = session.request({ ':method': 'POST', ':path': PATH, 'content-type': 'application/grpc', te: 'trailers', authorization: 'Bearer good' });
  const trailers = new Promise((resolve) => stream.on('trailers', resolve));
  stream.resume();
  stream.write(Buffer.from('0000000001ff', 'hex'));
  await way.server.more(before, { opened: 2, messages: 3 });
  session.goaway();
  stream.end(Buffer.from('0000000001ff', 'hex'));
  assert.equal((await trailers)['grpc-status'], '0');
  await way.server.more(before, { messages: 4, ended: 2 });
  session.close();
});

const refusals = [
  ['a message larger than is taken', { size: 2 * 1024 * 1024 }, grpc.status.RESOURCE_EXHAUSTED, /2097152 bytes.*1048576/],
  ['compressed messages', { options: { 'grpc.default_compression_algorithm': 2 }, size: 800 }, grpc.status.UNIMPLEMENTED, /compressed.*identity/],
  ['another method', { path: '/test.v1.Test/Nothing', size: 10 }, grpc.status.UNIMPLEMENTED, /\/test\.v1\.Test\/Nothing/],
  ['no credential', { metadata: new grpc.Metadata(), size: 10 }, grpc.status.UNAUTHENTICATED, /a credential is missing, or wrong/],
];
for (const [name, how, code, details] of refusals)
  each(`${name}: refused with a reason, the connection lives on`, async (way) => {
    const client = connect(way, how.options);
    const { call, done } = open(client, how);
    call.write(Buffer.alloc(how.size, 'a')); // whatever becomes of it
    const r = await done; // without an end of ours
    assert.equal(r.code, code, r.details);
    assert.match(r.details, details);
    const next = open(client);
    next.call.end();
    assert.equal((await next.done).code, 0);
  });

test('a server that stops: clients learn that it is not there', async () => {
  const server = await Server.start();
  const { call, done } = open(connect({ server, credentials: grpc.credentials.createInsecure() }));
  await write(call, Buffer.alloc(10));
  await server.more({ opened: 0 }, { opened: 1 });
  await server.stop();
  const { code, details } = await done;
  assert.deepEqual([code, details], [grpc.status.UNAVAILABLE, 'this server is stopping']);
});

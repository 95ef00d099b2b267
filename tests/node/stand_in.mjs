// A stand-in node: speaks the REST paths and the live protocol that the command line uses (docs/api.md, docs/live.md), as told by a test.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const { WebSocketServer } = createRequire(import.meta.url)('ws'); // found by NODE_PATH;

export const TOKEN = 'cm_test';
export const ids = {
  anna: '3f2a91c8-0000-5000-8000-000000000001',
  bert: '3f2a77d1-0000-5000-8000-000000000002',
  cleo: '9c11aa00-0000-5000-8000-000000000003',
};

let seq = 1000;
export const nextSeq = () => ++seq;

export const snapshotOf = (id, more = {}) => ({
  id,
  provider_call_id: `prov-${id.slice(0, 8)}`,
  status: 'in-progress',
  live: true,
  started_at: new Date(Date.now() - 65000).toISOString().replace('Z', '000Z'),
  customer: { number: '+14155550123', name: null },
  assistant: { id: 'a1', name: 'Anna', version: null },
  speaking: null,
  sentiment: { ai: 'neutral', user: 'neutral', call: 'neutral' },
  counts: { tool_calls: 0, tool_errors: 0, interventions: 0 },
  commands: [], turns: [], partial: { ai: null, user: null }, tools: [], signals: [],
  last_seq: 1,
  ...more,
});

export const eventOf = (call_id, type, more = {}) => ({
  seq: nextSeq(), type, call_id, at: new Date().toISOString().replace('Z', '000Z'), offset_ms: 66000,
  speaker: null, text: null, is_final: false, data: {}, ...more,
});

export class StandIn {
  requests = [];   // what came over REST: {method, path, body, headers}
  asked = [];      // what came over the live connection
  sockets = new Set();
  calls = [];      // snapshots
  answers = {};    // 'METHOD /path' → ({body, headers, server}) => [status, object]
  refuse = 0;      // status for upgrades
  connections = 0;

  async start(port = 0) {
    this.http = createServer((req, res) => this.#rest(req, res));
    this.wss = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    this.http.on('upgrade', (req, socket, head) => this.#upgrade(req, socket, head));
    await new Promise((done) => this.http.listen(port, '127.0.0.1', done));
    this.port = this.http.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
    return this;
  }

  async stop() {
    for (const s of this.sockets) s.terminate();
    this.http.closeAllConnections?.();
    await new Promise((done) => this.http.close(done));
  }

  #rest(req, res) {
    let text = '';
    req.on('data', (piece) => { text += piece; });
    req.on('end', () => {
      const body = text ? JSON.parse(text) : null;
      this.requests.push({ method: req.method, path: req.url, body, headers: req.headers });
      const [status, answer] = this.#answer(req, body);
      res.writeHead(status, { 'Content-Type': status < 300 ? 'application/json' : 'application/problem+json' });
      res.end(JSON.stringify(answer));
    });
  }

  #answer(req, body) {
    if (req.headers.authorization !== `Bearer ${TOKEN}`) return [401, { status: 401, detail: 'no such token' }];
    const given = this.answers[`${req.method} ${req.url}`];
    if (given) return given({ body, headers: req.headers, server: this });
    if (req.url === '/api/v1/live/calls') return [200, { epoch: 'e', total: this.calls.length, owners: [], calls: this.calls }];
    return [404, { status: 404, detail: 'no such call' }];
  }

  #upgrade(req, socket, head) {
    this.connections++;
    const status = this.refuse || (req.headers.authorization !== `Bearer ${TOKEN}` && 401) || (req.url !== '/api/v1/live' && 404);
    if (status) {
      socket.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    this.wss.handleUpgrade(req, socket, head, (ws) => this.#opened(ws));
  }

  #opened(ws) {
    this.sockets.add(ws);
    ws.on('close', () => this.sockets.delete(ws));
    ws.on('message', (data, binary) => this.#message(ws, JSON.parse(data.toString()), binary));
    ws.send(JSON.stringify({ type: 'hello', version: 1, server: 'callmend test', epoch: '0123456789abcdef', owners: 2, role: 'supervisor' }));
  }

  #message(ws, m) {
    this.asked.push(m);
    const reply = (o) => ws.send(JSON.stringify({ id: m.id, ...o }));
    if (m.type === 'ping') reply({ type: 'pong', at: new Date().toISOString() });
    if (m.type === 'command') this.onCommand?.(m, reply);
    if (m.type !== 'subscribe') return;
    reply({ type: 'subscribed', calls: 0, projects: 0, all: true });
    const half = Math.ceil(this.calls.length / 2);
    reply({ type: 'snapshot', owner: 0, epoch: 'e', last_seq: 1, calls: this.calls.slice(0, half), more: true });
    reply({ type: 'snapshot', owner: 0, epoch: 'e', last_seq: 1, calls: this.calls.slice(half), more: false });
    reply({ type: 'snapshot', owner: 1, epoch: 'e', last_seq: 1, calls: [], more: false });
    reply({ type: 'ready' });
  }

  send(...events) {
    for (const event of events)
      for (const s of this.sockets) s.send(JSON.stringify({ type: 'event', owner: 0, event }));
  }
}

export async function until(what, condition, limit_ms = 15000) {
  const end = Date.now() + limit_ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((r) => setTimeout(r, 15));
  }
}

export const temporary = (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'callmend-cli-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

export const cleanEnv = (more = {}) => {
  const env = { ...process.env, ...more };
  for (const key of Object.keys(env)) if (key.startsWith('CALLMEND_') && !(key in more)) delete env[key];
  return env;
};

// Runs the binary; `process` while it runs, then {status, out, err}.
export function callmend(args, { env = {}, cwd = tmpdir() } = {}) {
  const child = spawn(process.env.CALLMEND, args, { cwd, env: cleanEnv(env), stdio: ['ignore', 'pipe', 'pipe'] });
  const run = { child, out: '', err: '' };
  child.stdout.on('data', (d) => { run.out += d; });
  child.stderr.on('data', (d) => { run.err += d; });
  run.ended = new Promise((done) => child.on('close', (status, signal) => done({ status: status ?? signal, out: run.out, err: run.err })));
  return run;
}

#!/usr/bin/env node
// A small HTTP tool server: what a customer's own back end looks like to Callmend. Counts executions by Idempotency-Key, so that a test can
// prove that nothing ran twice. Paths: /ok /fail /slow /empty /reset /text /orders /tables /bookings; ?ms= for /slow.
import http from 'node:http';
import { dawdle } from '../lib/wait.mjs';
import { readBody } from './lib/server.mjs';

const json = (status, body) => ({ status, body: JSON.stringify(body) });

const TOOLS = {
  '/ok': ({ args }) => json(200, { ok: true, args }),
  '/tables': ({ args }) => json(200, { tables: [{ day: args.day, guests: args.guests, time: args.time ?? '19:00' }], text: 'One table is free.' }),
  '/bookings': ({ args }) => json(200, { booked: true, confirmation: `SK-${args.name?.length ?? 0}42`, text: 'Booked.' }),
  '/orders': ({ args }) => json(200, { order: { number: args.number, status: 'shipped' } }),
  '/empty': () => json(200, { products: [] }),
  '/fail': () => json(500, { error: 'the booking system is down' }),
  '/text': () => ({ status: 200, body: 'Two lines\nof plain text.', type: 'text/plain' }),
  '/reset': ({ response }) => {
    response.socket.destroy();
    return null;
  },
  async '/slow'({ url }) {
    await dawdle(Number(url.searchParams.get('ms') ?? 20000));
    return json(200, { ok: true, slow: true });
  },
};

export class ToolServer {
  constructor() {
    this.requests = []; // {path, key, args, at}
    this.connections = 0;
    this.server = http.createServer((request, response) => this.#handle(request, response));
    this.server.on('connection', () => this.connections++);
  }

  listen(port = 0) {
    return new Promise((resolve) => this.server.listen(port, '127.0.0.1', () => {
      this.url = `http://127.0.0.1:${this.server.address().port}`;
      resolve(this);
    }));
  }

  async #handle(request, response) {
    const url = new URL(request.url, 'http://tools');
    const body = (await readBody(request)).toString();
    const args = body ? JSON.parse(body) : Object.fromEntries(url.searchParams);
    this.requests.push({ path: url.pathname, method: request.method, key: request.headers['idempotency-key'] ?? null, headers: request.headers,
      args, at: Date.now() });
    const tool = TOOLS[url.pathname];
    const answer = tool ? await tool({ args, url, response }) : json(404, { error: 'no such tool' });
    if (!answer || response.destroyed)
      return;
    response.writeHead(answer.status, { 'content-type': answer.type ?? 'application/json' });
    response.end(answer.body);
  }

  // Executions per Idempotency-Key.
  executions() {
    const out = {};
    for (const { key, path } of this.requests)
      out[key ?? `(none) ${path}`] = (out[key ?? `(none) ${path}`] ?? 0) + 1;
    return out;
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

if (process.argv[1] && import.meta.url.endsWith(process.argv[1].split('/').pop())) {
  const server = await new ToolServer().listen(Number(process.argv[2] ?? 8090));
  console.log(`tools at ${server.url}`);
}

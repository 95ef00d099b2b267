// A watcher: connects to WS /api/v1/live, collects what comes, waits for what should come.
import WebSocket from './ws.mjs';
import { until } from './wait.mjs';

export class LiveClient {
  // `product`: {port, token}. `subscribe`: the message that asks for calls; null: none is sent.
  static async connect(product, { subscribe = { type: 'subscribe', all: true }, token = product.token, paused = false } = {}) {
    const client = new LiveClient();
    client.messages = [];
    client.events = [];
    client.snapshots = [];
    client.socket = new WebSocket(`ws://127.0.0.1:${product.port}/api/v1/live`, { headers: token ? { authorization: `Bearer ${token}` } : {},
      perMessageDeflate: false });
    client.closed = new Promise((resolve) => client.socket.on('close', (code, reason) => {
      client.closeCode = code;
      resolve({ code, reason: reason.toString() });
    }));
    client.frames = []; // of live audio: {leg, rate, sequence, atMs, samples, receivedAt}
    client.socket.on('message', (data, binary) => (binary ? client.#hear(data) : client.#take(JSON.parse(data.toString()))));
    await new Promise((resolve, reject) => {
      client.socket.on('open', resolve);
      client.socket.on('unexpected-response', (request, response) => reject(Object.assign(new Error(`refused: ${response.statusCode}`),
        { status: response.statusCode })));
      client.socket.on('error', reject);
    });
    if (paused)
      client.socket._socket.pause();
    if (subscribe)
      client.send(subscribe);
    return client;
  }

  #hear(data) {
    const samples = new Int16Array((data.length - 16) / 2).map((_, i) => data.readInt16LE(16 + 2 * i));
    this.frames.push({ version: data[0], leg: data[1], rate: data.readUInt16LE(2) * 100, sequence: data.readUInt32LE(4),
      atMs: Number(data.readBigInt64LE(8)), samples, receivedAt: performance.now() });
  }

  #take(message) {
    message.receivedAt = performance.now();
    this.messages.push(message);
    const events = message.type === 'event' ? [message] : message.type === 'events' ? message.events : [];
    for (const { event, owner } of events) {
      this.events.push({ ...event, owner, receivedAt: message.receivedAt });
      this.onEvent?.(event);
    }
    if (message.type === 'snapshot')
      this.snapshots.push(message);
  }

  send(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  until(what, condition, options) {
    return until(`live: ${what}`, () => condition(this), options);
  }

  ready(options) {
    return this.message('ready', undefined, options);
  }

  // Calls of all snapshots so far, the newest state of each.
  calls() {
    return new Map(this.snapshots.flatMap((s) => s.calls).map((call) => [call.id, call]));
  }

  // The first event of this type (and call, and whatever `match` says), now or later.
  event(type, match = () => true, options) {
    return until(`live event ${type}`, () => this.events.find((e) => e.type === type && match(e)), options);
  }

  message(type, match = () => true, options) {
    return until(`live message ${type}`, () => this.messages.find((m) => m.type === type && match(m)), options);
  }

  close() {
    this.socket.terminate();
  }
}

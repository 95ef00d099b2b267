// The WebSocket gateway: frames are [meta] or [meta, body]; requests of the REST API, notifications, heartbeats, recovery of what was missed.
import WebSocket from '../lib/ws.mjs';
import { iso } from './clock.mjs';
import { ApiError } from './errors.mjs';

export const DEFAULT_GATEWAY = { idleMs: 1800000, absoluteMs: 86400000, recoveryMs: 180000, buffer: 100, pingMs: 30000, pongMs: 10000, maxActiveRequests: 10, maxConnections: 50,
  helloMs: 0, wscOnReplies: true };

// What outlives a socket: the place in the stream of notifications, and its subscription.
class Line {
  constructor(gateway, session, token) {
    Object.assign(this, { gateway, session, token, sequence: 0, missed: [], socket: null });
  }

  // {token, sequence} of the next message. The token tells how far its holder has read.
  wsc() {
    this.sequence++;
    return { token: `${this.token}.${this.sequence}`, sequence: this.sequence };
  }

  notify(envelope) {
    const { gateway } = this;
    const meta = { type: 'ServerNotification', messageId: gateway.messageId(), status: 200, headers: { RCRequestId: gateway.messageId() }, wsc: this.wsc() };
    this.missed.push({ sequence: this.sequence, frame: [meta, envelope] });
    this.missed.splice(0, this.missed.length - gateway.options.buffer);
    this.socket?.send([meta, envelope]);
  }

  end() {
    clearTimeout(this.timer);
    this.gateway.lines.delete(this.token);
    this.gateway.onLineEnd(this);
  }
}

class Connection {
  constructor(gateway, ws, line) {
    Object.assign(this, { gateway, ws, line, active: 0, received: [], heartbeats: 0, pongs: 0 });
    const { options } = gateway;
    ws.on('message', (data, binary) => this.#take(binary ? '' : data.toString()));
    ws.on('pong', () => {
      this.pongs++;
      clearTimeout(this.pongTimer);
      this.pongTimer = undefined;
    });
    ws.on('ping', () => this.#alive());
    ws.on('close', (code) => this.#gone(code));
    ws.on('error', () => {});
    this.pinger = setInterval(() => this.#ping(), options.pingMs);
    this.absolute = setTimeout(() => this.#expire('WSG-903', 'Absolute timeout'), options.absoluteMs);
    this.#alive();
  }

  get isOpen() {
    return this.ws.readyState === WebSocket.OPEN;
  }

  send(frame) {
    this.sendText(JSON.stringify(frame));
  }

  sendText(text) {
    if (this.isOpen && !this.gateway.stalled)
      this.ws.send(text);
  }

  // The first thing that is said; after a recovery it stands where the holder of the token had read to.
  hello(recovery, wsc = this.line.wsc()) {
    const { gateway } = this;
    const { idleMs, absoluteMs, recoveryMs, buffer, maxActiveRequests, maxConnections } = gateway.options;
    const seconds = (ms) => Math.round(ms / 1000);
    this.send([{ type: 'ConnectionDetails', messageId: gateway.messageId(), status: 200, wsc, headers: { RCRequestId: gateway.messageId() } },
      { creationTime: iso(gateway.clock.now()).replace('Z', '+0000'), maxConnectionsPerSession: maxConnections, recoveryBufferSize: buffer, recoveryTimeout: seconds(recoveryMs),
        idleTimeout: seconds(idleMs), absoluteTimeout: seconds(absoluteMs), maxActiveRequests, ...recovery }]);
    this.greeted = true;
  }

  #ping() {
    if (!this.isOpen)
      return;
    this.ws.ping();
    this.pongTimer ??= setTimeout(() => {
      this.gateway.violation('no pong', this.line.session.user);
      this.ws.terminate();
    }, this.gateway.options.pongMs);
  }

  #alive() {
    clearTimeout(this.idle);
    this.idle = setTimeout(() => this.#expire('WSG-902', 'Idle timeout'), this.gateway.options.idleMs);
  }

  error(errorCode, message) {
    this.send([{ type: 'Error', messageId: this.gateway.messageId(), status: 400, headers: { RCRequestId: this.gateway.messageId() } }, { errorCode, message }]);
  }

  #expire(code, message) {
    this.error(code, message);
    this.ws.close(1001);
  }

  #gone(code) {
    this.closeCode = code;
    [this.idle, this.absolute, this.pongTimer].forEach(clearTimeout);
    clearInterval(this.pinger);
    if (this.line.socket === this)
      this.gateway.left(this.line);
  }

  #take(text) {
    this.#alive();
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      frame = null;
    }
    if (!this.greeted)
      this.gateway.violation('a message before ConnectionDetails', this.line.session.user);
    const [meta, body] = Array.isArray(frame) ? frame : [];
    const verbs = { Heartbeat: () => this.#heartbeat(meta), ClientRequest: () => this.#request(meta, body) };
    if (!verbs[meta?.type] || typeof meta.messageId !== 'string')
      return this.error('WSG-901', 'Message is malformed');
    this.received.push(frame);
    return verbs[meta.type]();
  }

  #heartbeat(meta) {
    this.heartbeats++;
    this.send([{ type: 'Heartbeat', messageId: meta.messageId, wsc: this.line.wsc() }]);
  }

  async #request(meta, body) {
    const { options, answer } = this.gateway;
    if (this.active >= options.maxActiveRequests) {
      this.gateway.violation('too many requests at once', this.line.session.user);
      return this.#reply(meta, { status: 429, headers: {}, body: new ApiError(429, 'CMN-303', 'Too many active requests').body() });
    }
    this.active++;
    const reply = await answer({ session: this.line.session, socket: this.line, method: meta.method, path: meta.path, query: meta.query, headers: meta.headers ?? {}, body });
    this.active--;
    if (reply)
      this.#reply(meta, reply);
  }

  // A multipart answer is no JSON: parts follow the meta's text as they are.
  #reply({ messageId }, { status, headers, body, multipart }) {
    const meta = { type: 'ClientRequest', messageId, status, headers: { RCRequestId: this.gateway.messageId(), ...headers },
      ...(this.gateway.options.wscOnReplies ? { wsc: this.line.wsc() } : {}) };
    if (multipart)
      this.sendText(`[${JSON.stringify(meta)},${multipart}]`);
    else
      this.send(body === undefined ? [meta] : [meta, body]);
  }
}

export class Gateway {
  // answer(request): the REST API behind it. redeem(ticket): the session that has it, or null.
  constructor({ options = {}, clock, random, answer, redeem, onViolation = () => {}, onLineEnd = () => {} }) {
    Object.assign(this, { options: { ...DEFAULT_GATEWAY, ...options }, clock, random, answer, redeem, onLineEnd, violation: onViolation });
    this.lines = new Map();
    this.connections = [];
    this.upgrades = []; // {at, recovery: asked for, outcome}
    this.refuse = { recoveries: 0, upgrades: [] }; // by order: so many recoveries fail; statuses of the next upgrades
    this.stalled = false;
    this.sockets = new WebSocket.WebSocketServer({ noServer: true, perMessageDeflate: false });
  }

  messageId() {
    return this.random.uuid(this.clock.now());
  }

  upgrade(request, socket, head) {
    const url = new URL(request.url, 'ws://sim');
    const refused = this.refuse.upgrades.shift();
    const session = refused ? null : this.redeem(url.searchParams.get('access_token'));
    const status = refused ?? (session ? 0 : 401);
    if (status) {
      this.upgrades.push({ at: Date.now(), outcome: status });
      socket.end(`HTTP/1.1 ${status} refused\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    this.sockets.handleUpgrade(request, socket, head, (ws) => this.#open(ws, session, url.searchParams.get('wsc')));
  }

  // How far the holder of this token has read: {line, sequence}, or why it is too late.
  #resume(wsc, session) {
    const [token, sequence] = wsc.split('.');
    const line = this.lines.get(token);
    if (this.refuse.recoveries > 0) {
      this.refuse.recoveries--;
      return { error: 'WSG-906' };
    }
    if (!line || line.session.user !== session.user)
      return { error: 'WSG-905' };
    return { line, sequence: Number(sequence) };
  }

  #open(ws, session, wsc) {
    const { line: old, sequence, error } = wsc ? this.#resume(wsc, session) : {};
    const recovery = !wsc ? {} : old ? { recoveryState: 'Successful' } : { recoveryState: 'Failed', recoveryErrorCode: error };
    const line = old ?? new Line(this, session, this.random.hex(24));
    if (!old)
      this.lines.set(line.token, line);
    clearTimeout(line.timer);
    const before = line.socket;
    line.socket = null; // what comes before the greeting waits
    before?.ws.terminate();
    const connection = new Connection(this, ws, line);
    this.connections.push(connection);
    this.upgrades.push({ at: Date.now(), recovery: Boolean(wsc), outcome: recovery.recoveryState ?? 'new' });
    setTimeout(() => {
      const missed = old ? line.missed.filter((m) => m.sequence > sequence) : [];
      connection.hello(recovery, old ? { token: `${line.token}.${sequence}`, sequence } : undefined);
      missed.forEach(({ frame }) => connection.send(frame));
      line.socket = connection;
    }, this.options.helloMs);
  }

  // The socket is gone; its line is kept for those who come back in time.
  left(line) {
    line.socket = null;
    if (this.closed)
      return;
    line.timer = setTimeout(() => line.end(), this.options.recoveryMs);
  }

  get open() {
    return this.connections.filter((c) => c.isOpen);
  }

  // As when a cable is pulled.
  drop() {
    const open = this.open;
    open.forEach((c) => c.ws.terminate());
    return open.length;
  }

  // The line is dead and nobody says so: nothing goes out, nothing is read, no ping is answered.
  stall(on = true) {
    this.stalled = on;
    this.open.forEach((c) => (on ? c.ws._socket.pause() : c.ws._socket.resume()));
  }

  // An announced end.
  expire(errorCode = 'WSG-903') {
    this.open.forEach((c) => {
      c.error(errorCode, 'by order');
      c.ws.close(1001);
    });
  }

  close() {
    this.closed = true;
    this.drop();
    for (const line of this.lines.values())
      clearTimeout(line.timer);
  }
}

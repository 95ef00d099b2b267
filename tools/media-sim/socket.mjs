// The client end of a socket, as the platforms open it.
import WebSocket from '../lib/ws.mjs';
import { until } from '../lib/wait.mjs';

export class SimSocket {
  constructor() {
    this.received = []; // {text} or {binary}, with receivedAt
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve;
    });
  }

  // Rejects with `.status` when the server answers other than 101.
  async open(url, { headers = {}, protocols, timeoutMs = 10000 } = {}) {
    this.url = url;
    this.socket = new WebSocket(url, protocols, { headers, perMessageDeflate: false, handshakeTimeout: timeoutMs, maxPayload: 1 << 26 });
    this.socket.on('message', (data, binary) => this.#take(binary ? { binary: data } : { text: data.toString() }));
    this.socket.on('close', (code, reason) => {
      this.closeCode = code;
      this.closeReason = reason.toString();
      this.onClose?.();
      this.resolveClosed({ code, reason: reason.toString() });
    });
    await new Promise((resolve, reject) => {
      this.socket.on('open', resolve);
      this.socket.on('unexpected-response', (request, response) => {
        request.destroy();
        reject(Object.assign(new Error(`refused: ${response.statusCode}`), { status: response.statusCode }));
      });
      this.socket.on('error', reject);
    });
    return this;
  }

  #take(message) {
    message.receivedAt = performance.now();
    this.received.push(message);
    this.onMessage?.(message);
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  // An object goes as JSON text, a Buffer as binary, a string as it is. False when the socket is gone.
  send(message) {
    if (!this.isOpen)
      return false;
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
    return true;
  }

  // Says that a message of so many bytes begins, past the library that would not, and sends the first of them.
  declare(bytes, { binary = true, first = Buffer.alloc(64) } = {}) {
    const header = Buffer.alloc(14); // 64-bit length, mask of zeros
    header.writeUInt8(0x80 | (binary ? 2 : 1), 0);
    header.writeUInt8(0x80 | 127, 1);
    header.writeBigUInt64BE(BigInt(bytes), 2);
    this.socket._socket.write(Buffer.concat([header, first]));
  }

  until(what, condition, options) {
    return until(`media socket: ${what}`, () => condition(this), options);
  }

  close(code = 1000) {
    if (this.socket.readyState === WebSocket.CONNECTING)
      this.socket.terminate();
    else
      this.socket.close(code);
    return this.closed;
  }

  // As a cable that is pulled.
  kill() {
    this.socket.terminate();
  }
}

// Vapi's three ways of audio: as the client of a custom transcriber, and as the server of a call's listenUrl and of the WebSocket transport.
import http from 'node:http';
import { randomUUID } from 'node:crypto';
import WebSocket from '../lib/ws.mjs';
import { interleave, pcmBytes, ulawBytes } from '../lib/speech.mjs';
import { cut, travel, walk } from './road.mjs';
import { SimSocket } from './socket.mjs';

// opts: {headers, secret (x-vapi-secret), socket}
export class VapiTranscriberClient extends SimSocket {
  static async connect(url, opts = {}) {
    const client = new VapiTranscriberClient();
    client.transcripts = []; // {transcription, channel, transcriptType}
    client.complaints = []; // what makes Vapi drop the transcriber
    client.onMessage = (message) => client.#take(message);
    return client.open(url, { headers: { ...(opts.secret ? { 'x-vapi-secret': opts.secret } : {}), ...opts.headers }, ...opts.socket });
  }

  #take({ text, binary }) {
    const message = binary ? {} : JSON.parse(text);
    const { type, transcription, channel, transcriptType = 'final' } = message;
    const extra = Object.keys(message).filter((key) => !['type', 'transcription', 'channel', 'transcriptType'].includes(key));
    if (type === 'transcriber-response' && typeof transcription === 'string' && ['customer', 'assistant'].includes(channel) &&
        ['partial', 'final'].includes(transcriptType) && extra.length === 0)
      this.transcripts.push({ transcription, channel, transcriptType, at: performance.now() });
    else
      this.complaints.push(text ?? 'a binary message');
  }

  start({ sampleRate = 16000, channels = 2, ...more } = {}) {
    this.rate = sampleRate;
    this.channels = channels;
    this.send({ type: 'start', encoding: 'linear16', container: 'raw', sampleRate, channels, ...more });
    return this;
  }

  sendFrame(bytes) {
    return this.send(bytes);
  }

  // {customer, assistant}: Int16Array each. options: {frameMs or frameBytes (number or list: cut anywhere), fast, speed}
  async play({ customer = new Int16Array(0), assistant = new Int16Array(0) }, options = {}) {
    const bytes = pcmBytes(this.channels === 2 ? interleave(customer, assistant) : customer);
    const perMs = this.rate * this.channels / 500;
    const sizes = options.frameBytes ?? (options.frameMs ?? 20) * perMs;
    const everyMs = [sizes].flat().reduce((sum, n, _, all) => sum + n / all.length, 0) / perMs;
    return walk(cut(bytes, sizes), (piece) => this.send(piece), { everyMs, socket: this.socket, ...options });
  }
}

// A server on loopback whose sockets are told apart by path.
class SocketServer {
  constructor() {
    this.connections = [];
    this.refuse = []; // statuses for the next handshakes: [503, 503] and then they succeed
    this.handshakes = []; // {url, headers}
    this.sockets = new WebSocket.WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 1 << 26 });
    this.server = http.createServer((request, response) => this.onRequest(request, response));
    this.server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  async listen(port = 0) {
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.url = `ws://127.0.0.1:${this.port}`;
    return this;
  }

  onRequest(request, response) {
    response.writeHead(404);
    response.end();
  }

  #upgrade(request, socket, head) {
    this.handshakes.push({ url: request.url, headers: request.headers });
    const status = this.refuse.shift() ?? this.judge(request);
    if (status) {
      socket.end(`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    this.sockets.handleUpgrade(request, socket, head, (ws) => {
      this.connections.push(ws);
      ws.on('error', () => {});
      this.onConnection(ws, request);
    });
  }

  isBearer(request) {
    return !this.bearer || request.headers.authorization === `Bearer ${this.bearer}`;
  }

  async close() {
    this.connections.forEach((ws) => ws.terminate());
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

// Every call's listenUrl: {url}/{callId}/listen. opts: {announce (send the start frame that some calls have), rate, channels, bearer,
// source: (callId) => {customer, assistant} of Int16Array, play: options of play()}. Without a source tests send by themselves. `announce` as an object:
// what that frame says otherwise.
export class VapiListenServer extends SocketServer {
  constructor({ announce = false, rate = 16000, channels = 2, bearer, source, play = {}, live = () => true } = {}) {
    super();
    Object.assign(this, { announce, rate, channels, bearer, source, options: play, live });
  }

  listenUrl(callId) {
    return `${this.url}/${callId}/listen`;
  }

  judge(request) {
    const callId = request.url.match(/^\/([^/]+)\/listen$/)?.[1];
    if (!callId || !this.live(callId))
      return 404;
    return this.isBearer(request) ? 0 : 401;
  }

  onConnection(ws, request) {
    const callId = request.url.split('/')[1];
    ws.received = 0;
    ws.on('message', () => { ws.received++; });
    if (this.announce)
      ws.send(JSON.stringify({ type: 'start', encoding: 'linear16', container: 'raw', sampleRate: this.rate, channels: this.channels, ...this.announce }));
    ws.callId = callId;
    if (this.source)
      ws.played = this.play(ws, this.source(callId), this.options);
  }

  // To one connection, then the call is over and it closes (unless `stay`). options: those of the road, and of a transcriber's play().
  async play(ws, { customer = new Int16Array(0), assistant = new Int16Array(0) }, options = {}) {
    const bytes = pcmBytes(this.channels === 2 ? interleave(customer, assistant) : customer);
    const perMs = this.rate * this.channels / 500;
    const sizes = options.frameBytes ?? (options.frameMs ?? 20) * perMs;
    const everyMs = [sizes].flat().reduce((sum, n, _, all) => sum + n / all.length, 0) / perMs;
    const send = (piece) => ws.readyState === WebSocket.OPEN && (ws.send(piece), true);
    const sent = await walk(travel(cut(bytes, sizes), options), send, { everyMs, socket: ws, ...options });
    if (!options.stay)
      ws.close(1000);
    return sent;
  }
}

const FORMATS = {
  pcm_s16le: { rate: 16000, bytesPerMs: (rate) => rate / 500, encode: (pcm) => pcmBytes(pcm) },
  mulaw: { rate: 8000, bytesPerMs: () => 8, encode: (pcm) => ulawBytes(pcm) },
};
const COMMANDS = ['say', 'add-message', 'control', 'end-call', 'transfer', 'handoff', 'send-transport-message', 'hangup'];

// POST /call places a call with transport vapi.websocket; its websocketCallUrl is {url}/{callId}/transport. opts: {privateKey, bearer,
// source: (call) => Int16Array the assistant says, play, control (calls have a controlUrl, too: {url}/{callId}/control)}
export class VapiTransportServer extends SocketServer {
  constructor({ privateKey, bearer, source, play = {}, control = false } = {}) {
    super();
    Object.assign(this, { privateKey, bearer, source, options: play, control });
    this.calls = new Map();
  }

  onRequest(request, response) {
    const chunks = [];
    const answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const controlled = this.control && this.calls.get(request.url.match(/^\/([^/]+)\/control$/)?.[1]);
      if (controlled) {
        controlled.posted.push(JSON.parse(Buffer.concat(chunks).toString()));
        return answer(200, {});
      }
      if (request.method !== 'POST' || request.url !== '/call')
        return answer(404, { message: 'Not Found', statusCode: 404 });
      if (this.privateKey && request.headers.authorization !== `Bearer ${this.privateKey}`)
        return answer(401, { message: 'Invalid Key', statusCode: 401 });
      return answer(...this.#place(Buffer.concat(chunks).toString()));
    });
  }

  #place(text) {
    let body;
    try {
      body = JSON.parse(text);
    } catch {
      return [400, { message: ['no JSON'], statusCode: 400 }];
    }
    const { transport = {} } = body;
    const { format = 'pcm_s16le', container = 'raw', sampleRate = FORMATS[format]?.rate } = transport.audioFormat ?? {};
    if (transport.provider !== 'vapi.websocket' || !FORMATS[format] || container !== 'raw')
      return [400, { message: ['transport must be vapi.websocket with a raw format'], statusCode: 400 }];
    const call = { id: randomUUID(), format, rate: sampleRate, request: body, heard: [], heardBytes: 0, longestGapMs: 0, commands: [], posted: [], complaints: [] };
    this.calls.set(call.id, call);
    return [201, { id: call.id, type: 'vapi.websocketCall', status: 'queued', assistantId: body.assistantId,
      monitor: this.control ? { controlUrl: `http://127.0.0.1:${this.port}/${call.id}/control` } : {},
      transport: { ...transport, websocketCallUrl: `${this.url}/${call.id}/transport` } }];
  }

  judge(request) {
    const call = this.calls.get(request.url.match(/^\/([^/]+)\/transport$/)?.[1]);
    if (!call)
      return 404;
    return this.isBearer(request) ? 0 : 401;
  }

  onConnection(ws, request) {
    const call = this.calls.get(request.url.split('/')[1]);
    call.socket = ws;
    ws.on('message', (data, binary) => (binary ? this.#hear(call, data) : this.#obey(call, data.toString())));
    ws.on('close', (code) => { call.closeCode = code; });
    this.tell(call, { type: 'status-update', status: 'in-progress' });
    if (this.source)
      call.played = this.play(call, this.source(call), this.options);
  }

  #hear(call, data) {
    const now = performance.now();
    const perMs = FORMATS[call.format].bytesPerMs(call.rate);
    if (data.length !== 20 * perMs)
      call.complaints.push(`${data.length} bytes are not 20 ms`);
    if (call.heardAt)
      call.longestGapMs = Math.max(call.longestGapMs, now - call.heardAt);
    call.heardAt = now;
    call.heardBytes += data.length;
    call.heard.push(data);
  }

  #obey(call, text) {
    let command;
    try {
      command = JSON.parse(text);
    } catch {
      call.complaints.push(`no JSON: ${text.slice(0, 80)}`);
      return;
    }
    if (!COMMANDS.includes(command.type)) {
      call.complaints.push(`unknown command ${command.type}`);
      return;
    }
    call.commands.push(command);
    if (command.type === 'end-call' || command.type === 'hangup')
      this.end(call, 'assistant-ended-call');
  }

  // A client message, flat as this transport has them.
  tell(call, message) {
    call.socket.send(JSON.stringify(message));
  }

  sendAudio(call, bytes) {
    call.socket.send(bytes);
  }

  // The assistant says it, in frames of 20 ms.
  async play(call, pcm, options = {}) {
    const format = FORMATS[call.format];
    const sizes = options.frameBytes ?? (options.frameMs ?? 20) * format.bytesPerMs(call.rate);
    const everyMs = [sizes].flat().reduce((sum, n, _, all) => sum + n / all.length, 0) / format.bytesPerMs(call.rate);
    const send = (piece) => call.socket.readyState === WebSocket.OPEN && (this.sendAudio(call, piece), true);
    return walk(travel(cut(format.encode(pcm), sizes), options), send, { everyMs, socket: call.socket, ...options });
  }

  end(call, reason = 'customer-ended-call') {
    this.tell(call, { type: 'call-ended', reason });
    call.socket.close(1000);
  }
}

// A server that speaks all providers' protocols, with scripted behaviours.
import http from 'node:http';
import { dawdle } from '../lib/wait.mjs';
import WebSocket from '../lib/ws.mjs';
import { readBody } from '../vapi-sim/lib/server.mjs';
import { DeepgramSession, fileTranscription, refusal } from './deepgram.mjs';
import { RealtimeSession, realtimeRefusal, transcription } from './openai.mjs';

const SOCKETS = {
  '/v1/listen': { refusal, Session: DeepgramSession },
  '/v1/realtime': { refusal: realtimeRefusal, Session: RealtimeSession },
};

// "drop:2000" is {name: 'drop', n: 2000}.
const read = (behaviour) => ({ name: behaviour.split(':')[0], n: Number(behaviour.split(':')[1] ?? 0) });

// Each connection, and each request, takes the next behaviour of the script; the last one stays:
//   good
//   refuse:STATUS   answers so
//   drop:MS         is gone, as when a cable is pulled, after so much audio
//   close:CODE      closes with it at the first audio
//   rubbish         says what nobody understands, and nothing else
//   mute            takes everything and says nothing
//   slow:MS         says everything so much later
export class SttServer {
  // options: key (what Authorization must hold), idleMs (Deepgram), beta (OpenAI's old event names), script (texts for speech, in order)
  constructor(behaviours = ['good'], options = {}) {
    Object.assign(this, { behaviours: [...behaviours], options, sessions: [], requests: [], refused: [], texts: [...(options.script ?? [])] });
    this.server = http.createServer((request, response) => this.#request(request, response));
    this.server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    this.wss = new WebSocket.Server({ noServer: true, perMessageDeflate: false });
  }

  async listen(port = 0) {
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}/v1`;
    return this;
  }

  #behaviour() {
    return read(this.behaviours.length > 1 ? this.behaviours.shift() : this.behaviours[0]);
  }

  #refuse(socket, { status, why }) {
    this.refused.push({ status, why });
    const body = JSON.stringify({ err_msg: why });
    socket.end(`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`);
  }

  #upgrade(request, socket, head) {
    const url = new URL(request.url, 'http://sim');
    const kind = SOCKETS[url.pathname];
    const behaviour = this.#behaviour();
    const about = { query: url.searchParams, headers: request.headers, key: this.options.key };
    const no = !kind ? { status: 404, why: 'no such path' } : behaviour.name === 'refuse' ? { status: behaviour.n, why: 'as told' } : kind.refusal(about);
    if (no)
      return this.#refuse(socket, no);
    return this.wss.handleUpgrade(request, socket, head, (ws) => this.#session(ws, kind, url, behaviour));
  }

  #session(ws, { Session }, url, behaviour) {
    const say = (message) => ws.readyState === WebSocket.OPEN && ws.send(typeof message === 'string' ? message : JSON.stringify(message));
    const channel = {
      send: (message) => {
        if (behaviour.name === 'rubbish')
          say(['{"type":', '{}', '[]', '{"type":"Results","channel":7}', 'hello'][Math.floor(Math.random() * 5)]);
        else if (behaviour.name === 'slow')
          dawdle(behaviour.n).then(() => say(message));
        else if (behaviour.name !== 'mute')
          say(message);
      },
      close: (code, reason) => dawdle(behaviour.name === 'slow' ? behaviour.n : 0).then(() => ws.close(code, reason)),
    };
    const session = new Session(channel, { query: url.searchParams, ...this.options });
    Object.assign(session, { path: url.pathname, query: Object.fromEntries(url.searchParams), control: [], ws });
    this.sessions.push(session);
    ws.on('message', (data, binary) => {
      if (binary)
        session.binary(data);
      else
        this.#text(session, data.toString());
      if (behaviour.name === 'drop' && session.audioMs >= behaviour.n)
        ws.terminate();
      if (behaviour.name === 'close' && session.audioMs > 0)
        ws.close(behaviour.n, 'as told');
    });
    ws.on('close', (code) => {
      session.closeCode = code;
      session.over();
    });
  }

  #text(session, text) {
    const { type } = JSON.parse(text);
    if (type !== 'input_audio_buffer.append')
      session.control.push(type);
    session.text(text);
  }

  async #request(request, response) {
    const body = await readBody(request);
    const answer = (status, value) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(typeof value === 'string' ? value : JSON.stringify(value));
    };
    if (request.method === 'GET' && request.url === '/state')
      return answer(200, this.state());
    const url = new URL(request.url, 'http://sim');
    const transcribe = request.method === 'POST' && { '/v1/audio/transcriptions': transcription, '/v1/listen': fileTranscription }[url.pathname];
    if (!transcribe)
      return answer(404, { error: { message: 'no such path' } });
    const behaviour = this.#behaviour();
    if (behaviour.name === 'refuse')
      return answer(behaviour.n, { error: { message: 'as told' } });
    if (behaviour.name === 'rubbish')
      return answer(200, '<html>gateway</html>');
    if (behaviour.name === 'drop' || behaviour.name === 'mute')
      return behaviour.name === 'drop' ? request.socket.destroy() : undefined;
    if (behaviour.name === 'slow')
      await dawdle(behaviour.n);
    const result = transcribe({ body, query: url.searchParams, headers: request.headers, key: this.options.key, script: (samples) => this.#scripted(samples) });
    this.requests.push({ status: result.status, said: result.said, audioMs: result.audioMs, asked: result.asked });
    return answer(result.status, result.body);
  }

  // The same audio, asked for again, is the same text.
  #scripted(samples) {
    this.heard ??= new Map();
    const name = `${samples.length}:${samples.reduce((sum, x, i) => (sum * 31 + x * (i % 7 + 1)) | 0, 0)}`;
    if (!this.heard.has(name))
      this.heard.set(name, this.texts.shift() ?? 'noise');
    return this.heard.get(name);
  }

  state() {
    return { sessions: this.sessions.map(({ path, query, audioMs, control, said, closeCode }) => ({ path, query, audioMs, control, said, closeCode })),
      requests: this.requests, refused: this.refused };
  }

  // Every connection is gone, as when a cable is pulled.
  dropAll() {
    for (const { ws } of this.sessions)
      ws.terminate();
  }

  async close() {
    this.dropAll();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

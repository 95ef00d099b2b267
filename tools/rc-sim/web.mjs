// HTTP on loopback: a server per host of RingCentral's, in front of the REST API.
import http from 'node:http';
import https from 'node:https';
import { ApiError } from './errors.mjs';
import { readBody } from '../vapi-sim/lib/server.mjs';

const CODES_WITHOUT_BODY = [204, 304];

function readForm(request, bytes) {
  const type = request.headers['content-type'] ?? '';
  const text = bytes.toString();
  if (type.startsWith('application/x-www-form-urlencoded'))
    return { form: new URLSearchParams(text) };
  if (!text)
    return {};
  try {
    return { body: JSON.parse(text) };
  } catch {
    return { malformed: true };
  }
}

export function send(response, { status, headers = {}, body, text, bytes, multipart, hang, reset }) {
  if (hang)
    return;
  if (reset) {
    response.socket?.destroy();
    return;
  }
  const content = bytes ?? multipart ?? text ?? (body === undefined ? '' : JSON.stringify(body));
  if (CODES_WITHOUT_BODY.includes(status)) {
    response.writeHead(status, headers);
    response.end();
    return;
  }
  response.writeHead(status, { 'content-type': 'application/json;charset=utf-8', 'content-length': Buffer.byteLength(content), ...headers });
  response.end(content);
}

export class Web {
  // answer(request): of Rest. tls: {key, cert} or null. special(request, response, url, bytes): true when it has answered (what is no API).
  constructor({ host, answer, tls = null, special = () => false }) {
    Object.assign(this, { host, answer, special, connections: 0 });
    const handle = (request, response) => this.#handle(request, response).catch((error) => send(response, { status: 500, body: { message: error.message } }));
    this.scheme = tls ? 'https' : 'http';
    this.server = tls ? https.createServer(tls, handle) : http.createServer(handle);
    this.server.keepAliveTimeout = 60000;
    this.server.on(tls ? 'secureConnection' : 'connection', () => { this.connections++; });
  }

  async listen(port = 0) {
    await new Promise((resolve, reject) => {
      this.server.on('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
    this.url = `${this.scheme}://127.0.0.1:${this.server.address().port}`;
    return this.url;
  }

  async #handle(request, response) {
    const bytes = await readBody(request);
    const url = new URL(request.url, 'http://sim');
    if (await this.special(request, response, url, bytes))
      return;
    const { malformed, ...read } = readForm(request, bytes);
    const answer = malformed ? { status: 400, body: new ApiError(400, 'CMN-100', 'Malformed JSON').body() }
      : await this.answer({ host: this.host, method: request.method, path: url.pathname, query: url.searchParams, headers: request.headers, ...read });
    send(response, answer);
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

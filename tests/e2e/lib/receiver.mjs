// A small stand-in for a webhook server: used to test the simulator itself, and as "the server the user already has" (upstream).
import http from 'node:http';
import { readBody } from '../../../tools/vapi-sim/lib/server.mjs';

export class Receiver {
  // `answer(message, request)` gives {status, body} or undefined (200 {}); a promise is awaited; null: never answers.
  constructor(answer = () => undefined) {
    this.answer = answer;
    this.messages = [];
    this.raw = [];
    this.server = http.createServer((request, response) => this.#handle(request, response));
  }

  async listen(port = 0) {
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}/hook`;
    return this;
  }

  async #handle(request, response) {
    const bytes = await readBody(request);
    const { message } = JSON.parse(bytes.toString());
    this.raw.push({ headers: request.headers, bytes });
    this.messages.push(message);
    const answer = await this.answer(message, request, bytes);
    if (answer === null)
      return;
    response.writeHead(answer?.status ?? 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer?.body ?? {}));
  }

  ofType(type) {
    return this.messages.filter((m) => m.type === type);
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

// The receiver of outbound webhooks.
import http from 'node:http';
import { createHmac } from 'node:crypto';

// What a receiver does with a delivery, by the libraries' rules.
export function verify(secret, headers, body) {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`).digest('base64');
  return headers['webhook-signature'].split(' ').some((part) => part === `v1,${expected}`);
}

export class Hook {
  // `answers`: what is answered to the first, second ... request (a promise is awaited); then 204. null: nothing.
  constructor(...answers) {
    this.answers = answers;
    this.requests = [];
    this.server = http.createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', async () => {
        this.requests.push({ headers: request.headers, body, json: JSON.parse(body) });
        const answer = await (this.answers.length ? this.answers.shift() : { status: 204 });
        if (answer === null)
          return;
        response.writeHead(answer.status, answer.headers ?? {});
        response.end(answer.body ?? '');
      });
    });
  }

  async listen() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.server.address().port}/hook`;
    return this;
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}

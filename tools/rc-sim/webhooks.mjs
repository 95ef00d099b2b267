// Webhooks out: the handshake when a subscription is made, deliveries with the verification token, and the blacklist of those who do not answer.
import http from 'node:http';
import https from 'node:https';
import { ApiError } from './errors.mjs';

export const DEFAULT_WEBHOOKS = { timeoutMs: 3000, answerBytes: 1024, blacklistAfterMs: 600000, blacklistAfterFailures: Infinity, verificationHeader: 'Verification-Token' };
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME|SSL|TLS/;

export class Webhooks {
  // options: DEFAULT_WEBHOOKS, ca
  constructor(options = {}) {
    this.options = { ...DEFAULT_WEBHOOKS, ...options };
    this.agents = { 'http:': new http.Agent({ keepAlive: true, maxSockets: 256 }), 'https:': new https.Agent({ keepAlive: true, maxSockets: 256, ca: this.options.ca }) };
    this.ledger = []; // {subscriptionId, uuid, event, status, error}: every attempt
    this.lanes = new Map(); // subscription and call -> the delivery under way
  }

  // {status, headers, bytes, body} or {error}; never rejects.
  #post(address, headers, body = '') {
    return new Promise((resolve) => {
      let url;
      try {
        url = new URL(address);
      } catch {
        return resolve({ error: 'EINVAL' });
      }
      const request = (url.protocol === 'https:' ? https : http).request(url, { method: 'POST', agent: this.agents[url.protocol],
        headers: { 'User-Agent': 'RingCentral-Webhook/9.41', 'Content-Length': Buffer.byteLength(body), ...headers } }, (response) => {
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', (error) => done({ error: error.code ?? error.message }));
        response.on('end', () => {
          const text = Buffer.concat(chunks);
          const head = response.rawHeaders.reduce((sum, part) => sum + part.length + 2, 0) + 17;
          done({ status: response.statusCode, headers: response.headers, bytes: head + text.length, body: text.toString() });
        });
      });
      const timer = setTimeout(() => request.destroy(Object.assign(new Error('timeout'), { code: 'timeout' })), this.options.timeoutMs);
      const done = (result) => {
        clearTimeout(timer);
        resolve(result);
      };
      request.on('error', (error) => done({ error: error.code ?? error.message }));
      request.end(body);
    });
  }

  #tokens(subscription) {
    const { verificationToken } = subscription.deliveryMode;
    return verificationToken ? { [this.options.verificationHeader]: verificationToken } : {};
  }

  // Throws why the address is refused.
  async handshake(subscription, token) {
    const answer = await this.#post(subscription.deliveryMode.address, { 'Validation-Token': token, ...this.#tokens(subscription) });
    const refuse = (code, why) => {
      throw new ApiError(400, code, `WebHook ${why}`, { parameterName: 'deliveryMode.address' });
    };
    if (answer.error && CERTIFICATE.test(answer.error))
      refuse('SUB-524', 'server certificate is not trusted');
    if (answer.error)
      refuse('SUB-525', `response exception, reason: ${answer.error}`);
    if (answer.status !== 200 || answer.bytes > this.options.answerBytes)
      refuse('SUB-525', `response is invalid: status ${answer.status}, ${answer.bytes} bytes`);
    if (answer.headers['validation-token'] !== token)
      refuse('SUB-520', 'response does not contain validation token');
  }

  // Those of one call go one after the other; others do not wait for them.
  deliver(subscription, envelope) {
    const lane = `${subscription.id}/${envelope.body?.telephonySessionId ?? envelope.uuid}`;
    const sent = (this.lanes.get(lane) ?? Promise.resolve()).then(() => this.#deliver(subscription, envelope));
    this.lanes.set(lane, sent);
    sent.then(() => this.lanes.get(lane) === sent && this.lanes.delete(lane));
    return sent;
  }

  async #deliver(subscription, envelope) {
    if (this.closed || subscription.status !== 'Active')
      return;
    const answer = await this.#post(subscription.deliveryMode.address, { 'Content-Type': 'application/json;charset=UTF-8', ...this.#tokens(subscription) },
      JSON.stringify(envelope));
    const { status = 0, error } = answer;
    this.ledger.push({ subscriptionId: subscription.id, uuid: envelope.uuid, event: envelope.event, sequence: envelope.body?.sequence,
      telephonySessionId: envelope.body?.telephonySessionId, status, error });
    if (status >= 200 && status < 300)
      Object.assign(subscription, { failures: 0, failingSince: undefined });
    else
      this.#failed(subscription, error ?? `status ${status}`);
  }

  #failed(subscription, why) {
    subscription.failures = (subscription.failures ?? 0) + 1;
    subscription.failingSince ??= Date.now();
    if (subscription.failures >= this.options.blacklistAfterFailures || Date.now() - subscription.failingSince >= this.options.blacklistAfterMs)
      subscription.blacklist(`WebHook response exception, reason: ${why}`);
  }

  // Nothing is under way.
  async idle() {
    while (this.lanes.size)
      await Promise.all(this.lanes.values());
  }

  close() {
    this.closed = true;
    Object.values(this.agents).forEach((agent) => agent.destroy());
  }
}

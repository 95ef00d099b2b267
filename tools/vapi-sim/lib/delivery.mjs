// Sends messages the way Vapi does: signed, over keep-alive connections, retried by the server's backoffPlan, in the order of their call
// (or, when asked for, late and disordered). Keeps a ledger of every message: what was answered is what must not be lost.
import http from 'node:http';
import { createHmac } from 'node:crypto';

const HMAC_DEFAULTS = {
  algorithm: 'sha256', signatureHeader: 'x-signature', timestampHeader: 'x-timestamp', signaturePrefix: '', includeTimestamp: true,
  payloadFormat: '{timestamp}.{body}', messageIdHeader: '', signatureEncoding: 'hex', secretIsBase64: false, timestampUnit: 'ms',
};

// auth: {mode: none | secret | bearer | hmac, secret, ...HMAC plan}; gives headers for these bytes.
export function signatureHeaders(auth, body, { now = Date.now(), url = '', id = '' } = {}) {
  const modes = {
    none: () => ({}),
    secret: () => ({ 'x-vapi-secret': auth.secret }),
    bearer: () => ({ [auth.headerName ?? 'authorization']: auth.bearerPrefix === false ? auth.secret : `Bearer ${auth.secret}` }),
    hmac: () => {
      const plan = { ...HMAC_DEFAULTS, ...auth };
      const timestamp = String(plan.timestampUnit === 's' ? Math.floor(now / 1000) : now);
      const format = plan.includeTimestamp ? plan.payloadFormat : plan.payloadFormat.replace('{timestamp}.', '');
      const key = plan.secretIsBase64 ? Buffer.from(plan.secret, 'base64') : plan.secret;
      const mac = createHmac(plan.algorithm, key);
      for (const part of format.split(/(\{[a-z-]+\})/))
        mac.update({ '{body}': body, '{timestamp}': timestamp, '{method}': 'POST', '{url}': url, '{svix-id}': id }[part] ?? part);
      return {
        [plan.signatureHeader]: plan.signaturePrefix + mac.digest(plan.signatureEncoding),
        ...(plan.includeTimestamp ? { [plan.timestampHeader]: timestamp } : {}),
        ...(plan.messageIdHeader ? { [plan.messageIdHeader]: id } : {}),
      };
    },
  };
  return modes[auth?.mode ?? 'none']();
}

// One POST. Resolves to {status, text}; status 0 = no answer, `error` says why. Never rejects.
export function post(agent, url, body, headers, timeoutMs) {
  return new Promise((resolve) => {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body);
    const request = http.request(url, {
      agent, method: 'POST', headers: { 'content-type': 'application/json', 'content-length': bytes.length, ...headers },
    }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => finish({ status: response.statusCode, text: Buffer.concat(chunks).toString(), headers: response.headers }));
      response.on('error', (error) => finish({ status: 0, error: error.code ?? error.message }));
    });
    const timer = setTimeout(() => request.destroy(new Error('timeout')), timeoutMs);
    let done = false;
    const finish = (answer) => {
      if (done)
        return;
      done = true;
      clearTimeout(timer);
      resolve(answer);
    };
    request.on('error', (error) => finish({ status: 0, error: error.code ?? error.message }));
    request.end(bytes);
  });
}

export class Delivery {
  constructor({ target, auth = { mode: 'none' }, retries = 0, backoffType = 'exponential', baseDelaySeconds = 1, excludedStatusCodes = [],
    timeoutMs = 20000, speed = 1, maxSockets = 256, onAttempt = null }) {
    Object.assign(this, { target, auth, retries, backoffType, baseDelaySeconds, excludedStatusCodes, timeoutMs, speed, onAttempt });
    this.agent = new http.Agent({ keepAlive: true, maxSockets, scheduling: 'fifo' });
    this.ledger = [];
    this.totals = { messages: 0, attempts: 0, answered: 0, given_up: 0, bytes: 0, by_status: {}, by_type: {} };
    this.stopped = false;
  }

  // `render(attempt)` gives the body. Resolves to the ledger entry when answered or given up. `firstTry` (a function) is called as soon as the
  // first attempt is over: the next message of the call need not wait for retries.
  async send({ callId, type, render, tag = null, timeoutMs = this.timeoutMs, firstTry = () => {} }) {
    const item = { n: this.ledger.length, callId, type, tag, attempts: 0, statuses: [], ok: false, answer: null };
    this.ledger.push(item);
    this.totals.messages++;
    this.totals.by_type[type] = (this.totals.by_type[type] ?? 0) + 1;
    for (let attempt = 0; ; attempt++) {
      await this.#attempt(item, render(attempt), timeoutMs);
      firstTry();
      if (item.ok || !this.#mayRetry(item, attempt))
        break;
      await new Promise((resolve) => setTimeout(resolve, this.#backoffMs(attempt)));
    }
    this.totals[item.ok ? 'answered' : 'given_up']++;
    return item;
  }

  async #attempt(item, body, timeoutMs) {
    const id = `msg_${item.n}`;
    const headers = { 'x-call-id': item.callId ?? '', ...signatureHeaders(this.auth, body, { url: this.target, id }) };
    const started = process.hrtime.bigint();
    item.attempts++;
    this.totals.attempts++;
    this.totals.bytes += body.length;
    const answer = await post(this.agent, this.target, body, headers, timeoutMs);
    item.latencyMs = Number(process.hrtime.bigint() - started) / 1e6;
    item.statuses.push(answer.status);
    item.status = answer.status;
    item.bytes = body.length;
    item.ok = answer.status >= 200 && answer.status < 300;
    item.answer = answer.text ?? null;
    item.error = answer.error ?? null;
    const key = answer.status || answer.error || 'no answer';
    this.totals.by_status[key] = (this.totals.by_status[key] ?? 0) + 1;
    this.onAttempt?.(item, body);
  }

  #mayRetry(item, attempt) {
    return !this.stopped && attempt < this.retries && !this.excludedStatusCodes.includes(item.status);
  }

  #backoffMs(attempt) {
    const factor = this.backoffType === 'exponential' ? 2 ** attempt : 1;
    return this.baseDelaySeconds * factor * 1000 / this.speed;
  }

  close() {
    this.stopped = true;
    this.agent.destroy();
  }
}

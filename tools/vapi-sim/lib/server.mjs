// What Vapi serves: a control URL per call, and the part of its REST API that is used (GET /call/:id, GET and PATCH /assistant/:id). Plus
// /sim/... for tests and people. Control and API can be told to fail, by call or for all.
import http from 'node:http';
import { dawdle } from '../../lib/wait.mjs';

const json = (response, status, body) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};

export function readBody(request) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', reject);
  });
}

// How a faulty server behaves. `before` faults do nothing else; `after` faults act first and then do not answer properly.
const FAULTS = {
  400: (response) => json(response, 400, { message: ['model.provider must be one of the following values: openai'], error: 'Bad Request', statusCode: 400 }),
  429: (response) => json(response, 429, { message: 'Too Many Requests', statusCode: 429 }),
  500: (response) => json(response, 500, { message: 'Internal server error' }),
  hang: () => {},
  reset: (response) => response.socket.destroy(),
};

export class SimServer {
  constructor(sim) {
    this.sim = sim;
    this.faults = []; // {where: control | api, callId?, method?, mode: 400 | 429 | 500 | hang | reset | slow, when: before | after, times, ms}
    this.apiRequests = [];
    this.controlRequests = [];
    this.server = http.createServer((request, response) => {
      this.#route(request, response).catch((error) => json(response, 500, { message: error.message }));
    });
  }

  listen(port = 0) {
    return new Promise((resolve) => this.server.listen(port, '127.0.0.1', () => {
      this.port = this.server.address().port;
      resolve(this.port);
    }));
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }

  fail(fault) {
    this.faults.push({ where: 'control', when: 'before', times: Infinity, ...fault });
  }

  clearFaults() {
    this.faults = [];
  }

  #fault(where, callId, method) {
    const fault = this.faults.find((f) => f.where === where && f.times > 0 && (!f.callId || f.callId === callId) && (!f.method || f.method === method));
    if (fault)
      fault.times--;
    return fault;
  }

  async #route(request, response) {
    const parts = new URL(request.url, 'http://sim').pathname.split('/').filter(Boolean);
    const body = await readBody(request);
    for (const [method, pattern, handler] of ROUTES) {
      const params = match(pattern, parts);
      if (params && request.method === method)
        return handler(this, { params, body, request, response });
    }
    return json(response, 404, { message: 'Not Found', statusCode: 404 });
  }

  async control({ params: [id], body, request, response }) {
    this.controlRequests.push({ id, at: Date.now(), body: body.toString(), authorization: request.headers.authorization });
    const fault = this.#fault('control', id);
    if (fault?.mode === 'slow')
      await dawdle(fault.ms);
    else if (fault && fault.when === 'before')
      return FAULTS[fault.mode](response);
    const answer = this.#act(id, body);
    if (fault && fault.mode !== 'slow')
      return FAULTS[fault.mode](response);
    return json(response, answer.status, answer.body);
  }

  #act(id, body) {
    const call = this.sim.calls.get(id);
    if (!call)
      return { status: 404, body: { message: 'Call not found', statusCode: 404 } };
    try {
      return call.control(JSON.parse(body.toString()));
    } catch {
      return { status: 400, body: { message: 'Invalid JSON', statusCode: 400 } };
    }
  }

  // Private-key check and faults of the REST API; true when already answered.
  async apiRefused({ request, response, body, act }) {
    this.apiRequests.push({ method: request.method, path: request.url, at: Date.now(), body: body?.toString() });
    const fault = this.#fault('api', null, request.method);
    if (fault?.mode === 'slow')
      await dawdle(fault.ms);
    else if (fault?.when === 'before')
      FAULTS[fault.mode](response);
    if (fault?.when === 'before' && fault.mode !== 'slow')
      return true;
    if (this.sim.options.privateKey && request.headers.authorization !== `Bearer ${this.sim.options.privateKey}`) {
      json(response, 401, { message: 'Invalid Key. Hot tip, you may be using the public key instead of the private key.', statusCode: 401 });
      return true;
    }
    if (fault?.when !== 'after')
      return false;
    act?.();
    FAULTS[fault.mode](response);
    return true;
  }
}

function match(pattern, parts) {
  if (pattern.length !== parts.length)
    return null;
  const params = [];
  for (let i = 0; i < parts.length; i++) {
    if (pattern[i] === ':')
      params.push(decodeURIComponent(parts[i]));
    else if (pattern[i] !== parts[i])
      return null;
  }
  return params;
}

const ROUTES = [
  ['POST', [':', 'control'], (server, x) => server.control(x)],
  ['GET', ['call', ':'], async (server, x) => {
    if (await server.apiRefused(x))
      return;
    const call = server.sim.calls.get(x.params[0]);
    json(x.response, call ? 200 : 404, call ? call.object() : { message: 'Call not found', statusCode: 404 });
  }],
  ['GET', ['assistant', ':'], async (server, x) => {
    const act = () => server.sim.assistants.read(x.params[0]);
    if (await server.apiRefused({ ...x, act }))
      return;
    const { status, body } = act();
    json(x.response, status, body);
  }],
  ['PATCH', ['assistant', ':'], async (server, x) => {
    const act = () => server.sim.assistants.patch(x.params[0], x.body);
    if (await server.apiRefused({ ...x, act }))
      return;
    const { status, body } = act();
    json(x.response, status, body);
  }],
  ['GET', ['sim', 'stats'], (server, { response }) => json(response, 200, server.sim.stats())],
  ['GET', ['sim', 'calls'], (server, { response }) => json(response, 200, [...server.sim.calls.values()].map((call) => ({
    id: call.id, scenario: call.scenario.name, status: call.status, muted: call.muted, received: call.received.length })))],
  ['GET', ['sim', 'calls', ':'], (server, { params: [id], response }) => {
    const call = server.sim.calls.get(id);
    json(response, call ? 200 : 404, call ? { id, status: call.status, received: call.received, spoken: call.spoken, tools: call.toolResults,
      ledger: server.sim.delivery.ledger.filter((item) => item.callId === id) } : {});
  }],
  ['POST', ['sim', 'start'], (server, { body, response }) => {
    const { scenario, calls = 1, ...options } = JSON.parse(body.toString() || '{}');
    json(response, 201, { ids: server.sim.start(scenario, calls, options).map((call) => call.id) });
  }],
  ['POST', ['sim', 'kill'], (server, { body, response }) => json(response, 200, { killed: server.sim.forEach(body, (call) => call.kill()) })],
  ['POST', ['sim', 'hangup'], (server, { body, response }) => json(response, 200, { ended: server.sim.forEach(body, (call) => call.hangUp()) })],
  ['POST', ['sim', 'fail'], (server, { body, response }) => {
    server.fail(JSON.parse(body.toString()));
    json(response, 200, {});
  }],
  ['DELETE', ['sim', 'fail'], (server, { response }) => {
    server.clearFaults();
    json(response, 200, {});
  }],
];

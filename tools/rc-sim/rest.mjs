// One request of the REST API, whichever way it came (HTTP, gateway): faults on order, token, budget, permission, then what the route's file does.
import { randomUUID } from 'node:crypto';
import { dawdle } from '../lib/wait.mjs';
import { ApiError, forbidden, notFound } from './errors.mjs';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
const BOUNDARY = 'Boundary_sim_7f3a';

// "/account/:account/sms" -> names of what may stand there. One table per host: [method, path, {group, permission, handler ...}].
export function compile(routes) {
  return routes.map(([method, path, route]) => ({ method, parts: path.split('/').filter(Boolean), ...route }));
}

export function findRoute(routes, method, path) {
  const parts = path.split('/').filter(Boolean).map(decodeURIComponent);
  for (const route of routes) {
    if (route.method !== method || route.parts.length !== parts.length)
      continue;
    const params = {};
    if (route.parts.every((p, i) => (p.startsWith(':') ? (params[p.slice(1)] = parts[i], true) : p === parts[i])))
      return { route, params };
  }
  return null;
}

// --- faults on order ---

const broken = (status, errorCode, message) => () => ({ status, headers: {}, body: new ApiError(status, errorCode, message).body() });
const FAULTS = {
  400: broken(400, 'CMN-101', 'Parameter value is invalid'),
  409: broken(409, 'TAS-102', 'The state of the call does not allow it'),
  429: broken(429, 'CMN-310', 'Too many requests of the account'),
  500: broken(500, 'CMN-201', 'Service Temporary Unavailable'),
  502: () => ({ status: 502, headers: { 'content-type': 'text/html' }, text: '<html><body>Bad Gateway</body></html>' }),
  503: broken(503, 'CMN-201', 'Service Temporary Unavailable'),
  rubbish: () => ({ status: 200, headers: {}, text: '{"id":' }),
  hang: () => ({ hang: true }),
  reset: () => ({ reset: true }),
};

const faulty = ({ mode, headers }) => {
  const answer = FAULTS[mode]();
  return { ...answer, headers: { ...answer.headers, ...headers } };
};

export class Faults {
  constructor() {
    this.list = [];
  }

  // {host: platform | media | ringcx, method, path: part of it, mode: 400 409 429 500 502 503 rubbish hang reset slow noeffect, when: before | after, times, ms,
  // headers: more of the answer}
  order(fault) {
    if (!FAULTS[fault.mode] && !['slow', 'noeffect'].includes(fault.mode))
      throw new Error(`mode: ${[...Object.keys(FAULTS), 'slow', 'noeffect'].join(', ')}`);
    this.list.push({ when: 'before', times: 1, ...fault });
  }

  take({ host, method, path }, isEffect = false) {
    const fault = this.list.find((f) => f.times > 0 && (!f.host || f.host === host) && (!f.method || f.method === method) && (!f.path || path.includes(f.path)) &&
      (f.mode === 'noeffect') === isEffect);
    if (fault)
      fault.times--;
    return fault;
  }

  clear() {
    this.list = [];
  }
}

const multipartText = (bodies) => `${bodies.map((body) => `--${BOUNDARY}\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(body)}\r\n`).join('')}--${BOUNDARY}--`;

export class Rest {
  // `sim`: the platform. `tables`: routes per host.
  constructor(sim, tables) {
    this.sim = sim;
    this.tables = Object.fromEntries(Object.entries(tables).map(([host, routes]) => [host, compile(routes)]));
    this.log = []; // {host, method, path, query, body, status, via, at}
  }

  // request: {host, method, path, query, headers, body, form, session (of the gateway), socket}. Gives {status, headers, body | text | bytes | multipart},
  // or {hang} or {reset}; never throws.
  async answer(request) {
    const { sim } = this;
    sim.clock.catchUp();
    const entry = { host: request.host ?? 'platform', method: request.method, path: request.path, query: Object.fromEntries(query(request.query)), body: request.body ?? request.form,
      via: request.socket ? 'gateway' : 'http', at: Date.now() };
    this.log.push(entry);
    const fault = sim.faults.take(entry);
    if (fault?.mode === 'slow')
      await dawdle(fault.ms);
    let answer = fault?.mode !== 'slow' && fault?.when === 'before' ? faulty(fault) : await this.#answer({ ...request, host: entry.host, query: query(request.query) });
    if (fault?.when === 'after')
      answer = faulty(fault);
    entry.status = answer.status ?? 0;
    entry.errorCode = answer.body?.errorCode;
    answer.headers = { RCRequestId: randomUUID(), Date: new Date(sim.clock.now() + sim.dateSkewMs).toUTCString(), ...answer.headers };
    return answer;
  }

  async #answer(request) {
    let headers = {};
    try {
      const found = METHODS.includes(request.method) && findRoute(this.tables[request.host], request.method, request.path ?? '');
      if (!found)
        throw notFound('path', request.path);
      const { route, params } = found;
      if (request.socket && (route.httpOnly || route.isOAuth))
        throw new ApiError(400, 'WSG-904', 'Not available over WebSocket');
      const session = route.open ? null : request.session ?? this.#who(request);
      const user = route.open ? route.user(this.sim, request) : session.user;
      headers = route.group ? this.sim.rates.take(user, route.group) : {};
      if (route.permission && !this.sim.permissions.has(route.permission))
        throw forbidden(route.permission);
      const me = session && this.sim.account.find(session.user);
      const answer = await route.handler(this.sim, { ...request, params: this.#names(params, me), session, me });
      return { ...answer, headers: { ...headers, ...answer.headers }, ...(answer.multipart ? { ...this.#multipart(answer) } : {}) };
    } catch (error) {
      if (!(error instanceof ApiError)) {
        this.sim.failures.push(error);
        return { ...FAULTS[500](), headers };
      }
      return { status: error.status, headers: { ...headers, ...error.headers }, body: error.body() };
    }
  }

  #who(request) {
    const header = request.headers.authorization ?? (request.host === 'media' && request.query.get('access_token') ? `Bearer ${request.query.get('access_token')}` : undefined);
    return request.host === 'ringcx' ? this.sim.oauth.ringcxBearer(header) : this.sim.oauth.bearer(header);
  }

  // ~ is one's own account and extension.
  #names(params, me) {
    const { account } = this.sim;
    if (params.account !== undefined && params.account !== '~' && params.account !== account.id)
      throw notFound('accountId', params.account);
    if (params.extension === '~')
      params.extension = me.id;
    return params;
  }

  #multipart({ multipart, headers }) {
    return { multipart: multipartText(multipart), headers: { ...headers, 'content-type': `multipart/mixed; boundary=${BOUNDARY}` } };
  }
}

export const query = (given) => (given instanceof URLSearchParams ? given : new URLSearchParams(Object.entries(given ?? {}).flatMap(([k, v]) => [v].flat().map((x) => [k, String(x)]))));

// One page of a list, as the API wraps it.
export function page(records, asked, { uri, perPage = 100 } = {}) {
  const number = Math.max(1, Number(asked.get('page') ?? 1));
  const size = Math.min(1000, Math.max(1, Number(asked.get('perPage') ?? perPage)));
  const pages = Math.max(1, Math.ceil(records.length / size));
  const at = (n) => ({ uri: `${uri}?page=${n}&perPage=${size}` });
  const rows = records.slice((number - 1) * size, number * size);
  return { uri: at(number).uri, records: rows,
    paging: { page: number, perPage: size, pageStart: (number - 1) * size, pageEnd: (number - 1) * size + Math.max(0, rows.length - 1), totalPages: pages, totalElements: records.length },
    navigation: { firstPage: at(1), lastPage: at(pages), ...(number < pages ? { nextPage: at(number + 1) } : {}), ...(number > 1 ? { previousPage: at(number - 1) } : {}) } };
}

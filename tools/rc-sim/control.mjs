// The same functions for other processes: GET /sim/state, and POST /sim/{name} with their argument (or a list of them) as JSON.
import { SCENARIOS } from './calls.mjs';
import { send } from './web.mjs';

const brief = (call) => ({ id: call.id, sessions: call.sessions.map((s) => s.id), over: call.over });

const FUNCTIONS = {
  startCall: (sim, options) => brief(sim.startCall(options)),
  startCalls: (sim, n, options) => sim.startCalls(n, options).map(brief),
  step: (sim, id, step) => (sim.step(id, step), brief(sim.call(id))),
  sms: (sim, message) => sim.sms(message),
  failSms: (sim, number, code) => { sim.messages.failing.set(number, code); },
  startDialog: (sim, spec, stream) => ({ id: sim.ringcx.start(spec, stream).id }),
  endDialog: (sim, id) => sim.ringcx.end(sim.ringcx.dialogs.get(id)),
  fail: (sim, fault) => sim.fail(fault),
  clearFaults: (sim) => sim.faults.clear(),
  order: (sim, order) => sim.deliveries.order(order),
  release: (sim, options) => sim.deliveries.release(options),
  chances: (sim, chances) => { Object.assign(sim.deliveries.chances, chances); },
  permit: (sim, permission, on) => sim.permit(permission, on),
  disableFilter: (sim, filter) => sim.disableFilter(filter),
  blacklist: (sim, id, reason) => sim.blacklist(id, reason),
  expireSubscriptions: (sim) => sim.expireSubscriptions(),
  expireTokens: (sim) => sim.oauth.expireTokens(),
  dropSockets: (sim) => sim.gateway.drop(),
  stallSockets: (sim, on) => sim.gateway.stall(on),
  expireSockets: (sim, code) => sim.gateway.expire(code),
  refuseRecoveries: (sim, n = 1) => { sim.gateway.refuse.recoveries = n; },
  refuseUpgrades: (sim, statuses) => { sim.gateway.refuse.upgrades = statuses; },
  limits: (sim, limits) => { Object.assign(sim.rates.limits, limits); },
  advance: (sim, ms) => sim.clock.advance(ms),
  told: (sim, id) => sim.call(id).sessions.map((s) => ({ id: s.id, told: s.told })),
  requests: (sim) => sim.rest.log,
  deliveries: (sim) => sim.webhooks.ledger,
  scenarios: () => Object.keys(SCENARIOS),
};

// True when the request was for us.
export async function control(sim, request, response, url, bytes) {
  const [, first, name] = url.pathname.split('/');
  if (first !== 'sim')
    return false;
  if (request.method === 'GET' && name === 'state') {
    sim.clock.catchUp();
    send(response, { status: 200, body: sim.state() });
    return true;
  }
  const run = FUNCTIONS[name];
  if (request.method !== 'POST' || !run) {
    send(response, { status: 404, body: { message: `GET /sim/state, POST /sim/{${Object.keys(FUNCTIONS).join(', ')}}` } });
    return true;
  }
  try {
    sim.clock.catchUp();
    const argument = bytes.length ? JSON.parse(bytes.toString()) : [];
    send(response, { status: 200, body: (await run(sim, ...(Array.isArray(argument) ? argument : [argument]))) ?? {} });
  } catch (error) {
    send(response, { status: 400, body: { message: error.message } });
  }
  return true;
}

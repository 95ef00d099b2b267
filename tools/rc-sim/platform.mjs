// RingCentral, as far as this project sees it: everything of this folder put together, and the functions by which tests and the demo steer it.
import { Account, ACCOUNT } from './account.mjs';
import { Aftermath, AFTERMATH, MEDIA } from './aftermath.mjs';
import { Call, SCENARIOS, randomScript } from './calls.mjs';
import { Clock } from './clock.mjs';
import { control } from './control.mjs';
import { Deliveries } from './deliveries.mjs';
import { Gateway } from './gateway.mjs';
import { Messages, MESSAGES } from './messages.mjs';
import { OAuth, OAUTH } from './oauth.mjs';
import { PRESENCE, presenceEvent } from './presence.mjs';
import { Random } from '../vapi-sim/lib/random.mjs';
import { Rates } from './rates.mjs';
import { Faults, Rest } from './rest.mjs';
import { RingCx, RINGCX } from './ringcx.mjs';
import { Subscriptions, SUBSCRIPTIONS } from './subscriptions.mjs';
import { TELEPHONY } from './telephony.mjs';
import { Web } from './web.mjs';
import { Webhooks } from './webhooks.mjs';

const PERMISSIONS = ['CallControl', 'ReadAccounts', 'ReadPresence', 'ReadMessages', 'SMS', 'ReadCallLog', 'ReadCallRecording', 'RingSense', 'SubscriptionWebhook',
  'WebSocketsSubscription'];
// Of the platform's own time (`speed`), ms.
const TIMES = { effectMs: 60, pickUpMs: 4000, callLogMs: 20000, insightsMs: 30000, recordingMinMs: 30000, smsMs: 700, ringcxAfterMs: 0 };

export class RingCentralSim {
  // options: seed, speed, startAt, skewMs (the platform's clock against ours), dateSkewMs (its Date header against its clock), oauth (oauth.mjs), limits (rates.mjs),
  // ringcxSummaries (false: no queue has AI summaries, so there are no transcripts), ringcxWindow (begin | end: what segmentEndTime is of a report), ringcxNames (dialog | segment: of its
  // rows' members), muteForm (bare | party: the only body of a mute that is taken), gateway (gateway.mjs), webhooks (webhooks.mjs), chances (deliveries.mjs), company (account.mjs), permissions (a list), times of TIMES, ports {platform, media, ringcx}, tls
  constructor(options = {}) {
    const { seed = 1, dateSkewMs = 0, permissions = PERMISSIONS, ringcxSummaries = true, ringcxWindow = 'begin', ringcxNames = 'dialog', muteForm = null, tls = null } = options;
    Object.assign(this, { options, dateSkewMs, ringcxSummaries, ringcxWindow, ringcxNames, muteForm, speed: options.speed ?? 1, ...TIMES }, Object.fromEntries(Object.keys(TIMES).filter((k) => k in options).map((k) => [k, options[k]])));
    this.random = new Random(seed);
    this.clock = new Clock(options);
    this.account = new Account(options.company);
    this.permissions = new Set(permissions);
    this.violations = []; // {what, who, at}: what a good client never does
    const violation = (what, who) => this.violations.push({ what, who, at: Date.now() });
    this.rates = new Rates(options.limits, (group, user) => violation(`request during a penalty (${group})`, user));
    this.oauth = new OAuth({ options: options.oauth, random: this.random.fork('oauth'), account: this.account, onViolation: violation });
    this.faults = new Faults();
    this.webhooks = new Webhooks(options.webhooks);
    this.subscriptions = new Subscriptions({ clock: this.clock, random: this.random.fork('subscriptions'), webhooks: this.webhooks, permissions: this.permissions,
      uri: () => this.platformUrl });
    this.deliveries = new Deliveries({ clock: this.clock, random: this.random.fork('deliveries'), subscriptions: () => this.subscriptions.all(), chances: options.chances });
    this.gateway = new Gateway({ options: options.gateway, clock: this.clock, random: this.random.fork('gateway'), answer: (request) => this.#overGateway(request),
      redeem: (ticket) => this.oauth.redeem(ticket), onViolation: violation, onLineEnd: (line) => this.subscriptions.all().filter((s) => s.socket === line).forEach((s) => s.end()) });
    this.messages = new Messages(this);
    this.aftermath = new Aftermath(this);
    this.ringcx = new RingCx(this);
    this.sessions = new Map(); // every telephony session, ended ones too
    this.calls = [];
    this.commands = []; // of call control, accepted: {method, path, body, at}
    this.sent = []; // texts we were given
    this.failures = []; // of the simulator itself
    this.rest = new Rest(this, { platform: [...OAUTH, ...SUBSCRIPTIONS, ...ACCOUNT, ...TELEPHONY, ...PRESENCE, ...MESSAGES, ...AFTERMATH], media: MEDIA, ringcx: RINGCX });
    const answer = (request) => this.rest.answer(request);
    this.webs = ['platform', 'media', 'ringcx'].map((host) => new Web({ host, answer, tls, ...(host === 'platform' ? { special: (...x) => control(this, ...x) } : {}) }));
    this.webs[0].server.on('upgrade', (request, socket, head) => this.gateway.upgrade(request, socket, head));
  }

  async listen() {
    const { ports = {} } = this.options;
    [this.platformUrl, this.mediaUrl, this.ringcxUrl] = await Promise.all(this.webs.map((web) => web.listen(ports[web.host] ?? 0)));
    return this;
  }

  get credentials() {
    const { clientId, clientSecret, jwts } = this.oauth.options;
    return { clientId, clientSecret, jwt: Object.keys(jwts)[0] };
  }

  async #overGateway(request) {
    const answer = await this.rest.answer(request);
    if (answer.reset)
      request.socket.socket?.ws.terminate();
    return answer.hang || answer.reset ? null : answer;
  }

  publish(event) {
    this.deliveries.publish(event);
    const extension = event.kind === 'telephony' && event.of && this.account.get(event.of);
    if (extension && this.subscriptions.all().some((s) => s.filters.some((f) => f.kind === 'presence')))
      this.deliveries.publish(presenceEvent(this, extension));
  }

  #over(session) {
    this.aftermath.keep(session);
    const { call } = session;
    if (call.voicemailOf && session === call.session)
      this.messages.voicemail(call.voicemailOf, { from: { phoneNumber: call.customer.number }, durationS: Math.round((session.endedAt - session.createdAt) / 1000) });
    if (call.over)
      call.finish(call);
  }

  // --- calls ---

  // {scenario: a name of SCENARIOS, or "random"; or script: list of steps; customer: {number, name}; at: platform's time, ms}. It runs by itself; call.done
  // resolves when it is over.
  startCall({ scenario = 'simple', script, customer, at } = {}) {
    const random = this.random.fork(`call ${this.calls.length}`);
    const steps = script ?? (scenario === 'random' ? randomScript(random) : SCENARIOS[scenario]);
    if (!steps)
      throw new Error(`no scenario ${scenario}: ${Object.keys(SCENARIOS).join(', ')}, random`);
    const call = new Call({ clock: this.clock, random, account: this.account, sessions: this.sessions, publish: (event) => this.publish(event), over: (session) => this.#over(session) },
      { name: scenario, script: steps, customer: customer ?? { number: `+1555010${random.int(1000, 9999)}` } });
    this.calls.push(call);
    if (at)
      this.clock.when(at, () => call.begin());
    else
      this.clock.at(() => call.begin());
    return call;
  }

  startCalls(n, options = {}) {
    return Array.from({ length: n }, () => this.startCall(options));
  }

  // By the id of any of its sessions.
  call(id) {
    const found = this.calls.find((c) => c.sessions.some((s) => s.id === id));
    if (!found)
      throw new Error(`no call ${id}`);
    return found;
  }

  // One more thing happens in a call, now: {hold: 'ann'} ...
  step(call, step) {
    this.clock.at(() => (typeof call === 'string' ? this.call(call) : call).step(step));
  }

  async finished(calls = this.calls) {
    await Promise.all(calls.map((c) => c.done));
    const broken = calls.find((c) => c.failure)?.failure ?? this.failures[0];
    if (broken)
      throw broken;
    return calls;
  }

  // --- orders ---

  sms(message) {
    return this.clock.at(() => this.messages.receive(message));
  }

  fail(fault) {
    this.faults.order(fault);
  }

  permit(permission, on = true) {
    this.permissions[on ? 'add' : 'delete'](permission);
  }

  // Subscriptions are granted without these filters: {filter: part of its text, reason, message}
  disableFilter({ filter, reason = 'CMN-401', message = 'Not permitted' }) {
    this.subscriptions.disabled.push({ filter, reason, message });
  }

  blacklist(id, reason = 'by order') {
    (id ? [this.subscriptions.list.get(id)] : this.subscriptions.all()).forEach((s) => s.blacklist(reason));
  }

  expireSubscriptions() {
    this.subscriptions.all().forEach((s) => s.end());
  }

  state() {
    const count = (list, key) => list.reduce((sum, x) => ({ ...sum, [key(x)]: (sum[key(x)] ?? 0) + 1 }), {});
    return { urls: { platform: this.platformUrl, media: this.mediaUrl, ringcx: this.ringcxUrl }, now: new Date(this.clock.now()).toISOString(),
      calls: this.calls.map((c) => ({ id: c.id, name: c.name, over: c.over, sessions: c.sessions.map((s) => ({ id: s.id, over: s.over,
        parties: s.parties.map(({ id, kind, code, reason, muted, extension }) => ({ id, kind, code, reason, muted, extension: extension?.key })) })) })),
      subscriptions: this.subscriptions.all().map((s) => s.view()), sockets: this.gateway.open.length, upgrades: this.gateway.upgrades, deliveries: this.deliveries.counts,
      webhooks: count(this.webhooks.ledger, (d) => d.status), requests: count(this.rest.log, (r) => `${r.method} ${r.path} ${r.status}`), tokens: this.oauth.granted,
      penalties: { begun: this.rates.penalties, violated: this.rates.violations }, violations: this.violations, commands: this.commands, texts: this.sent,
      messages: this.messages.list.map((m) => m.message),
      dialogs: [...this.ringcx.dialogs.values()].map(({ id, state, commands, monitors, results }) => ({ id, state, commands, monitors, results })) };
  }

  async close() {
    this.clock.stop();
    this.ringcx.close();
    this.subscriptions.close();
    this.gateway.close();
    this.webhooks.close();
    await Promise.all(this.webs.map((web) => web.close()));
  }
}

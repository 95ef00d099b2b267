// Subscriptions of both kinds, WebHook and WebSocket: made, renewed, changed, listed, ended, blacklisted.
import { iso } from './clock.mjs';
import { ApiError, forbidden, invalid, notFound } from './errors.mjs';
import { readFilter } from './filters.mjs';

const MAX = 30; // of a user and app
const TTL_MAX_S = 315360000;
const TTL_S = { WebHook: 604799, WebSocket: 86400 };
const PERMISSION = { WebHook: 'SubscriptionWebhook', WebSocket: 'WebSocketsSubscription' };

class Subscription {
  constructor(world, members) {
    Object.assign(this, { world, status: 'Active', ...members });
  }

  setFilters(eventFilters) {
    const { permissions, disabled } = this.world;
    if (!Array.isArray(eventFilters) || eventFilters.length === 0)
      throw invalid('eventFilters');
    const read = eventFilters.map((text) => readFilter(text, this.ownerId));
    if (read.includes(null))
      throw invalid('eventFilters', `Event filter [${eventFilters[read.indexOf(null)]}] is not supported`);
    const why = (f) => disabled.find((d) => f.filter.includes(d.filter)) ?? (f.permission && !permissions.has(f.permission)
      ? { reason: 'CMN-401', message: `Application needs to have [${f.permission}] permission` } : null);
    this.filters = read.filter((f) => !why(f));
    this.disabledFilters = read.filter((f) => why(f)).map((f) => ({ filter: f.filter, reason: why(f).reason, message: why(f).message }));
  }

  renew(expiresIn = this.expiresIn) {
    clearTimeout(this.timer);
    clearInterval(this.reminder);
    this.expiresIn = expiresIn;
    this.until = Date.now() + expiresIn * 1000;
    if (this.status !== 'Blacklisted')
      this.status = 'Active';
    if (this.deliveryMode.transportType !== 'WebHook')
      return; // lives as long as its socket
    this.timer = setTimeout(() => this.end(), Math.min(expiresIn * 1000, 2 ** 31 - 1));
    this.#remind();
  }

  // ?threshold=S&interval=S: told in time that it ends.
  #remind() {
    const filter = this.filters.find((f) => f.kind === 'reminder');
    if (!filter)
      return;
    const [threshold, interval] = ['threshold', 'interval'].map((name) => Number(filter.query.get(name)));
    const tell = () => this.give({ uuid: this.world.random.hex(16), event: filter.filter, timestamp: iso(this.world.clock.now()), subscriptionId: this.id, ownerId: this.ownerId,
      body: this.view() });
    this.reminder = setTimeout(() => {
      tell();
      this.reminder = setInterval(tell, interval * 1000);
    }, Math.max(0, (this.expiresIn - threshold) * 1000));
  }

  blacklist(reason) {
    this.status = 'Blacklisted';
    this.blacklistedData = { blacklistedAt: iso(this.world.clock.now()), reason };
  }

  end() {
    clearTimeout(this.timer);
    clearInterval(this.reminder);
    this.world.list.delete(this.id);
    this.status = 'Ended';
  }

  view() {
    const { id, disabledFilters, deliveryMode, blacklistedData, status, world } = this;
    const left = Math.max(0, Math.round((this.until - Date.now()) / 1000));
    return { uri: `${world.uri()}/restapi/v1.0/subscription/${id}`, id, eventFilters: this.filters.map((f) => f.filter),
      ...(disabledFilters.length ? { disabledFilters } : {}), expirationTime: iso(world.clock.now() + left * 1000), expiresIn: left, status, creationTime: this.creationTime,
      deliveryMode: { transportType: deliveryMode.transportType, encryption: false, ...(deliveryMode.address ? { address: deliveryMode.address } : {}) },
      ...(blacklistedData ? { blacklistedData } : {}) };
  }
}

export class Subscriptions {
  // world parts: clock, random, webhooks, permissions (Set), uri()
  constructor({ clock, random, webhooks, permissions, uri }) {
    Object.assign(this, { clock, random, webhooks, permissions, uri });
    this.list = new Map();
    this.disabled = []; // {filter: part of its text, reason, message}: by order
  }

  all() {
    return [...this.list.values()];
  }

  #permitted(transportType) {
    if (!this.permissions.has(PERMISSION[transportType]))
      throw transportType === 'WebSocket' ? new ApiError(403, 'SUB-528', 'WebSocket subscription is not allowed for the application') : forbidden(PERMISSION[transportType]);
  }

  // `socket`: the gateway's connection it came by; it has one subscription at most.
  async create({ session, ownerId, body, socket = null }) {
    const { eventFilters, deliveryMode = {}, expiresIn } = body ?? {};
    const transportType = deliveryMode.transportType;
    if (!TTL_S[transportType] || (transportType === 'WebSocket') !== Boolean(socket))
      throw new ApiError(400, 'SUB-501', 'Unsupported delivery mode', { parameterName: 'deliveryMode.transportType' });
    this.#permitted(transportType);
    if (expiresIn !== undefined && !(expiresIn > 0 && expiresIn <= TTL_MAX_S))
      throw invalid('expiresIn');
    if (this.all().filter((s) => s.session.user === session.user && !(socket && s.socket === socket)).length >= MAX)
      throw new ApiError(400, 'SUB-505', 'Subscriptions limit exceeded');
    const subscription = new Subscription(this, { id: this.random.uuid(this.clock.now()), session, ownerId, deliveryMode, socket, creationTime: iso(this.clock.now()) });
    subscription.setFilters(eventFilters);
    subscription.give = socket ? (envelope) => subscription.socket.notify(envelope) : (envelope) => this.webhooks.deliver(subscription, envelope);
    if (socket)
      this.all().filter((s) => s.socket === socket).forEach((s) => s.end());
    else
      await this.webhooks.handshake(subscription, this.random.uuid(this.clock.now()));
    this.list.set(subscription.id, subscription);
    subscription.renew(expiresIn ?? TTL_S[transportType]);
    return subscription;
  }

  find(id, { session, socket = null }) {
    const found = this.list.get(id);
    if (!found || found.session.user !== session.user)
      throw notFound('subscriptionId', id);
    if (found.socket && found.socket !== socket)
      throw new ApiError(400, 'SUB-531', 'A WebSocket subscription can only be changed over its WebSocket');
    return found;
  }

  async update(id, body, where) {
    const found = this.find(id, where);
    if (body?.deliveryMode?.address) {
      found.deliveryMode = { ...found.deliveryMode, ...body.deliveryMode };
      await this.webhooks.handshake(found, this.random.uuid(this.clock.now()));
    }
    if (body?.eventFilters)
      found.setFilters(body.eventFilters);
    found.renew(body?.expiresIn);
    return found;
  }

  close() {
    this.all().forEach((s) => s.end());
  }
}

const S = '/restapi/v1.0/subscription';
const where = ({ session, socket = null }) => ({ session, socket });
export const SUBSCRIPTIONS = [
  ['POST', S, { group: 'Medium', handler: async (sim, { session, me, socket, body }) => {
    const made = await sim.subscriptions.create({ session, ownerId: me.id, socket, body });
    return { status: 200, body: made.view() };
  } }],
  ['GET', S, { group: 'Light', handler: (sim, { session }) => ({ status: 200, body: { uri: `${sim.platformUrl}${S}`,
    records: sim.subscriptions.all().filter((s) => s.session.user === session.user).map((s) => s.view()) } }) }],
  ['GET', `${S}/:id`, { group: 'Light', handler: (sim, { params, session }) => {
    const socket = sim.subscriptions.list.get(params.id)?.socket; // seen from anywhere
    return { status: 200, body: sim.subscriptions.find(params.id, { session, socket }).view() };
  } }],
  ['PUT', `${S}/:id`, { group: 'Medium', handler: async (sim, r) => ({ status: 200, body: (await sim.subscriptions.update(r.params.id, r.body, where(r))).view() }) }],
  ['POST', `${S}/:id/renew`, { group: 'Light', handler: (sim, r) => {
    const found = sim.subscriptions.find(r.params.id, where(r));
    found.renew();
    return { status: 200, body: found.view() };
  } }],
  ['DELETE', `${S}/:id`, { group: 'Medium', handler: (sim, r) => {
    sim.subscriptions.find(r.params.id, where(r)).end();
    return { status: 204 };
  } }],
];

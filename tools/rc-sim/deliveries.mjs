// From an event to those who subscribed to it: envelopes, and what is ordered to happen to them on the way - lost, doubled, late, held back.
import { iso } from './clock.mjs';
import { wants } from './filters.mjs';

const ACTS = ['lose', 'duplicate', 'late', 'hold'];

export class Deliveries {
  // `subscriptions()`: those there are; each has `filters`, `owner`, `give(envelope)`.
  constructor({ clock, random, subscriptions, chances = {} }) {
    Object.assign(this, { clock, random, subscriptions, chances: { loss: 0, duplicate: 0, late: 0, lateMs: [50, 1500], ...chances } });
    this.orders = [];
    this.held = [];
    this.counts = { events: 0, given: 0, lost: 0, duplicated: 0, late: 0, held: 0 };
  }

  // For the next `times` notifications that match: {what: lose | duplicate | late (ms) | hold, event: part of the path, session, sequence, after (so many pass)}
  order({ what, times = 1, after = 0, ...match }) {
    if (!ACTS.includes(what))
      throw new Error(`what: ${ACTS.join(', ')}`);
    this.orders.push({ what, times, after, ...match });
  }

  // What was held back comes now, the last first when `reversed`.
  release({ reversed = false } = {}) {
    const held = this.held.splice(0);
    (reversed ? held.reverse() : held).forEach((give) => give());
    return held.length;
  }

  publish(event) {
    this.counts.events++;
    for (const subscription of this.subscriptions()) {
      const filter = subscription.status === 'Active' && subscription.filters.find((f) => wants(f, event));
      if (filter)
        this.#send(subscription, this.#envelope(subscription, event, filter));
    }
  }

  #envelope(subscription, event, filter) {
    let { body } = event;
    if (event.kind === 'telephony' && filter.query.get('sipData') !== 'true')
      body = { ...body, parties: body.parties.map(({ sipData, ...rest }) => rest) };
    return { uuid: `${this.random.int(10 ** 9, 9 * 10 ** 9)}${this.random.int(10 ** 8, 10 ** 9 - 1)}`, event: event.event,
      timestamp: iso(this.clock.now() + this.random.int(40, 110)), subscriptionId: subscription.id, ownerId: subscription.ownerId, body };
  }

  #ordered(envelope) {
    const matches = (o) => o.times > 0 && (!o.event || envelope.event.includes(o.event)) && (!o.session || envelope.body.telephonySessionId === o.session) &&
      (o.sequence === undefined || envelope.body.sequence === o.sequence);
    const order = this.orders.find(matches);
    if (!order)
      return null;
    if (order.after > 0) {
      order.after--;
      return null;
    }
    order.times--;
    return order;
  }

  #send(subscription, envelope) {
    const { chances, random, counts } = this;
    const give = () => {
      counts.given++;
      subscription.give(envelope);
    };
    const later = (ms) => {
      counts.late++;
      this.clock.after(ms, give);
    };
    const acts = {
      lose: () => { counts.lost++; },
      duplicate: () => {
        counts.duplicated++;
        give();
        give();
      },
      late: ({ ms = 1000 }) => later(ms),
      hold: () => {
        counts.held++;
        this.held.push(give);
      },
    };
    const order = this.#ordered(envelope);
    if (order)
      return acts[order.what](order);
    if (random.chance(chances.loss))
      return acts.lose();
    if (random.chance(chances.duplicate))
      this.clock.after(random.int(1, chances.lateMs[1]), () => {
        counts.duplicated++;
        give();
      });
    return random.chance(chances.late) ? later(random.int(...chances.lateMs)) : give();
  }
}

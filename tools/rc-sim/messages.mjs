// Texts: what is sent becomes Sent and then Delivered, or fails; what comes in is told at once. And voicemails. All are in the message store.
import { iso } from './clock.mjs';
import { invalid, notFound, forbidden } from './errors.mjs';
import { page } from './rest.mjs';

const E = '/restapi/v1.0/account/:account/extension/:extension';
const TEXT_MAX = 1000; // UTF-16 units

export class Messages {
  // sim: {clock, random, account, publish}. `failing`: numbers that cannot be reached -> error code.
  constructor(sim) {
    this.sim = sim;
    this.list = []; // newest last
    this.failing = new Map();
    this.conversations = new Map();
    this.stuck = false; // by order: nothing leaves the queue
  }

  #conversation(a, b) {
    const key = [a, b].sort().join();
    if (!this.conversations.has(key))
      this.conversations.set(key, String(this.sim.random.int(10 ** 15, 9 * 10 ** 15)));
    return this.conversations.get(key);
  }

  #add(extension, members) {
    const { sim } = this;
    const id = sim.random.int(10 ** 9, 2 ** 31);
    const now = iso(sim.clock.now());
    const message = { id: String(id), uri: `${sim.platformUrl}/restapi/v1.0/account/${sim.account.id}/extension/${extension.id}/message-store/${id}`, type: 'SMS', creationTime: now,
      lastModifiedTime: now, readStatus: 'Unread', priority: 'Normal', availability: 'Alive', ...members };
    const stored = { extension, message };
    this.list.push(stored);
    this.#changed(stored, 'newCount');
    return stored;
  }

  // Counts only, as this event has them.
  #changed({ extension, message }, what) {
    const { sim } = this;
    sim.publish({ kind: 'messages', of: extension.id, type: message.type, event: `/restapi/v1.0/account/${sim.account.id}/extension/${extension.id}/message-store`,
      body: { extensionId: extension.id, lastUpdated: iso(sim.clock.now()), changes: [{ type: message.type, newCount: 0, updatedCount: 0, [what]: 1,
        ...(what === 'newCount' ? { newMessageIds: [message.id] } : {}) }] } });
  }

  #becomes(stored, messageStatus, more = {}) {
    Object.assign(stored.message, { messageStatus, lastModifiedTime: iso(this.sim.clock.now()), ...more });
    this.#changed(stored, 'updatedCount');
  }

  send(extension, { from, to, text }) {
    const { sim } = this;
    if (typeof text !== 'string' || text.length > TEXT_MAX)
      throw invalid('text', `Parameter [text] value exceeds ${TEXT_MAX} characters`);
    if (from?.phoneNumber !== extension.phoneNumber)
      throw forbidden('SmsSender');
    const numbers = (Array.isArray(to) ? to : []).map((t) => t?.phoneNumber);
    if (numbers.length === 0 || !numbers.every((n) => /^\+?\d{3,15}$/.test(n)))
      throw invalid('to');
    const stored = this.#add(extension, { to: numbers.map((phoneNumber) => ({ phoneNumber })), from: { phoneNumber: from.phoneNumber, name: extension.name }, direction: 'Outbound',
      subject: text, messageStatus: 'Queued', readStatus: 'Read', smsSendingAttemptsCount: 1, conversation: { id: this.#conversation(from.phoneNumber, numbers[0]) },
      attachments: [{ id: String(sim.random.int(10 ** 9, 2 ** 31)), type: 'Text', contentType: 'text/plain' }] });
    const error = this.failing.get(numbers[0]);
    if (!this.stuck) {
      const step = sim.smsMs;
      sim.clock.after(step, () => (error?.startsWith('SMS-RC') ? this.#becomes(stored, 'SendingFailed', { deliveryErrorCode: error }) : this.#becomes(stored, 'Sent')));
      if (!error?.startsWith('SMS-RC'))
        sim.clock.after(2 * step, () => (error ? this.#becomes(stored, 'DeliveryFailed', { deliveryErrorCode: error }) : this.#becomes(stored, 'Delivered')));
    }
    return structuredClone(stored.message);
  }

  // From a customer to one of us; the event has the whole text.
  receive({ from, to = 'ann', text, name }) {
    const { sim } = this;
    const extension = sim.account.find(to);
    const { message } = this.#add(extension, { to: [{ phoneNumber: extension.phoneNumber, name: extension.name, location: 'San Francisco, CA', target: true }],
      from: { phoneNumber: from, ...(name ? { name } : {}), location: 'Oakland, CA' }, direction: 'Inbound', subject: text, messageStatus: 'Received',
      conversation: { id: this.#conversation(extension.phoneNumber, from) }, attachments: [{ id: String(sim.random.int(10 ** 9, 2 ** 31)), type: 'Text', contentType: 'text/plain' }] });
    sim.publish({ kind: 'instant', of: extension.id, type: 'SMS', event: `/restapi/v1.0/account/${sim.account.id}/extension/${extension.id}/message-store/instant?type=SMS`,
      body: { ...message, eventType: 'Create', owner: { extensionId: extension.id, extensionType: extension.type, name: extension.name } } });
    return message;
  }

  voicemail(extension, { from, durationS }) {
    const { sim } = this;
    const id = sim.random.int(10 ** 9, 2 ** 31);
    const { message } = this.#add(extension, { type: 'Voicemail', to: [{ phoneNumber: sim.account.mainNumber, name: extension.name }], from, direction: 'Inbound', subject: 'Voice message',
      messageStatus: 'Received', vmTranscriptionStatus: 'NotAvailable', attachments: [{ id: String(id), type: 'AudioRecording', contentType: 'audio/x-wav', vmDuration: durationS,
        uri: `${sim.mediaUrl}/restapi/v1.0/account/${sim.account.id}/extension/${extension.id}/message-store/${id}/content/${id}` }] });
    sim.publish({ kind: 'voicemail', of: extension.id, event: `/restapi/v1.0/account/${sim.account.id}/extension/${extension.id}/voicemail`, body: message });
    return message;
  }

  of(extensionId) {
    return this.list.filter((s) => s.extension.id === extensionId).map((s) => s.message);
  }
}

const within = (message, asked) => ['type', 'messageType'].every((q) => !asked.has(q) || asked.getAll(q).includes(message.type)) &&
  (!asked.has('direction') || asked.get('direction') === message.direction) && (!asked.has('dateFrom') || message.creationTime >= asked.get('dateFrom'));

export const MESSAGES = [
  ['POST', `${E}/sms`, { group: 'Medium', permission: 'SMS', handler: (sim, { me, params, body }) => {
    if (params.extension !== me.id)
      throw forbidden('SMS of another extension');
    sim.sent.push({ ...body, at: sim.clock.now() });
    return { status: 200, body: sim.messages.send(me, body ?? {}) };
  } }],
  ['GET', `${E}/message-store`, { group: 'Light', permission: 'ReadMessages', handler: (sim, { params, query }) => ({ status: 200,
    body: page(sim.messages.of(params.extension).filter((m) => within(m, query)).reverse(), query, { uri: `${sim.platformUrl}/message-store` }) }) }],
  ['GET', `${E}/message-store/:message`, { group: 'Light', permission: 'ReadMessages', handler: (sim, { params }) => {
    const found = sim.messages.of(params.extension).find((m) => m.id === params.message);
    if (!found)
      throw notFound('messageId', params.message);
    return { status: 200, body: found };
  } }],
  ['GET', `${E}/phone-number`, { group: 'Light', permission: 'ReadAccounts', handler: (sim, { me, query }) => ({ status: 200, body: page([{ id: 33001016, phoneNumber: me.phoneNumber,
    paymentType: 'Local', type: 'VoiceFax', usageType: 'DirectNumber', features: ['CallerId', 'SmsSender', 'MmsSender'] }], query, { uri: `${sim.platformUrl}/phone-number` }) }) }],
];

// What a script can do to a call, one function per step: {hold: 'ann'}, {transfer: ['ann', 'bob']} ... People are named as the account names them;
// 'customer' is the outside party.
import { isGone } from './session.mjs';
import { msOf, wordsSound } from './sound.mjs';

const WORD_MS = 330;
const SENTENCE_MS = 500;

const who = (call, name) => call.world.account.find(name);
const party = (call, name) => {
  const found = name === 'customer' ? call.session.outside : call.session.of(who(call, name));
  if (!found)
    throw new Error(`${name} is not in the call`);
  return found;
};
const company = (call) => ({ phoneNumber: call.world.account.mainNumber });

// Hops that only lead the caller on: the IVR, the queue.
function leadOn(call, reason) {
  const { session } = call;
  for (const hop of session.parties.filter((p) => ['ivr', 'queue'].includes(p.kind) && !isGone(p)))
    session.leave(hop, { reason: hop.kind === 'queue' ? reason : undefined });
}

function caller(call) {
  const outside = call.session.outside;
  return { phoneNumber: call.customer.number, ...(call.customer.name && outside ? { name: call.customer.name } : {}) };
}

function hop(call, kind, name) {
  const extension = who(call, name);
  leadOn(call);
  const to = { ...company(call), name: extension.name, extensionId: extension.id };
  const added = call.session.add({ kind, extension, direction: 'Inbound', to, from: { phoneNumber: call.customer.number }, queueCall: kind === 'queue' || undefined });
  call.session.change(added, { code: 'Setup' }, { gapMs: 24 });
  if (kind === 'queue')
    call.session.change(added, { code: 'Answered' }, { gapMs: 30 });
  call.session.pickUp(extension);
}

function moveParty(call, from, { into, as, kind, extension, reason, code = 'Answered', ...more }) {
  const moved = into.add({ kind, extension, ...as, ...more });
  into.change(moved, { code });
  from.session.change(from.party, { code: 'Gone', reason, peerId: into.peer(moved) });
  return moved;
}

export const STEPS = {
  // Who calls: the customer ...
  inbound(call) {
    const outside = call.session.add({ kind: 'outside', direction: 'Outbound', to: company(call), from: { phoneNumber: call.customer.number } });
    call.session.change(outside, { code: 'Setup' });
  },

  // ... or one of us: {outbound: 'ann'}. The customer's phone rings.
  outbound(call, name) {
    const extension = who(call, name);
    const from = { phoneNumber: extension.phoneNumber, extensionId: extension.id, deviceId: extension.devices[0]?.id };
    const ours = call.session.add({ kind: 'user', extension, direction: 'Outbound', to: { phoneNumber: call.customer.number }, from });
    call.session.change(ours, { code: 'Setup' });
    const outside = call.session.add({ kind: 'outside', direction: 'Inbound', to: { phoneNumber: call.customer.number },
      from: { phoneNumber: extension.phoneNumber, name: extension.name, extensionId: extension.id } });
    call.session.change(outside, { code: 'Proceeding' }, { gapMs: 36 });
    call.session.change(ours, { code: 'Proceeding' }, { gapMs: 40 });
  },

  ivr: (call, name) => hop(call, 'ivr', name),
  queue: (call, name) => hop(call, 'queue', name),

  // {ring: 'ann'} or all of them at once; from a queue it goes on waiting behind.
  ring(call, names) {
    const queued = call.session.parties.some((p) => p.kind === 'queue' && !isGone(p));
    if (!queued)
      leadOn(call);
    for (const name of [names].flat()) {
      const rung = call.session.ring(who(call, name), { from: caller(call), to: company(call), queueCall: queued || undefined, gapMs: 0 });
      rung.uiCallInfo = queued ? { primary: { type: 'QueueName', value: 'Support' } } : undefined;
    }
  },

  // Others that ring are told that somebody was quicker.
  answer(call, name) {
    const mine = party(call, name);
    call.session.answer(mine);
    for (const other of call.session.parties.filter((p) => p !== mine && p.kind === 'user' && ['Setup', 'Proceeding'].includes(p.code)))
      call.session.leave(other, { reason: 'AgentAnswered', gapMs: 6 });
    leadOn(call, 'AgentAnswered');
  },

  noanswer: (call, name) => call.session.leave(party(call, name), { reason: 'NoAnswer', missedCall: true }),
  reject: (call, name) => call.session.leave(party(call, name), { reason: 'Rejected', missedCall: true }),
  busy: (call, name) => call.session.leave(party(call, name), { reason: 'TargetBusy' }),
  invalid: (call, name) => call.session.leave(party(call, name), { reason: 'InvalidNumber' }),

  hold: (call, name) => call.session.hold(party(call, name)),
  unhold: (call, name) => call.session.unhold(party(call, name)),
  mute: (call, name) => call.session.mute(party(call, name), true),
  unmute: (call, name) => call.session.mute(party(call, name), false),

  // 'ann', or ['ann', 'OnDemand'].
  record(call, what) {
    const [name, mode = 'Automatic'] = [what].flat();
    call.session.record(party(call, name), { mode });
  },

  // [who, text]: takes as long as it is spoken.
  say(call, [name, text]) {
    const ms = text.split(/\s+/).length * WORD_MS + SENTENCE_MS;
    call.spoken.push({ who: name, party: party(call, name).id, text, from: call.world.clock.now(), until: call.world.clock.now() + ms });
    return ms;
  },

  // The same in words that tools/stt-sim understands (tools/stt-sim/ear.mjs).
  words(call, [name, text]) {
    const ms = msOf(wordsSound(text, name));
    call.spoken.push({ who: name, party: party(call, name).id, text, words: true, from: call.world.clock.now(), until: call.world.clock.now() + ms });
    return ms;
  },

  // What the platform says itself, in such words: it is nobody's in the call.
  announce(call, text) {
    const ms = msOf(wordsSound(text, 'announcement'));
    call.spoken.push({ who: 'announcement', text, words: true, from: call.world.clock.now(), until: call.world.clock.now() + ms });
    return ms;
  },

  wait: (call, ms) => ms,

  // Blind: [from, to]; the new one rings. To a number outside: {transfer: ['ann', '+1555...']}.
  transfer(call, [from, to]) {
    const mine = party(call, from);
    call.session.leave(mine, { reason: 'BlindTransfer' });
    call.session.reach(to);
  },

  // A second session between the two; the customer waits on hold.
  consult(call, [from, to]) {
    const mine = party(call, from);
    if (mine.code !== 'Hold')
      call.session.hold(mine);
    const [a, b] = [who(call, from), who(call, to)];
    const consult = call.open();
    const ours = consult.add({ kind: 'user', extension: a, direction: 'Outbound', to: { extensionId: b.id, name: b.name, phoneNumber: b.phoneNumber },
      from: { extensionId: a.id, name: a.name, phoneNumber: a.phoneNumber, deviceId: a.devices[0]?.id } });
    consult.change(ours, { code: 'Setup' });
    consult.ring(b, { from: { extensionId: a.id, name: a.name, phoneNumber: a.phoneNumber } });
    consult.answer(consult.of(b));
    call.consultation = { session: consult, from: a, to: b };
  },

  // 'original': the colleague joins the customer's session; 'consult': the customer moves to the colleague's.
  complete(call, into = 'original') {
    const { session: consult, from, to } = call.consultation;
    const mine = call.session.of(from);
    const [there, colleague] = [consult.of(from), consult.of(to)];
    if (into === 'original') {
      call.session.leave(mine, { reason: 'AttendedTransfer' });
      moveParty(call, { session: consult, party: colleague }, { into: call.session, kind: 'user', extension: to, reason: 'AttendedTransfer',
        as: { direction: 'Inbound', to: { extensionId: to.id, name: to.name, phoneNumber: to.phoneNumber }, from: caller(call) } });
      consult.leave(there, { reason: 'AttendedTransfer' });
      return;
    }
    const outside = call.session.outside;
    moveParty(call, { session: call.session, party: outside }, { into: consult, kind: 'outside', reason: 'AttendedTransfer',
      as: { direction: outside.direction, to: outside.to, from: outside.from } });
    call.session.leave(mine, { reason: 'AttendedTransfer', gapMs: 5 });
    consult.leave(there, { reason: 'AttendedTransfer' });
    call.session = consult;
  },

  park(call, name, orbit = '*801') {
    call.session.leave(party(call, name), { reason: 'CallPark' });
    call.session.change(call.session.outside, { code: 'Parked', park: { id: orbit } }, { gapMs: 8 });
  },

  // Somebody dials the orbit: the customer moves to the session of that call.
  unpark(call, name) {
    const extension = who(call, name);
    const outside = call.session.outside;
    const pickup = call.open();
    const ours = pickup.add({ kind: 'user', extension, direction: 'Outbound', to: { phoneNumber: outside.park.id }, from: { extensionId: extension.id, name: extension.name,
      phoneNumber: extension.phoneNumber, deviceId: extension.devices[0]?.id } });
    pickup.change(ours, { code: 'Setup' });
    moveParty(call, { session: call.session, party: outside }, { into: pickup, kind: 'outside', reason: 'Pickup', as: { direction: 'Inbound', to: outside.to, from: outside.from } });
    pickup.change(ours, { code: 'Answered' }, { gapMs: 12 });
    call.session = pickup;
  },

  voicemail: (call, name) => { call.session.toVoicemail(party(call, name)); },

  // [supervisor, agent]
  supervise: (call, [supervisor, agent]) => call.session.supervise(who(call, supervisor), party(call, agent), who(call, supervisor).devices[0]),
  unsupervise(call, name) {
    const found = call.session.parties.findLast((p) => p.kind === 'supervisor' && !isGone(p) && p.extension === who(call, name));
    call.session.leave(found);
  },

  // [host, number]: the call becomes a conference with somebody from outside; everybody moves to its session.
  conference(call, [host, number]) {
    const extension = who(call, host);
    const [mine, outside] = [party(call, host), call.session.outside];
    const old = call.session;
    const room = call.open('Conference');
    const inRoom = { rcc: true, conferenceRole: 'Participant', direction: 'Inbound' };
    const at = { extensionId: extension.id, name: extension.name, phoneNumber: extension.phoneNumber };
    moveParty(call, { session: old, party: mine }, { into: room, kind: 'user', extension, reason: 'RccTransfer', as: { ...inRoom, conferenceRole: 'Host', direction: 'Outbound',
      from: at, to: { phoneNumber: 'conference' } } });
    moveParty(call, { session: old, party: outside }, { into: room, kind: 'outside', reason: 'RccTransfer', as: { ...inRoom, to: outside.to, from: outside.from } });
    const third = room.add({ kind: 'outside', ...inRoom, to: { phoneNumber: number }, from: at });
    room.change(third, { code: 'Proceeding' });
    room.change(third, { code: 'Answered' }, { gapMs: 30 });
    call.session = room;
  },

  hangup(call, name) {
    if (name === 'all')
      call.session.end();
    else
      call.session.hangUp(party(call, name));
  },
};

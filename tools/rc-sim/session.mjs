// One telephony session: its parties, and an event for each change of one of them, as captures of real accounts show them: one party per event, a
// sequence per session that begins at 2, every hop a new party, account paths for parties that are no extension, extension paths for those that are.
import { iso } from './clock.mjs';
import { conflict } from './errors.mjs';

const GONE = ['Disconnected', 'Gone'];
export const isGone = (party) => GONE.includes(party.code);
const TALKING = ['Answered', 'Hold'];

export class Session {
  // world: {clock, random, account, publish(event), over(session)}
  constructor(world, { origin = 'Call' } = {}) {
    const { random } = world;
    this.world = world;
    this.token = random.hex(32);
    this.id = `s-${this.token}`;
    this.sessionId = `${random.int(400000, 499999)}${random.int(100000, 999999)}`;
    this.serverId = `10.13.22.${random.int(2, 250)}.TAM`;
    this.origin = origin;
    this.sequence = 1;
    this.parties = [];
    this.told = []; // every event's body, in order
    this.createdAt = world.clock.now();
    this.latest = this.createdAt;
    this.over = false;
    this.recorded = []; // {id, party, mode, from, until}
  }

  // Time of the next event: now, or a little after the one before when both belong together.
  #time(gapMs) {
    this.latest = Math.max(this.world.clock.now(), this.latest + gapMs);
    return this.latest;
  }

  // `kind`: outside, user, ivr, queue, supervisor. Tells nobody: change() does.
  add({ kind, extension = null, direction, to = {}, from = {}, ...more }) {
    const party = { kind, extension, id: `p-${this.token}-${this.parties.length + 1}`, direction, to, from, code: null, muted: false, missedCall: false, park: {},
      recordings: [], standAlone: false, rcc: false, ...more };
    if (extension && kind !== 'outside')
      party.sipData = { callId: `${this.world.random.hex(24)}@sim`, toTag: this.world.random.hex(8), fromTag: this.world.random.hex(8) };
    this.parties.push(party);
    return party;
  }

  // The party is now so, and it is told. `gapMs` after the event before it.
  change(party, members, { gapMs = 0, silent = false } = {}) {
    const at = this.#time(gapMs);
    Object.assign(party, { reason: undefined, peerId: undefined }, members);
    if (TALKING.includes(party.code))
      party.answeredAt ??= at;
    if (isGone(party)) {
      party.goneAt = at;
      this.#endRecordings(party, at);
    }
    this.sequence++;
    if (!silent)
      this.#tell(party, at);
    if (!this.over && this.parties.length && this.parties.every((p) => isGone(p) || p.kind === 'supervisor')) {
      this.over = true;
      this.parties.filter((p) => !isGone(p)).forEach((p) => this.change(p, { code: 'Disconnected' }, { gapMs: 4 }));
      this.endedAt = this.latest;
      this.world.over(this);
    }
    return party;
  }

  #tell(party, at) {
    const { account } = this.world;
    const view = this.view(party);
    const body = { sequence: this.sequence, sessionId: this.sessionId, telephonySessionId: this.id, serverId: this.serverId, eventTime: iso(at), parties: [view],
      origin: { type: this.origin } };
    this.told.push(body);
    const extension = party.kind === 'outside' ? null : party.extension;
    this.world.publish({ kind: 'telephony', of: extension?.id, party: view, body, session: this,
      event: `/restapi/v1.0/account/${account.id}${extension ? `/extension/${extension.id}` : ''}/telephony/sessions` });
  }

  // As events and GET show a party.
  view(party) {
    const { account } = this.world;
    const extension = party.kind === 'outside' ? null : party.extension;
    const { code, reason, peerId, rcc } = party;
    // What mobile applications pick a ringing call up by.
    const pickup = code === 'Proceeding' && extension && party.direction === 'Inbound' ? { mobilePickupData: { ccMailboxes: [extension.id], to: `#${extension.id}@sip.example.com:5060`,
      sid: String(parseInt(this.token.slice(0, 10), 16)), srvLvl: '-149699523', srvLvlExt: '406' } } : {};
    return {
      accountId: account.id, ...(extension ? { extensionId: extension.id } : {}), id: party.id, direction: party.direction, to: { ...party.to }, from: { ...party.from },
      status: { code, ...(reason ? { reason } : {}), ...(code === 'Parked' ? { parkData: party.park.id } : {}), ...(peerId ? { peerId } : {}), ...pickup, rcc },
      park: party.park, missedCall: party.missedCall, standAlone: party.standAlone, muted: party.muted,
      ...(party.recordings.length ? { recordings: party.recordings.map(({ id, active }) => ({ id, active })) } : {}),
      ...(party.queueCall ? { queueCall: true } : {}), ...(party.conferenceRole ? { conferenceRole: party.conferenceRole } : {}),
      ...(party.sipData ? { sipData: party.sipData } : {}), ...(party.uiCallInfo ? { uiCallInfo: party.uiCallInfo } : {}),
    };
  }

  // As GET .../telephony/sessions/{id} answers.
  object() {
    return { id: this.id, sessionId: this.sessionId, serverId: this.serverId, origin: { type: this.origin }, voiceCallToken: `vct-${this.token.slice(0, 12)}`,
      creationTime: iso(this.createdAt), parties: this.parties.map((party) => this.view(party)) };
  }

  party(id) {
    return this.parties.find((p) => p.id === id);
  }

  peer(party) {
    return { sessionId: this.sessionId, telephonySessionId: this.id, partyId: party.id };
  }

  // The living party of that extension.
  of(extension) {
    return this.parties.findLast((p) => !isGone(p) && !['supervisor', 'outside'].includes(p.kind) && p.extension === extension);
  }

  // The customer.
  get outside() {
    return this.parties.find((p) => !isGone(p) && p.kind === 'outside');
  }

  // --- what happens to a party; a conflict is thrown as the API would tell it ---

  #must(party, ...codes) {
    if (!codes.includes(party.code))
      throw conflict(`the party is ${party.code}`);
    return party;
  }

  ring(extension, { from, to = {}, queueCall, gapMs = 4 } = {}) {
    const party = this.add({ kind: 'user', extension, direction: 'Inbound', from, queueCall, to: { phoneNumber: extension.phoneNumber ?? this.world.account.mainNumber, ...to,
      name: extension.name, extensionId: extension.id } });
    this.change(party, { code: 'Setup' }, { gapMs });
    this.change(party, { code: 'Proceeding' }, { gapMs: 29 });
    return party;
  }

  // A transfer's target: an extension rings, a number outside is set up.
  reach(to) {
    const extension = this.world.account.get(to);
    const outside = this.outside;
    const from = !outside ? {} : outside.direction === 'Outbound' ? outside.from : outside.to;
    if (extension)
      return this.ring(extension, { from: { ...from }, to: { phoneNumber: this.world.account.mainNumber } });
    const party = this.add({ kind: 'outside', direction: 'Inbound', to: { phoneNumber: String(to) }, from: { ...from } });
    return this.change(party, { code: 'Proceeding' }, { gapMs: 20 });
  }

  answer(party) {
    this.change(this.#must(party, 'Setup', 'Proceeding'), { code: 'Answered' });
    const caller = this.parties.find((p) => p !== party && ['Setup', 'Proceeding'].includes(p.code) && p.direction === 'Outbound' && p.kind !== 'supervisor');
    if (caller)
      this.change(caller, { code: 'Answered' }, { gapMs: 28 });
  }

  // The mailbox of somebody who does not answer takes the call.
  toVoicemail(party) {
    this.change(party, { code: 'VoiceMail', missedCall: true });
    this.call.voicemailOf = party.extension;
    this.pickUp(party.extension);
    return party;
  }

  // A machine answers the caller: IVR, queue, mailbox.
  pickUp(extension) {
    const { outside } = this;
    if (outside && ['Setup', 'Proceeding'].includes(outside.code))
      this.change(outside, { code: 'Answered', to: { phoneNumber: this.world.account.mainNumber, name: extension.name, extensionId: extension.id } }, { gapMs: 120 });
  }

  hold(party) {
    this.change(this.#must(party, 'Answered'), { code: 'Hold' });
  }

  unhold(party) {
    this.change(this.#must(party, 'Hold'), { code: 'Answered' });
  }

  mute(party, muted) {
    this.#must(party, ...TALKING);
    this.change(party, { muted });
  }

  leave(party, { reason, code = 'Disconnected', gapMs = 0, ...more } = {}) {
    if (!isGone(party))
      this.change(party, { code, reason, ...more }, { gapMs });
  }

  // Somebody hangs up; the rest follows when nobody is left to talk to.
  hangUp(party, { reason } = {}) {
    this.leave(party, { reason });
    const left = this.parties.filter((p) => !isGone(p) && p.kind !== 'supervisor');
    if (left.length < 2 || party.kind === 'outside')
      left.forEach((p) => this.leave(p, { gapMs: 4, ...(p.code === 'Proceeding' || p.code === 'Setup' ? { reason: 'Cancelled', missedCall: p.direction === 'Inbound' } : {}) }));
  }

  end({ reason } = {}) {
    for (const party of this.parties.filter((p) => !isGone(p)))
      this.leave(party, { reason, gapMs: 4 });
  }

  supervise(supervisor, agent, device) {
    const party = this.add({ kind: 'supervisor', extension: supervisor, direction: 'Outbound', from: { extensionId: supervisor.id, deviceId: device?.id, name: supervisor.name,
      phoneNumber: supervisor.phoneNumber }, to: { extensionId: agent.extension.id, name: agent.extension.name, phoneNumber: agent.extension.phoneNumber }, owner: agent.id });
    return this.change(party, { code: 'Answered', reason: 'Supervising' });
  }

  // --- recordings ---

  record(party, { mode = 'OnDemand' } = {}) {
    this.#must(party, ...TALKING);
    const recording = { id: String(this.world.random.int(10 ** 12, 10 ** 13 - 1)), active: true, mode, party, session: this, from: this.world.clock.now() };
    party.recordings.push(recording);
    this.recorded.push(recording);
    this.change(party, {});
    return recording;
  }

  pauseRecording(recording, active) {
    if (isGone(recording.party) || recording.active === active)
      throw conflict('the recording is so already');
    recording.active = active;
    this.change(recording.party, {});
  }

  #endRecordings(party, at) {
    for (const recording of party.recordings) {
      recording.active = false;
      recording.until ??= at;
    }
  }
}

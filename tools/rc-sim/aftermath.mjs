// What is there after a call: the call log (late), its recordings, what RingSense makes of it.
import { iso } from './clock.mjs';
import { notFound } from './errors.mjs';
import { page } from './rest.mjs';
import { callSound, wav } from './sound.mjs';

const A = '/restapi/v1.0/account/:account';
const ACE = '/ai/ringsense/v1/public/accounts/:account/domains';

const RESULTS = { NoAnswer: 'Missed', TargetBusy: 'Busy', Rejected: 'Missed', InvalidNumber: 'Wrong Number', Cancelled: 'Missed' };

function resultOf(session, inbound) {
  if (session.parties.some((p) => p.code === 'VoiceMail' || session.call?.voicemailOf === p.extension && p.extension))
    return 'Voicemail';
  if (session.parties.some((p) => p.kind === 'user' && p.answeredAt && (!inbound || p.direction === 'Inbound')) && session.parties.filter((p) => p.answeredAt).length > 1)
    return inbound ? 'Accepted' : 'Call connected';
  const why = session.parties.map((p) => RESULTS[p.reason]).find(Boolean);
  return why ?? (inbound ? 'Missed' : 'Hang Up');
}

export class Aftermath {
  // sim: {clock, random, account, publish, callLogMs, insightsMs, recordingMinMs, ringSense}
  constructor(sim) {
    this.sim = sim;
    this.log = []; // {extensions, record}, oldest first
    this.recordings = new Map();
    this.insights = []; // {session, record, body}
  }

  // A session is over.
  keep(session) {
    const { sim } = this;
    const kept = session.recorded.filter((r) => (r.until ?? sim.clock.now()) - r.from >= sim.recordingMinMs);
    kept.forEach((r) => this.recordings.set(r.id, r));
    sim.clock.after(sim.callLogMs, () => this.#list(session, kept));
    if (sim.permissions.has('RingSense'))
      kept.forEach((r) => sim.clock.after(sim.insightsMs, () => this.#understand(session, r)));
  }

  #recordingView({ id, mode }) {
    return { id, uri: `${this.sim.platformUrl}/restapi/v1.0/account/${this.sim.account.id}/recording/${id}`, type: mode,
      contentUri: `${this.sim.mediaUrl}/restapi/v1.0/account/${this.sim.account.id}/recording/${id}/content` };
  }

  #list(session, recordings) {
    const { sim } = this;
    const [first] = session.parties;
    const inbound = first.kind === 'outside';
    const users = session.parties.filter((p) => p.kind === 'user');
    const durationMs = session.endedAt - session.createdAt;
    const common = { sessionId: session.sessionId, telephonySessionId: session.id, startTime: iso(session.createdAt), duration: Math.round(durationMs / 1000), durationMs, type: 'Voice',
      internalType: 'LongDistance', direction: inbound ? 'Inbound' : 'Outbound', action: inbound ? 'Phone Call' : 'VoIP Call', result: resultOf(session, inbound), to: first.to, from: first.from,
      transport: inbound ? 'PSTN' : 'VoIP', lastModifiedTime: iso(sim.clock.now()), billing: { costIncluded: 0, costPurchased: 0 } };
    const of = (party) => recordings.find((r) => r.party === party);
    const legs = session.parties.filter((p) => p.kind !== 'supervisor').map((p, i) => ({ startTime: iso(p.answeredAt ?? session.createdAt), direction: p.direction, to: p.to, from: p.from,
      duration: Math.round(((p.goneAt ?? session.endedAt) - (p.answeredAt ?? session.createdAt)) / 1000), type: 'Voice', action: common.action, result: p.answeredAt ? common.result : 'Missed',
      legType: p.kind === 'outside' ? 'PstnToSip' : 'Accept', master: i === 0, telephonySessionId: session.id, ...(p.extension ? { extension: { id: Number(p.extension.id) } } : {}),
      ...(p.reason ? { reason: p.reason } : {}), ...(of(p) ? { recording: this.#recordingView(of(p)) } : {}) }));
    const id = sim.random.hex(16);
    this.log.push({ extensions: users.map((p) => p.extension.id), record: { id, uri: `${sim.platformUrl}/restapi/v1.0/account/${sim.account.id}/call-log/${id}`, ...common,
      ...(recordings.length ? { recording: this.#recordingView(recordings[0]) } : {}), legs } });
  }

  records(asked, extensionId) {
    const has = (q, test) => !asked.has(q) || test(asked.get(q));
    return this.log.filter(({ extensions, record }) => (!extensionId || extensions.includes(extensionId)) && has('dateFrom', (d) => record.startTime >= iso(Date.parse(d))) &&
      has('dateTo', (d) => record.startTime < iso(Date.parse(d))) && has('recordingType', (type) => record.recording && (type === 'All' || record.recording.type === type)) &&
      has('telephonySessionId', (s) => record.telephonySessionId === s) && has('sessionId', (s) => record.sessionId === s) && has('direction', (d) => record.direction === d))
      .map(({ record }) => record).reverse().map(({ legs, ...record }) => (asked.get('view') === 'Detailed' ? { ...record, legs } : record));
  }

  #understand(session, recording) {
    const { sim } = this;
    const lines = (session.call?.spoken ?? []).filter((l) => l.party && l.from >= recording.from && l.from <= recording.until);
    const seconds = (ms) => Number(((ms - recording.from) / 1000).toFixed(2));
    const speakers = [...new Map(lines.map((l) => [l.party, l])).values()].map((l) => {
      const party = session.call.sessions.map((s) => s.party(l.party)).find(Boolean);
      return { speakerId: l.party, name: party.extension?.name ?? 'Customer', accountId: sim.account.id,
        ...(party.extension ? { extensionId: party.extension.id } : { phoneNumber: session.call.customer.number }) };
    });
    const said = lines.map((l) => ({ start: seconds(l.from), end: seconds(l.until), text: l.text, speakerId: l.party }));
    const span = { start: said[0]?.start ?? 0, end: said.at(-1)?.end ?? 0 };
    const body = { title: 'Call about a reservation', domain: 'pbx', sourceSessionId: session.id, sourceRecordId: recording.id,
      callDirection: session.parties[0].kind === 'outside' ? 'Inbound' : 'Outbound', ownerExtensionId: recording.party.extension.id, recordingDurationMs: recording.until - recording.from,
      recordingStartTime: iso(recording.from), creationTime: iso(sim.clock.now()), lastModifiedTime: iso(sim.clock.now()), speakerInfo: speakers,
      insights: { Transcript: said, Summary: [{ name: 'Summary', value: 'The caller moved a reservation to eight.' }], Highlights: [{ ...span, text: said[1]?.text ?? '' }],
        NextSteps: [{ ...span, text: 'Send the confirmation.' }], AIScore: [{ value: '82.5' }], Sentiment: [{ ...span, value: 0.4 }],
        BulletedSummary: [{ value: '- reservation moved' }], CallNotes: [{ value: 'Reservation moved from seven to eight.' }] } };
    this.insights.push({ session: session.id, record: recording.id, body });
    sim.publish({ kind: 'insights', of: 'pbx', event: '/ai/ringsense/v1/public/accounts/~/domains/pbx/insights', body });
  }
}

const list = (handler) => ({ group: 'Heavy', permission: 'ReadCallLog', handler });
const logOf = (sim, { params, query }) => ({ status: 200, body: page(sim.aftermath.records(query, params.extension), query, { uri: `${sim.platformUrl}/call-log` }) });
const active = (sim, { query }) => ({ status: 200, body: page([...sim.sessions.values()].filter((s) => !s.over).map((s) => ({ id: s.token, sessionId: s.sessionId, telephonySessionId: s.id,
  startTime: iso(s.createdAt), type: 'Voice', direction: s.parties[0]?.kind === 'outside' ? 'Inbound' : 'Outbound', result: 'In Progress', to: s.parties[0]?.to, from: s.parties[0]?.from })), query,
{ uri: `${sim.platformUrl}/active-calls` }) });

function kept(sim, id) {
  const found = sim.aftermath.recordings.get(id);
  if (!found)
    throw notFound('recordingId', id);
  return found;
}

function insight(sim, match, name, value) {
  const found = sim.aftermath.insights.find(match);
  if (!found)
    throw notFound(name, value);
  return { status: 200, body: found.body };
}

export const AFTERMATH = [
  ['GET', `${A}/call-log`, list(logOf)],
  ['GET', `${A}/extension/:extension/call-log`, list(logOf)],
  ['GET', `${A}/active-calls`, list(active)],
  ['GET', `${A}/recording/:recording`, { group: 'Light', permission: 'ReadCallRecording', handler(sim, { params }) {
    const { id, from, until } = kept(sim, params.recording);
    return { status: 200, body: { id, contentType: 'audio/wav', duration: Math.round((until - from) / 1000),
      contentUri: `${sim.mediaUrl}/restapi/v1.0/account/${sim.account.id}/recording/${id}/content` } };
  } }],
  ['GET', `${ACE}/:domain/records/:record/insights`, { group: 'Light', permission: 'RingSense', handler: (sim, { params }) => insight(sim,
    (i) => i.record === params.record, 'sourceRecordId', params.record) }],
  ['GET', `${ACE}/:domain/sessions/:session/insights`, { group: 'Light', permission: 'RingSense', handler: (sim, { params }) => insight(sim,
    (i) => i.session === params.session, 'sourceSessionId', params.session) }],
];

export const MEDIA = [
  ['GET', `${A}/recording/:recording/content`, { httpOnly: true, group: 'Heavy', permission: 'ReadCallRecording', handler(sim, { params }) {
    const recording = kept(sim, params.recording);
    return { status: 200, headers: { 'content-type': 'audio/wav' }, bytes: wav([callSound(recording.session.call?.spoken ?? [], recording)]) };
  } }],
];

// Who is on the telephone: presence of extensions with their active calls, of one, several (multipart) or all (pages).
import { iso } from './clock.mjs';
import { notFound } from './errors.mjs';
import { page } from './rest.mjs';
import { isGone } from './session.mjs';

const A = '/restapi/v1.0/account/:account';
const STATUS = { Setup: 'Ringing', Proceeding: 'Ringing', Answered: 'CallConnected', Hold: 'OnHold', Parked: 'ParkedCall' };
const LOUDEST = ['CallConnected', 'OnHold', 'Ringing', 'ParkedCall', 'NoCall'];

function activeCall(session, party, withSip) {
  const telephonyStatus = STATUS[party.code] ?? 'CallConnected';
  const outward = party.direction === 'Outbound';
  const sip = { toTag: party.sipData?.toTag, fromTag: party.sipData?.fromTag, remoteUri: 'sip:remote@sim', localUri: 'sip:local@sim' };
  return { id: telephonyStatus === 'CallConnected' ? party.sipData?.callId : `${session.sessionId}-${party.id.split('-').at(-1)}`, direction: party.direction,
    ...(party.queueCall ? { queueCall: true } : {}), from: party.from.phoneNumber ?? party.from.extensionId, fromName: party.from.name, to: party.to.phoneNumber ?? party.to.extensionId,
    toName: party.to.name, startTime: iso(session.createdAt), telephonyStatus, terminationType: outward ? 'intermediate' : 'final', sessionId: session.sessionId,
    telephonySessionId: session.id, partyId: party.id, ...(withSip ? { sipData: sip } : {}) };
}

export function presenceOf(sim, extension, { detailed = false, sipData = false } = {}) {
  const mine = [...sim.sessions.values()].flatMap((s) => s.parties.filter((p) => p.extension === extension && p.kind !== 'outside' && !isGone(p)).map((p) => activeCall(s, p, sipData)));
  const telephonyStatus = LOUDEST.find((status) => status === 'NoCall' || mine.some((c) => c.telephonyStatus === status));
  return { uri: `${sim.platformUrl}/restapi/v1.0/account/${sim.account.id}/extension/${extension.id}/presence`,
    extension: { uri: `${sim.platformUrl}/restapi/v1.0/account/${sim.account.id}/extension/${extension.id}`, id: Number(extension.id), extensionNumber: extension.number },
    presenceStatus: telephonyStatus === 'NoCall' ? 'Available' : 'Busy', telephonyStatus, userStatus: 'Available', meetingStatus: 'Disconnected', dndStatus: 'TakeAllCalls',
    allowSeeMyPresence: true, ringOnMonitoredCall: false, pickUpCallsOnHold: false, ...(detailed ? { activeCalls: mine.slice(0, 7), totalActiveCalls: mine.length } : {}) };
}

// The event of a change of one extension's calls.
export function presenceEvent(sim, extension) {
  const { uri, extension: about, ...body } = presenceOf(sim, extension, { detailed: true });
  sim.presenceSequence = (sim.presenceSequence ?? 0) + 1;
  return { kind: 'presence', of: extension.id, event: `/restapi/v1.0/account/${sim.account.id}/extension/${extension.id}/presence?detailedTelephonyState=true`,
    body: { extensionId: extension.id, ...body, sequence: sim.presenceSequence } };
}

const asked = (request) => ({ detailed: request.query.get('detailedTelephonyState') === 'true', sipData: request.query.get('sipData') === 'true' });
const read = (handler) => ({ group: 'Light', permission: 'ReadPresence', handler });

export const PRESENCE = [
  ['GET', `${A}/presence`, read((sim, request) => ({ status: 200, body: page(sim.account.users.map((e) => presenceOf(sim, e, asked(request))), request.query,
    { uri: `${sim.platformUrl}/restapi/v1.0/account/${sim.account.id}/presence` }) }))],
  // Several ids: a multipart answer, a part of statuses first.
  ['GET', `${A}/extension/:extension/presence`, read((sim, request) => {
    const ids = request.params.extension.split(',');
    const parts = ids.map((id) => {
      const found = sim.account.get(id);
      return found ? { code: 200, body: presenceOf(sim, found, asked(request)) } : { code: 404, body: notFound('extensionId', id).body() };
    });
    if (ids.length === 1)
      return { status: parts[0].code, body: parts[0].body };
    const statuses = parts.map(({ code }, i) => ({ href: `/extension/${ids[i]}/presence`, status: code }));
    return { status: 207, multipart: [{ response: statuses }, ...parts.map(({ body }) => body)] };
  })],
];

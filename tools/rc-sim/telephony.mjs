// Call control: /restapi/v1.0/account/~/telephony. What is impossible is refused at once; what is possible happens a little later, as everything else in a
// call does, and is told by events.
import { conflict, invalid, notFound, ApiError } from './errors.mjs';
import { isGone } from './session.mjs';

const B = '/restapi/v1.0/account/:account/telephony';
const S = `${B}/sessions/:session`;
const P = `${S}/parties/:party`;
const TARGETS = ['phoneNumber', 'extensionNumber', 'extensionId', 'voicemail', 'parkOrbit'];
const RINGING = ['Setup', 'Proceeding'];

function session(sim, { params }) {
  const found = sim.sessions.get(params.session);
  if (!found || found.over)
    throw notFound('telephonySessionId', params.session);
  return found;
}

function party(sim, request) {
  const within = session(sim, request);
  const found = within.party(request.params.party);
  if (!found)
    throw notFound('partyId', request.params.party);
  if (isGone(found))
    throw conflict(`the party is ${found.code}`);
  return { session: within, party: found };
}

// Ours only: nobody can hold or mute the customer's telephone.
function ours(sim, request) {
  const found = party(sim, request);
  if (found.party.kind !== 'user')
    throw new ApiError(403, 'CMN-408', 'The party belongs to nobody of the account');
  return found;
}

const must = (one, codes) => {
  if (!codes.includes(one.code))
    throw conflict(`the party is ${one.code}`);
};

function recording(sim, request) {
  const { session: within, party: one } = party(sim, request);
  const found = one.recordings.find((r) => r.id === request.params.recording);
  if (!found)
    throw notFound('recordingId', request.params.recording);
  return { session: within, recording: found };
}

const recordingView = ({ id, active, mode }) => ({ id, active, mode, view: 'Single' });

function target(sim, body, names) {
  const given = names.filter((name) => body?.[name] !== undefined);
  if (given.length !== 1)
    throw invalid('target', `exactly one of ${names.join(', ')} is needed`);
  const [name] = given;
  const value = String(body[name]);
  if (['extensionId', 'extensionNumber'].includes(name) && !sim.account.get(value))
    throw notFound(name, value);
  return { name, value };
}

// Where a call is handed to: {voicemail: extension}, {parkOrbit}, a number or an extension.
function handOver(sim, within, from, { name, value }) {
  if (name === 'voicemail') {
    return within.toVoicemail(within.ring(sim.account.get(value) ?? from.extension, { from: { ...within.outside?.from } }));
  }
  if (name === 'parkOrbit')
    return within.change(within.outside, { code: 'Parked', park: { id: value } }, { gapMs: 8 });
  const reached = within.reach(value);
  sim.clock.after(sim.pickUpMs, () => !isGone(reached) && !within.over && within.answer(reached));
  return reached;
}

// Accepted: `happen` comes when the platform gets to it, unless ordered never to.
function accept(sim, request, happen) {
  sim.commands.push({ method: request.method, path: request.path, body: request.body, at: sim.clock.now() });
  if (!sim.faults.take(request, true))
    sim.clock.after(sim.effectMs, () => {
      try {
        happen();
      } catch (error) {
        if (!(error instanceof ApiError)) // overtaken by something else
          throw error;
      }
    });
}

const act = (handler, more = {}) => ({ group: 'Light', permission: 'CallControl', handler, ...more });

// Verbs of one of our parties: which states it must be in, what happens.
const verb = (codes, happen, answer = (one) => ({ status: 200, body: one })) => act((sim, request) => {
  const found = ours(sim, request);
  must(found.party, codes);
  accept(sim, request, () => !isGone(found.party) && happen({ sim, request, ...found }));
  return answer(found.session.view(found.party), found);
});
const becoming = (code) => (view) => ({ status: 200, body: { ...view, status: { ...view.status, code } } });
const nothing = () => ({ status: 204 });

function transfer(sim, request) {
  const found = ours(sim, request);
  must(found.party, ['Answered', 'Hold']);
  const to = target(sim, request.body, TARGETS);
  accept(sim, request, () => {
    if (isGone(found.party))
      return;
    found.session.leave(found.party, { reason: to.name === 'parkOrbit' ? 'CallPark' : 'BlindTransfer' });
    handOver(sim, found.session, found.party, to);
  });
  const view = found.session.view(found.party);
  return { status: 200, body: { ...view, status: { ...view.status, code: 'Disconnected', reason: 'BlindTransfer' } } };
}

function forward(sim, request) {
  const found = ours(sim, request);
  must(found.party, RINGING);
  const to = target(sim, request.body, TARGETS.slice(0, 4));
  accept(sim, request, () => {
    found.session.leave(found.party, { reason: 'CallRedirected' });
    handOver(sim, found.session, found.party, to);
  });
  return { status: 200, body: found.session.view(found.party) };
}

// The rules of supervision: one group, a device that is there, one supervisor per call.
function supervise(sim, request) {
  const within = session(sim, request);
  const { mode, supervisorDeviceId, agentExtensionId, agentExtensionNumber } = request.body ?? {};
  const one = request.params.party;
  const agent = sim.account.get(agentExtensionId ?? (one ? within.party(one)?.extension?.id : agentExtensionNumber));
  const device = sim.account.device(supervisorDeviceId);
  if (mode !== 'Listen')
    throw invalid('mode');
  if (!device || device.device.status !== 'Online')
    throw notFound('supervisorDeviceId', supervisorDeviceId);
  const listened = agent && within.of(agent);
  if (!listened)
    throw notFound('agentExtensionId', agentExtensionId ?? agentExtensionNumber);
  if (!device.extension.monitors || !agent.monitored)
    throw new ApiError(403, 'CMN-408', 'Supervisor and agent are in no call monitoring group');
  must(listened, ['Answered', 'Hold']);
  if (within.parties.some((p) => p.kind === 'supervisor' && !isGone(p)))
    throw conflict('the call is supervised already');
  const { extension } = device;
  accept(sim, request, () => !isGone(listened) && within.supervise(extension, listened, device.device));
  return { status: 201, body: { id: `p-${within.token}-${within.parties.length + 1}`, direction: 'Outbound', from: { deviceId: device.device.id, extensionId: extension.id,
    phoneNumber: extension.phoneNumber, name: extension.name }, to: { extensionId: agent.id, phoneNumber: agent.phoneNumber, name: agent.name },
    status: { code: 'Answered', reason: 'Supervising' }, muted: false, standAlone: false, owner: { accountId: sim.account.id, extensionId: agent.id } } };
}

function mute(sim, request) {
  const found = ours(sim, request);
  const forms = { bare: request.body?.muted, party: request.body?.party?.muted }; // both are documented
  const muted = sim.muteForm ? forms[sim.muteForm] : forms.bare ?? forms.party;
  if (typeof muted !== 'boolean')
    throw invalid('muted');
  must(found.party, ['Answered', 'Hold']);
  accept(sim, request, () => !isGone(found.party) && found.session.mute(found.party, muted));
  return { status: 200, body: { ...found.session.view(found.party), muted } };
}

function callOut(sim, request) {
  const { from = {}, to = {} } = request.body ?? {};
  const extension = sim.account.device(from.deviceId)?.extension ?? sim.account.get(from.extensionId);
  if (!extension)
    throw notFound('from', from.deviceId ?? from.extensionId);
  const call = sim.startCall({ script: [{ outbound: extension.key }, { wait: sim.pickUpMs }, { answer: 'customer' }], customer: { number: String(to.phoneNumber ?? to.extensionNumber) } });
  return { status: 201, body: { session: call.session.object() } };
}

function removeParty(sim, request) {
  const found = party(sim, request);
  if (found.party.kind !== 'supervisor' && !found.party.conferenceRole && found.party.code !== 'Parked')
    throw new ApiError(403, 'TAS-103', 'Only supervised, parked and conference parties can be removed');
  accept(sim, request, () => found.session.leave(found.party));
  return { status: 204 };
}

export const TELEPHONY = [
  ['GET', S, act((sim, request) => ({ status: 200, body: session(sim, request).object() }))],
  ['DELETE', S, act((sim, request) => {
    const within = session(sim, request);
    accept(sim, request, () => within.end());
    return { status: 204 };
  })],
  ['GET', P, act((sim, request) => {
    const found = session(sim, request).party(request.params.party);
    if (!found)
      throw notFound('partyId', request.params.party);
    return { status: 200, body: session(sim, request).view(found) };
  })],
  ['PATCH', P, act(mute)],
  ['DELETE', P, act(removeParty)],
  ['POST', `${P}/hold`, verb(['Answered'], ({ session: s, party: p }) => s.hold(p), becoming('Hold'))],
  ['POST', `${P}/unhold`, verb(['Hold'], ({ session: s, party: p }) => s.unhold(p), becoming('Answered'))],
  ['POST', `${P}/answer`, verb(RINGING, ({ session: s, party: p }) => s.answer(p), becoming('Answered'))],
  ['POST', `${P}/reject`, verb(RINGING, ({ session: s, party: p }) => s.toVoicemail(p), nothing)],
  ['POST', `${P}/ignore`, verb(RINGING, ({ session: s, party: p }) => s.leave(p, { reason: 'Rejected', missedCall: true }), nothing)],
  ['POST', `${P}/park`, verb(['Answered', 'Hold'], ({ session: s, party: p }) => {
    s.leave(p, { reason: 'CallPark' });
    s.change(s.outside, { code: 'Parked', park: { id: '*801' } }, { gapMs: 8 });
  })],
  ['POST', `${P}/transfer`, act(transfer)],
  ['POST', `${P}/forward`, act(forward)],
  ['POST', `${P}/supervise`, act(supervise)],
  ['POST', `${S}/supervise`, act(supervise)],
  ['POST', `${P}/recordings`, act((sim, request) => {
    const found = ours(sim, request);
    must(found.party, ['Answered', 'Hold']);
    if (found.party.conferenceRole || found.party.recordings.some((r) => !r.until))
      throw conflict('the party cannot be recorded, or is already');
    sim.commands.push({ method: 'POST', path: request.path, body: request.body, at: sim.clock.now() });
    return { status: 201, body: recordingView(found.session.record(found.party)) };
  })],
  ['PATCH', `${P}/recordings/:recording`, act((sim, request) => {
    const found = recording(sim, request);
    if (typeof request.body?.active !== 'boolean')
      throw invalid('active');
    if (found.recording.active === request.body.active)
      throw conflict('the recording is so already');
    accept(sim, request, () => found.session.pauseRecording(found.recording, request.body.active));
    return { status: 200, body: { ...recordingView(found.recording), active: request.body.active } };
  })],
  ['POST', `${B}/call-out`, act(callOut, { group: 'Heavy' })],
];

// RingCX: its calls (dialogs) with the audio they stream to us, control of active calls, and what is there afterwards.
import { AgentSessionClient } from './agent_session.mjs';
import { sleepUntil } from '../media-sim/road.mjs';
import { RingCxError } from './errors.mjs';
import { RingCxStream } from './stream.mjs';
import { readTalk, recordingOf } from './talk.mjs';
import { wav } from './sound.mjs';

const CX = '/voice/api/cx/integration/v1/accounts/:rcAccount/sub-accounts/:subAccount';
const ACTIVE = '/voice/api/v1/admin/accounts/:subAccount/activeCalls';
const QUEUES = ['9', '12'];
const MONITORS = ['MONITOR', 'COACHING', 'BARGEIN'];

export class RingCx {
  // sim: {clock, random, account, speed}
  constructor(sim) {
    this.sim = sim;
    this.dialogs = new Map(); // by id, which is the uii
  }

  // A call whose audio goes to `stream`: {kind: grpc | wss, url, perSegment, ...options of RingCxStream or AgentSessionClient}; without one it only exists.
  // spec: {script, people, start, ani, dnis, language, attributes, type, product, account, id, sessionId, unrecorded (whose segments have no recording)}
  start(spec = {}, stream = null) {
    const { random, clock, account, speed } = this.sim;
    const id = spec.id ?? `${new Date(clock.now()).toISOString().slice(0, 10).replaceAll('-', '')}${random.int(10 ** 11, 10 ** 12 - 1)}`;
    const dialog = { id, ani: spec.ani ?? '+15550100001', dnis: spec.dnis ?? '+15550107000', state: 'ACTIVE', talk: readTalk(spec, stream ?? {}), from: clock.now(),
      streams: [], commands: [], monitors: [], held: false, recording: true, spec };
    const frames = { speed: speed || 1, ...stream };
    const about = { sessionId: spec.sessionId ?? `STREAM-${random.uuid(clock.now())}`, product: spec.product,
      account: spec.account ?? { id: '1', sub_account_id: '2', rc_account_id: account.id }, dialog: { id, type: spec.type ?? 'INBOUND', ani: dialog.ani, dnis: dialog.dnis, language: spec.language ?? 'en-US', attributes: spec.attributes ?? {} }, format: spec.format };
    this.dialogs.set(id, dialog);
    dialog.done = this.#stream(dialog, about, frames).then((results) => {
      dialog.results = results;
      dialog.state = 'ENDED';
      dialog.endedAt = clock.now();
      return results;
    });
    return dialog;
  }

  #stream(dialog, about, { kind, url, perSegment, ...options }) {
    const { talk } = dialog;
    const kinds = {
      grpc: () => {
        const parts = perSegment ? talk.segments.map((s) => ({ ...about, sessionId: `${about.sessionId}-${s.id}`, segment: s.id })) : [about];
        dialog.streams = parts.map((part) => new RingCxStream(url, talk, part, options));
        return Promise.all(dialog.streams.map((s) => s.run()));
      },
      // An agent session each, when the agent connects.
      wss: () => Promise.all(talk.segments.filter((s) => s.participant.type === 'AGENT').map((segment, i) => this.#agentSession(dialog, segment, i + 1, url, options)
        .catch(({ status, attempts, message }) => ({ status, attempts, message })))),
    };
    return kind ? kinds[kind]() : new Promise((resolve) => { dialog.end = () => resolve([]); });
  }

  async #agentSession(dialog, segment, sessionId, url, options) {
    if (!options.fast)
      await sleepUntil(performance.now() + segment.from / options.speed);
    if (dialog.halted)
      return null;
    const client = await AgentSessionClient.connect(url, { callId: dialog.id, sessionId, ani: dialog.ani, dnis: dialog.dnis, agentId: Number(segment.participant.id) || 9,
      rcAccountId: this.sim.account.id }, options);
    dialog.streams.push(client);
    return client.play(dialog.talk, segment);
  }

  // Ended from outside: by a command, or the customer.
  end(dialog) {
    dialog.halted = true;
    dialog.end?.();
    dialog.streams.forEach((s) => s.halt());
  }

  get active() {
    return [...this.dialogs.values()].filter((d) => d.state === 'ACTIVE');
  }

  close() {
    this.active.forEach((d) => {
      d.halted = true;
      d.end?.();
      d.streams.forEach((s) => s.kill());
    });
  }
}

function active(sim, { params, path }) {
  const dialog = sim.ringcx.dialogs.get(params.uii);
  if (dialog?.state !== 'ACTIVE')
    throw new RingCxError(404, 'active.call.not.found', `no active call ${params.uii}`, { uri: path });
  return dialog;
}

const bad = (why) => {
  throw new RingCxError(400, 'bad.request', why);
};

const view = (d) => ({ uii: d.id, ani: d.ani, dnis: d.dnis, callState: d.held ? 'HOLD' : d.state, enqueueTime: new Date(d.from).toISOString(), archived: false,
  agent: d.talk.segments.findLast((s) => s.participant.type === 'AGENT')?.participant.name, monitored: d.monitors.length > 0, recording: d.recording });

const VERBS = {
  addSessionToCall(dialog, asked) {
    if (!MONITORS.includes(asked.get('sessionType')) || !asked.get('destination'))
      bad('sessionType and destination are needed');
    dialog.monitors.push({ destination: asked.get('destination'), sessionType: asked.get('sessionType') });
  },
  hangupCall: (dialog, asked, sim) => sim.ringcx.end(dialog),
  hangupSession(dialog, asked) {
    const i = dialog.monitors.findIndex((m) => m.destination === asked.get('phone'));
    if (i < 0)
      bad('no such session');
    dialog.monitors.splice(i, 1);
  },
  toggleCallRecording: (dialog, asked) => { dialog.recording = asked.get('record') === 'true'; },
  toggleCallHold(dialog, asked) {
    const on = { ON: true, OFF: false }[asked.get('state')] ?? bad('state is ON or OFF');
    dialog.held = on;
    dialog.streams.forEach((s) => s.hold?.(on));
  },
  // Back into a queue: the agent leaves, the customer waits there.
  requeueCall(dialog, asked) {
    if (!QUEUES.includes(asked.get('gateId')))
      bad(`no queue ${asked.get('gateId')}`);
    dialog.queue = asked.get('gateId');
    dialog.streams.forEach((s) => s.leave?.('AGENT'));
  },
  dispositionCall: () => {},
  pingCall: () => {},
};

const budget = { group: 'RingCX' };

function ended(sim, { params }) {
  const dialog = sim.ringcx.dialogs.get(params.dialog);
  const segment = dialog?.talk.segments.find((s) => s.id === params.segment);
  if (!segment || dialog.state !== 'ENDED' || sim.clock.now() < dialog.endedAt + sim.ringcxAfterMs)
    throw new RingCxError(404, 'not.found', 'no such segment yet');
  return { dialog, segment };
}

// Which moments a report is of. ringcxWindow: does it begin at the time that is asked for (as documented now), or end there (as one page had it)?
function reportWindow(sim, { segmentEndTime, timeInterval, timeZone }) {
  if (!/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(segmentEndTime ?? '') || timeZone !== 'UTC' || !(timeInterval >= 1 && timeInterval <= 10800))
    bad('segmentEndTime (YYYY-MM-DD HH:mm:ss), timeInterval (1 to 10800) and timeZone are needed');
  const told = Date.parse(`${segmentEndTime.replace(' ', 'T')}Z`);
  const from = sim.ringcxWindow === 'end' ? told - timeInterval * 1000 : told;
  return (at) => at >= from && at < from + timeInterval * 1000;
}

const iso = (ms) => new Date(ms).toISOString();
const isRecorded = (d, s) => !(d.spec.unrecorded ?? []).includes(s.who);
// A row of the report by the names of today, and by those of earlier documents.
const ROWS = {
  dialog: (d, s) => ({ subAccountId: '2', dialogId: d.id, interactionId: d.id, channelType: 'VOICE', channelClass: 'VOICE', channelEndpointAddress: d.ani, contactEndpointAddress: d.dnis,
    dialogOrigination: d.spec.type ?? 'INBOUND', dialogStartTimeMs: iso(d.from), segmentId: s.id, segmentType: s.participant.type, segmentParticipantId: s.participant.id,
    segmentStartTimeMs: iso(d.from + s.from), segmentEndTimeMs: iso(d.from + s.until), hasRecording: isRecorded(d, s) }),
  segment: (d, s) => ({ dialogId: d.id, segmentId: s.id, ani: d.ani, dnis: d.dnis, interactionDirection: d.spec.type ?? 'INBOUND', segmentParticipantName: s.participant.name,
    segmentContactStartTime: iso(d.from + s.from), segmentContactEndTime: iso(d.from + s.until) }),
};

export const RINGCX = [
  ['POST', '/api/auth/login/rc/accesstoken', { open: true, group: 'RingCXAuth', user: () => 'ringcx', handler: (sim, { form }) => ({ status: 200, body: sim.oauth.exchange(form) }) }],
  ['GET', `${ACTIVE}/list`, { ...budget, handler(sim, { query }) {
    if (query.get('product') !== 'ACCOUNT' || !query.get('productId'))
      bad('product and productId are needed');
    return { status: 200, body: sim.ringcx.active.map(view) };
  } }],
  ...Object.keys(VERBS).map((name) => ['POST', `${ACTIVE}/:uii/${name}`, { ...budget, handler(sim, request) {
    const dialog = active(sim, request);
    dialog.commands.push({ verb: name, ...Object.fromEntries(request.query) });
    sim.commands.push({ method: 'POST', path: request.path, query: Object.fromEntries(request.query), at: sim.clock.now() });
    if (!sim.faults.take(request, true))
      VERBS[name](dialog, request.query, sim);
    return { status: 200, body: {} };
  } }]),
  ['GET', `${CX}/recordings/dialogs/:dialog/segments/:segment`, { ...budget, handler(sim, request) {
    const { dialog, segment } = ended(sim, request);
    if (!isRecorded(dialog, segment))
      throw new RingCxError(404, 'not.found', 'no recording of this segment');
    return { status: 200, headers: { 'content-type': 'audio/wav' }, bytes: wav(recordingOf(dialog.talk, segment)) };
  } }],
  ['GET', `${CX}/transcripts/dialogs/:dialog/segments/:segment`, { ...budget, handler(sim, request) {
    const { dialog, segment } = ended(sim, request);
    if (!sim.ringcxSummaries)
      throw new RingCxError(404, 'not.found', 'no transcript: the queue has no AI summaries');
    const typed = sim.ringcxNames === 'dialog';
    const lines = dialog.talk.lines.filter((l) => l.from >= segment.from && l.from < segment.until);
    return { status: 200, body: { channelClass: 'VOICE', transcript: lines.map(({ participantId, participantName, participantType, from, text }) => ({ participantId, participantName,
      ...(typed ? { participantType: participantType === 'CONTACT' ? 'contact' : 'agent' } : {}), timestamp: String(dialog.from + from), message: text })) } };
  } }],
  ['POST', `${CX}/interaction-metadata`, { group: 'RingCXMetadata', handler(sim, { body }) {
    const within = reportWindow(sim, body ?? {});
    return { status: 200, body: [...sim.ringcx.dialogs.values()].filter((d) => d.state === 'ENDED').flatMap((d) => d.talk.segments.filter((s) => within(d.from + s.until))
      .map((s) => ROWS[sim.ringcxNames](d, s))) };
  } }],
];

// A RingCX talk: who is in it when, what they say, holds and transfers. From its script comes a timeline of what the platform streams.
import { silence, speak, tone, ulawBytes } from '../lib/speech.mjs';
import { travel } from '../media-sim/road.mjs';
import { msOf, wordsSound } from './sound.mjs';

const RATE = 8000;
const roundUp = (ms, to) => Math.ceil(ms / to) * to;

export const PEOPLE = {
  customer: { id: '+15550100001', type: 'CONTACT', name: 'Customer', voice: 'en-us' },
  ann: { id: '9', type: 'AGENT', name: 'Ann Lee', voice: 'en-gb' },
  bob: { id: '12', type: 'AGENT', name: 'Bob Stone', voice: 'en-gb-scotland' },
  bot: { id: 'bot-1', type: 'BOT', name: 'Greeter', voice: 'en-us' },
};

export const TALKS = {
  simple: [{ say: ['ann', 'Harbour Kitchen, how may I help you?'] }, { wait: 400 }, { say: ['customer', 'I would like to move my reservation to eight.'] }, { wait: 600 },
    { say: ['ann', 'That is done.'] }, { wait: 300 }, { say: ['customer', 'Thank you, goodbye.'] }],
  hold: [{ say: ['customer', 'Do you have a table outside?'] }, { wait: 300 }, { say: ['ann', 'One moment please.'] }, { hold: 3000 }, { say: ['ann', 'Yes, we have.'] }],
  transfer: [{ say: ['customer', 'I have a question about my bill.'] }, { say: ['ann', 'I will put you through.'] }, { transfer: ['ann', 'bob'] }, { say: ['bob', 'This is Bob.'] },
    { say: ['customer', 'Hello Bob.'] }],
};

// spec: {script (list or name), people (more of PEOPLE), start (who is there from the beginning)}. Times are multiples of frameMs.
// {segments: [{id, who, participant, from, until, pauses, pcm}], holds: [[from, until]], lines, durationMs}
export function readTalk({ script = 'simple', people = {}, start = ['customer', 'ann'] }, { frameMs = 100 } = {}) {
  const all = { ...PEOPLE, ...people };
  const segments = [];
  const sounds = []; // {who, at, pcm}
  const lines = [];
  const holds = [];
  let now = 0;
  const join = (who) => segments.push({ id: `g${segments.length + 1}`, who, participant: all[who], from: now });
  const leave = (who) => { segments.findLast((s) => s.who === who && s.until === undefined).until = now; };
  const sound = (who, pcm, text) => {
    const ms = roundUp(msOf(pcm), frameMs);
    sounds.push({ who, at: now, pcm });
    lines.push({ who, text, from: now, until: now + ms, participantId: all[who].id, participantName: all[who].name, participantType: all[who].type });
    now += ms;
  };
  const verbs = {
    say: ([who, text]) => sound(who, speak(text, { voice: all[who].voice }), text),
    words: ([who, text]) => sound(who, wordsSound(text, who), text),
    tone: ([who, hz, ms]) => sound(who, tone(hz, ms), `tone ${hz}`),
    wait: (ms) => { now += roundUp(ms, frameMs); },
    hold(ms) {
      holds.push([now, now + roundUp(ms, frameMs)]);
      now += roundUp(ms, frameMs);
    },
    join,
    leave,
    transfer([from, to]) {
      leave(from);
      join(to);
    },
  };
  start.forEach(join);
  for (const step of typeof script === 'string' ? TALKS[script] : script)
    for (const [verb, argument] of Object.entries(step))
      verbs[verb](argument);
  for (const segment of segments) {
    segment.until ??= now;
    segment.pcm = track(segment, sounds);
  }
  return { segments, holds, lines, durationMs: now };
}

function track({ who, from, until }, sounds) {
  const out = new Int16Array(silence(until - from));
  for (const { who: speaker, at, pcm } of sounds)
    if (speaker === who && at >= from && at < until)
      out.set(pcm.subarray(0, out.length - (at - from) * RATE / 1000), (at - from) * RATE / 1000);
  return out;
}

export const held = (holds, at) => holds.some(([from, until]) => at >= from && at < until);

// Frames of one segment as they arrive: {at, seq, pcm}. None while the call is held; `road` as of media-sim's travel().
export function framesOf(segment, holds, { frameMs = 100, road = {} } = {}) {
  const n = frameMs * RATE / 1000;
  const frames = [];
  for (let i = 0; i * n < segment.pcm.length; i++) {
    const at = segment.from + i * frameMs;
    if (!held(holds, at))
      frames.push({ at, seq: frames.length + 1, pcm: segment.pcm.subarray(i * n, (i + 1) * n) });
  }
  let latest = 0;
  return travel(frames, road).map((frame) => {
    latest = Math.max(latest, frame.at);
    return { ...frame, at: latest };
  });
}

// All of one segment's sound and of all others, as one (the legacy stream knows no more).
export const mixOthers = (talk, segment) => mix(talk, segment, (s) => s !== segment);

// What was heard while a segment lasted, the customer on one channel, everybody else on the other.
export const recordingOf = (talk, segment) => [mix(talk, segment, (s) => s.participant.type === 'CONTACT'), mix(talk, segment, (s) => s.participant.type !== 'CONTACT')];

function mix(talk, segment, among) {
  const out = new Int16Array(segment.pcm.length);
  for (const other of talk.segments.filter(among)) {
    const shift = (other.from - segment.from) * RATE / 1000;
    for (let i = Math.max(0, -shift); i < other.pcm.length && shift + i < out.length; i++)
      out[shift + i] = Math.max(-32768, Math.min(32767, out[shift + i] + other.pcm[i]));
  }
  return out;
}

const RANK = ['dialog_init', 'segment_start', 'segment_info', 'segment_media', 'segment_stop'];

// Messages {at, message} of a gRPC stream, in order. spec: of readTalk, and {sessionId, account, dialog: {id, type, ani, dnis, language, attributes}, product,
// format (null: unset), segment (its id: segment mode)}
export function streamMessages(talk, spec, { frameMs = 100, road = {}, holdEvents = ['hold', 'unhold'] } = {}) {
  const { sessionId, account = { id: '1', sub_account_id: '2', rc_account_id: '809646016' }, dialog, product = { id: '9', type: 'QUEUE' },
    format = { codec: 'PCMU', rate: RATE, ptime: frameMs } } = spec;
  const out = [];
  const add = (at, kind, members, segment) => out.push({ at, kind, segment, message: { session_id: sessionId, [kind]: members } });
  const segments = talk.segments.filter((s) => !spec.segment || s.id === spec.segment);
  add(segments[0]?.from ?? 0, 'dialog_init', { account, dialog });
  for (const segment of segments) {
    const segment_id = segment.id;
    const { id, type, name } = segment.participant;
    add(segment.from, 'segment_start', { segment_id, ...(product ? { product } : {}), participant: { id, type, name }, ...(format ? { audio_format: format } : {}) }, segment);
    for (const [from, until] of talk.holds)
      if (from >= segment.from && from < segment.until) {
        add(from, 'segment_info', { segment_id, event: holdEvents[0] }, segment);
        add(until, 'segment_info', { segment_id, event: holdEvents[1] }, segment);
      }
    for (const { at, seq, pcm } of framesOf(segment, talk.holds, { frameMs, road: { ...road, seed: `${road.seed ?? 1}/${segment.id}` } }))
      add(at, 'segment_media', { segment_id, audio_content: { payload: ulawBytes(pcm), seq, duration: pcm.length * 1000 / RATE } }, segment);
    add(segment.until, 'segment_stop', { segment_id }, segment);
  }
  return out.map((m, i) => ({ ...m, i })).sort((a, b) => a.at - b.at || RANK.indexOf(a.kind) - RANK.indexOf(b.kind) || a.i - b.i);
}


// The demo's calls that can be heard: three of the live ones have a Twilio media stream beside their webhooks, and are one call each with it. What is
// heard in them is looked at, listened to, and found again as a recording.
import { MEDIA_CLIENTS } from '../media-sim/index.mjs';
import { until } from '../lib/wait.mjs';
import { PhoneLine } from './phone_line.mjs';

const HEARD = ['booking', 'angry', 'spanish'];
const SOURCE = 'demo-phone';
const PATH = `/in/twilio/${SOURCE}`;
const PUBLIC_URL = 'wss://gateway.example.com';
const AUTH_TOKEN = 'demo-twilio-auth-token';
const NAMES = { user: 'caller', ai: 'assistant' };

// As `callmend watch` draws them.
const BARS = [...'·▁▂▃▄▅▆▇█'];
export const bar = (db) => BARS[Math.round(8 * Math.max(0, Math.min(1, (db + 60) / 54)))];
const LOUD_DB = -35, QUIET_DB = -50;

const seconds = (ms) => (ms / 1000).toFixed(1);

// Of a side, as the live view has told them so far.
export const levelsOf = (live, screen, name, speaker) => live.messages.filter((m) => m.type === 'levels' && screen.nameOf(m.call) === name)
  .flatMap((m) => m.legs.filter((leg) => leg.speaker === speaker).map((leg) => leg.level));
export const hasMoved = (levels) => Math.max(...levels) > LOUD_DB && Math.min(...levels) < QUIET_DB;

// Waits for a call's recording (`waiting`: as until()), fetches it, looks at it.
export async function recordingOf(node, id, name, waiting = until) {
  const ready = await waiting(`the recording of ${name} is ready`, async () => {
    const [recording] = (await node.api('GET', `/api/v1/calls/${id}/recordings`)).recordings;
    if (recording?.state === 'failed')
      throw Object.assign(new Error(`the recording of ${name} has failed: ${recording.error}`), { fatal: true });
    return recording?.state === 'ready' && recording;
  }, { timeoutMs: 90000, everyMs: 200, fatal: (error) => error.fatal });
  const answer = await fetch(`${node.url}/api/v1/recordings/${ready.id}/audio`, { headers: { authorization: `Bearer ${node.token}` } });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const isStereoOpus = bytes.toString('latin1', 0, 4) === 'OggS' && bytes.toString('latin1', 28, 36) === 'OpusHead' && bytes[37] === 2;
  const peaks = await node.api('GET', `/api/v1/recordings/${ready.id}/peaks`);
  const silent = ['left', 'right'].find((side) => Math.max(...peaks[side]) - Math.min(...peaks[side]) < 32);
  if (!answer.ok || bytes.length !== ready.bytes || !isStereoOpus || silent)
    throw new Error(`the recording of ${name} is not what it should be: ${answer.status}, ${bytes.length} bytes${silent ? `, nothing on the ${silent}` : ''}`);
  return ready;
}

export class SoundPlay {
  static secrets = { 'demo-twilio': AUTH_TOKEN };
  static settings = { listen: true, recording: { on: true } };
  static source = { name: SOURCE, dialect: 'twilio', auth: [{ type: 'twilio', secret: { file: 'demo-twilio' }, public_url: PUBLIC_URL }] };

  constructor({ node, step, curl, live, screen, patience }) {
    Object.assign(this, { node, step, curl, live, screen, patience });
  }

  static url(node) {
    return `ws://127.0.0.1:${node.port}${PATH}`;
  }

  // Once it is known, a stream without a signature is refused as such.
  static known(node) {
    return until('the source of streams is known', () => MEDIA_CLIENTS.twilio.connect(SoundPlay.url(node)).then(() => false, (error) => error.status === 401));
  }

  // For the simulator: the sound of those calls that have some.
  line(call) {
    return HEARD.includes(call.scenario.name) ? new PhoneLine(call, { url: SoundPlay.url(this.node), authToken: AUTH_TOKEN, publicUrl: PUBLIC_URL + PATH }) : null;
  }

  #events(name, match) {
    return this.live.events.filter((e) => this.screen.nameOf(e.call_id) === name && match(e));
  }

  #levels(name, speaker) {
    return levelsOf(this.live, this.screen, name, speaker);
  }

  // First those who would wait in vain say why.
  #until(what, calls, condition, patience = this.patience) {
    return until(what, () => {
      const broken = calls.find((call) => call.line.failure);
      if (broken)
        throw Object.assign(new Error(`${broken.scenario.name} has no sound: ${broken.line.failure.message}`), { fatal: true });
      return condition();
    }, { ...patience, fatal: (error) => error.fatal });
  }

  levels(calls) {
    this.calls = HEARD.map((name) => calls[name]);
    return this.step(`${HEARD.length} of them can be heard: a media stream with the CallSid of each, levels that move`,
      `callmend watch --url ${this.node.url}   (two bars before who SPEAKS; Enter opens a call, with longer ones)`, async () => {
        await this.#until('both sides of each are loud at times and quiet at times', this.calls, () => HEARD.every((name) =>
          Object.keys(NAMES).every((speaker) => this.#events(name, (e) => e.type === 'audio.attached' && e.speaker === speaker).length && hasMoved(this.#levels(name, speaker)))));
        return HEARD.map((name) => `${name.padEnd(8)} ${Object.entries(NAMES).map(([speaker, who]) => `${who} ${this.#levels(name, speaker).slice(-32).map(bar).join('')}`).join('   ')}`).join('\n    ');
      });
  }

  listen() {
    const [call] = this.calls;
    const ask = { type: 'listen', call: call.id, leg: 'mix', from_ms: -2000 };
    return this.step('Listen to a call while it runs', `websocat ws://127.0.0.1:${this.node.port}/api/v1/live -H "Authorization: Bearer $CALLMEND_TOKEN", then ${JSON.stringify(ask)}`, async () => {
      const ours = await until('the call is known', () => this.#events(call.scenario.name, () => true)[0]?.call_id, this.patience);
      this.live.send({ ...ask, call: ours });
      const ended = () => this.live.messages.find((m) => m.type === 'listen-end');
      await until('three seconds of it', () => this.live.frames.length >= 75 || ended(), this.patience);
      this.live.send({ type: 'unlisten' });
      if (this.live.frames.length < 75)
        throw new Error(`it ended before: ${ended().reason}`);
      const late = this.live.frames.slice(-10).map((f) => performance.timeOrigin + f.receivedAt - f.atMs - 40).sort((a, b) => a - b);
      return `two seconds of before and what is said now, ${Math.round(late[5])} ms behind`;
    });
  }

  // [{speaker, from, to}] in ms since the call was first heard: what began and ended; the pauses of a sentence belong to it.
  #turns(name) {
    const heard = this.#events(name, (e) => /^speech\.(started|stopped)$/.test(e.type) && e.data.by === 'audio');
    const since = Math.min(...heard.map((e) => Date.parse(e.at)));
    const begun = {}, turns = [];
    for (const e of heard) {
      const ms = Date.parse(e.at) - since;
      const from = begun[e.speaker];
      begun[e.speaker] = e.type === 'speech.started' ? ms : undefined;
      if (e.type === 'speech.started' || from === undefined)
        continue;
      if (turns.at(-1)?.speaker === e.speaker)
        turns.at(-1).to = ms;
      else
        turns.push({ speaker: e.speaker, from, to: ms });
    }
    return turns;
  }

  turns() {
    const [call] = this.calls;
    const { name } = call.scenario;
    return this.step('Who speaks, heard in the sound itself', this.curl('GET', `/api/v1/calls/${call.id}/events?types=speech.started,speech.stopped`), async () => {
      const turns = await this.#until('each side has had two turns', this.calls, () => {
        const over = this.#turns(name);
        return Object.keys(NAMES).every((speaker) => over.filter((t) => t.speaker === speaker).length >= 2) && over;
      });
      return `${name}: ${turns.map((t) => `${NAMES[t.speaker]} ${seconds(t.from)}-${seconds(t.to)} s`).join(', ')}`;
    });
  }

  recordings() {
    const [call] = this.calls;
    return this.step('The calls that were heard are recorded', this.curl('GET', `/api/v1/calls/${call.id}/recordings`), async () => {
      const found = await Promise.all(this.calls.map((one) => recordingOf(this.node, one.id, one.scenario.name, (what, condition, patience) => this.#until(what, this.calls, condition, patience))));
      const [first] = found;
      const url = `${this.node.url}/api/v1/recordings/${first.id}/audio`;
      return `${this.calls.map((one, i) => `${one.scenario.name} ${seconds(found[i].duration_ms)} s`).join(', ')}: Ogg Opus, left the caller, right the assistant\n` +
        `    ${url}\n    curl -o ${call.scenario.name}.ogg ${url} -H "Authorization: Bearer $CALLMEND_TOKEN"`;
    });
  }
}

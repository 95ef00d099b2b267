// The sound of a simulated call: a Twilio media stream of both sides, beside the call's webhooks and with the same CallSid. Frames go out every 20 ms,
// whatever the speed of the demo; what is said in them is synthesised, by two voices.
import { MEDIA_CLIENTS } from '../media-sim/index.mjs';
import { sleepUntil } from '../media-sim/road.mjs';
import { speak, ulawBytes } from '../lib/speech.mjs';

const FRAME_MS = 20;
const FRAME = 8 * FRAME_MS; // samples
const TRACKS = { user: 'inbound', assistant: 'outbound' };
const VOICES = { en: { user: 'en-gb+m3', assistant: 'en-us+f3' }, es: { user: 'es+m3', assistant: 'es-419+f3' } };
const WORDS_PER_MINUTE = 182; // of the simulator's callers
const FASTEST = 2; // times that can still be taken for speech; beyond it the ends of sentences are missing
const TAIL_MS = 300; // of a sentence that are on their way when its speaker stops: who is interrupted falls silent a little later
const HISS = 12; // a caller's line is never digitally silent

// A side of the call, a frame at a time.
class Side {
  constructor({ hiss = 0 } = {}) {
    this.hiss = Int16Array.from({ length: 8000 }, (_, i) => Math.round(hiss * Math.sin(i * i))); // sounds like noise
    this.at = 0;
    this.say(new Int16Array(0));
  }

  say(samples) {
    Object.assign(this, { samples, from: this.at, end: this.at + samples.length });
  }

  hush(tailMs) {
    this.end = Math.min(this.end, this.at + 8 * Math.round(tailMs));
  }

  next() {
    const frame = Int16Array.from({ length: FRAME }, (_, i) => this.hiss[(this.at + i) % this.hiss.length] + (this.at + i < this.end ? this.samples[this.at + i - this.from] : 0));
    this.at += FRAME;
    return frame;
  }
}

export class PhoneLine {
  // `call`: of the simulator; `url`: the source's socket; `authToken`, `publicUrl`: for Twilio's signature.
  constructor(call, { url, authToken, publicUrl }) {
    const { scenario, speed, context } = call;
    Object.assign(this, { url, speed, failure: null, over: false });
    this.voices = VOICES[scenario.language] ?? VOICES.en;
    this.sides = { user: new Side({ hiss: HISS }), assistant: new Side() };
    this.stream = { authToken, publicUrl, tracks: Object.values(TRACKS), callId: context.call.phoneCallProviderId, bidirectional: false };
    this.#rehearse(call);
  }

  // What the script will say is synthesised (and kept) before the call begins: nobody waits for it then.
  #rehearse({ script, context }) {
    const parts = [{ assistant: context.assistant.firstMessage }, ...script.flatMap((step) => [step, step.interrupt ?? {}])];
    for (const part of parts)
      Object.keys(TRACKS).filter((role) => part[role]).forEach((role) => this.#voice(role, [part[role]].flat().join(' ')));
  }

  #voice(role, text) {
    const wordsPerMinute = Math.round(WORDS_PER_MINUTE * Math.max(0.5, Math.min(this.speed, FASTEST)));
    return speak(text, { voice: this.voices[role], wordsPerMinute });
  }

  // The call is answered: the stream begins.
  answer() {
    this.done = this.#run().catch((error) => { this.failure = error; });
  }

  say(role, text) {
    this.sides[role].say(this.#voice(role, text));
  }

  hush(role) {
    this.sides[role].hush(TAIL_MS / Math.max(1, this.speed));
  }

  hangUp() {
    this.over = true;
  }

  async #run() {
    const client = await MEDIA_CLIENTS.twilio.connect(this.url, this.stream);
    client.start();
    const begin = performance.now();
    for (let n = 1; !this.over; n++) {
      const sent = Object.entries(TRACKS).every(([role, track]) => client.sendFrame(ulawBytes(this.sides[role].next()), track));
      if (!sent) {
        await client.closed; // the code comes last
        throw new Error(`the stream was closed: ${client.closeCode}`);
      }
      await sleepUntil(begin + n * FRAME_MS);
    }
    await client.stop();
  }
}

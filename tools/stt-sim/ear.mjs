// A recogniser that is always right: words are tones. `say()` gives the sound of words, an Ear finds them again in any audio, whatever the
// codec did to it, wherever a stream was cut: what a simulator heard depends on nothing but the audio. Sound that is no such tone, speech
// for one, is the word NOISE. Each voice but the first has an overtone of its own, by which they are told apart.
import { join16, silence, tone } from '../lib/speech.mjs';

export const WORDS = ['alpha', 'bravo', 'charlie', 'delta', 'echo', 'foxtrot', 'golf', 'hotel', 'india', 'juliett', 'kilo', 'lima', 'mike',
  'november', 'oscar', 'papa'];
export const NOISE = 'noise';
const hzOf = (i) => 400 + 100 * i;
export const WORD_MS = 160;
export const GAP_MS = 60;

export const VOICES = 5;
const overtoneOf = (voice) => 2100 + 300 * voice;

function spoken(word, voice, rate) {
  const own = tone(hzOf(WORDS.indexOf(word)), WORD_MS, { rate });
  const over = voice ? tone(overtoneOf(voice), WORD_MS, { rate, level: 4000 }) : null;
  return over ? own.map((x, i) => x + over[i]) : own;
}

// "alpha bravo" as 16-bit samples, a gap behind each word. `voice`: 0 to VOICES - 1.
export const say = (text, rate = 8000, voice = 0) => join16(...text.split(' ').flatMap((word) => [spoken(word, voice, rate), silence(GAP_MS, rate)]));

const FRAME_MS = 10;
const LOUD = 300; // mean magnitude of a frame
const WORD_GAP_FRAMES = 3;
const WORD_MIN_MS = 60;
const TONE_SHARE = 0.5; // of the energy that must lie in the tone
const OVERTONE_SHARE = 0.05; // and in an overtone

function goertzel(samples, hz, rate) {
  const k = 2 * Math.cos(2 * Math.PI * hz / rate);
  let a = 0;
  let b = 0;
  for (let i = 0; i < samples.length; i++) { // hours of it are heard
    const next = samples[i] + k * a - b;
    b = a;
    a = next;
  }
  return a * a + b * b - k * a * b;
}

function wordOf(samples, rate) {
  const energy = samples.reduce((sum, x) => sum + x * x, 0);
  const power = WORDS.map((_, i) => goertzel(samples, hzOf(i), rate) * 2 / samples.length);
  const best = power.indexOf(Math.max(...power));
  return power[best] > TONE_SHARE * energy ? WORDS[best] : NOISE;
}

function voiceOf(samples, rate) {
  const energy = samples.reduce((sum, x) => sum + x * x, 0);
  const power = Array.from({ length: VOICES }, (_, voice) => (voice ? goertzel(samples, overtoneOf(voice), rate) * 2 / samples.length : 0));
  const best = power.indexOf(Math.max(...power));
  return power[best] > OVERTONE_SHARE * energy ? best : 0;
}

// feed() samples; `onWord({word, voice, start, end})`, `onQuiet(ms)` after each frame without sound; times in ms of the audio fed.
export class Ear {
  constructor(rate, { onWord = () => {}, onQuiet = () => {} } = {}) {
    Object.assign(this, { rate, onWord, onQuiet, frame: Math.round(rate * FRAME_MS / 1000), rest: new Int16Array(0), frames: 0, quiet: 0, loud: [] });
  }

  get ms() {
    return this.frames * FRAME_MS + this.rest.length * 1000 / this.rate;
  }

  feed(samples) {
    const all = join16(this.rest, samples);
    let at = 0;
    for (; at + this.frame <= all.length; at += this.frame)
      this.#take(all.subarray(at, at + this.frame));
    this.rest = all.slice(at);
  }

  #take(frame) {
    const isLoud = frame.reduce((sum, x) => sum + Math.abs(x), 0) / frame.length > LOUD;
    this.frames++;
    if (isLoud) {
      this.start ??= (this.frames - 1) * FRAME_MS;
      this.end = this.frames * FRAME_MS;
      this.loud.push(frame.slice());
      this.quiet = 0;
      return;
    }
    this.quiet++;
    if (this.start !== undefined && this.quiet >= WORD_GAP_FRAMES)
      this.flush();
    this.onQuiet(this.quiet * FRAME_MS);
  }

  // The word that goes on ends here.
  flush() {
    const { start, end, loud } = this;
    if (start !== undefined && end - start >= WORD_MIN_MS)
      this.onWord({ word: wordOf(join16(...loud), this.rate), voice: voiceOf(join16(...loud), this.rate), start, end });
    this.start = this.end = undefined;
    this.loud = [];
  }
}

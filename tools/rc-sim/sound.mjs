// What was said in a call, as sound.
import { speak, pcmBytes } from '../lib/speech.mjs';
import { say } from '../stt-sim/ear.mjs';

const RATE = 8000;
const VOICES = { customer: 'en-us' };
export const voiceOf = (who) => VOICES[who] ?? 'en-gb';

// Voices of what tools/stt-sim understands; of whoever is not here, the last.
const TONES = ['customer', 'ann', 'bob', 'announcement'];
const toneOf = (who) => (TONES.includes(who) ? TONES.indexOf(who) : TONES.length);
export const msOf = (pcm) => pcm.length * 1000 / RATE;
export const wordsSound = (text, who) => say(text, RATE, toneOf(who));

// Lines {who, text, words (they are such), from, until} between two times, all voices in one.
export function callSound(lines, { from, until }) {
  const out = new Int16Array(Math.round((until - from) * RATE / 1000));
  for (const line of lines) {
    const pcm = line.words ? wordsSound(line.text, line.who) : speak(line.text, { voice: voiceOf(line.who) });
    const start = Math.round((line.from - from) * RATE / 1000);
    for (let i = Math.max(0, -start); i < pcm.length && start + i < out.length; i++)
      out[start + i] = Math.max(-32768, Math.min(32767, out[start + i] + pcm[i]));
  }
  return out;
}

// A WAV file of 16 bits; a channel for each.
export function wav(channels) {
  const n = Math.max(...channels.map((c) => c.length));
  const samples = new Int16Array(n * channels.length).map((_, i) => channels[i % channels.length][Math.floor(i / channels.length)] ?? 0);
  const head = Buffer.alloc(44);
  const bytes = samples.length * 2;
  const width = 2 * channels.length;
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(36 + bytes, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(channels.length, 22);
  head.writeUInt32LE(RATE, 24);
  head.writeUInt32LE(RATE * width, 28);
  head.writeUInt16LE(width, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(bytes, 40);
  return Buffer.concat([head, pcmBytes(samples)]);
}

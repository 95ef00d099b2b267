// Speech for simulators and tests: sentences spoken by espeak-ng (tools/packages.txt) as 16-bit PCM, 8 or 16 kHz, kept in the folder for
// temporary files so that each is made once. And what is done with PCM on its way to a wire.
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const RATES = [8000, 16000];

// Chunk by chunk: espeak-ng writes sizes it cannot know into what it pipes.
function readWav(bytes) {
  const rate = bytes.readUInt32LE(24);
  const data = bytes.indexOf('data', 36, 'latin1');
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || data < 0 || bytes.readUInt16LE(22) !== 1 || bytes.readUInt16LE(34) !== 16)
    throw new Error('espeak-ng gave no mono WAV of 16 bits');
  const samples = new Int16Array(Math.floor((bytes.length - data - 8) / 2));
  for (let i = 0; i < samples.length; i++)
    samples[i] = bytes.readInt16LE(data + 8 + 2 * i);
  return { samples, rate };
}

// Windowed sinc; nothing above half the lower rate passes.
export function resample(samples, from, to) {
  if (from === to)
    return samples;
  const out = new Int16Array(Math.floor(samples.length * to / from));
  const cut = Math.min(1, to / from) * 0.94;
  const reach = Math.ceil(12 / cut);
  for (let i = 0; i < out.length; i++) {
    const at = i * from / to;
    let sum = 0;
    for (let k = Math.max(0, Math.ceil(at - reach)); k <= Math.min(samples.length - 1, Math.floor(at + reach)); k++) {
      const x = (k - at) * cut;
      const window = 0.5 + 0.5 * Math.cos(Math.PI * (k - at) / (reach + 1));
      sum += samples[k] * cut * window * (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
    }
    out[i] = Math.max(-32768, Math.min(32767, Math.round(sum)));
  }
  return out;
}

function synthesise(text, rate, voice, wordsPerMinute) {
  let wav;
  try {
    wav = execFileSync('espeak-ng', ['-v', voice, '-s', String(wordsPerMinute), '--stdout', '--stdin'], { input: text, maxBuffer: 1 << 28 });
  } catch (error) {
    throw error.code === 'ENOENT' ? new Error('espeak-ng is missing: install what tools/packages.txt names') : error;
  }
  const spoken = readWav(wav);
  return resample(spoken.samples, spoken.rate, rate);
}

// Int16Array. Callers must not change it: the same sentence may be handed out again.
const spoken = new Map();
export function speak(text, { rate = 8000, voice = 'en-us', wordsPerMinute = 170 } = {}) {
  if (!RATES.includes(rate))
    throw new Error(`speech has ${RATES.join(' or ')} samples a second, not ${rate}`);
  const name = createHash('sha256').update(JSON.stringify([1, text, rate, voice, wordsPerMinute])).digest('hex').slice(0, 32);
  if (!spoken.has(name))
    spoken.set(name, kept(name, () => synthesise(text, rate, voice, wordsPerMinute)));
  return spoken.get(name);
}

function kept(name, make) {
  const folder = join(tmpdir(), `callmend-speech-${process.getuid?.() ?? 0}`);
  const path = join(folder, `${name}.pcm`);
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.${process.pid}`, pcmBytes(make()));
    renameSync(`${path}.${process.pid}`, path);
  }
  return pcmSamples(readFileSync(path));
}

export const silence = (ms, rate = 8000) => new Int16Array(Math.round(ms * rate / 1000));

export function tone(hz, ms, { rate = 8000, level = 8000 } = {}) {
  return silence(ms, rate).map((_, i) => Math.round(level * Math.sin(2 * Math.PI * hz * i / rate)));
}

export function join16(...parts) {
  const out = new Int16Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

// L0 R0 L1 R1 ...; the shorter one goes on with silence.
export function interleave(left, right) {
  const n = Math.max(left.length, right.length);
  const out = new Int16Array(2 * n);
  for (let i = 0; i < n; i++) {
    out[2 * i] = left[i] ?? 0;
    out[2 * i + 1] = right[i] ?? 0;
  }
  return out;
}

// --- samples and bytes ---

export function pcmBytes(samples, { bigEndian = false } = {}) {
  const out = Buffer.alloc(2 * samples.length);
  samples.forEach((s, i) => (bigEndian ? out.writeInt16BE(s, 2 * i) : out.writeInt16LE(s, 2 * i)));
  return out;
}

export function pcmSamples(bytes) {
  return Int16Array.from({ length: Math.floor(bytes.length / 2) }, (_, i) => bytes.readInt16LE(2 * i));
}

// ITU-T G.711: 14 bits of the sample count, the nearest value of the curve is sent.
export function ulawByte(sample) {
  const magnitude = Math.min(Math.abs(sample), 32635) + 132;
  const segment = 24 - Math.clz32(magnitude);
  return ~((sample < 0 ? 0x80 : 0) | (segment << 4) | ((magnitude >> (segment + 3)) & 15)) & 0xff;
}

export function ulawSample(byte) {
  const b = ~byte & 0xff;
  const magnitude = ((((b & 15) << 3) + 132) << ((b >> 4) & 7)) - 132;
  return b & 0x80 ? -magnitude : magnitude;
}

export function alawByte(sample) {
  const magnitude = Math.min(sample < 0 ? ~sample : sample, 32767);
  const segment = Math.max(0, 24 - Math.clz32(magnitude));
  const code = segment ? (segment << 4) | ((magnitude >> (segment + 3)) & 15) : magnitude >> 4;
  return (code | (sample < 0 ? 0 : 0x80)) ^ 0x55;
}

export function alawSample(byte) {
  const b = byte ^ 0x55;
  const segment = (b >> 4) & 7;
  const magnitude = segment ? (((b & 15) << 4) + 0x108) << (segment - 1) : ((b & 15) << 4) + 8;
  return b & 0x80 ? magnitude : -magnitude;
}

export const alawBytes = (samples) => Buffer.from(Uint8Array.from(samples, alawByte));
export const ulawBytes = (samples) => Buffer.from(Uint8Array.from(samples, ulawByte));
export const ulawSamples = (bytes) => Int16Array.from(bytes, ulawSample);

// OpenAI's two ways to transcribe: a Realtime session, and POST /v1/audio/transcriptions.
import { alawSample, pcmSamples, ulawSample } from '../lib/speech.mjs';
import { Ear } from './ear.mjs';

const FORMATS = {
  'audio/pcmu': { rate: 8000, decode: (bytes) => Int16Array.from(bytes, ulawSample) },
  'audio/pcma': { rate: 8000, decode: (bytes) => Int16Array.from(bytes, alawSample) },
  'audio/pcm': { rate: 24000, decode: (bytes) => pcmSamples(bytes) },
};
const LOGPROB = -0.05;

export function realtimeRefusal({ query, headers, key }) {
  if (key && headers.authorization !== `Bearer ${key}`)
    return { status: 401, why: 'Incorrect API key provided' };
  if (headers['openai-beta'])
    return { status: 400, why: 'the beta is over' };
  return query.get('intent') === 'transcription' ? null : { status: 400, why: 'intent' };
}

// What is wrong with session.update; null: nothing.
function mistakeIn(session) {
  const input = session?.audio?.input;
  const only = (object, ...names) => Object.keys(object ?? {}).every((name) => names.includes(name));
  if (session?.type !== 'transcription' || !only(session, 'type', 'audio', 'include') || !only(session.audio, 'input'))
    return "Unknown parameter: 'session'";
  if (!only(input, 'format', 'transcription', 'turn_detection', 'noise_reduction') || !only(input.transcription, 'model', 'language', 'prompt'))
    return "Unknown parameter: 'session.audio.input'";
  if (!FORMATS[input.format?.type] || (input.format.type === 'audio/pcm' && input.format.rate !== 24000))
    return "Invalid value: 'session.audio.input.format'";
  return typeof input.transcription?.model === 'string' && input.turn_detection?.type === 'server_vad' ? null : 'transcription and turn_detection are needed';
}

export class RealtimeSession {
  // `beta`: events as before GA.
  constructor(channel, { beta = false, idPrefix = 'item' } = {}) {
    Object.assign(this, { channel, beta, idPrefix, items: 0, words: [], said: [] });
    this.#event(beta ? 'transcription_session.created' : 'session.created', { session: { type: 'transcription', id: 'sess_sim' } });
  }

  get audioMs() {
    return this.ear?.ms ?? 0;
  }

  #event(type, more = {}) {
    this.channel.send({ type, event_id: `event_${Math.random().toString(36).slice(2)}`, ...more });
  }

  #error(message, code) {
    this.#event('error', { error: { type: 'invalid_request_error', code, message, param: null, event_id: null } });
  }

  binary() {
    this.#error('binary messages are not supported', 'invalid_message');
  }

  text(text) {
    const message = JSON.parse(text);
    const known = { 'session.update': () => this.#update(message.session), 'input_audio_buffer.append': () => this.#append(message.audio),
      'input_audio_buffer.commit': () => this.#commit() };
    return known[message.type] ? known[message.type]() : this.#error(`Invalid value: '${message.type}'`, 'invalid_value');
  }

  #update(session) {
    const mistake = mistakeIn(session);
    if (mistake)
      return this.#error(mistake, 'invalid_request_error');
    const { format, turn_detection: turns } = session.audio.input;
    Object.assign(this, { format: FORMATS[format.type], padding: turns.prefix_padding_ms, silence: turns.silence_duration_ms });
    this.logprobs = session.include?.includes('item.input_audio_transcription.logprobs');
    this.ear = new Ear(this.format.rate, { onWord: (word) => this.#word(word), onQuiet: (ms) => this.#quiet(ms) });
    return this.#event(this.beta ? 'transcription_session.updated' : 'session.updated', { session });
  }

  #append(audio) {
    if (!this.ear)
      return this.#error('no session', 'invalid_request_error');
    const bytes = Buffer.from(audio, 'base64');
    if (bytes.toString('base64') !== audio || !bytes.length)
      return this.#error('Invalid audio', 'invalid_value');
    return this.ear.feed(this.format.decode(bytes));
  }

  #word(word) {
    if (!this.words.length) {
      this.item = `${this.idPrefix}_${++this.items}`;
      this.#event('input_audio_buffer.speech_started', { audio_start_ms: Math.max(0, Math.round(word.start - this.padding)), item_id: this.item });
    }
    this.words.push(word);
  }

  #quiet(ms) {
    if (!this.words.length || ms < this.silence)
      return;
    this.#event('input_audio_buffer.speech_stopped', { audio_end_ms: Math.round(this.words.at(-1).end + this.silence), item_id: this.item });
    this.#complete();
  }

  #complete() {
    const [item_id, words] = [this.item, this.words.map((w) => w.word)];
    const at = { item_id, content_index: 0 };
    this.words = [];
    this.#event('input_audio_buffer.committed', { item_id, previous_item_id: null });
    this.#event(this.beta ? 'conversation.item.created' : 'conversation.item.added', { item: { id: item_id, type: 'message', role: 'user' } });
    words.forEach((word, i) => this.#event('conversation.item.input_audio_transcription.delta', { ...at, delta: i ? ` ${word}` : word }));
    this.said.push(words.join(' '));
    this.#event('conversation.item.input_audio_transcription.completed', { ...at, transcript: words.join(' '),
      ...(this.logprobs ? { logprobs: words.map((token) => ({ token, logprob: LOGPROB, bytes: [...Buffer.from(token)] })) } : {}),
      usage: { type: 'duration', seconds: 1 } });
  }

  #commit() {
    this.ear?.flush();
    if (!this.words.length)
      return this.#error('Error committing input audio buffer: buffer too small.', 'input_audio_buffer_commit_empty');
    return this.#complete();
  }

  over() {}
}

// --- POST /v1/audio/transcriptions ---

export function formOf(body, contentType) {
  const boundary = /^multipart\/form-data; boundary=(\S+)$/.exec(contentType ?? '')?.[1];
  if (!boundary)
    return null;
  const fields = {};
  const text = body.toString('latin1');
  if (!text.endsWith(`--${boundary}--\r\n`))
    return null;
  for (const part of text.split(`--${boundary}`).slice(1, -1)) {
    const [, head, value] = /^\r\n([\s\S]*?)\r\n\r\n([\s\S]*)\r\n$/.exec(part);
    fields[/name="([^"]+)"/.exec(head)[1]] = Buffer.from(value, 'latin1');
  }
  return fields;
}

// Mono WAV with 16 bits; null: it is none.
export function wavOf(bytes) {
  const fits = bytes.length > 44 && bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.readUInt32LE(4) === bytes.length - 8 &&
    bytes.toString('latin1', 8, 16) === 'WAVEfmt ' && bytes.readUInt16LE(20) === 1 && bytes.readUInt16LE(22) === 1 && bytes.readUInt16LE(34) === 16 &&
    bytes.toString('latin1', 36, 40) === 'data' && bytes.readUInt32LE(40) === bytes.length - 44;
  return fits ? { rate: bytes.readUInt32LE(24), samples: pcmSamples(bytes.subarray(44)) } : null;
}

// {start, end, words, heard (the words as the ear gave them), speaker}: voices are numbered as they come. `voices`: another voice begins another segment.
export function segmentsOf(words, { pauseMs = 300, voices = false } = {}) {
  const known = [...new Set(words.map((w) => w.voice))];
  const out = [];
  for (const w of words) {
    const last = out.at(-1);
    if (!last || w.start - last.end > pauseMs || voices && last.heard[0].voice !== w.voice)
      out.push({ start: w.start, end: w.end, words: [], heard: [], speaker: known.indexOf(w.voice) });
    Object.assign(out.at(-1), { end: w.end });
    out.at(-1).words.push(w.word);
    out.at(-1).heard.push(w);
  }
  return out;
}

// What is wrong with a form; {status, body} or null.
function mistakeInForm(form, wav) {
  const field = (name) => form[name]?.toString() ?? '';
  const seconds = wav.samples.length / wav.rate;
  const diarizes = field('model').includes('diarize');
  const formats = diarizes ? ['json', 'text', 'diarized_json'] : field('model').includes('whisper') ? ['json', 'verbose_json'] : ['json'];
  if (form.file.length > MOST_BYTES)
    return problem(413, `Maximum content size limit (${MOST_BYTES}) exceeded`);
  if (field('response_format') && !formats.includes(field('response_format')))
    return problem(400, `response_format '${field('response_format')}' is not compatible with model '${field('model')}'`);
  if (diarizes && seconds > 30 && field('chunking_strategy') !== 'auto')
    return problem(400, 'chunking_strategy is required for diarization models');
  return diarizes && seconds > MOST_SECONDS ? problem(400, `audio duration ${seconds} seconds is longer than ${MOST_SECONDS} seconds which is the maximum for this model`) : null;
}

const letter = (n) => String.fromCharCode('A'.charCodeAt(0) + n);
const diarized = (segments, text, seconds) => ({ task: 'transcribe', duration: seconds, text, segments: segments.map((s) => ({ type: 'transcript.text.segment', id: `seg_${s.id}`,
  start: s.start, end: s.end, text: s.text, speaker: letter(s.speaker) })), usage: { type: 'duration', seconds: Math.ceil(seconds) } });

const MOST_BYTES = 26214400;
const MOST_SECONDS = 1400; // of a model that tells voices apart
const problem = (status, message) => ({ status, body: { error: { message, type: 'invalid_request_error', param: null, code: null } } });

// `script(samples)`: what is heard in audio that is no tones; texts in their order. The answer: {status, body}.
export function transcription({ body, headers, key, script }) {
  if (key && headers.authorization !== `Bearer ${key}`)
    return problem(401, 'Incorrect API key provided');
  const form = formOf(body, headers['content-type']);
  const wav = form?.file && wavOf(form.file);
  if (!form?.model || !wav)
    return problem(400, 'file and model are needed');
  if (wav.samples.length < wav.rate / 10)
    return problem(400, 'Audio file is too short. Minimum audio length is 0.1 seconds.');
  const mistake = mistakeInForm(form, wav);
  if (mistake)
    return mistake;
  const format = form.response_format?.toString();
  const words = [];
  const ear = new Ear(wav.rate, { onWord: (word) => words.push(word) });
  ear.feed(wav.samples);
  ear.flush();
  const found = segmentsOf(words, { voices: format === 'diarized_json' });
  const segments = found.map((s, id) => ({ id, start: s.start / 1000, end: s.end / 1000, avg_logprob: LOGPROB, no_speech_prob: 0.01,
    text: ` ${s.words.every((w) => w === 'noise') ? script(wav.samples) : s.words.join(' ')}` }));
  const text = segments.map((s) => s.text.trim()).join(' ');
  const bodies = {
    verbose_json: () => ({ task: 'transcribe', language: 'english', duration: ear.ms / 1000, text, segments }),
    diarized_json: () => diarized(segments.map((s) => ({ ...s, speaker: found[s.id].speaker })), text, ear.ms / 1000),
  };
  return { status: 200, said: text, audioMs: ear.ms, asked: { rate: wav.rate, model: form.model.toString(), format }, body: bodies[format]?.() ?? { text } };
}

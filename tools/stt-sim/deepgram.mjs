// Deepgram: GET /v1/listen as a WebSocket, and POST /v1/listen for whole files.
import { alawSample, pcmSamples, ulawSample } from '../lib/speech.mjs';
import { Ear } from './ear.mjs';
import { segmentsOf, wavOf } from './openai.mjs';

const KNOWN = { model: /^nova/, encoding: /^(mulaw|alaw|linear16)$/, sample_rate: /^(8000|16000|24000|48000)$/, channels: /^1$/,
  interim_results: /^(true|false)$/, endpointing: /^(\d+|false)$/, utterance_end_ms: /^\d{4,}$/, punctuate: /^(true|false)$/,
  smart_format: /^(true|false)$/, language: /^[a-zA-Z-]+$/ };
const SEGMENT_WORDS = 4; // so many are final before the utterance is over
const EMPTY_MS = 3000; // without a word: told as an empty final

const DECODE = {
  mulaw: (bytes) => Int16Array.from(bytes, ulawSample),
  alaw: (bytes) => Int16Array.from(bytes, alawSample),
  linear16: (bytes) => pcmSamples(bytes),
};

// What is wrong with the request; {status, why} or null.
export function refusal({ query, headers, key }) {
  if (key && headers.authorization !== `Token ${key}`)
    return { status: 401, why: 'INVALID_AUTH' };
  for (const [name, value] of query)
    if (!KNOWN[name]?.test(value))
      return { status: 400, why: `Bad Request: ${name}=${value}` };
  return ['model', 'encoding', 'sample_rate'].every((name) => query.has(name)) ? null : { status: 400, why: 'Bad Request' };
}

export class DeepgramSession {
  // `channel`: {send(object), close(code, reason)}
  constructor(channel, { query, idleMs = 10000 }) {
    Object.assign(this, { channel, idleMs, decode: DECODE[query.get('encoding')], endpointing: Number(query.get('endpointing')),
      interim: query.get('interim_results') === 'true', words: [], from: 0, said: [] });
    this.ear = new Ear(Number(query.get('sample_rate')), { onWord: (word) => this.#word(word), onQuiet: (ms) => this.#quiet(ms) });
    this.#alive();
  }

  #alive() {
    clearTimeout(this.idle);
    this.idle = setTimeout(() => this.channel.close(1011, 'NET-0001'), this.idleMs);
  }

  get audioMs() {
    return this.ear.ms;
  }

  binary(bytes) {
    this.#alive();
    if (!bytes.length)
      return this.channel.close(1008, 'DATA-0000');
    return this.ear.feed(this.decode(bytes));
  }

  text(text) {
    this.#alive();
    const { type } = JSON.parse(text);
    const known = { KeepAlive: () => {}, Finalize: () => this.#flush(), CloseStream: () => this.#end() };
    return known[type] ? known[type]() : this.channel.close(1008, 'DATA-0000');
  }

  #results(words, end, { final, speechFinal = false, fromFinalize = false }) {
    const seconds = (ms) => Math.round(ms) / 1000;
    const transcript = words.map((w) => w.word).join(' ');
    this.channel.send({ type: 'Results', channel_index: [0, 1], duration: seconds(end - this.from), start: seconds(this.from), is_final: final,
      speech_final: speechFinal, ...(fromFinalize ? { from_finalize: true } : {}),
      channel: { alternatives: [{ transcript, confidence: words.length ? 0.98 : 0, words: words.map(({ word, start, end: stop }) => ({ word,
        start: seconds(start), end: seconds(stop), confidence: 0.98, punctuated_word: word })) }] },
      metadata: { request_id: 'sim', model_info: { name: 'sim', version: '1', arch: 'sim' }, model_uuid: 'sim' } });
    if (final) {
      this.said.push(transcript);
      this.words = [];
      this.from = end;
    }
  }

  #word(word) {
    this.words.push(word);
    if (this.words.length > SEGMENT_WORDS) {
      const last = this.words.pop();
      this.#results(this.words, last.start, { final: true });
      this.words = [last];
    }
    if (this.interim)
      this.#results(this.words, this.ear.ms, { final: false });
  }

  #quiet(ms) {
    if (this.words.length && ms >= this.endpointing)
      this.#results(this.words, this.ear.ms, { final: true, speechFinal: true });
    else if (!this.words.length && this.ear.ms - this.from >= EMPTY_MS)
      this.#results([], this.ear.ms, { final: true });
  }

  #flush() {
    this.ear.flush();
    this.#results(this.words, this.ear.ms, { final: true, speechFinal: this.words.length > 0, fromFinalize: true });
  }

  #end() {
    this.#flush();
    this.channel.send({ type: 'Metadata', request_id: 'sim', created: new Date().toISOString(), duration: this.ear.ms / 1000, channels: 1 });
    this.channel.close(1000, '');
  }

  over() {
    clearTimeout(this.idle);
  }
}

const KNOWN_OF_FILES = { model: /^nova/, punctuate: /^true$/, smart_format: /^true$/, utterances: /^true$/, diarize: /^true$/, language: /^[a-zA-Z-]+$/ };

// A whole file; {status, said, audioMs, body}.
export function fileTranscription({ body, query, headers, key }) {
  if (key && headers.authorization !== `Token ${key}`)
    return { status: 401, body: { err_code: 'INVALID_AUTH', err_msg: 'Invalid credentials.' } };
  const wav = headers['content-type'] === 'audio/wav' && wavOf(body);
  if (!wav || [...query].some(([name, value]) => !KNOWN_OF_FILES[name]?.test(value)))
    return { status: 400, body: { err_code: 'Bad Request', err_msg: 'unsupported' } };
  const words = [];
  const ear = new Ear(wav.rate, { onWord: (word) => words.push(word) });
  ear.feed(wav.samples);
  ear.flush();
  const voices = query.get('diarize') === 'true';
  const by = (speaker) => (voices ? { speaker } : {});
  const sure = voices ? { speaker_confidence: 0.86 } : {};
  const wordOf = ({ word, start, end }, speaker) => ({ word, start: start / 1000, end: end / 1000, confidence: 0.97, ...by(speaker), ...sure, punctuated_word: word });
  const utterances = segmentsOf(words, { voices }).map(({ start, end, words: said, heard, speaker }, i) => ({ start: start / 1000, end: end / 1000, confidence: 0.97, channel: 0,
    transcript: said.join(' '), words: heard.map((w) => wordOf(w, speaker)), ...by(speaker), id: `u${i}` }));
  const transcript = utterances.map((u) => u.transcript).join(' ');
  return { status: 200, said: transcript, audioMs: ear.ms, asked: { rate: wav.rate, diarize: voices }, body: { metadata: { request_id: 'sim', duration: ear.ms / 1000, channels: 1 },
    results: { channels: [{ alternatives: [{ transcript, confidence: 0.97, words: utterances.flatMap((u) => u.words) }] }], utterances } } };
}

// Twilio Media Streams and the platforms that took over its messages, as clients: what they send, and what they do with what they get.
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { alawBytes, pcmBytes, ulawBytes } from '../lib/speech.mjs';
import { Playout } from './playout.mjs';
import { cut, travel, walk } from './road.mjs';
import { SimSocket } from './socket.mjs';

// X-Twilio-Signature of a WebSocket: no parameters are posted, so the URL alone is signed, as the platform was told it.
export const twilioSignature = (authToken, url) => createHmac('sha1', authToken).update(url).digest('base64');

const sid = (prefix) => prefix + randomBytes(16).toString('hex');

const CODECS = {
  'audio/x-mulaw': { bytesPerMs: () => 8, encode: (pcm) => ulawBytes(pcm) },
  'audio/x-l16': { bytesPerMs: (rate) => rate / 500, encode: (pcm) => pcmBytes(pcm) },
  alaw: { bytesPerMs: () => 8, encode: (pcm) => alawBytes(pcm) },
  l16be: { bytesPerMs: (rate) => rate / 500, encode: (pcm) => pcmBytes(pcm, { bigEndian: true }) },
};

class StreamClient extends SimSocket {
  // opts: {headers, authToken (signs), publicUrl (what is signed, default the URL), encoding, rate, tracks, bidirectional, streamId, callId,
  // accountId, speed and delayMs (of what is played to the caller), socket (more options of SimSocket.open)}
  constructor(opts = {}) {
    super();
    const { defaults } = this.constructor;
    this.opts = opts;
    this.encoding = opts.encoding ?? defaults.encoding;
    this.codec = CODECS[defaults.codecs?.[this.encoding] ?? this.encoding]; // undefined: only playPackets() can send
    this.rate = opts.rate ?? 8000;
    this.tracks = opts.tracks ?? ['inbound'];
    this.bidirectional = opts.bidirectional ?? true;
    this.streamId = opts.streamId ?? defaults.streamId();
    this.callId = opts.callId ?? defaults.callId();
    this.accountId = opts.accountId ?? defaults.accountId();
    this.sequence = 0;
    this.chunks = {};
    this.sentMs = {};
    this.audio = []; // Buffers we were sent
    this.marks = []; // {name, how} given back
    this.complaints = []; // {code, why}: what the platform's debugger would show
    this.playout = new Playout({ speed: opts.speed ?? 1, delayMs: opts.delayMs ?? 0, onMark: (name, how) => this.#giveMark(name, how) });
    this.onClose = () => this.playout.close();
    this.onMessage = (message) => this.#take(message);
  }

  static async connect(url, opts) {
    const client = new this(opts);
    return client.open(url, { headers: client.headers(url), ...client.opts.socket });
  }

  headers() {
    return { ...this.opts.headers };
  }

  // --- what the platform sends ---

  // `connected` where there is one, then start. opts: {params (of the customer's own), from, to}
  start(opts = {}) {
    this.startedAt = Date.now();
    if (this.constructor.connected)
      this.send(this.constructor.connected);
    this.send(this.startMessage(opts));
    return this;
  }

  dtmf(digit, opts) {
    return this.send(this.dtmfMessage(digit, opts));
  }

  // The call is over; where no message says so only the close does.
  stop() {
    if (this.stopMessage)
      this.send(this.stopMessage());
    return this.close();
  }

  nextSequence() {
    this.sequence++;
    return String(this.sequence);
  }

  // Numbers a frame of encoded bytes as its sender does, without sending it: {track, chunk, timestamp, sequence, bytes}.
  number(bytes, track = this.tracks[0], ms = bytes.length / this.codec.bytesPerMs(this.rate)) {
    this.chunks[track] = (this.chunks[track] ?? 0) + 1;
    const timestamp = this.sentMs[track] ?? 0;
    this.sentMs[track] = timestamp + ms;
    return { track, chunk: this.chunks[track], timestamp: Math.round(timestamp), sequence: this.nextSequence(), bytes };
  }

  sendNumbered(frame) {
    return this.send(this.mediaMessage(frame));
  }

  sendFrame(bytes, track) {
    return this.sendNumbered(this.number(bytes, track));
  }

  // Encodes PCM of this stream's rate and sends it. `pcm`: Int16Array for the first track, or {inbound, outbound}. options: {frameMs or
  // frameBytes (number or list), fast, speed, loss, duplicate, late, reorder, seed}. Gives how many frames left.
  async play(pcm, options = {}) {
    const perMs = this.codec.bytesPerMs(this.rate);
    const sizes = options.frameBytes ?? (options.frameMs ?? this.constructor.defaults.frameMs) * perMs;
    const tracks = Object.entries(ArrayBuffer.isView(pcm) ? { [this.tracks[0]]: pcm } : pcm);
    const pieces = tracks.map(([track, samples]) => cut(this.codec.encode(samples), sizes).map((bytes) => ({ track, bytes })));
    const turns = Array.from({ length: Math.max(...pieces.map((p) => p.length)) }, (_, i) => pieces.map((p) => p[i]).filter(Boolean));
    const numbered = turns.flat().map(({ track, bytes }) => this.number(bytes, track));
    const everyMs = [sizes].flat().reduce((sum, n, _, all) => sum + n / all.length, 0) / perMs / tracks.length;
    return walk(travel(numbered, options), (frame) => this.sendNumbered(frame), { everyMs, socket: this.socket, ...options });
  }

  // What is encoded already (Opus, G.722): a Buffer per frame of `frameMs`.
  playPackets(packets, { track = this.tracks[0], frameMs = 20, ...options } = {}) {
    const numbered = packets.map((bytes) => this.number(bytes, track, frameMs));
    return walk(travel(numbered, options), (frame) => this.sendNumbered(frame), { everyMs: frameMs, socket: this.socket, ...options });
  }

  #giveMark(name, how) {
    this.marks.push({ name, how });
    this.send(this.markMessage(name));
  }

  // --- what the platform takes ---

  complain(code, why) {
    this.complaints.push({ code, why });
  }

  #take({ text, binary }) {
    if (binary)
      return this.complain(31950, 'a binary message');
    if (!this.bidirectional)
      return this.complain(31924, 'a message on a stream that only we send on');
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return this.complain(31951, 'no JSON');
    }
    const form = this.constructor.forms[message.event];
    const wrong = form ? differs(message, form, this) : `unknown event ${message.event}`;
    return wrong ? this.complain(31951, wrong) : this.constructor.verbs[message.event](this, message);
  }

  takeAudio(payload) {
    const bytes = Buffer.from(payload, 'base64');
    this.audio.push(bytes);
    this.playout.audio(this.codec ? bytes.length / this.codec.bytesPerMs(this.rate) : 20);
  }
}

// A form has exactly these members: a function judges a value, an object is a form.
function differs(message, form, client, path = '') {
  const extra = Object.keys(message).find((key) => !(key in form));
  if (extra)
    return `a member too many: ${path}${extra}`;
  for (const [key, want] of Object.entries(form)) {
    const value = message[key];
    if (typeof want === 'object' && (typeof value !== 'object' || value === null))
      return `${path}${key} is missing`;
    const wrong = typeof want === 'object' ? differs(value, want, client, `${path}${key}.`) : !want(value, client) && `${path}${key} is wrong or missing`;
    if (wrong)
      return wrong;
  }
  return undefined;
}

const isText = (v) => typeof v === 'string';
const isName = (v) => typeof v === 'string' && v.length > 0;
const isBase64 = (v) => isText(v) && v.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(v);
const isOurs = (v, client) => v === client.streamId;

const PLAYING = {
  media: (client, m) => client.takeAudio(m.media.payload),
  mark: (client, m) => client.playout.mark(m.mark.name),
  clear: (client) => client.playout.clear(),
};

// --- Twilio, and SignalWire, which differs in little ---

export class TwilioClient extends StreamClient {
  static defaults = { encoding: 'audio/x-mulaw', frameMs: 20, streamId: () => sid('MZ'), callId: () => sid('CA'), accountId: () => sid('AC') };
  static connected = { event: 'connected', protocol: 'Call', version: '1.0.0' };
  static forms = {
    media: { event: isText, streamSid: isOurs, media: { payload: isBase64 } },
    mark: { event: isText, streamSid: isOurs, mark: { name: isName } },
    clear: { event: isText, streamSid: isOurs },
  };
  static verbs = PLAYING;

  headers(url) {
    const { authToken, publicUrl = url } = this.opts;
    return { ...(authToken ? { 'x-twilio-signature': twilioSignature(authToken, publicUrl) } : {}), ...this.opts.headers };
  }

  startMessage({ params = {} }) {
    return { event: 'start', sequenceNumber: this.nextSequence(), start: { accountSid: this.accountId, streamSid: this.streamId, callSid: this.callId,
      tracks: this.tracks, mediaFormat: { encoding: this.encoding, sampleRate: this.rate, channels: 1 }, customParameters: params },
    streamSid: this.streamId };
  }

  mediaMessage({ track, chunk, timestamp, sequence, bytes }) {
    return { event: 'media', sequenceNumber: sequence, media: { track, chunk: String(chunk), timestamp: String(timestamp),
      payload: bytes.toString('base64') }, streamSid: this.streamId };
  }

  markMessage(name) {
    return { event: 'mark', sequenceNumber: this.nextSequence(), streamSid: this.streamId, mark: { name } };
  }

  dtmfMessage(digit) {
    return { event: 'dtmf', streamSid: this.streamId, sequenceNumber: this.nextSequence(), dtmf: { track: 'inbound_track', digit } };
  }

  stopMessage() {
    return { event: 'stop', sequenceNumber: this.nextSequence(), streamSid: this.streamId, stop: { accountSid: this.accountId, callSid: this.callId } };
  }
}

export class SignalWireClient extends TwilioClient {
  static defaults = { encoding: 'audio/x-mulaw', codecs: { 'audio/x-L16': 'audio/x-l16' }, frameMs: 20, streamId: randomUUID, callId: randomUUID,
    accountId: randomUUID };
  static connected = { event: 'connected', protocol: 'Call', version: '0.2.0' };

  headers() {
    return { ...(this.opts.bearer ? { authorization: `Bearer ${this.opts.bearer}` } : {}), ...this.opts.headers };
  }

  startMessage(opts) {
    const { streamSid, ...message } = super.startMessage(opts);
    return message;
  }

  mediaMessage(frame) {
    const { streamSid, ...message } = super.mediaMessage(frame);
    return this.bidirectional ? { ...message, streamSid } : message;
  }

  markMessage(name) {
    return { event: 'mark', streamSid: this.streamId, mark: { name } };
  }

  dtmfMessage(digit, { durationMs = 200 } = {}) {
    return { event: 'dtmf', sequenceNumber: this.nextSequence(), ...(this.bidirectional ? { streamSid: this.streamId } : {}),
      dtmf: { digit, duration: durationMs } };
  }

  stopMessage() {
    return { event: 'stop', sequenceNumber: this.nextSequence() };
  }
}

// --- Telnyx: frames may overtake each other; L16 as in RTP, big-endian; nothing sent names the stream ---

export class TelnyxClient extends StreamClient {
  static defaults = { encoding: 'PCMU', codecs: { PCMU: 'audio/x-mulaw', PCMA: 'alaw', L16: 'l16be' }, frameMs: 20, streamId: randomUUID,
    callId: () => `v3:${randomBytes(24).toString('base64url')}`, accountId: randomUUID };
  static connected = { event: 'connected', version: '1.0.0' };
  static forms = {
    media: { event: isText, media: { payload: isBase64 } },
    mark: { event: isText, mark: { name: isName } },
    clear: { event: isText },
  };
  static verbs = PLAYING;

  headers() {
    return { ...(this.opts.bearer ? { 'x-telnyx-streaming-auth-token': this.opts.bearer } : {}), ...this.opts.headers };
  }

  #message(event, members, sequence = this.nextSequence()) {
    return { event, sequence_number: sequence, stream_id: this.streamId, ...members };
  }

  startMessage({ params = {}, from = '+15550100', to = '+15550199' }) {
    return this.#message('start', { start: { user_id: this.accountId, call_control_id: this.callId, call_session_id: randomUUID(), from, to, tags: [],
      custom_parameters: params, media_format: { encoding: this.encoding, sample_rate: this.rate, channels: 1 } } });
  }

  mediaMessage({ track, chunk, timestamp, sequence, bytes }) {
    return this.#message('media', { media: { track, chunk: String(chunk), timestamp: String(timestamp), payload: bytes.toString('base64') } }, sequence);
  }

  markMessage(name) {
    return this.#message('mark', { mark: { name } });
  }

  dtmfMessage(digit) {
    return this.#message('dtmf', { dtmf: { digit } });
  }

  stopMessage() {
    return this.#message('stop', { stop: { user_id: this.accountId, call_control_id: this.callId } });
  }

  complain(code, why) {
    super.complain(code, why);
    this.send({ event: 'error', stream_id: this.streamId, payload: { code: 100003, title: 'malformed_frame', detail: why } });
  }
}

// --- Plivo: numbers, wall clock, own names, no connected and no stop ---

export class PlivoClient extends StreamClient {
  static defaults = { encoding: 'audio/x-l16', frameMs: 20, streamId: randomUUID, callId: randomUUID, accountId: () => randomBytes(10).toString('hex') };
  static forms = {
    playAudio: { event: isText, media: { contentType: (v, client) => v === client.encoding, sampleRate: (v, client) => v === client.rate,
      payload: isBase64 } },
    checkpoint: { event: isText, streamId: isOurs, name: isName },
    clearAudio: { event: isText, streamId: isOurs },
  };
  static verbs = {
    playAudio: PLAYING.media,
    checkpoint: (client, m) => client.playout.mark(m.name),
    clearAudio: (client) => {
      client.playout.clear();
      client.send({ sequenceNumber: client.nextSequence(), event: 'clearedAudio', streamId: client.streamId });
    },
  };

  nextSequence() {
    return Number(super.nextSequence());
  }

  startMessage({ params = {} }) {
    this.extraHeaders = Object.entries(params).map(([k, v]) => `${k}=${v}`).join(';');
    return { sequenceNumber: 0, event: 'start', start: { callId: this.callId, streamId: this.streamId, accountId: this.accountId, tracks: this.tracks,
      mediaFormat: { encoding: this.encoding, sampleRate: this.rate } }, extra_headers: this.extraHeaders };
  }

  mediaMessage({ track, chunk, timestamp, sequence, bytes }) {
    return { sequenceNumber: sequence, streamId: this.streamId, event: 'media', media: { track, timestamp: String(this.startedAt + timestamp), chunk,
      payload: bytes.toString('base64') }, extra_headers: this.extraHeaders };
  }

  markMessage(name) {
    return { sequenceNumber: this.nextSequence(), event: 'playedStream', streamId: this.streamId, name };
  }

  dtmfMessage(digit) {
    return { sequenceNumber: this.nextSequence(), event: 'dtmf', streamId: this.streamId, dtmf: { track: 'inbound', digit,
      timestamp: String(Date.now()) } };
  }
}

// --- Exotel: snake case, PCM, 100 ms; what it is sent must be whole pieces of 320 bytes, 3200 at least ---

export class ExotelClient extends StreamClient {
  static defaults = { encoding: 'audio/x-raw', codecs: { 'audio/x-raw': 'audio/x-l16' }, frameMs: 100, streamId: () => sid('MZ'), callId: () => sid('CA'),
    accountId: () => sid('AC') };
  static connected = { event: 'connected' };
  static forms = {
    media: { event: isText, stream_sid: isOurs, media: { payload: isBase64 } },
    mark: { event: isText, stream_sid: isOurs, mark: { name: isName } },
    clear: { event: isText, stream_sid: isOurs },
  };
  static verbs = PLAYING;

  #message(event, members, sequence = this.nextSequence()) {
    return { event, sequence_number: sequence, stream_sid: this.streamId, ...members };
  }

  startMessage({ params = {}, from = '+919876543210', to = '+918047491899' }) {
    return this.#message('start', { start: { stream_sid: this.streamId, call_sid: this.callId, account_sid: this.accountId, from, to,
      custom_parameters: params, media_format: { encoding: this.encoding, sample_rate: String(this.rate), bit_rate: '16' } } });
  }

  mediaMessage({ chunk, timestamp, sequence, bytes }) {
    return this.#message('media', { media: { chunk: String(chunk), timestamp: String(timestamp), payload: bytes.toString('base64') } }, sequence);
  }

  markMessage(name) {
    return this.#message('mark', { mark: { name } });
  }

  dtmfMessage(digit, { durationMs = 100 } = {}) {
    return this.#message('dtmf', { dtmf: { digit, duration: String(durationMs) } });
  }

  stopMessage() {
    return this.#message('stop', { stop: { call_sid: this.callId, account_sid: this.accountId, reason: 'callended' } });
  }

  takeAudio(payload) {
    super.takeAudio(payload);
    const { length } = this.audio.at(-1);
    if (length % 320 || length < 3200 || length > 100000)
      this.complain('gap', `${length} bytes: the caller hears a gap`);
  }
}

export const STREAM_CLIENTS = { twilio: TwilioClient, telnyx: TelnyxClient, signalwire: SignalWireClient, plivo: PlivoClient, exotel: ExotelClient };

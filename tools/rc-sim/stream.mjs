// A RingCX talk, streamed: its messages at the pace they happen, what disturbs them on the way, and what became of it.
import { sleepUntil } from '../media-sim/road.mjs';
import { GrpcWire, RawWire } from './grpc.mjs';
import { streamMessages } from './talk.mjs';

const RAW = ['goaway', 'cut', 'garbage', 'split', 'gzip'];

// What happens before message number `at`: {at, what, ...}
const DISTURBANCES = {
  rst: (stream) => stream.wire.cancel(),
  kill: (stream) => stream.wire.kill(),
  // Once the server knows of the stream, which goes on.
  async goaway(stream) {
    await stream.wire.ping();
    stream.wire.goaway();
  },
  // Ends in the middle of a message.
  cut(stream) {
    stream.wire.bytes(Buffer.from([0, 0, 0, 1, 0, 10, 4]));
    stream.wire.end();
  },
  garbage: (stream, { bytes = Buffer.from('ffffffffffffffff', 'hex') }) => stream.wire.bytes(bytes),
  oversize: (stream, { bytes = 1 << 20 }) => stream.write({ at: 0, kind: 'segment_media', message: { session_id: stream.spec.sessionId,
    segment_media: { segment_id: 'g1', audio_content: { payload: Buffer.alloc(bytes, 0xff), seq: 1, duration: 100 } } } }),
  end: (stream) => stream.wire.end(),
  // So long, or until that has happened, or the stream is over.
  stall: (stream, { ms, until }) => Promise.race([until ? until() : new Promise((resolve) => setTimeout(resolve, ms)), stream.wire.finished]),
  // The same in the middle of the next message.
  split: (stream, { until }) => { stream.split = until; },
  // From here on; with gzip: 'later'.
  gzip: (stream) => { stream.wire.gzip = true; },
};

export class RingCxStream {
  // url: "127.0.0.1:443" ...; talk: of readTalk(); spec: of streamMessages(). options: {tls, metadata ({authorization}), gzip, raw (by hand), pieces, headers, frameMs, road,
  // holdEvents, speed, fast, disturb: [{at, what, ...}]}
  constructor(url, talk, spec, options = {}) {
    Object.assign(this, { url, talk, spec, options, held: false, stopped: false, left: new Set() });
    this.messages = streamMessages(talk, spec, options);
    this.sent = { messages: 0, media: 0, bytes: 0, skipped: 0 };
    const raw = options.raw || options.disturb?.some((d) => RAW.includes(d.what));
    this.wire = new (raw ? RawWire : GrpcWire)(url, options);
  }

  // Resolves when the server has said how it ended: {code, details, sent}
  static play(url, talk, spec, options) {
    return new RingCxStream(url, talk, spec, options).run();
  }

  run() {
    this.running ??= this.#run();
    return this.running;
  }

  async write({ kind, message }) {
    if (this.wire.over)
      return;
    this.sent.messages++;
    if (kind === 'segment_media') {
      this.sent.media++;
      this.sent.bytes += message.segment_media.audio_content.payload.length;
    }
    if (this.split)
      await this.#writeSplit(message);
    else if (!this.wire.write(message) && this.options.fast)
      await this.wire.drained();
  }

  async #writeSplit(message) {
    const bytes = this.wire.frame(message);
    const half = bytes.length >> 1;
    const { split } = this;
    this.split = null;
    this.wire.bytes(bytes.subarray(0, half));
    await split();
    this.wire.bytes(bytes.subarray(half));
  }

  async #run() {
    const { speed = 1, fast = false, disturb = [] } = this.options;
    const start = performance.now() - (this.messages[0]?.at ?? 0) / speed;
    for (let i = 0; i < this.messages.length && !this.wire.over && !this.stopped; i++) {
      const next = this.messages[i];
      if (!fast)
        await Promise.race([sleepUntil(start + next.at / speed), this.wire.finished]);
      for (const d of disturb.filter((x) => x.at === i))
        await DISTURBANCES[d.what](this, d);
      if (this.left.has(next.segment?.id) || (this.held && next.kind === 'segment_media'))
        this.sent.skipped++;
      else if (!this.stopped)
        await this.write(next);
    }
    if (this.stopped && !this.wire.over)
      await this.#stopAll();
    if (!this.wire.over)
      this.wire.end();
    return { ...await this.wire.finished, sent: this.sent };
  }

  // What is open is closed.
  async #stopAll() {
    const open = new Set();
    for (const m of this.messages.slice(0, this.sent.messages + this.sent.skipped)) {
      if (m.kind === 'segment_start')
        open.add(m.segment.id);
      if (m.kind === 'segment_stop')
        open.delete(m.segment.id);
    }
    for (const segment_id of [...open].filter((id) => !this.left.has(id)))
      await this.write({ kind: 'segment_stop', message: { session_id: this.spec.sessionId, segment_stop: { segment_id } } });
  }

  // Live: the platform holds the call, and takes it back.
  hold(on) {
    if (this.held === on)
      return;
    this.held = on;
    const [start, end] = this.options.holdEvents ?? ['hold', 'unhold'];
    for (const { id } of this.talk.segments)
      this.write({ kind: 'segment_info', message: { session_id: this.spec.sessionId, segment_info: { segment_id: id, event: on ? start : end } } });
  }

  // Live: participants of this type leave.
  leave(type) {
    for (const { id } of this.talk.segments.filter((s) => s.participant.type === type)) {
      this.left.add(id);
      this.write({ kind: 'segment_stop', message: { session_id: this.spec.sessionId, segment_stop: { segment_id: id } } });
    }
  }

  // The call ends before its script does.
  halt() {
    this.stopped = true;
  }

  kill() {
    this.wire.kill();
  }
}

// RingCX's legacy stream: a WebSocket per agent session, JSON text frames, base64 of µ-law; the agent ("Participant") and everybody else ("Conference").
import { ulawBytes } from '../lib/speech.mjs';
import { SimSocket } from '../media-sim/socket.mjs';
import { sleepUntil } from '../media-sim/road.mjs';
import { framesOf, mixOthers } from './talk.mjs';

const RETRIES = 3; // after 5xx

export class AgentSessionClient extends SimSocket {
  // spec: {callId, sessionId, ani, dnis, accountId, subaccountId, rcAccountId, agentId, productType, productId}. options: {headers, query (more of the URL's), speed, fast,
  // frameMs, road, contentTypeName, noStop, stopPerspective, retryMs}
  static async connect(url, spec = {}, options = {}) {
    const metadata = { callId: '123', sessionId: 2, ani: '5550001', dnis: '5550002', accountId: '1', subaccountId: '2', rcAccountId: '3', agentId: 9,
      productType: 'Queue', productId: 7, ...spec };
    const at = new URL(url);
    Object.entries({ ...metadata, ...options.query }).forEach(([k, v]) => at.searchParams.set(k, v));
    for (let attempt = 0; ; attempt++) {
      const client = Object.assign(new AgentSessionClient(), { metadata, options, attempts: attempt + 1, sent: { Participant: 0, Conference: 0 } });
      try {
        return await client.open(at.href, { headers: options.headers });
      } catch (error) {
        if (!(error.status >= 500) || attempt >= RETRIES)
          throw Object.assign(error, { attempts: attempt + 1 });
        await sleepUntil(performance.now() + (options.retryMs ?? 1000));
      }
    }
  }

  start() {
    const { contentTypeName = 'contentType' } = this.options;
    this.send({ event: 'Connected', protocol: 'AgentSession', version: '1.0.0' });
    this.send({ event: 'Start', metadata: { ...this.metadata, [contentTypeName]: 'audio/x-mulaw', sampleRateHertz: 8000 } });
    this.startedAt = Date.now();
    return this;
  }

  media(perspective, pcm, sequence) {
    this.sent[perspective]++;
    return this.send({ event: 'Media', perspective, sequenceId: String(sequence), media: ulawBytes(pcm).toString('base64') });
  }

  stop(perspective) {
    return this.send({ event: 'Stop', ...(this.options.stopPerspective ? { perspective } : {}), metadata: { duration: Math.round((Date.now() - this.startedAt) / 1000), end_time: new Date().toISOString() } });
  }

  hold(on) {
    this.held = on;
  }

  halt() {
    this.close();
  }

  // One agent's segment of a talk (talk.mjs), and what everybody else says meanwhile; then both stop and it closes.
  async play(talk, segment = talk.segments.find((s) => s.participant.type === 'AGENT')) {
    const { frameMs = 20, speed = 1, fast = false, road = {}, noStop = false } = this.options;
    const of = (perspective, one) => framesOf(one, talk.holds, { frameMs, road: { ...road, seed: `${road.seed ?? 1}/${perspective}` } }).map((frame) => ({ perspective, ...frame }));
    const frames = [...of('Participant', segment), ...of('Conference', { ...segment, pcm: mixOthers(talk, segment) })].sort((a, b) => a.at - b.at);
    const start = performance.now() - segment.from / speed;
    this.start();
    for (const { at, perspective, pcm, seq } of frames) {
      if (!fast)
        await sleepUntil(start + at / speed);
      if (!this.isOpen)
        return this.closed;
      if (!this.held)
        this.media(perspective, pcm, seq);
    }
    if (!noStop)
      ['Participant', 'Conference'].forEach((perspective) => this.stop(perspective));
    return this.close();
  }
}

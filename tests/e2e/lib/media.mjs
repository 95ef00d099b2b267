// A world with live audio: sources of it, and what one asks of the clients of tools/media-sim.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { World, message } from './world.mjs';
import { until } from '../../../tools/lib/wait.mjs';
import { MEDIA_CLIENTS } from '../../../tools/media-sim/index.mjs';

export const PUBLIC = 'wss://gateway.example.com';
export const TOKEN = 'twilio-auth-token';

export class MediaWorld extends World {
  // options: those of World, and `audio` of the project.
  static async start({ audio = { listen: true }, config = {}, ...options } = {}) {
    const world = Object.assign(new MediaWorld(), await World.start({ tools: false, ...options,
      config: { ...config, media: { bind_grace_ms: '1s', ...config.media } } }));
    world.audio = audio;
    await world.product.must('PATCH', `/api/v1/projects/${world.project.id}`, { audio });
    return world;
  }

  // A source of live audio that is let in by `auth`, unless given by Twilio's signature.
  async mediaSource(dialect, name, auth = [{ type: 'twilio', secret: this.product.secret('twilio', TOKEN), public_url: PUBLIC }]) {
    await this.product.must('POST', '/api/v1/sources', { name, dialect, project_id: this.project.id, auth });
    await until(`source ${name} is known`, () => MEDIA_CLIENTS.twilio.connect(`${this.ws}/in/${dialect}/${name}`, {}).then(
      (client) => client.close().then(() => true), (error) => error.status === 401));
  }

  get ws() {
    return `ws://127.0.0.1:${this.product.port}`;
  }

  // A client of that source, let in; `opts` as in tools/media-sim.
  connect(dialect, name, opts = {}, path = '') {
    const at = `/in/${dialect}/${name}${path}`;
    const Client = MEDIA_CLIENTS[path.startsWith('/transcriber') ? 'vapi-transcriber' : dialect];
    return Client.connect(this.ws + at, { authToken: TOKEN, publicUrl: PUBLIC + at, ...opts });
  }

  // What calls were told by their audio, in order: {call, stream, heard, ...}. Read from the journal: a HEARD record (kind 11) is a header
  // that ends with call id, kind and a constant, and its JSON.
  facts(call = null) {
    const dir = join(this.product.stateDir, 'journal');
    const out = [];
    for (const name of readdirSync(dir).filter((n) => n.endsWith('.seg')).sort()) {
      const bytes = readFileSync(join(dir, name));
      for (let at = bytes.indexOf('{"stream":'); at >= 0; at = bytes.indexOf('{"stream":', at + 1)) {
        if (at < 64 || bytes.readUInt32LE(at - 8) !== 11)
          continue;
        const id = bytes.toString('hex', at - 24, at - 8).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
        const { stream, facts } = JSON.parse(bytes.toString('utf8', at, at + bytes.readUInt32LE(at - 64 + 12)));
        out.push(...facts.map((fact) => ({ call: id, stream, ...fact })));
      }
    }
    return call ? out.filter((fact) => fact.call === call) : out;
  }

  // A call's webhooks up to "in progress"; gives our id of it.
  async running(callId, fields = {}, source = 'main') {
    const call = { id: callId, orgId: 'org', type: 'inboundPhoneCall', status: 'in-progress', customer: { number: '+15550100001' }, ...fields };
    const { message: m } = message('status-update', callId, { status: 'in-progress', call });
    const answer = await this.product.webhook(source, { message: m });
    if (answer.status !== 200)
      throw new Error(`webhook: ${answer.status}`);
    return this.ours(callId);
  }

  async ours(callId) {
    return until(`call ${callId} is known`, async () => (await this.product.api('GET', `/api/v1/calls/${callId}`)).body?.id);
  }

  async over(callId, source = 'main') {
    await this.product.webhook(source, message('status-update', callId, { status: 'ended', endedReason: 'customer-ended-call' }));
  }

  counted(name) {
    return this.product.metric(name).then((n) => n ?? 0);
  }

  async bound(by) {
    return (await this.counted(`callmend_media_bound_total{by="${by}"}`));
  }
}

// `setup(world)`: sources and the like.
export function mediaWorldFor({ before, after }, options = {}, setup = async () => {}) {
  let world;
  before(async () => {
    world = await MediaWorld.start(options);
    await setup(world);
  });
  after(() => world?.end());
  return () => world;
}

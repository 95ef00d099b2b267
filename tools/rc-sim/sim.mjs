#!/usr/bin/env node
// A RingCentral look-alike: RingEX's REST API, tokens, webhooks, WebSocket gateway and calls; RingCX's audio streams and call control.
import { parseArgs } from 'node:util';
import { RingCentralSim, SCENARIOS, TALKS } from './index.mjs';

const HELP = `usage: node tools/rc-sim/sim.mjs [options]

  --scenario NAME      ${Object.keys(SCENARIOS).join(', ')}, random (default simple)
  --calls N            how many calls, once somebody has subscribed (default 0: none)
  --ramp MS            spread their starts over so long
  --speed X            1 = human pace (default 1)
  --seed S             the same seed gives the same calls
  --stream URL         a RingCX talk to this gRPC server (host:port, grpcs://host:port) or legacy socket (ws://, wss://)
  --talk NAME          ${Object.keys(TALKS).join(', ')} (default simple)
  --authorization TEXT metadata of the gRPC stream
  --attribute K=V      of the dialog, again and again
  --platform-port P --media-port P --ringcx-port P
  --client-id ID --client-secret TEXT --jwt TEXT
  --stay               go on serving when all is over (as it does when it has nothing to play)
  --json               print the state at the end`;

const text = { type: 'string' };
const flag = { type: 'boolean', default: false };
const { values: v } = parseArgs({ options: { scenario: text, calls: text, ramp: text, speed: text, seed: text, stream: text, talk: text, authorization: text,
  attribute: { type: 'string', multiple: true, default: [] }, 'platform-port': text, 'media-port': text, 'ringcx-port': text, 'client-id': text, 'client-secret': text, jwt: text,
  stay: flag, json: flag, help: flag } });
if (v.help) {
  console.log(HELP);
  process.exit(0);
}

const given = (options) => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
const port = (name) => Number(v[`${name}-port`] ?? 0);
const sim = await new RingCentralSim({ speed: Number(v.speed ?? 1), seed: v.seed ?? 1, ports: { platform: port('platform'), media: port('media'), ringcx: port('ringcx') },
  oauth: given({ clientId: v['client-id'], clientSecret: v['client-secret'], jwts: v.jwt && { [v.jwt]: 'ann' } }) }).listen();
const say = (line) => (v.json ? null : console.log(line));
say(`platform ${sim.platformUrl}   media ${sim.mediaUrl}   ringcx ${sim.ringcxUrl}\ncredentials ${JSON.stringify(sim.credentials)}\ncontrol ${sim.platformUrl}/sim/state`);

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const n = Number(v.calls ?? 0);
const work = [];
if (v.stream) {
  const kind = /^wss?:/.test(v.stream) ? 'wss' : 'grpc';
  const dialog = sim.ringcx.start({ script: v.talk ?? 'simple', attributes: Object.fromEntries(v.attribute.map((a) => a.split(/=(.*)/s).slice(0, 2))) },
    { kind, url: v.stream, ...(v.authorization ? { metadata: { authorization: v.authorization } } : {}) });
  work.push(dialog.done.then((results) => say(`dialog ${dialog.id}: ${JSON.stringify(results)}`)));
}
if (n) {
  while (sim.subscriptions.all().length === 0)
    await wait(50);
  for (let i = 0; i < n; i++) {
    const call = sim.startCall({ scenario: v.scenario });
    work.push(call.done.then(() => say(`${call.id} ${call.name}: ${call.sessions.reduce((sum, s) => sum + s.told.length, 0)} events`)));
    await wait(Number(v.ramp ?? 0) / n);
  }
}
await Promise.all(work);
await sim.webhooks.idle();
if (v.json)
  console.log(JSON.stringify(sim.state(), null, 2));
if (!v.stay && work.length)
  await sim.close();

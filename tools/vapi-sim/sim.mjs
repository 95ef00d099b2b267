#!/usr/bin/env node
// A Vapi look-alike: plays scenarios against a webhook URL and serves the control URLs of its calls.
import { parseArgs } from 'node:util';
import { Simulator } from './lib/simulator.mjs';

const HELP = `usage: node tools/vapi-sim/sim.mjs --target URL [options]

  --target URL          where webhooks go, for example http://127.0.0.1:8080/in/vapi/main
  --scenario WHAT       file, folder, or name in tools/scenarios (default: all of tools/scenarios)
  --calls N             how many calls (default 1)
  --ramp MS             spread their starts over so long
  --speed X             1 = human pace (default 1)
  --seed S              the same seed gives the same calls
  --auth MODE           none, secret, bearer, hmac (default none)
  --secret TEXT         the secret for it (or environment VAPI_SIM_SECRET)
  --retries N           backoffPlan.maxRetries (default 0, as Vapi)
  --subscribe WHAT      all, default, live (default and transcript), finals (serverMessages; default all)
  --turns N             play each script again and again until so many utterances
  --report-bytes N      pad end-of-call-reports to about N bytes
  --duplicates P        probability that a message is sent twice
  --disorder P          probability that a message is late and out of order
  --private-key KEY     GET /call/:id and /assistant/:id ask for it
  --port P              for control URLs, API and /sim/... (default: any)
  --stay                go on serving when all calls have ended
  --json                print the statistics as JSON at the end`;

const text = { type: 'string' };
const flag = { type: 'boolean', default: false };
const { values: v } = parseArgs({ options: { target: text, scenario: text, calls: text, ramp: text, speed: text, seed: text, auth: text, secret: text,
  retries: text, subscribe: text, turns: text, 'report-bytes': text, duplicates: text, disorder: text, 'private-key': text, port: text, stay: flag,
  json: flag, help: flag } });
if (v.help || !v.target) {
  console.log(HELP);
  process.exit(v.help ? 0 : 2);
}

const number = (value, otherwise) => (value === undefined ? otherwise : Number(value));
const sim = await new Simulator({
  target: v.target, auth: { mode: v.auth ?? 'none', secret: v.secret ?? process.env.VAPI_SIM_SECRET ?? '' }, retries: number(v.retries, 0),
  speed: number(v.speed, 1), seed: v.seed ?? 1, subscribe: v.subscribe, turns: number(v.turns), reportBytes: number(v['report-bytes'], 0),
  duplicates: number(v.duplicates, 0), disorder: number(v.disorder, 0), privateKey: v['private-key'], port: number(v.port, 0),
}).listen();
const say = (line) => (v.json ? null : console.log(line));
say(`control URLs and /sim/stats at ${sim.url}`);

const { SCENARIOS_DIR } = await import('./lib/scenario.mjs');
const calls = await sim.startRamp(v.scenario ?? SCENARIOS_DIR, number(v.calls, 1), { rampMs: number(v.ramp, 0) });
calls.forEach((call) => call.done.then(() => say(`${call.id} ${call.scenario.name}: ${call.endReason ?? 'gone'}`)));
await sim.finished(calls);
const stats = sim.stats();
console.log(v.json ? JSON.stringify(stats, null, 2) : `${stats.calls} calls, ${stats.delivery.messages} messages, ` +
  `${stats.delivery.answered} answered, ${stats.delivery.given_up} given up; median body ${stats.median_body_bytes} bytes`);
if (!v.stay)
  await sim.close();
process.exitCode = stats.delivery.given_up ? 1 : 0;

#!/usr/bin/env node
// What `./dev run` and `callmend demo` play: the product with its private PostgreSQL, sample calls at human pace, two of them steered, one with a tool
// that fails, three that can be heard (sound.mjs), RingCentral's beside them (ringcentral.mjs), all found again; then many quick ones whose instructions lack something, until that is put right
// (loop.mjs) - and for each step the command to do it oneself. Exit status 0 only if every step was really observed.
import { spawn, execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { existsSync, mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { Simulator } from '../vapi-sim/lib/simulator.mjs';
import { loadScenario, SCENARIOS_DIR } from '../vapi-sim/lib/scenario.mjs';
import { ToolServer } from '../vapi-sim/tool-server.mjs';
import { LiveClient } from '../lib/live.mjs';
import { until } from '../lib/wait.mjs';
import { Screen } from './screen.mjs';
import { LoopPlay } from './loop.mjs';
import { RingCentralPlay } from './ringcentral.mjs';
import { SoundPlay } from './sound.mjs';

const HELP = `usage: ./dev run [options]        (or: callmend demo [options])

  --speed X     how fast the callers are; 1 = human pace (default 1), at most 4: of faster speech too little could be heard
  --state DIR   where everything is kept (default ./.state)
  --port P      default 8080, else the next free one
  --stay        stay up afterwards (default: only on a terminal)
  --no-stay     end afterwards also on a terminal`;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const text = { type: 'string' };
const known = { options: { speed: text, state: text, port: text, stay: { type: 'boolean' }, 'no-stay': { type: 'boolean' }, help: { type: 'boolean' } } };
let options;
try {
  options = parseArgs(known).values;
} catch (error) {
  console.error(`${error.message}\n\n${HELP}`);
  process.exit(2);
}
if (options.help) {
  console.log(HELP);
  process.exit(0);
}
const speed = Math.min(Number(options.speed ?? 1), 4);
const stay = options['no-stay'] ? false : (options.stay ?? process.stdout.isTTY);
const stateDir = resolve(options.state ?? join(ROOT, '.state'));
const binary = process.env.CALLMEND_BIN ?? process.env.CALLMEND_BINARY ?? join(ROOT, 'build/release/src/node/callmend');
const SECRET = 'demo-webhook-secret';
const CALLERS = ['booking', 'angry', 'tool-failing', 'spanish', 'interruptions', 'confused', 'transfer'];
const TOOLS = { find_table: { path: '/tables' }, book_table: { path: '/bookings' }, find_order: { path: '/orders' },
  search_products: { path: '/empty', success: { empty_path: 'products' } },
  cancel_booking: { path: '/fail', fallback: 'I cannot reach the booking system; a colleague will call you back.' } };

const screen = new Screen(process.stdout);
const started = performance.now();

// --- the steps, and what was observed -----------------------------------------------------------------------------------------------

const steps = [];
async function step(title, how, action) {
  const entry = { title, ok: false };
  steps.push(entry);
  screen.step(title, how);
  try {
    entry.seen = await action();
    entry.ok = true;
    screen.observed(entry.seen);
  } catch (error) {
    entry.error = error.message;
    entry.ok = entry.passedOver = Boolean(error.passedOver);
    screen[entry.ok ? 'passedOver' : 'failed'](error.message);
  }
  return entry.ok;
}

// --- the product ------------------------------------------------------------------------------------------------------------------------

const portIsFree = (port) => new Promise((done) => {
  const server = createServer().once('error', () => done(false)).once('listening', () => server.close(() => done(true)));
  server.listen(port, '127.0.0.1');
});

async function choosePort(wanted) {
  for (let port = wanted; port < wanted + 50; port++)
    if (await portIsFree(port))
      return port;
  throw new Error(`no free port from ${wanted} on`);
}

class Node {
  async start() {
    mkdirSync(join(stateDir, 'secrets'), { recursive: true, mode: 0o711 });
    this.port = await choosePort(Number(options.port ?? 8080));
    this.grpcPort = await choosePort(this.port + 1000);
    this.config = join(stateDir, 'demo.yaml');
    this.logFile = join(stateDir, 'demo.log');
    for (const [name, secret] of Object.entries({ 'demo-webhook': SECRET, ...SoundPlay.secrets, ...RingCentralPlay.secrets }))
      writeFileSync(join(stateDir, 'secrets', name), secret, { mode: 0o600 });
    writeFileSync(this.config, `# Written by the demo.\nstate_dir: ${JSON.stringify(stateDir)}\nlisten:\n  port: ${this.port}\ngrpc:\n  listen_port: ${this.grpcPort}\ncore:\n  drain_limit_ms: 2s\n`);
    const log = openSync(this.logFile, 'a');
    this.child = spawn(binary, ['up', '--config', this.config], { stdio: ['ignore', log, log] });
    closeSync(log);
    this.exit = new Promise((done) => {
      this.child.on('exit', (code, signal) => done({ code, signal }));
      this.child.on('error', (error) => done({ error: (this.startError = error) }));
    });
    await until('the product is up', async () => {
      if (this.startError || this.child.exitCode !== null || this.child.signalCode !== null)
        throw Object.assign(new Error(`the product did not start: ${this.startError?.message ?? this.#lastLog()}`), { fatal: true });
      const answer = await fetch(`${this.url}/readyz`);
      return answer.ok && (await answer.json()).database === 'connected'; // webhooks do not need it; tokens and what is stored do
    }, { timeoutMs: 90000, everyMs: 100, fatal: (error) => error.fatal });
  }

  #lastLog() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8').trim().split('\n').slice(-5).join('\n') : 'no log';
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async api(method, path, body) {
    const response = await fetch(this.url + path, { method, body: body === undefined ? undefined : JSON.stringify(body),
      headers: { authorization: `Bearer ${this.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) } });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok)
      throw new Error(`${method} ${path} was answered ${response.status}: ${answer.detail ?? answer.title ?? ''}`);
    return answer;
  }

  // The token of an earlier run is used again as long as it works.
  async findToken() {
    const file = join(stateDir, 'demo.token');
    this.token = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
    const works = () => this.api('GET', '/api/v1/projects').then(() => true, () => false);
    if (this.token && (await works()))
      return;
    const { stdout } = await promisify(execFile)(binary, ['token', 'create', 'demo', '--role', 'admin', '--config', this.config]);
    this.token = stdout.trim().split(/\s+/).at(-1);
    writeFileSync(file, `${this.token}\n`, { mode: 0o600 });
    await until('the token is known', works);
  }

  async stop() {
    if (!this.startError && this.child.exitCode === null && this.child.signalCode === null)
      this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), 20000);
    await this.exit;
    clearTimeout(late);
  }
}

// {"projects": [...]}, {"calls": [...], "next_cursor"} ...
const listOf = (answer) => Object.values(answer).find(Array.isArray);

// Finds by name what an earlier run has made, else makes it; brings it up to date.
async function ensure(node, listPath, itemPath, wanted) {
  const found = listOf(await node.api('GET', listPath)).find((x) => x.name === wanted.name);
  if (!found)
    return node.api('POST', listPath, wanted);
  const { name, dialect, ...rest } = wanted;
  return node.api('PATCH', `${itemPath}/${found.id}`, rest).then(() => found);
}

async function configure(node, toolServer) {
  const project = await ensure(node, '/api/v1/projects', '/api/v1/projects', { name: 'Sakura Table (demo)', language: 'auto', audio: SoundPlay.settings });
  for (const [name, { path, ...tool }] of Object.entries(TOOLS))
    await ensure(node, `/api/v1/projects/${project.id}/tools`, '/api/v1/tools', { name, url: toolServer.url + path, method: 'POST', timeout_ms: 5000, ...tool });
  await ensure(node, '/api/v1/sources', '/api/v1/sources', { name: 'demo', dialect: 'vapi', project_id: project.id,
    auth: [{ type: 'secret', secret: { file: 'demo-webhook' } }] });
  await ensure(node, '/api/v1/sources', '/api/v1/sources', { ...SoundPlay.source, project_id: project.id });
  await until('the source is known', async () => (await fetch(`${node.url}/in/vapi/demo`, { method: 'POST', body: '{}' })).status !== 404);
  await SoundPlay.known(node);
  return project;
}

// --- the play ------------------------------------------------------------------------------------------------------------------------------

const node = new Node();
let sim, tools, live, loop, ringcentral, interrupted = false;
const patience = { timeoutMs: 30000 + 120000 / speed };

async function cleanUp() {
  live?.close();
  await sim?.close();
  await loop?.close();
  await ringcentral?.close();
  await tools?.close();
  if (node.child)
    await node.stop();
}

// SIGHUP comes twice when a terminal is closed, from the kernel and from its shell; only an impatient Ctrl-C ends at once.
async function interrupt(signal) {
  if (interrupted && signal === 'SIGHUP')
    return;
  if (interrupted) {
    node.child?.kill('SIGINT');
    process.exit(130);
  }
  interrupted = true;
  console.log('\nstopping ...');
  await cleanUp().catch(() => {});
  process.exit(steps.length && steps.every((s) => s.ok) ? 0 : 1);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, interrupt);
for (const stream of [process.stdout, process.stderr])
  stream.on('error', () => {}); // the terminal may be gone while we clean up

const curl = (method, path, body) => `curl -X ${method} ${node.url}${path} -H "Authorization: Bearer $CALLMEND_TOKEN"` +
  (body ? ` -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'` : '');

// Sends a command and waits for its effect, as the live view tells it.
async function steer(path, body) {
  const id = (await node.api('POST', path, body)).command_id;
  const seen = await live.event('command', (e) => e.data.command_id === id && ['effect_seen', 'timed_out', 'rejected', 'not_observable', 'unknown'].includes(e.data.state), patience);
  if (seen.data.state !== 'effect_seen')
    throw new Error(`the command is ${seen.data.state}: ${seen.data.error ?? ''}`);
  return `${seen.data.verb}: accepted by the provider after ${seen.data.latency_ms} ms, effect seen`;
}

async function play() {
  await step('Start the product with its private PostgreSQL', `${relative(process.cwd(), binary)} up --config ${relative(process.cwd(), node.config ?? join(stateDir, 'demo.yaml'))}`, async () => {
    await node.start();
    return `${node.url} is ready after ${((performance.now() - started) / 1000).toFixed(1)} s; log: ${node.logFile}`;
  }) || fail();
  tools = await new ToolServer().listen();
  let project;
  await step('Set up a project, its tools, a source for Vapi and one for the audio of Twilio', `export CALLMEND_TOKEN=$(cat ${join(stateDir, 'demo.token')}); ${curl('GET', '/api/v1/sources')}`, async () => {
    await node.findToken();
    project = await configure(node, tools);
    return `webhooks go to ${node.url}/in/vapi/demo, audio to ${SoundPlay.url(node)}`;
  }) || fail();

  live = await LiveClient.connect(node, { subscribe: { type: 'subscribe', all: true, levels: true } });
  await live.ready();
  const sound = new SoundPlay({ node, step, curl, live, screen, patience });
  ringcentral = new RingCentralPlay({ node, step, curl, live, screen, patience, speed, grpcPort: node.grpcPort });
  const connected = await ringcentral.setUp(project, ensure);
  sim = await new Simulator({ target: `${node.url}/in/vapi/demo`, auth: { mode: 'secret', secret: SECRET }, speed, seed: Date.now(), retries: 3, line: (call) => sound.line(call) }).listen();
  const scenarios = CALLERS.map((name) => loadScenario(join(SCENARIOS_DIR, `${name}.json`)));
  const calls = Object.fromEntries(sim.start(scenarios, scenarios.length).map((call) => [call.scenario.name, call]));
  screen.follow(live, [...Object.values(calls), ...ringcentral.followed]);
  if (connected)
    ringcentral.begin();
  const ours = (call) => until('the call is known', () => live.events.find((e) => e.type === 'call.started' && screen.nameOf(e.call_id) === call.scenario.name), patience);

  await step(`${scenarios.length} calls stream in, live`, `callmend watch   (or: websocat ws://127.0.0.1:${node.port}/api/v1/live -H "Authorization: Bearer $CALLMEND_TOKEN", then {"type":"subscribe","all":true})`, async () => {
    await Promise.all(Object.values(calls).map(ours));
    await live.event('transcript.final', () => true, patience);
    return 'transcripts arrive';
  });
  if (connected)
    await ringcentral.arrived();

  await sound.levels(calls);
  await sound.listen();

  const { booking, angry } = calls;
  const path = (call, verb) => `/api/v1/vapi/call/${call.id}/${verb}`;
  await step('Mute the assistant of one call while it speaks', curl('POST', path(booking, 'mute'), { reason: 'demo' }), async () => {
    // As whoever watches sees it: what the core has not heard of yet it cannot see being cut.
    const begun = () => live.events.filter((e) => e.type === 'speech.started' && e.speaker === 'ai' && screen.nameOf(e.call_id) === 'booking').length;
    const before = begun();
    await until('the assistant speaks', () => begun() > before, { ...patience, everyMs: 5 });
    return steer(path(booking, 'mute'), { reason: 'demo' });
  });
  await step('... and give it its voice back', curl('POST', path(booking, 'unmute'), { reason: 'demo' }), () => steer(path(booking, 'unmute'), { reason: 'demo' }));
  const words = { message: 'This is the supervisor: I will take care of your refund personally.', type: 'say' };
  await step('Inject words into the call of the angry customer', curl('POST', path(angry, 'inject'), words), () => steer(path(angry, 'inject'), words));

  if (connected)
    await ringcentral.text(steer);

  await step('A tool that fails', curl('GET', `/api/v1/calls/${calls['tool-failing'].id}/tools`), async () => {
    const failed = await live.event('tool.finished', (e) => e.data.success === false && e.data.fallback, patience);
    return `${failed.data.name} failed (${failed.data.error}); the assistant was given the fallback message`;
  });

  await sound.turns();
  for (const next of connected ? ['levels', 'held', 'parties'] : [])
    await ringcentral[next]();

  await step('All calls end', curl('GET', '/api/v1/calls?status=ended'), async () => {
    await until('every call has ended', () => Object.values(calls).every((call) => live.events.some((e) => e.type === 'call.ended' && screen.nameOf(e.call_id) === call.scenario.name)), patience);
    await sim.finished(Object.values(calls));
    return Object.values(calls).map((call) => `${call.scenario.name}: ${call.endReason}`).join(', ');
  });

  if (connected)
    await ringcentral.ends();

  await step('Find a call again', curl('GET', `/api/v1/calls/${booking.id}/transcript`), async () => {
    const row = await until('the call is stored', async () => {
      const one = await node.api('GET', `/api/v1/calls/${booking.id}`);
      return one.status === 'ended' && one;
    });
    const transcript = JSON.stringify(await node.api('GET', `/api/v1/calls/${booking.id}/transcript`));
    if (!transcript.includes('Dana Wells'))
      throw new Error('the transcript does not hold what was said');
    const all = listOf(await node.api('GET', '/api/v1/calls?limit=500'));
    return `${row.id}: ${Math.round(row.duration_ms / 1000)} s; ${all.length} calls in the database`;
  });

  await sound.recordings();
  if (connected)
    await ringcentral.recording();

  loop = new LoopPlay({ node, step, curl, live, screen, tools, speed, secret: SECRET });
  await loop.play();
}

function fail() {
  throw new Error('cannot go on without that');
}

try {
  await play();
} catch (error) {
  screen.failed(error.message);
  steps.push({ title: 'the demo', ok: false });
}
if (interrupted)
  await new Promise(() => {});
screen.summary(steps);
if (stay && node.token && node.child.exitCode === null) {
  console.log(`\nStays up at ${node.url} until Ctrl-C. Token: export CALLMEND_TOKEN=$(cat ${join(stateDir, 'demo.token')})`);
  await node.exit;
}
await cleanUp().catch((error) => console.error(error.message));
process.exit(steps.every((s) => s.ok) ? 0 : 1);

// Sources of RingCentral whose calls are over, and the platform (tools/rc-sim) that knows more of them: for after_*.test.mjs.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { World } from './world.mjs';
import { until } from '../../../tools/lib/wait.mjs';
import { RingCentralSim } from '../../../tools/rc-sim/index.mjs';

const SPEED = 100;
const WINDOW = { windowMs: 3000, penaltyMs: 3000 };
export const HOUR = 3600000;
export const MP3 = readFileSync(new URL('../../golden/audio/tone.mp3', import.meta.url));
export let world, product, sim;

let seed = 1; // equal ones would have equal ids
export const platform = (options) => new RingCentralSim({ seed: seed++, speed: SPEED, limits: WINDOW, ...options }).listen();

// A source whose session is with `at`; `more`: of its connect.
export async function addSource(name, at, more = {}, dialect = 'ringcentral') {
  const { clientId, clientSecret, jwt } = at.credentials;
  const source = await product.must('POST', '/api/v1/sources', { name, dialect, project_id: world.project.id, auth: [{ type: 'open' }],
    api_base: dialect === 'ringcx' ? at.ringcxUrl : at.platformUrl, settings: { party_settle_ms: 100 },
    connect: { client_id: clientId, client_secret: product.secret(`${name}-secret`, clientSecret), jwt: product.secret(`${name}-jwt`, jwt), events: 'none', after_s: 1, ...more } });
  if (more.events && more.events !== 'none')
    await until('the session is live', () => at.subscriptions.all().length > 0, { timeoutMs: 30000 });
  return source;
}

export const row = async (query) => (await product.sql(query))[0];
export const number = async (query) => (await row(query)).n;
export const callOf = (sessionId) => row(`select c.*, f.state as follow_state, f.tries, f.error as follow_error, f.log from calls c left join call_follow_ups f on f.call_id = c.id
  where c.provider_call_id = '${sessionId}'`);
export const followed = (sessionId, state = 'done') => until(`${sessionId} is ${state}`, async () => {
  const call = await callOf(sessionId);
  if (call?.follow_state !== state)
    throw new Error(JSON.stringify(call && { live: call.live, state: call.follow_state, tries: call.tries, error: call.follow_error }));
  return call;
}, { timeoutMs: 60000, everyMs: 100 });
export const transcribing = (stt, provider = 'openai-http') => product.must('PATCH', `/api/v1/projects/${world.project.id}`, { audio: { stt: { provider, url: stt.url, key: product.secret('stt', 'k') } } });
export const analysed = (call) => until('it is analysed as it is', async () => {
  const { status, body } = await product.api('GET', `/api/v1/calls/${call.id}/analysis`);
  return status === 200 && body.up_to_date && !body.queued && body;
}, { timeoutMs: 30000 });
export const recordingsOf = async (call) => (await product.must('GET', `/api/v1/calls/${call.id}/recordings`)).recordings;
export const insightsOf = (call) => product.must('GET', `/api/v1/calls/${call.id}/insights`);
const folder = () => join(product.stateDir, 'recordings');
export const files = () => (existsSync(folder()) ? readdirSync(folder(), { recursive: true }) : []).filter((name) => statSync(join(folder(), name)).isFile());
export const asked = (at, part) => at.rest.log.filter((r) => r.path.includes(part));

// A call at the platform, played to its end.
export async function play(at, options) {
  const call = at.startCall(options);
  await at.finished([call]);
  return call;
}
const LINE = (who) => ({ say: [who, 'I would like to change my reservation for tomorrow evening, at eight instead of seven.'] });
export const TWO_LEGS = [{ inbound: true }, { ring: 'ann' }, { wait: 2000 }, { answer: 'ann' }, { record: 'ann' }, LINE('customer'), LINE('ann'), { wait: 30000 }, { transfer: ['ann', 'bob'] }, { wait: 3000 },
  { answer: 'bob' }, { record: 'bob' }, LINE('bob'), LINE('customer'), { wait: 31000 }, { hangup: 'customer' }];

// What the platform's call log answers is made of what it would have answered.
export function setLog(at, change) {
  const route = at.rest.tables.platform.find((r) => r.method === 'GET' && r.parts.at(-1) === 'call-log');
  const own = route.handler;
  route.handler = (...x) => {
    const answer = own(...x);
    return { ...answer, body: change(answer.body) };
  };
  return () => { route.handler = own; };
}

// All calls of a source are asked for at once, however long it took until they were stored; it was added with after_s: 3600.
export async function dueTogether(source, calls) {
  const due = `call_follow_ups where source_id = '${source.id}' and state = 'waiting'`;
  await until('all have ended', async () => (await number(`select count(*)::int as n from ${due}`)) === calls.length, { timeoutMs: 60000 });
  await product.exec(`update call_follow_ups set due_at = now() where source_id = '${source.id}'; update jobs set run_at = now() where kind = 'followup' and key = '${source.id}'`);
}

export function setMedia(at, handler) {
  const route = at.rest.tables.media[0];
  const own = route.handler;
  route.handler = (...x) => handler(() => own(...x), ...x);
  return () => { route.handler = own; };
}

export async function uuidOf(space, name) {
  const { createHash } = await import('node:crypto');
  const hash = createHash('sha1').update(Buffer.from(space.replaceAll('-', ''), 'hex')).update(name).digest().subarray(0, 16);
  hash[6] = hash[6] & 0x0f | 0x50;
  hash[8] = hash[8] & 0x3f | 0x80;
  return hash.toString('hex').replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
}

export const pull = (name, ...more) => product.cli(['import', '--pull', '--source', name, '--config', product.configFile, '--json', '--rate', '6000', ...more]);

// One product and one platform for the tests of a file.
export function aftermath({ before, after }) {
  before(async () => {
    world = await World.start({ tools: false, config: { analyst: { lease_ms: '3s' } } });
    product = world.product;
    sim = await platform({});
  });
  after(async () => {
    await world?.end();
    await sim?.close();
  });
}

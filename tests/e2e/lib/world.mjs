// What nearly every end-to-end test needs: a product, a project, a source, tools, a simulator; and what "nothing is lost" means.
import assert from 'node:assert/strict';
import { Product } from './product.mjs';
import { until } from '../../../tools/lib/wait.mjs';
import { Simulator } from '../../../tools/vapi-sim/lib/simulator.mjs';
import { ToolServer } from '../../../tools/vapi-sim/tool-server.mjs';

export const SECRET = 'hush';

export class World {
  // options: those of Product, and `settings` of the project.
  static async start({ settings = {}, tools = true, ...options } = {}) {
    const world = new World();
    world.sims = [];
    world.product = await Product.start(options);
    try {
      world.toolServer = await new ToolServer().listen();
      world.project = await world.product.must('POST', '/api/v1/projects', { name: 'Sakura Table', language: 'auto', settings });
      if (tools)
        await world.standardTools();
      world.source = await world.addSource('main');
    } catch (error) {
      await world.end();
      throw error;
    }
    return world;
  }

  async standardTools() {
    const { url } = this.toolServer;
    await this.addTool('find_table', { url: `${url}/tables` });
    await this.addTool('book_table', { url: `${url}/bookings` });
    await this.addTool('find_order', { url: `${url}/orders` });
    await this.addTool('search_products', { url: `${url}/empty`, success: { empty_path: 'products' } });
    await this.addTool('cancel_booking', { url: `${url}/fail`, fallback: 'The booking system is down; a colleague will call you back.' });
  }

  addTool(name, fields) {
    return this.product.must('POST', `/api/v1/projects/${this.project.id}/tools`, { name, method: 'POST', timeout_ms: 5000, ...fields });
  }

  // A source with a shared secret, unless `fields` say otherwise; usable when this returns.
  async addSource(name, fields = {}) {
    const source = await this.product.must('POST', '/api/v1/sources', {
      name, dialect: 'vapi', project_id: this.project.id, auth: [{ type: 'secret', secret: this.product.secret('shared', SECRET) }], ...fields,
    });
    await this.sourceKnown(name);
    return source;
  }

  sourceKnown(name) {
    return until(`source ${name} is known`, async () => (await this.product.webhook(name, '{}', { secret: null })).status !== 404);
  }

  // A simulator that calls this source; closed at the end.
  async simulator(source = 'main', options = {}) {
    const sim = await new Simulator({ target: `${this.product.url}/in/vapi/${source}`, auth: { mode: 'secret', secret: SECRET }, speed: 50, seed: 11,
      reportDelayMs: 300, ...options }).listen();
    this.sims.push(sim);
    return sim;
  }

  // Our row of a provider's call id.
  async callRow(providerId) {
    const rows = await this.product.sql(`select * from calls where provider_call_id = '${providerId}'`);
    return rows[0];
  }

  storedAs(providerId, match = () => true, options) {
    return until(`call ${providerId} is stored`, async () => {
      const row = await this.callRow(providerId);
      return row && match(row) ? row : null;
    }, options);
  }

  ended(providerId, options) {
    return this.storedAs(providerId, (row) => row.status === 'ended' && !row.live, options);
  }

  events(providerId, type = null) {
    return this.product.sql(`select e.* from call_events e join calls c on c.id = e.call_id where c.provider_call_id = '${providerId}'
      ${type ? `and e.type = '${type}'` : ''} order by e.seq`);
  }

  async end() {
    for (const sim of this.sims ?? [])
      await sim.close();
    await this.toolServer?.close();
    await this.product?.destroy();
  }
}

// A world for all tests of a file: `const w = worldFor(before, after, options)`, then w() in tests.
export function worldFor({ before, after }, options = {}) {
  let world;
  before(async () => {
    world = await World.start(typeof options === 'function' ? await options() : options);
  });
  after(() => world?.end());
  return () => world;
}

// {"message": {...}} of a call, by hand.
export function message(type, callId, fields = {}) {
  return { message: { type, timestamp: Date.now(), call: { id: callId, orgId: 'org', type: 'inboundPhoneCall', status: 'ringing',
    customer: { number: '+15550100001' } }, ...fields } };
}

// What must be stored for an answered message: [event type, match].
const EXPECTED = {
  'status-update': (item) => ['call.status', (e) => e.data.status === item.tag],
  transcript: (item) => ['transcript.final', (e) => e.text === item.tag],
  'user-interrupted': () => ['interruption', () => true],
  'end-of-call-report': () => ['call.report', () => true],
};

// Every message that was answered 2xx is in PostgreSQL, and nothing is there twice. Waits for the projector.
// The simulator must have run with mark: true, so that each final is a text of its own.
export async function assertLossless(product, sims, { timeoutMs = 60000 } = {}) {
  const ledger = sims.flatMap((sim) => sim.delivery.ledger).filter((item) => item.tag && EXPECTED[item.type]);
  const answered = ledger.filter((item) => item.ok);
  assert.ok(answered.length > 0, 'something was answered');
  const rows = await until('everything answered is stored', async () => {
    const byCall = await eventsByCall(product);
    const missing = answered.filter((item) => count(byCall, item) === 0);
    if (missing.length)
      throw new Error(`${missing.length} of ${answered.length} missing, first: ${JSON.stringify({ ...missing[0], answer: undefined })}`);
    return byCall;
  }, { timeoutMs, everyMs: 200 });
  const twice = ledger.filter((item) => item.type === 'transcript' && count(rows, item) > 1);
  assert.deepEqual(twice.map((item) => item.tag), [], 'finals that are stored twice');
  const keys = [...rows.values()].flat().map((e) => `${e.call_id}/${e.seq}`);
  assert.equal(new Set(keys).size, keys.length, 'event numbers are unique');
  return { answered: answered.length, events: keys.length };
}

async function eventsByCall(product) {
  const rows = await product.sql(`select c.provider_call_id, e.call_id, e.seq, e.type, e.text, e.data from call_events e
    join calls c on c.id = e.call_id where e.type in ('call.status', 'transcript.final', 'interruption', 'call.report')`);
  const byCall = new Map();
  for (const row of rows)
    byCall.set(row.provider_call_id, [...(byCall.get(row.provider_call_id) ?? []), row]);
  return byCall;
}

function count(byCall, item) {
  const [type, match] = EXPECTED[item.type](item);
  return (byCall.get(item.callId) ?? []).filter((e) => e.type === type && match(e)).length;
}

// No command reached the provider twice, and no tool ran twice.
export function assertNoEffectTwice(sims, toolServer) {
  for (const sim of sims)
    for (const [call, effects] of Object.entries(sim.effects()))
      for (const [what, n] of Object.entries(effects))
        assert.equal(n, 1, `${what} of call ${call} reached the provider ${n} times`);
  for (const [key, n] of Object.entries(toolServer?.executions() ?? {}))
    assert.equal(n, 1, `tool request ${key} ran ${n} times`);
}

// A project whose assistant is served its instructions and follows them: what tests of the loop need. Many calls, as quick as they go, and then
// what the analyst made of them.
import assert from 'node:assert/strict';
import { until } from '../../../tools/lib/wait.mjs';
import { loadScenario, SCENARIOS_DIR } from '../../../tools/vapi-sim/lib/scenario.mjs';
import { sectionsOf, servedBy, RESERVATION_FIELDS } from '../../../tools/lib/served.mjs';
import { SECRET } from './world.mjs';

export const RESERVATIONS = () => structuredClone(loadScenario(`${SCENARIOS_DIR}/reservations.json`));
export const PROMPT = RESERVATIONS().assistant.prompt;
// All but the e-mail address, which the instructions do not ask for.
export const FIELDS = RESERVATION_FIELDS.filter(({ name }) => name !== 'email');
export const EMAIL = RESERVATION_FIELDS.find(({ name }) => name === 'email');

export const loopConfig = { analyst: { processes: 1 } };

export class Loop {
  // `world`: a World. `project`: members of it; `prompt`: its instructions; `source`: members of its source.
  static async start(world, { name, project = {}, prompt = PROMPT, source = {}, scenario = RESERVATIONS(), tools = {} }) {
    const loop = new Loop();
    loop.world = world;
    loop.product = world.product;
    loop.scenario = scenario;
    loop.name = name;
    loop.project = await loop.product.must('POST', '/api/v1/projects', { name, language: 'en', fields: FIELDS, ...project });
    loop.path = `/api/v1/projects/${loop.project.id}`;
    await loop.instruct(prompt);
    for (const [tool, fields] of Object.entries({ book_table: { url: `${world.toolServer.url}/bookings` }, ...tools }))
      await loop.product.must('POST', `${loop.path}/tools`, { name: tool, method: 'POST', timeout_ms: 5000, ...fields });
    await loop.product.must('POST', '/api/v1/sources', { name, dialect: 'vapi', project_id: loop.project.id,
      auth: [{ type: 'secret', secret: loop.product.secret('shared', SECRET) }], assistant_mode: 'inline', assistant: servedBy(scenario), ...source });
    await world.sourceKnown(name);
    loop.sim = await world.simulator(name, { speed: 1000, retries: 3, reportDelayMs: 500 });
    return loop;
  }

  // Plays calls and waits until each is analysed; gives the simulated calls.
  async play(n, { change = (s) => s, ...options } = {}) {
    const calls = await this.sim.finished(this.sim.start(change(structuredClone(this.scenario)), n, options));
    await this.analysed(calls);
    return calls;
  }

  // The same, of calls that were served this version: the first may be too early for it.
  async playServed(version, n, options) {
    const served = (call) => call.assistantAnswer?.assistant?.model.messages[0].content === version.text;
    const first = await until(`version ${version.number} is served`, async () => (await this.play(1, options)).find(served));
    return n > 1 ? [first, ...(await this.play(n - 1, options))] : [first];
  }

  async analysed(calls) {
    const ids = calls.map((call) => `'${call.id}'`).join(',');
    await until(`${calls.length} calls of ${this.name} are analysed`, async () => {
      const [{ n }] = await this.product.sql(`select count(*) as n from call_analyses a join calls c on c.id = a.call_id where c.provider_call_id in (${ids})`);
      if (n < calls.length)
        throw new Error(`${n} of ${calls.length}`);
      return true;
    }, { timeoutMs: 60000, everyMs: 100 });
  }

  // What is known of a simulated call, by the API.
  analysis(call) {
    return this.product.must('GET', `/api/v1/calls/${call.id}/analysis`);
  }

  detections() {
    return this.product.must('GET', `${this.path}/detections`);
  }

  // Until a check has seen at least so many calls of the version in force; the check.
  async checked(calls) {
    return until(`a check of ${calls} calls of ${this.name}`, async () => {
      const seen = await this.detections();
      if (seen.doc.calls_of_version >= calls)
        return seen;
      throw new Error(JSON.stringify(seen).slice(0, 500));
    }, { timeoutMs: 30000, everyMs: 100 });
  }

  // Until a check has begun after everything so far was analysed, whatever of it counts; the check.
  async checkedAll() {
    const [{ at }] = await this.product.sql(`select max(analysed_at) as at from call_analyses where project_id = '${this.project.id}'`);
    return until(`a check of ${this.name} after ${at}`, async () => {
      const seen = await this.detections();
      return Date.parse(seen.checked_at) > Date.parse(at) && seen;
    }, { timeoutMs: 30000, everyMs: 100 });
  }

  async issues(status = 'open') {
    return (await this.product.must('GET', `${this.path}/issues?status=${status}`)).issues;
  }

  async suggestions(status = 'pending') {
    return (await this.product.must('GET', `${this.path}/suggestions?status=${status}`)).suggestions;
  }

  // The open issue of this cause, when it is open; what the last check saw otherwise.
  issue(cause, subject = null) {
    return until(`an issue ${cause} ${subject ?? ''} of ${this.name}`, async () => {
      const found = (await this.issues()).find((i) => i.cause === cause && (subject === null || i.subject === subject));
      if (!found)
        throw new Error(JSON.stringify(await this.detections()).slice(0, 3000));
      return found;
    }, { timeoutMs: 30000, everyMs: 200 });
  }

  suggestion(issue) {
    return until(`a suggestion for ${issue.title}`, async () => (await this.suggestions()).find((s) => s.issueId === issue.id), { timeoutMs: 30000, everyMs: 200 });
  }

  // Other instructions, by hand; the version.
  instruct(prompt) {
    return this.product.must('PUT', `${this.path}/instructions`, { sections: sectionsOf(prompt) });
  }

  accept(suggestion) {
    return this.product.must('POST', `${this.path}/suggestions/${suggestion.id}/accept`, {});
  }
}

export function stateOf(analysis, field) {
  const found = analysis.fields.find((f) => f.field === field);
  assert.ok(found, `no field ${field} in ${JSON.stringify(analysis.fields)}`);
  return found.state;
}

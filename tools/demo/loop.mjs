// The second half of the demo: many quick calls are understood, what goes wrong in them opens a suggestion, it is looked at and accepted through
// the API, and the next call is served the change. The product is asked like anybody would; it knows nothing of a demo.
import { join } from 'node:path';
import { Simulator } from '../vapi-sim/lib/simulator.mjs';
import { loadScenario, SCENARIOS_DIR } from '../vapi-sim/lib/scenario.mjs';
import { sectionsOf, servedBy, RESERVATION_FIELDS } from '../lib/served.mjs';
import { until } from '../lib/wait.mjs';

const CALLS = 44;
const QUICK = 1000; // times human pace
const FIELD = 'email';
const patience = { timeoutMs: 90000, everyMs: 200 };

const quoted = (text) => `"${text.trim()}"`;
const percent = (value) => `${Math.round(value)} %`;
const added = (diff) => diff.split('\n').filter((line) => /^[+-]/.test(line) && line.length > 1);

export class LoopPlay {
  constructor({ node, step, curl, live, screen, tools, speed, secret }) {
    Object.assign(this, { node, step, curl, live, screen, tools, secret });
    this.speed = Math.max(speed, 4);
    this.scenario = loadScenario(join(SCENARIOS_DIR, 'reservations.json'));
  }

  // Each step is of use only after the one before; gives whether all were seen.
  async play() {
    try {
      for (const next of ['setUp', 'manyCalls', 'understood', 'issue', 'suggestion', 'preview', 'accept', 'nextCall', 'captured', 'applied'])
        if (!(await this[next]()))
          return false;
      return true;
    } finally {
      await this.close();
    }
  }

  close() {
    return this.sim?.close();
  }

  #get(path) {
    return this.node.api('GET', path);
  }

  // A project of its own for each run: what an earlier run has put right would not go wrong again.
  setUp() {
    return this.step('Another project: reservations, with instructions and what its calls should capture', this.curl('GET', '/api/v1/projects'), async () => {
      const { projects } = await this.#get('/api/v1/projects');
      this.name = `reservations-${projects.filter((p) => p.name.startsWith('reservations-')).length + 1}-${Date.now().toString(36)}`;
      this.project = await this.node.api('POST', '/api/v1/projects', { name: this.name, language: 'en', fields: RESERVATION_FIELDS });
      this.path = `/api/v1/projects/${this.project.id}`;
      await this.node.api('PUT', `${this.path}/instructions`, { sections: sectionsOf(this.scenario.assistant.prompt), note: 'as we began' });
      await this.node.api('POST', `${this.path}/tools`, { name: 'book_table', url: `${this.tools.url}/bookings`, method: 'POST', timeout_ms: 5000 });
      await this.node.api('POST', '/api/v1/sources', { name: this.name, dialect: 'vapi', project_id: this.project.id,
        auth: [{ type: 'secret', secret: { file: 'demo-webhook' } }], assistant_mode: 'inline', assistant: servedBy(this.scenario) });
      const target = `${this.node.url}/in/vapi/${this.name}`;
      await until('the source is known', async () => (await fetch(target, { method: 'POST', body: '{}' })).status !== 404);
      this.sim = await new Simulator({ target, auth: { mode: 'secret', secret: this.secret }, speed: QUICK, seed: Date.now(), retries: 3, reportDelayMs: 500 }).listen();
      const { current: version } = await this.#get(`${this.path}/instructions`);
      this.first = version.id;
      return `calls of ${this.name} are served version ${version.number} of its instructions; wanted: ${RESERVATION_FIELDS.map((f) => f.label).join(', ')}`;
    });
  }

  manyCalls() {
    return this.step(`${CALLS} quick calls to an assistant that does what its instructions say`, this.curl('GET', `/api/v1/calls?project_id=${this.project.id}`), async () => {
      const calls = await this.sim.finished(this.sim.start(this.scenario, CALLS));
      const served = calls.filter((call) => call.assistantAnswer?.assistant?.model.messages[0].content.includes('host of Sakura Table'));
      const callers = new Set(calls.map((call) => call.context.customer.number)).size;
      if (served.length < CALLS || callers < 8)
        throw new Error(`${served.length} of ${CALLS} calls were served the instructions, ${callers} callers`);
      this.calls = calls;
      return `${CALLS} calls of ${callers} callers; ${calls.filter((call) => call.outcome.given[FIELD]).length} of them were asked for the e-mail address`;
    });
  }

  understood() {
    return this.step('Each of them is understood', this.curl('GET', `${this.path}/captured`), async () => {
      const found = await until('every call is analysed', async () => {
        const seen = await this.#get(`${this.path}/captured`);
        return seen.calls >= CALLS && seen;
      }, patience);
      return found.fields.map((f) => `${f.label}: ${f.captured} captured, ${f.never_asked} never asked for`).join('; ');
    });
  }

  issue() {
    return this.step('What goes wrong, by its evidence, at the default thresholds', this.curl('GET', `${this.path}/issues?status=open`), async () => {
      const issues = await until('an issue is open', async () => {
        const open = (await this.#get(`${this.path}/issues?status=open`)).issues;
        return open.length && open;
      }, patience);
      const [issue] = issues;
      if (issues.length !== 1 || issue.cause !== 'missing_data' || issue.subject !== FIELD)
        throw new Error(`other issues than expected: ${issues.map((i) => i.title).join('; ')}`);
      this.opened = issue;
      const { rate, lower, upper, callers, reasons, threshold } = issue.evidence;
      return `${issue.title}; 95 % interval ${percent(lower)} to ${percent(upper)}, ${callers} callers, limit ${percent(threshold)}; ${reasons.map((r) => `${r.reason} ${r.calls}`).join(', ')} (${percent(rate)})`;
    });
  }

  suggestion() {
    return this.step('A suggestion answers it', this.curl('GET', `${this.path}/suggestions?status=pending`), async () => {
      const found = await until('a suggestion is pending', async () => {
        const { suggestions } = await this.#get(`${this.path}/suggestions?status=pending`);
        return suggestions.length && suggestions;
      }, patience);
      const [suggestion] = found;
      if (found.length !== 1 || suggestion.issueId !== this.opened.id)
        throw new Error(`not one suggestion for the issue: ${found.map((s) => s.title).join('; ')}`);
      this.suggested = suggestion;
      const { title, priority, generatedBy, expectedImpact: impact, suggestedChanges: [change] } = suggestion;
      return `${quoted(title)} (${priority}, by ${generatedBy}), section ${quoted(change.section)}: ${change.reason} Expected: +${impact.successRateImprovement} points of success, ${impact.estimatedROI}`;
    });
  }

  preview() {
    const path = `${this.path}/suggestions/${this.suggested.id}/preview`;
    return this.step('What would change', this.curl('GET', path), async () => {
      const { diff, conflicts } = await this.#get(path);
      if (conflicts.length || !added(diff).some((line) => line.startsWith('+')))
        throw new Error(`nothing is added: ${diff}`);
      return added(diff).join('\n    ');
    });
  }

  accept() {
    const path = `${this.path}/suggestions/${this.suggested.id}/accept`;
    return this.step('Accept it', this.curl('POST', path, { reason: 'demo' }), async () => {
      const { version } = await this.node.api('POST', path, { reason: 'demo' });
      this.version = version;
      if (version.id === this.first)
        throw new Error('no new version is in force');
      return `version ${version.number} is in force (back again: ${this.curl('POST', `${this.path}/instructions/rollback`, {})})`;
    });
  }

  nextCall() {
    return this.step('The next call is served the new instructions, and the assistant asks', this.curl('GET', `${this.path}/instructions`), async () => {
      this.next = await until('a call is served the new version', () => this.#callServed(this.version.text), patience);
      this.screen.follow(this.live, [this.next], this.since);
      await this.sim.finished([this.next]);
      const { given } = this.next.outcome;
      if (!given[FIELD])
        throw new Error('the caller was not asked, or did not tell');
      return `the caller told ${given[FIELD]}`;
    });
  }

  // Begins a call, as often as it takes: one that came before the core knew of the new version is hung up again.
  async #callServed(text) {
    this.since = this.live.events.length;
    const [call] = this.sim.start(this.scenario, 1, { speed: this.speed });
    await until('the call is answered an assistant', () => call.assistantAnswer || call.over, { ...patience, everyMs: 10 });
    if (call.assistantAnswer?.assistant?.model.messages[0].content === text)
      return call;
    call.hangUp();
    await this.sim.finished([call]);
    return null;
  }

  captured() {
    return this.step('... and the e-mail address is captured', this.curl('GET', `/api/v1/calls/${this.next.id}/analysis`), async () => {
      const found = await until('the call is analysed', () => this.#get(`/api/v1/calls/${this.next.id}/analysis`), patience);
      const field = found.analysis.fields.find((f) => f.field === FIELD);
      if (field?.state !== 'captured' || field.value !== this.next.outcome.given[FIELD] || found.instruction_version !== this.version.id)
        throw new Error(`${JSON.stringify(field)}, version ${found.instruction_version}`);
      return `${field.value} (${quoted(field.passage)}), outcome ${found.outcome}, version ${this.version.number} of the instructions`;
    });
  }

  applied() {
    const path = `${this.path}/suggestions/${this.suggested.id}`;
    return this.step('The suggestion counts as applied, because a source was seen to serve it', this.curl('GET', path), async () => {
      const found = await until('it is applied', async () => {
        const suggestion = await this.#get(path);
        return suggestion.status === 'applied' && suggestion;
      }, patience);
      return `${found.status} at ${found.appliedAt}; seen at ${found.sources.map((s) => s.name).join(', ')}`;
    });
  }
}

// A project with instructions and suggestions for them, as detection would have made them: what tests of deciding and applying need.
import { until } from '../../../tools/lib/wait.mjs';

export const ORG = '00000000-0000-7000-8000-000000000001';
const quote = (text) => `'${text.replaceAll("'", "''")}'`;

export const assistantWith = (text, id = 'as-1') => ({
  id, orgId: 'o', createdAt: '2026-01-01T00:00:00Z', updatedAt: '2026-01-01T00:00:00Z', latestVersion: 1, name: 'Ava',
  voice: { provider: '11labs', voiceId: 'sarah' }, firstMessage: 'Hello.',
  model: { provider: 'openai', model: 'gpt-4o', temperature: 0.4, toolIds: ['t-1'], knowledgeBase: { provider: 'custom', server: { url: 'https://kb.example' } },
    messages: [{ role: 'system', content: text }, { role: 'user', content: 'kept' }], tools: [{ type: 'function', function: { name: 'find_table' } }] },
});

export class Changing {
  // Instructions: sections {name: text}.
  static async start(world, { name, sections = { Greeting: 'Hi.', Rules: '- Be kind.' } }) {
    const c = new Changing();
    c.world = world;
    c.product = world.product;
    c.name = name;
    c.project = await c.product.must('POST', '/api/v1/projects', { name, language: 'en' });
    c.root = `/api/projects/${c.project.id}/suggestions`;
    c.instructions = `/api/v1/projects/${c.project.id}/instructions`;
    await c.put(sections);
    return c;
  }

  async put(sections) {
    this.version = await this.product.must('PUT', this.instructions, { sections: Object.entries(sections).map(([name, text]) => ({ name, text })) });
    return this.version;
  }

  // A source whose assistant is at the simulated Vapi; PATCH is the way. `through`: gives the address to reach that at.
  async patched({ text = this.version.text, id = `as-${this.name}`, through = (url) => url } = {}) {
    this.sim = await this.world.simulator('main', { privateKey: 'pk-1' });
    this.sim.assistants.set(id, assistantWith(text, id));
    this.assistantId = id;
    return this.world.addSource(`${this.name}-patched`, { project_id: this.project.id, api_base: await through(this.sim.url), assistant_id: id,
      private_key: this.product.secret('pk', 'pk-1') });
  }

  text() {
    return this.sim.assistants.systemText(this.assistantId);
  }

  patches() {
    return this.sim.server.apiRequests.filter((r) => r.method === 'PATCH');
  }

  // Gives its id. changes: [[section, current, suggested]].
  async suggest(changes = [['Rules', '- Be kind.', '- Be kind.\n- Ask for the e-mail.']], { issue = null } = {}) {
    const [{ id }] = JSON.parse(await this.product.exec(`with s as (insert into suggestions (org_id, project_id, issue_id, type, priority, title, base_version,
        current_instruction, current_metrics, expected_impact, generated_by)
      select '${ORG}', '${this.project.id}', ${issue ? quote(issue) : 'null'}, 'missing_data', 'medium', 'Ask for the e-mail', v.id, v.text,
        '{"successRate": 40}', '{"missingDataReduction": 20, "estimatedROI": "Save 3 minutes per 100 calls"}', 'rules'
      from instructions i join instruction_versions v on v.id = i.current_version where i.project_id = '${this.project.id}' returning id)
      select json_agg(s) from s`));
    for (const [n, [section, current, suggested]] of changes.entries())
      await this.product.exec(`insert into suggestion_changes values ('${id}', '${ORG}', ${n}, ${quote(section)}, ${quote(current)}, ${quote(suggested)}, 'it is missing')`);
    return id;
  }

  accept(id, body) {
    return this.product.must('POST', `${this.root}/${id}/accept`, body);
  }

  get(id) {
    return this.product.must('GET', `${this.root}/${id}`);
  }

  until(id, what, match) {
    return until(`the suggestion: ${what}`, async () => {
      const s = await this.get(id);
      if (match(s))
        return s;
      throw new Error(JSON.stringify({ status: s.status, applyError: s.applyError, sources: s.sources }));
    }, { timeoutMs: 40000, everyMs: 50 });
  }

  applied(id) {
    return this.until(id, 'applied', (s) => s.status === 'applied');
  }

  // The next attempt is due now.
  hurry() {
    return this.product.exec(`update jobs set run_at = now() where kind = 'apply' and state = 'queued'; notify callmend_job, 'apply'`);
  }

  notifications(type) {
    return this.product.must('GET', `/api/v1/notifications?type=${type}&project_id=${this.project.id}`).then((page) => page.notifications);
  }

  activities(kind) {
    return this.product.must('GET', `/api/v1/activities?kind=${kind}&project_id=${this.project.id}`).then((page) => page.activities);
  }
}

// One call takes a change back everywhere: the version before is in force, served and PATCHed again, and the suggestion shows it (F3).
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { worldFor, message } from './lib/world.mjs';
import { Changing, assistantWith } from './lib/suggestions.mjs';
import { until } from '../../tools/lib/wait.mjs';

const w = worldFor({ before, after }, { tools: false });

test('back to the version before, at both kinds of sources', async () => {
  const c = await Changing.start(w(), { name: 'back' });
  const old = c.version.text;
  await c.patched();
  await w().addSource('back-inline', { project_id: c.project.id, assistant_mode: 'inline', assistant: assistantWith('x') });
  const served = async () => (await (await w().product.webhook('back-inline', message('assistant-request', `b-${Math.random()}`))).json()).assistant.model.messages[0].content;
  const id = await c.suggest();
  await c.accept(id);
  await c.applied(id);
  await until('the new text at Vapi', () => c.text().includes('e-mail'));
  await until('served to both', async () => (await served()).includes('e-mail'));
  const { version, suggestions } = await c.product.must('POST', `${c.instructions}/rollback`, { reason: 'callers complain' });
  assert.equal(version.text, old);
  assert.deepEqual(suggestions, [id]);
  await until('the old text at Vapi', () => c.text() === old);
  await until('the old text served', async () => (await served()) === old);
  const s = await c.get(id);
  assert.ok(s.rolledBackAt);
  assert.equal(s.rolledBackBecause, 'callers complain');
  const [step] = await c.activities('instructions.rolled_back');
  assert.equal(step.data.reason, 'callers complain');
  const audit = await c.product.must('GET', `/api/v1/audit?object_id=${version.id}&limit=1`);
  assert.equal(audit.entries[0].reason, 'callers complain');
});

test('versions side by side', async () => {
  const c = await Changing.start(w(), { name: 'diff' });
  await c.put({ Greeting: 'Hello!', Rules: '- Be kind.', Closing: 'Bye.' });
  const diff = await c.product.must('GET', `${c.instructions}/versions/1/diff/2`);
  assert.equal(diff.diff, '@@ -1,7 +1,11 @@\n # Greeting\n \n-Hi.\n+Hello!\n \n # Rules\n \n - Be kind.\n+\n+# Closing\n+\n+Bye.\n');
  assert.deepEqual(diff.sections.filter((s) => s.changed).map((s) => s.section), ['Greeting', 'Closing']);
  assert.equal((await c.product.api('GET', `${c.instructions}/versions/1/diff/9`)).status, 404);
});

// The simulator's assistants behave as the provider's REST API says: what tests of applying rely on.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import { Simulator } from '../../tools/vapi-sim/lib/simulator.mjs';
import { assistantWith } from './lib/suggestions.mjs';

let sim;
before(async () => {
  sim = await new Simulator({ target: 'http://127.0.0.1:1', privateKey: 'pk' }).listen();
});
after(() => sim.close());
const ask = async (method, id, body, key = 'pk') => {
  const response = await fetch(`${sim.url}/assistant/${id}`, { method, headers: { authorization: `Bearer ${key}` }, body: body && JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
};

test('PATCH merges at the top level only; a member that is sent is replaced whole', async () => {
  sim.assistants.set('a', assistantWith('old', 'a'));
  const { status, body } = await ask('PATCH', 'a', { model: { provider: 'openai', model: 'gpt-4o', messages: [] } });
  assert.equal(status, 200);
  assert.equal(body.model.toolIds, undefined, 'gone, because it was not sent');
  assert.equal(body.name, 'Ava', 'kept, because another member');
  assert.equal(body.latestVersion, 2);
  assert.deepEqual((await ask('GET', 'a')).body, body);
});

test('refusals: key, unknown id, the server\'s own members, a model that is not complete', async () => {
  sim.assistants.set('b', assistantWith('old', 'b'));
  assert.equal((await ask('GET', 'b', undefined, 'another')).status, 401);
  assert.equal((await ask('PATCH', 'nobody', {})).status, 404);
  for (const wrong of [{ id: 'c' }, { latestVersion: 7 }, { colour: 'red' }, { model: { messages: [] } }])
    assert.equal((await ask('PATCH', 'b', wrong)).status, 400, JSON.stringify(wrong));
  assert.equal(sim.assistants.systemText('b'), 'old');
});

test('switches: drafts, late reads, faults by method, an act without an answer', async () => {
  const model = assistantWith('new').model;
  sim.assistants.set('c', assistantWith('old', 'c'));
  sim.assistants.drafts = true;
  assert.equal((await ask('PATCH', 'c', { model })).body.model.messages[0].content, 'new');
  assert.equal((await ask('GET', 'c')).body.model.messages[0].content, 'old');
  sim.assistants.drafts = false;
  sim.assistants.lateReads = 1;
  await ask('PATCH', 'c', { model });
  assert.equal((await ask('GET', 'c')).body.model.messages[0].content, 'old');
  assert.equal((await ask('GET', 'c')).body.model.messages[0].content, 'new');
  sim.assistants.lateReads = 0;
  sim.server.fail({ where: 'api', method: 'PATCH', mode: 500, times: 1 });
  assert.equal((await ask('GET', 'c')).status, 200);
  assert.equal((await ask('PATCH', 'c', { name: 'Eva' })).status, 500);
  sim.server.fail({ where: 'api', method: 'PATCH', mode: 'reset', when: 'after', times: 1 });
  await assert.rejects(ask('PATCH', 'c', { name: 'Eva' }));
  assert.equal(sim.assistants.get('c').name, 'Eva');
});

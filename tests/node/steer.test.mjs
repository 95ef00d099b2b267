// say, mute, unmute, end, transfer as people type them (A6), and what they refuse.
import test from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync, chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { StandIn, TOKEN, callmend, eventOf, ids, snapshotOf, temporary } from './stand_in.mjs';

const command = (state, more = {}) => ({
  command_id: '01900000-0000-7000-8000-00000000000a', verb: 'say', target: 'assistant', state, text: 'Hello', actor: 'token:me',
  requested_at: null, accepted_at: null, effect_at: null, latency_ms: 34, effect_latency_ms: null, error: null, evidence: null, ...more,
});

async function node(t) {
  const server = await new StandIn().start();
  t.after(() => server.stop());
  server.calls = [
    snapshotOf(ids.anna),
    snapshotOf(ids.bert, { customer: { number: '+442079460000' } }),
    snapshotOf(ids.cleo, { customer: { number: '+442079460000' } }),
  ];
  return server;
}
const accept = (server, path, state = 'accepted') => { server.answers[`POST ${path}`] = () => [200, command(state)]; };
const run = (server, args) => callmend([...args, '--url', server.url, '--token', TOKEN]).ended;

test('say speaks, with every option in the body and the key as header', async (t) => {
  const server = await node(t);
  accept(server, `/api/v1/vapi/call/${ids.anna}/inject`);
  const r = await run(server, ['say', '3f2a9', 'Hello', '--interrupt', '--end-after', '--reason', 'why not', '--key=k1']);
  assert.equal(r.status, 0, r.err);
  assert.match(r.out, /^say 3f2a91c8: accepted by the provider, after 34 ms\n$/);
  const post = server.requests.at(-1);
  assert.deepEqual(post.body, { type: 'say', message: 'Hello', interrupt: true, end_after: true, reason: 'why not' });
  assert.equal(post.headers['idempotency-key'], 'k1');
});

test('say --add-message adds to the history', async (t) => {
  const server = await node(t);
  accept(server, `/api/v1/vapi/call/${ids.anna}/inject`);
  const r = await run(server, ['say', '3f2a9', 'Be brief', '--add-message', '--role', 'user', '--no-response']);
  assert.equal(r.status, 0, r.err);
  assert.deepEqual(server.requests.at(-1).body, { type: 'add-message', message: 'Be brief', role: 'user', trigger_response: false });
});

test('every verb that steers reaches its path', async (t) => {
  const server = await node(t);
  const cases = [
    [['mute', ids.anna], `/api/v1/vapi/call/${ids.anna}/mute`, {}],
    [['mute', ids.anna, '--customer'], `/api/v1/vapi/call/${ids.anna}/mute`, { target: 'customer' }],
    [['unmute', '+1 (415) 555-0123'], `/api/v1/vapi/call/${ids.anna}/unmute`, {}],
    [['end', 'prov-9c11'], `/api/v1/vapi/call/${ids.cleo}/end`, {}],
    [['transfer', '9c11', '--number', '+14155550100', '--say', 'One moment'], `/api/v1/calls/${ids.cleo}/commands`,
      { verb: 'transfer', destination: { type: 'number', number: '+14155550100' }, text: 'One moment' }],
    [['transfer', '9c11', '--sip', 'sip:a@b.example'], `/api/v1/calls/${ids.cleo}/commands`,
      { verb: 'transfer', destination: { type: 'sip', sipUri: 'sip:a@b.example' } }],
    [['transfer', '9c11', '--queue', '12'], `/api/v1/calls/${ids.cleo}/commands`, { verb: 'transfer', destination: { type: 'queue', id: '12' } }],
    [['transfer', '9c11', '--extension', '101'], `/api/v1/calls/${ids.cleo}/commands`, { verb: 'transfer', destination: { type: 'extension', extension: '101' } }],
    [['hold', '9c11'], `/api/v1/calls/${ids.cleo}/commands`, { verb: 'hold' }],
    [['hold', '9c11', '--customer'], `/api/v1/calls/${ids.cleo}/commands`, { verb: 'hold', target: 'customer' }],
    [['unhold', '9c11', '--reason', 'back'], `/api/v1/calls/${ids.cleo}/commands`, { verb: 'unhold', reason: 'back' }],
    [['monitor', '9c11', '--device', '802636634016'], `/api/v1/calls/${ids.cleo}/commands`, { verb: 'monitor', destination: { type: 'device', id: '802636634016' } }],
    [['coach', '9c11', '--number', '+14155550100'], `/api/v1/calls/${ids.cleo}/commands`, { verb: 'coach', destination: { type: 'number', number: '+14155550100' } }],
    [['barge', '9c11', '--number', '+14155550100'], `/api/v1/calls/${ids.cleo}/commands`, { verb: 'barge', destination: { type: 'number', number: '+14155550100' } }],
    [['send-text', '9c11', 'At eight.'], `/api/v1/calls/${ids.cleo}/commands`, { verb: 'send-text', text: 'At eight.' }],
    [['record-pause', ids.anna, '--reason', 'card'], `/api/v1/calls/${ids.anna}/commands`, { verb: 'record-pause', reason: 'card' }],
    [['record-resume', ids.anna], `/api/v1/calls/${ids.anna}/commands`, { verb: 'record-resume' }],
  ];
  for (const [args, path, body] of cases) {
    accept(server, path);
    const r = await run(server, args);
    assert.equal(r.status, 0, args.join(' ') + r.err);
    assert.equal(server.requests.at(-1).path, path);
    assert.deepEqual(server.requests.at(-1).body, body);
  }
});

test('an ambiguous or unknown call is refused, and nothing is sent', async (t) => {
  const server = await node(t);
  const posts = () => server.requests.filter((r) => r.method === 'POST').length;
  const two = await run(server, ['mute', '3f2a']);
  assert.equal(two.status, 1);
  assert.match(two.err, /means 2 live calls[\s\S]*3f2a91c8-[\s\S]*3f2a77d1-/);
  assert.match((await run(server, ['end', '+442079460000'])).err, /means 2 live calls/);
  const none = await run(server, ['mute', 'abcdef']);
  assert.equal(none.status, 1);
  assert.match(none.err, /no live call is called `abcdef` \(3 live\)/);
  assert.equal((await run(server, ['mute', '3f2'])).status, 2);
  assert.equal(posts(), 0);
});

test('states decide the exit status', async (t) => {
  const server = await node(t);
  const path = `/api/v1/vapi/call/${ids.anna}/mute`;
  for (const [state, status] of [['accepted', 0], ['effect_seen', 0], ['not_observable', 0], ['timed_out', 1], ['unknown', 1], ['requested', 1]]) {
    accept(server, path, state);
    assert.equal((await run(server, ['mute', ids.anna])).status, status, state);
  }
  server.answers[`POST ${path}`] = () => [409, { status: 409, detail: 'the provider answered 404', command: command('rejected') }];
  const r = await run(server, ['mute', ids.anna]);
  assert.equal(r.status, 1);
  assert.match(r.err, /the provider answered 404 \(409 from 127\.0\.0\.1:\d+\)/);
});

test('--wait shows each change until the effect is seen', async (t) => {
  const server = await node(t);
  server.answers[`POST /api/v1/vapi/call/${ids.anna}/inject`] = () => {
    server.send(eventOf(ids.anna, 'command', { data: command('requested', { latency_ms: null }) }),
      eventOf(ids.anna, 'command', { data: command('accepted') }));
    setTimeout(() => server.send(
      eventOf(ids.anna, 'command', { data: command('rejected', { command_id: '01900000-0000-7000-8000-00000000000b' }) }),
      eventOf(ids.anna, 'command', { data: command('effect_seen', { effect_latency_ms: 1240, evidence: 'transcript' }) })), 50);
    return [200, command('accepted')];
  };
  const r = await run(server, ['say', ids.anna, 'Hello', '--wait']);
  assert.equal(r.status, 0, r.err);
  assert.deepEqual(r.out.trim().split('\n'), ['say 3f2a91c8: accepted by the provider, after 34 ms',
    'say 3f2a91c8: effect seen, after 1.24 s: transcript']);
  assert.deepEqual(server.asked[0], { id: 'all', type: 'subscribe', calls: [ids.anna] });
  const json = await run(server, ['say', ids.anna, 'Hello', '--wait', '--json']);
  assert.deepEqual(json.out.trim().split('\n').map((l) => JSON.parse(l).state), ['accepted', 'effect_seen']);
});

test('--wait: no effect in time is a failure, and so is a lost connection', async (t) => {
  const server = await node(t);
  const path = `POST /api/v1/vapi/call/${ids.anna}/mute`;
  server.answers[path] = () => {
    setTimeout(() => server.send(eventOf(ids.anna, 'command', { data: command('timed_out') })), 30);
    return [200, command('accepted')];
  };
  const late = await run(server, ['mute', ids.anna, '--wait']);
  assert.equal(late.status, 1);
  assert.match(late.out, /accepted, but the effect was not seen in time/);
  server.answers[path] = () => {
    setTimeout(() => { for (const s of server.sockets) s.terminate(); }, 30);
    return [200, command('accepted')];
  };
  const lost = await run(server, ['mute', ids.anna, '--wait']);
  assert.equal(lost.status, 1);
  assert.match(lost.err, /connection lost while waiting for the effect/);
});

test('nobody there is 3, a wrong token is 1, no token is 2', async (t) => {
  const server = await node(t);
  const gone = await new StandIn().start();
  await gone.stop();
  assert.equal((await run(gone, ['mute', '3f2a'])).status, 3);
  assert.equal((await run(gone, ['mute', ids.anna, '--wait'])).status, 3);
  const wrong = await callmend(['mute', '3f2a', '--url', server.url, '--token', 'cm_other']).ended;
  assert.equal(wrong.status, 1);
  assert.match(wrong.err, /no such token \(401/);
  const waiting = await callmend(['mute', ids.anna, '--wait', '--url', server.url, '--token', 'cm_other']).ended;
  assert.equal(waiting.status, 1);
  const none = await callmend(['mute', '3f2a', '--url', server.url], { cwd: temporary(t) }).ended;
  assert.equal(none.status, 2);
  assert.match(none.err, /no token: give --token or CALLMEND_TOKEN/);
});

test('the token may stand in the environment or in a private file', async (t) => {
  const server = await node(t);
  const cwd = temporary(t);
  accept(server, `/api/v1/vapi/call/${ids.anna}/mute`);
  const args = ['mute', ids.anna];
  assert.equal((await callmend(args, { cwd, env: { CALLMEND_TOKEN: TOKEN, CALLMEND_URL: server.url } }).ended).status, 0);
  mkdirSync(join(cwd, '.state'));
  const file = join(cwd, '.state', 'cli.token');
  writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
  const env = { CALLMEND_LISTEN_PORT: String(server.port) };
  assert.equal((await callmend(args, { cwd, env }).ended).status, 0, 'URL from the configuration');
  chmodSync(file, 0o644);
  const open = await callmend(args, { cwd, env }).ended;
  assert.equal(open.status, 1);
  assert.match(open.err, /can be read by others/);
});

test('what was typed wrongly is refused with a hint (exit 2)', async (t) => {
  const server = await node(t);
  const cases = [
    [['say', ids.anna], /needs CALL TEXT/],
    [['say', ids.anna, 'a', 'b'], /do not understand `b` \(quote/],
    [['say', ids.anna, 'a', '--loud'], /no option `--loud`/],
    [['say', ids.anna, ''], /1 to 4096 bytes/],
    [['say', ids.anna, 'a', '--role', 'user'], /go with --add-message/],
    [['say', ids.anna, 'a', '--add-message', '--role', 'boss'], /no role `boss`/],
    [['say', ids.anna, 'a', '--add-message', '--interrupt'], /do not go with --add-message/],
    [['say', ids.anna, 'a', '--wait=3'], /--wait takes no value/],
    [['mute', ids.anna, '--reason'], /--reason needs a value/],
    [['transfer', ids.anna], /--number \+1\.\.\., --sip sip:\.\.\., --extension 101 or --queue/],
    [['transfer', ids.anna, '--sip', 'sip:a@b.example', '--extension', '101'], /one of them/],
    [['transfer', ids.anna, '--extension', '+101'], /no extension: digits/],
    [['transfer', ids.anna, '--queue', '1 2'], /no id of a queue/],
    [['transfer', ids.anna, '--number', '123'], /international form/],
    [['transfer', ids.anna, '--sip', 'x'], /no SIP address/],
    [['monitor', ids.anna], /--number \+1\.\.\. or --device ID/],
    [['coach', ids.anna, '--number', '+14155550100', '--device', '1'], /one of them/],
    [['barge', ids.anna, '--number', '101'], /international form/],
    [['monitor', ids.anna, '--device', ''], /--device is empty/],
    [['send-text', ids.anna, ''], /1 to 4096 bytes/],
    [['send-text', ids.anna], /needs CALL TEXT/],
    [['mute', ids.anna, '--url', 'ftp://x'], /no http or https URL/],
  ];
  for (const [args, message] of cases) {
    const r = await callmend([...args, ...(args.includes('--url') ? [] : ['--url', server.url]), ...(args.at(-1) === '--reason' ? [] : ['--token', TOKEN])].flat()).ended;
    if (args.at(-1) !== '--reason') {
      assert.equal(r.status, 2, args.join(' ') + r.err);
      assert.match(r.err, message);
      assert.match(r.err, /--help` explains/);
    }
  }
  const bare = await callmend(['mute', ids.anna, '--reason']).ended;
  assert.equal(bare.status, 2);
  assert.match(bare.err, /--reason needs a value/);
  assert.equal(server.requests.length, 0);
  const verb = await callmend(['wacth']).ended;
  assert.equal(verb.status, 2);
  assert.match(verb.err, /no verb `wacth`; did you mean `watch`\?/);
});

test('every verb teaches', async () => {
  for (const verb of ['up', 'core', 'check', 'migrate', 'token', 'watch', 'say', 'mute', 'unmute', 'end', 'transfer', 'hold', 'unhold',
    'monitor', 'coach', 'barge', 'send-text', 'record-pause', 'record-resume', 'import', 'export', 'analyst', 'replay', 'demo']) {
    const r = await callmend([verb, '--help']).ended;
    assert.equal(r.status, 0, verb);
    assert.match(r.out, new RegExp(`^usage: callmend ${verb}`));
  }
  const all = (await callmend(['help']).ended).out;
  assert.match(all, /exit status: 0 done; 1 failed/);
  const columns = all.split('\n\n')[2].split('\n').map((line) => line.match(/^ {2}\S+ +/)[0].length);
  assert.ok(columns.length > 20, all);
  assert.deepEqual([...new Set(columns)], [columns[0]], 'what the verbs do stands in one column');
});

test('import and transfer name all that they take', async () => {
  const imports = (await callmend(['import', '--help']).ended).out;
  for (const word of ['vapi, openai, ringcentral or transcript', 'WAV, Ogg Opus, MP3', 'credentials of the source'])
    assert.ok(imports.includes(word), `${word} in ${imports}`);
  assert.match((await callmend(['transfer', '--help']).ended).out, /number, SIP address, extension or queue[\s\S]*transfer 3f2a --extension 101/);
});

test('text from elsewhere cannot play with the terminal', async (t) => {
  const server = await node(t);
  server.answers[`POST /api/v1/vapi/call/${ids.anna}/mute`] = () => [200, command('rejected', { error: 'a\u001b[2Jb\u202ec' })];
  const r = await run(server, ['mute', ids.anna]);
  assert.equal(r.status, 1);
  assert.doesNotMatch(r.out, /[\u001b\u202e]/);
});

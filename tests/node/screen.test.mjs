// The screen of `callmend watch` as a supervisor sees it: a real terminal (tmux), 80 x 24 and larger.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { StandIn, TOKEN, cleanEnv, eventOf, ids, snapshotOf, temporary, until } from './stand_in.mjs';

const turn = (speaker, text, n, offset_ms) => ({ speaker, text, at: null, offset_ms, turn: n, revision: 0, open: false });

// 40 calls; a few of them need somebody.
const crowd = () => Array.from({ length: 40 }, (_, i) => snapshotOf(`${(0x10000000 + i * 0x01010101).toString(16)}-0000-5000-8000-000000000000`, {
  customer: { number: `+1415555${String(1000 + i)}` },
  started_at: new Date(Date.now() - (40 - i) * 61000).toISOString().replace('Z', '000Z'),
  assistant: { name: ['Anna', 'Zoë 客服', 'Order desk (long name)'][i % 3] },
  ...(i === 17 && {
    sentiment: { user: 'frustrated' }, counts: { tool_calls: 3, tool_errors: 1, interventions: 1 },
    signals: [{ signal: 'frustration', state: 'raised' }, { signal: 'repetition', state: 'raised' }],
    turns: [turn('ai', 'How can I help you?', 0, 1000), turn('user', 'My order never came, and this is the third time I call about it, honestly!', 1, 3500)],
    tools: [{ tool_id: 't1', name: 'lookup_order', arguments: { id: 7 }, running: false, success: false, error: 'HTTP 500', duration_ms: 210 }],
    partial: { ai: 'Let me', user: null }, speaking: 'ai',
  }),
}));

class Terminal {
  constructor(t, columns, rows) {
    this.size = [columns, rows];
    t.after(() => { try { this.tmux('kill-server'); } catch { /* it has ended */ } }); // before its folder goes
    this.socket = join(temporary(t), 'tmux');
  }

  tmux(...args) {
    return execFileSync('tmux', ['-S', this.socket, '-f', '/dev/null', ...args], { encoding: 'utf8', env: cleanEnv({ LC_ALL: 'C.UTF-8', TERM: 'xterm-256color' }) });
  }

  start(url) {
    const command = `${process.env.CALLMEND} watch --url ${url} --token ${TOKEN}; echo "ended with $?"; exec sleep 60`;
    this.tmux('-u', 'new-session', '-d', '-x', String(this.size[0]), '-y', String(this.size[1]), command);
  }

  keys(...keys) { this.tmux('send-keys', ...keys); }
  type(text) { this.tmux('send-keys', '-l', text); }
  lines() { return this.tmux('capture-pane', '-p').replace(/\n$/, '').split('\n'); }
  colours() { return this.tmux('capture-pane', '-p', '-e'); }

  async shows(what) {
    let last;
    try {
      return await until(String(what), () => {
        last = this.lines();
        return what instanceof RegExp ? last.find((l) => what.test(l)) : what(last);
      });
    } catch (e) {
      throw new Error(`${e.message}\n${last?.join('\n')}`);
    }
  }
}

async function open(t, calls, columns = 80, rows = 24, answers = {}) {
  const server = await new StandIn().start();
  t.after(() => server.stop());
  Object.assign(server, { calls, answers });
  const terminal = new Terminal(t, columns, rows);
  terminal.start(server.url);
  await terminal.shows(calls.length ? /▸/ : /no live calls/);
  return { server, terminal };
}

test('40 calls on 80 x 24: who needs somebody stands first', async (t) => {
  const { terminal } = await open(t, crowd());
  await terminal.shows(/ live \d+ ms/);
  const lines = terminal.lines();
  assert.match(lines[0], /^ callmend {2}40 live \(1-21\) {2}\d+ ev\/s {2}by attention +127\.0\.0\.1:\d+ {2}live \d+ ms$/);
  assert.match(lines[1], /^ CALL +BY CUSTOMER +ASSIST +STATUS +TIME +SPEAKS MOOD +TOOL IV SIGNALS/);
  assert.match(lines[2], /^▸21111111 {4}\+14155551017 Order d… live +23:\d\d [●○] AI +FRUST 3!1 +1 +angry,loop/);
  assert.match(lines[3], /^ 10000000 {4}\+14155551000 Anna +live +40:\d\d/);
  assert.match(lines[4], /^ 11010101 {4}\+14155551001 Zoë 客服/);
  assert.match(lines[23], /choose .* q quit$/);
  for (const line of lines) assert.ok([...line].length <= 80);
});

test('the transcript of the chosen call runs along', async (t) => {
  const { server, terminal } = await open(t, crowd());
  terminal.keys('Enter');
  await terminal.shows(/── 21111111 {2}\+14155551017 {2}frustrated {2}frustration {2}repetition/);
  await terminal.shows(/ 0:01 AI {3}How can I help you\?/);
  await terminal.shows(/ 0:03 user My order never came/);
  await terminal.shows(/tool lookup_order \{"id":7\} ✗ 210 ms: HTTP 500/);
  await terminal.shows(/AI {3}Let me …/);
  const id = server.calls[17].id;
  server.send(
    eventOf(id, 'transcript.final', { speaker: 'ai', text: 'Let me look that up.', is_final: true }),
    eventOf(id, 'transcript.partial', { speaker: 'user', text: 'please hur' }),
    eventOf(id, 'command', { data: { command_id: 'c1', verb: 'say', state: 'effect_seen', text: 'Hello', effect_latency_ms: 900, accepted_at: 'x', actor: 'token:me' } }));
  await terminal.shows(/AI {3}Let me look that up\.$/);
  await terminal.shows(/user please hur …/);
  await terminal.shows(/you {2}say “Hello” · effect seen 900 ms · token:me/);
  assert.match(terminal.colours(), /\u001b\[[0-9;]*36m[^\n]*How can I help/, 'the AI is cyan');
  assert.match(terminal.colours(), /\u001b\[[0-9;]*33m[^\n]*My order/, 'the user is yellow');
  for (let i = 0; i < 30; i++) server.send(eventOf(id, 'turn', { speaker: i % 2 ? 'user' : 'ai', text: `turn number ${i}`, data: { turn: 100 + i } }));
  await terminal.shows(/turn number 29/);
  terminal.keys('PageUp');
  await terminal.shows(/scrolled: End follows/);
  terminal.keys('End');
  await terminal.shows((lines) => lines.some((l) => /turn number 29/.test(l)) && !lines.some((l) => /scrolled/.test(l)));
});

test('the checklist of the chosen call is ticked off as it speaks (A8, A9)', async (t) => {
  const calls = [snapshotOf(ids.anna, {
    facts: [{ field: 'guests', label: 'number of people', required: true, state: 'asked_not_captured', value: null },
      { field: 'phone', label: 'phone number', required: true, state: 'never_asked', value: null }],
    context: [{ id: '1', kind: 'problem order', title: '#17', text: 'The parcel is lost.' }],
  })];
  const { server, terminal } = await open(t, calls);
  terminal.keys('Enter');
  await terminal.shows(/known: problem order, #17: The parcel is lost\./);
  await terminal.shows(/\? number of people: asked {2}· phone number/);
  server.send(
    eventOf(ids.anna, 'fact', { data: { field: 'guests', label: 'number of people', state: 'captured', value: '7' } }),
    eventOf(ids.anna, 'fact', { data: { field: 'phone', label: 'phone number', state: 'refused', value: null } }),
    eventOf(ids.anna, 'escalation.proposed', { data: { rule: 'escalate_on_frustration', action: 'propose', signal: 'frustration', score: 75 } }),
    eventOf(ids.anna, 'command', { data: { command_id: 'c1', verb: 'add-message', state: 'requested', text: 'Slowly.', actor: 'rule:clarify_caller_confused' } }));
  await terminal.shows(/✓ number of people: 7 {2}✗ phone number: refused/);
  await terminal.shows(/── 3f2a91c8 .*ESCALATED/);
  await terminal.shows(/escalation proposed: frustration 75/);
  await terminal.shows(/rule add-message “Slowly\.” · requested/);
});

test('keys choose, filter, sort and steer', async (t) => {
  const { server, terminal } = await open(t, crowd());
  server.onCommand = (m, reply) => reply({ type: 'command', status: 200, command: { verb: m.verb, state: 'accepted' } });
  const commands = () => server.asked.filter((m) => m.type === 'command');
  terminal.keys('j', 'Down');
  await terminal.shows(/^▸11010101/);
  terminal.keys('k');
  await terminal.shows(/^▸10000000/);
  terminal.keys('i');
  terminal.type('Grüß Gott!x');
  terminal.keys('BSpace');
  await terminal.shows(/10000000 say: Grüß Gott!$/);
  terminal.keys('Enter');
  await terminal.shows(/^ say: accepted/);
  assert.deepEqual({ ...commands()[0], id: 0 }, { id: 0, type: 'command', call: server.calls[0].id, verb: 'say', text: 'Grüß Gott!' });
  terminal.keys('m');
  await until('mute', () => commands()[1]?.verb === 'mute');
  server.send(eventOf(server.calls[0].id, 'command', { data: { command_id: 'c2', verb: 'mute', state: 'accepted', accepted_at: 'x' } }));
  await terminal.shows(/^▸10000000 .* MUTED/);
  terminal.keys('m');
  await until('unmute', () => commands()[2]?.verb === 'unmute');
  terminal.keys('e');
  await terminal.shows(/end call 10000000\? y\/n/);
  terminal.keys('n', 'e', 'y');
  await until('end', () => commands()[3]?.verb === 'end');
  terminal.keys('t');
  terminal.type('+14155550100');
  terminal.keys('Enter');
  await until('transfer', () => commands()[4]);
  assert.deepEqual(commands()[4].destination, { type: 'number', number: '+14155550100' });
  assert.equal(commands().length, 5, 'n ends nothing');
  terminal.keys('/');
  terminal.type('1017');
  terminal.keys('Enter');
  await terminal.shows((lines) => /only “1017”/.test(lines[0]) && /^▸21111111/.test(lines[2]) && /^ *$/.test(lines[3]));
  terminal.keys('Escape');
  await terminal.shows(/ live \(1-21\) /);
  terminal.keys('s');
  await terminal.shows(/by longest/);
  terminal.keys('?');
  await terminal.shows(/angry: frustration/);
  await terminal.shows(/any key closes this/);
  terminal.keys('x', 'q');
  await terminal.shows(/^ended with 0$/);
});

test('calls come and go; the ended one fades at the bottom', async (t) => {
  const { server, terminal } = await open(t, []);
  server.send(eventOf(ids.bert, 'call.started', { data: { customer: { number: '+49301234' }, assistant: { name: 'Mia' } } }),
    eventOf(ids.bert, 'call.status', { data: { status: 'ringing' } }));
  await terminal.shows(/^▸3f2a77d1 +\+49301234 +Mia +ringing/);
  server.send(eventOf(ids.bert, 'call.status', { data: { status: 'in-progress' } }), eventOf(ids.bert, 'speech.started', { speaker: 'user' }));
  await terminal.shows(/live +1:\d\d [●○] user/);
  server.send(eventOf(ids.bert, 'call.ended', { data: { reason: 'customer-ended-call', duration_ms: 61000 } }), eventOf(ids.anna, 'call.started'));
  await terminal.shows((lines) => /^[ ▸]3f2a91c8/.test(lines[2]) && /3f2a77d1 .* ended +1:01/.test(lines[3]));
  assert.match(terminal.lines()[0], / 1 live/);
});

test('calls of Vapi and RingCentral side by side', async (t) => {
  const { server, terminal } = await open(t, [
    snapshotOf(ids.anna, { source: 'demo', dialect: 'vapi' }),
    snapshotOf(ids.bert, { source: 'ringcentral', dialect: 'ringcentral', assistant: null, customer: { number: '+15550100021' }, parties: [
      { party_id: '1', side: 'outside', state: 'talking', number: '+15550100021', name: null }, { party_id: '2', side: 'inside', state: 'held', name: 'Ann Lee' }],
    can: { say: 'RingCentral has no way to speak', mute: true } }),
    snapshotOf(ids.cleo, { source: 'ringcentral', dialect: 'ringcentral', kind: 'sms', customer: { number: '+15550100022' }, turns: [turn('user', 'A table for four?', 0, 0)] }),
  ]);
  server.onCommand = (m, reply) => reply({ type: 'command', status: 200, command: { verb: m.verb, state: 'accepted' } });
  await terminal.shows(/3f2a91c8 VA \+14155550123 Anna +live /);
  await terminal.shows(/3f2a77d1 RC \+15550100021 +HOLD /);
  await terminal.shows(/9c11aa00 RC \+15550100022 +\S* +text /);
  terminal.type('/0021');
  terminal.keys('Enter', 'Enter');
  await terminal.shows(/── 3f2a77d1 .* by ringcentral/);
  await terminal.shows(/^ \+15550100021 \(outside\) talks {2}Ann Lee \(inside\) is on hold/);
  await terminal.shows(/^\(i say\) {2}m mute {2}o hold {2}e end {2}t transfer {2}r record .* q quit/);
  server.send(eventOf(ids.bert, 'party', { data: { party_id: '2', side: 'inside', state: 'moved', name: 'Ann Lee', reason: 'BlindTransfer' } }),
    eventOf(ids.bert, 'party', { data: { party_id: '3', side: 'inside', state: 'ringing', name: 'Bob Stone' } }));
  await terminal.shows(/\(outside\) talks {2}Bob Stone \(inside\) rings/);
  await terminal.shows(/Ann Lee \(inside\) was handed on: BlindTransfer/);
  terminal.keys('t');
  await terminal.shows(/3f2a77d1 transfer to \+1\.\.\. or 101 \(extension\): *$/);
  terminal.type('sip:a@b');
  terminal.keys('Enter');
  await terminal.shows(/sip:a@b {2}not such a destination/);
  terminal.keys('Escape', 't');
  terminal.type('102');
  terminal.keys('Enter');
  await until('transfer', () => server.asked.some((m) => m.verb === 'transfer'));
  assert.deepEqual(server.asked.find((m) => m.verb === 'transfer').destination, { type: 'extension', extension: '102' });
  terminal.keys('o');
  await until('hold', () => server.asked.some((m) => m.verb === 'hold'));
  terminal.keys('r');
  await until('record-pause', () => server.asked.some((m) => m.verb === 'record-pause'));
  terminal.keys('/', 'BSpace', 'BSpace', 'BSpace', 'BSpace');
  terminal.type('0022');
  terminal.keys('Enter');
  await terminal.shows(/ user A table for four\?/);
  terminal.keys('i');
  terminal.type('At eight.');
  await terminal.shows(/9c11aa00 text: At eight\.$/);
  terminal.keys('Enter');
  await until('the text', () => server.asked.some((m) => m.verb === 'send-text' && m.text === 'At eight.'));
  server.send(eventOf(ids.cleo, 'turn', { speaker: 'ai', text: 'At eight.', data: { turn: 1 } }), eventOf(ids.cleo, 'text.delivery', { data: { message_id: '7', state: 'delivered' } }));
  await terminal.shows(/us {3}At eight\./);
  await terminal.shows(/the text is delivered/);
});

test('follows the window, and says when it is too small', async (t) => {
  const { terminal } = await open(t, crowd());
  terminal.tmux('set-option', '-g', 'window-size', 'manual');
  terminal.tmux('resize-window', '-x', '120', '-y', '40');
  await terminal.shows((lines) => lines.length === 40 && /\(1-37\)/.test(lines[0]) && /Order desk \(long name\)/.test(lines[2]));
  terminal.tmux('resize-window', '-x', '30', '-y', '6');
  await terminal.shows(/the window is too small/);
  terminal.tmux('resize-window', '-x', '80', '-y', '24');
  await terminal.shows(/ live \(1-21\) /);
});

test('a lost node is shown, and the calls come back with it', async (t) => {
  const { server, terminal } = await open(t, [snapshotOf(ids.anna), snapshotOf(ids.cleo)]);
  const port = server.port;
  await server.stop();
  await terminal.shows(/NO CONNECTION, again in \d s/);
  await terminal.shows(/3f2a91c8/);
  terminal.keys('m');
  await terminal.shows(/no connection, not sent/);
  const again = new StandIn();
  again.calls = [snapshotOf(ids.cleo)];
  await again.start(port);
  t.after(() => again.stop());
  await terminal.shows((lines) => / 1 live .* live/.test(lines[0]) && !lines.some((l) => /3f2a91c8/.test(l)));
});

test('nobody there: the terminal is given back, with the reason', async (t) => {
  const gone = await new StandIn().start();
  await gone.stop();
  const terminal = new Terminal(t, 80, 24);
  terminal.start(gone.url);
  await terminal.shows(/no node answers at/);
  await terminal.shows(/^ended with 3$/);
});

// One simulated call: plays its scenario in its own (scaled) time, tells our server about it, and obeys its control URL.
//
// One actor: the script runs step by step; commands from the control URL wait in an inbox and are acted upon whenever time passes.
// Times on the wire are the script's own (nominal) times, so that the same seed gives the same bodies at every speed.
import * as wire from './wire.mjs';
import { fill } from './scenario.mjs';
import { converse, guessedMs } from './conversation.mjs';

const WORD_MS = 330;
const PARTIAL_WORDS = 4;
const QUEUE_LIMIT = 8; // messages of one call that may wait for the server before the script waits too

class Leave extends Error {
  constructor(how) {
    super(how.reason ?? 'leave');
    this.how = how;
  }
}

const asList = (value) => (Array.isArray(value) ? value : [value]);
const wordsOf = (text) => text.split(/\s+/).filter(Boolean);

// How long a script takes at human pace; used to let fast calls begin in the past, so that they end about now.
export function nominalMs(script) {
  const speech = (text) => asList(text).join(' ').split(/\s+/).length * WORD_MS + 500;
  return script.reduce((sum, s) => sum + (s.pause ?? 0) + (s.hang ?? 0) + (s.assistant ? speech(s.assistant) : 0) +
    (s.user ? speech(s.user) : 0) + (s.interrupt ? speech(s.interrupt.assistant) + speech(s.interrupt.user) : 0), 4000);
}

// A script played again and again until it has about so many utterances (long calls).
export function lengthen(script, turns) {
  const spoken = (s) => (s.assistant || s.user ? 1 : s.interrupt ? 2 : 0);
  const each = script.reduce((n, s) => n + spoken(s), 0);
  if (!turns || each === 0)
    return script;
  const body = script.filter((s) => !s.transfer);
  const out = [];
  for (let n = 0, i = 0; n < turns; i++) {
    out.push(body[i % body.length]);
    n += spoken(body[i % body.length]);
  }
  return out;
}

export class SimulatedCall {
  constructor({ scenario, random, delivery, options, baseUrl, startAt }) {
    this.random = random;
    this.delivery = delivery;
    this.options = options;
    this.speed = options.speed ?? 1;
    this.variables = Object.fromEntries(Object.entries(scenario.variables ?? {}).map(([k, list]) => [k, random.pick(list)]));
    // Callers of an assistant that follows its instructions take turns.
    this.profile = scenario.callers?.[(options.index ?? 0) % scenario.callers.length];
    const customer = this.profile ? { number: this.profile.number, name: this.profile.name } : scenario.customer;
    this.scenario = { ...scenario, customer: fill(customer, this.variables) };
    this.script = lengthen(fill(scenario.script ?? [], this.variables), options.turns);
    const nominal = this.profile ? guessedMs(this.profile) : nominalMs(this.script);
    this.startAt = Math.floor(startAt ?? Date.now() - nominal * Math.max(0, 1 - 1 / this.speed));
    this.now = this.startAt;
    this.id = random.uuid(this.startAt);
    this.orgId = options.orgId ?? '379a13ec-f40d-4055-8959-797c4ee16941';
    this.status = 'queued';
    this.history = [];
    this.turn = 0;
    this.utterance = 0;
    this.inbox = [];
    this.received = []; // every control request that was accepted: the effects we count
    this.spoken = [];   // what was really said
    this.added = [];    // messages added from outside
    this.toolResults = [];
    this.pendingSpeech = [];
    this.muted = { assistant: false, customer: false };
    this.speaking = null;
    this.cut = false;
    this.killed = false;
    this.chain = Promise.resolve();
    this.waiting = 0;
    this.lastTool = null;
    this.toolCount = 0;
    this.#describe(baseUrl);
    this.line = options.line?.(this);
    this.done = new Promise((resolve) => (this.finish = resolve));
  }

  #describe(baseUrl) {
    const { options, random, scenario, orgId, id } = this;
    const server = { url: options.target, timeoutSeconds: 20, secret: 'sim-server-secret-must-never-be-kept', retries: options.retries ?? 0,
      backoffType: options.backoffType ?? 'exponential', baseDelaySeconds: options.baseDelaySeconds ?? 1 };
    const common = { orgId, scenario, at: this.startAt };
    this.subscribed = { all: wire.SERVER_MESSAGES, default: null, live: [...wire.DEFAULT_SERVER_MESSAGES, 'transcript'],
      finals: [...wire.DEFAULT_SERVER_MESSAGES, 'transcript[transcriptType="final"]'] }[options.subscribe ?? 'all'];
    this.assistantId = options.assistantId ?? random.uuid(1700000000000);
    this.controlUrl = `${baseUrl}/${id}/control`;
    this.context = {
      assistant: options.assistants?.get(this.assistantId) ?? wire.assistantConfig({ ...common, id: this.assistantId, server, subscribed: this.subscribed }),
      phoneNumber: wire.phoneNumberObject({ ...common, phoneNumberId: '4a5a04dc-dcbe-45b1-8f64-fd32a253d136', serverUrl: server.url }),
      customer: scenario.customer ?? { number: '+15550100001' },
      call: wire.callObject({ ...common, id, controlUrl: this.controlUrl, listenUrl: `${baseUrl.replace('http', 'ws')}/${id}/listen`,
        assistantId: this.assistantId, phoneNumberId: '4a5a04dc-dcbe-45b1-8f64-fd32a253d136', telephonyId: `CA${random.hex(32)}` }),
    };
  }

  // --- sending ---------------------------------------------------------------------------------------------------------

  #wants(type) {
    const list = this.subscribed ?? wire.DEFAULT_SERVER_MESSAGES;
    return list.includes(type) || !wire.SERVER_MESSAGES.includes(type);
  }

  #body(type, fields, historyOfNow, attempt = 0) {
    const extra = typeof fields === 'function' ? fields(attempt) : fields;
    const context = { ...this.context, artifact: extra.artifact ?? wire.liveArtifact(historyOfNow) };
    return wire.messageBody(type, this.now, extra, context, { legacyTime: this.options.legacyTime });
  }

  // Puts a message on its way, after the call's earlier ones; resolves to its ledger entry. `fields` may be a function of the attempt.
  emit(type, fields = {}, tag = null) {
    if (this.killed || !this.#wants(type.startsWith('transcript') ? this.#transcriptName(fields) : type))
      return Promise.resolve(null);
    const at = this.now;
    const history = this.history.slice();
    const first = this.#body(type, fields, history);
    const again = (attempt) => {
      const now = this.now;
      this.now = at;
      const body = this.#body(type, fields, history, attempt);
      this.now = now;
      return body;
    };
    const render = (attempt) => (attempt && typeof fields === 'function' ? again(attempt) : first);
    return this.#enqueue({ callId: this.id, type, render, tag });
  }

  #transcriptName(fields) {
    const filtered = 'transcript[transcriptType="final"]';
    return this.subscribed?.includes(filtered) && fields.transcriptType === 'final' ? filtered : 'transcript';
  }

  #enqueue(message) {
    const late = this.random.chance(this.options.disorder) ? this.random.int(50, 1500) / this.speed : 0;
    const twice = this.random.chance(this.options.duplicates);
    if (late)
      return this.#beside(this.#sleep(late).then(() => this.delivery.send(message)));
    this.waiting++;
    const sent = this.chain.then(() => this.#sendInTurn(message));
    this.chain = sent.then((s) => s.first).then(() => this.waiting--);
    const outcome = sent.then((s) => s.item);
    return twice ? this.#beside(outcome.then((item) => this.delivery.send(message).then(() => item))) : outcome;
  }

  // Work that goes on beside the chain; the call is only over when it is.
  #beside(promise) {
    this.outstanding = Promise.allSettled([this.outstanding, promise]);
    return promise;
  }

  // The chain goes on after the first attempt; retries run beside it, as Vapi's do.
  #sendInTurn(message) {
    let item;
    const first = new Promise((resolve) => {
      item = this.delivery.send({ ...message, firstTry: resolve });
    });
    this.#beside(item);
    return { first, item };
  }

  // --- time ----------------------------------------------------------------------------------------------------------------

  #sleep(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  // No timer is left behind when woken early: it would keep the program alive.
  async #sleepOrWake(ms) {
    let timer;
    await new Promise((resolve) => {
      this.wake = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }

  // Lets nominal time pass; commands are acted upon at once.
  async pass(ms) {
    let left = ms;
    for (;;) {
      await this.#obey();
      if (left <= 0 || this.cut || this.killed)
        return;
      const started = performance.now();
      await this.#sleepOrWake(left / this.speed);
      const gone = Math.min(left, Math.max(1, Math.round((performance.now() - started) * this.speed)));
      const step = this.inbox.length ? gone : left;
      this.now += step;
      left -= step;
      if (this.waiting > QUEUE_LIMIT)
        await this.chain;
    }
  }

  // --- speech ------------------------------------------------------------------------------------------------------------------

  #mark(text) {
    this.utterance++;
    return this.options.mark ? `${text} [${this.id.slice(-6)}-${this.utterance}]` : text;
  }

  async speak(role, finals, { heard = 1, exact = false } = {}) {
    const side = role === 'assistant' ? 'assistant' : 'customer';
    const parts = asList(finals).map((part) => (exact ? part : this.#mark(part)));
    if (this.muted[side]) {
      await this.pass(wordsOf(parts.join(' ')).length * WORD_MS / 4);
      return;
    }
    const started = this.now;
    this.speaking = role;
    this.cut = false;
    if (role === 'assistant')
      this.#announce(parts.join(' '));
    this.emit('speech-update', { status: 'started', role, turn: this.turn }, `started ${role}`);
    this.line?.say(role, parts.join(' '));
    const said = await this.#words(role, parts, heard);
    this.line?.hush(role);
    this.speaking = null;
    this.cut = false;
    this.emit('speech-update', { status: 'stopped', role, turn: this.turn }, `stopped ${role}`);
    if (role === 'user')
      this.#finals(role, said);
    this.turn++;
    if (said.length === 0)
      return;
    const make = role === 'assistant' ? wire.entry.bot : wire.entry.user;
    this.history.push(make(said.join(' '), started, this.now, this.startAt));
    this.spoken.push({ role, text: said.join(' '), at: this.now });
    this.commit();
  }

  // What leads up to assistant speech: the model's tokens, the text for the voice, the start of the audio.
  #announce(text) {
    const turnId = this.random.uuid(this.now);
    const words = text.split(' ');
    for (let i = 0; i < words.length; i += 8)
      this.emit('model-output', { output: `${words.slice(i, i + 8).join(' ')} `, turnId });
    this.emit('voice-input', { input: text });
    this.emit('assistant.speechStarted', { text, turn: this.turn, source: 'model' });
  }

  // Speaks word by word, with partial transcripts; gives the parts that were said.
  async #words(role, parts, heard) {
    const said = [];
    let budget = Math.ceil(wordsOf(parts.join(' ')).length * heard);
    for (const part of parts) {
      const words = wordsOf(part);
      let n = 0;
      while (n < words.length && n < budget && !this.cut) {
        await this.pass(Math.min(PARTIAL_WORDS, words.length - n) * WORD_MS);
        n = Math.min(n + PARTIAL_WORDS, words.length, budget);
        if (n < words.length && !this.cut)
          this.#transcript(role, 'partial', words.slice(0, n).join(' '));
      }
      budget -= n;
      if (n > 0)
        said.push(words.slice(0, n).join(' '));
      if (n > 0 && role === 'assistant')
        this.#transcript(role, 'final', said.at(-1));
      if (this.cut || budget <= 0)
        break;
    }
    return said;
  }

  #finals(role, said) {
    for (const text of said)
      this.#transcript(role, 'final', text);
  }

  #transcript(role, transcriptType, transcript) {
    const fields = { role, transcriptType, transcript, ...(role === 'assistant' ? { assistantId: this.assistantId } : {}) };
    const filtered = this.#transcriptName(fields) !== 'transcript';
    this.emit(filtered ? this.#transcriptName(fields) : 'transcript', fields, transcriptType === 'final' ? transcript : null);
  }

  // History committed.
  commit() {
    return this.emit('conversation-update', { messages: this.history.slice(), messagesOpenAIFormatted: wire.openAiForm(this.history) });
  }

  setStatus(status, fields = {}) {
    this.status = status;
    return this.emit('status-update', { status, ...fields }, status);
  }

  // --- commands from the control URL ------------------------------------------------------------------------------------------

  // Gives {status, body} for the HTTP answer.
  control(command) {
    const handler = CONTROLS[command?.type];
    if (!handler)
      return { status: 400, body: { message: [`type must be one of ${Object.keys(CONTROLS).join(', ')}`], error: 'Bad Request', statusCode: 400 } };
    if (this.status === 'ended' || this.killed)
      return { status: 404, body: { message: 'Call has ended', error: 'Not Found', statusCode: 404 } };
    const wrong = handler.check?.(command);
    if (wrong)
      return { status: 400, body: { message: [wrong], error: 'Bad Request', statusCode: 400 } };
    this.received.push({ ...command, at: Date.now() });
    this.inbox.push(command);
    this.wake?.();
    return { status: 200, body: {} };
  }

  async #obey() {
    while (this.inbox.length) {
      const command = this.inbox.shift();
      await CONTROLS[command.type].act(this, command);
    }
    while (!this.speaking && this.pendingSpeech.length) {
      const speech = this.pendingSpeech.shift();
      await this.speak('assistant', speech.text, { exact: true });
      if (speech.endAfter)
        throw new Leave({ reason: 'assistant-ended-call-after-message-spoken' });
    }
  }

  cutSpeech(role) {
    if (this.speaking === role)
      this.cut = true;
  }

  // --- the call -----------------------------------------------------------------------------------------------------------------------

  async run() {
    let how;
    try {
      how = await this.#whole();
    } catch (error) {
      if (!(error instanceof Leave))
        throw error;
      how = error.how;
    }
    if (!this.killed)
      await this.#leave(how);
    await this.chain;
    await this.outstanding;
    this.over = true;
    this.finish(this);
    return this;
  }

  async #whole() {
    if (this.scenario.assistantRequest)
      await this.#requestAssistant();
    this.setStatus('queued');
    await this.pass(300);
    this.setStatus('ringing');
    await this.pass(1200);
    this.connectedAt = this.now;
    this.setStatus('in-progress');
    this.line?.answer();
    this.emit('assistant.started', { newAssistant: { id: this.assistantId, name: this.scenario.assistant.name } });
    this.history.push(wire.entry.system(this.context.assistant.model.messages[0]?.content ?? '', this.now, this.startAt));
    if (this.context.assistant.firstMessage)
      await this.speak('assistant', fill(this.context.assistant.firstMessage, this.variables));
    if (this.profile)
      await converse(this);
    for (const step of this.script) {
      if (this.killed)
        return {};
      await STEP_ACTIONS[Object.keys(step).find((key) => key in STEP_ACTIONS)](this, step);
      await this.pass(this.random.int(300, 700));
    }
    while (this.options.neverEnds && !this.killed)
      await this.pass(1000);
    return { reason: this.scenario.end ?? 'customer-ended-call' };
  }

  async #requestAssistant() {
    const { assistant } = this.context;
    this.context.call = { ...this.context.call, assistantId: null };
    this.context.assistant = undefined;
    const item = await this.emit('assistant-request', { artifact: undefined }, 'assistant-request');
    this.context.assistant = assistant;
    this.assistantAnswer = parse(item?.answer);
    const answer = this.assistantAnswer;
    if (!item?.ok || !answer)
      throw new Leave({ reason: 'assistant-request-failed' });
    if (answer.error)
      throw new Leave({ reason: 'assistant-request-returned-error' });
    if (answer.destination)
      throw new Leave({ reason: 'assistant-request-returned-forwarding-phone-number' });
    if (!answer.assistant && !answer.assistantId)
      throw new Leave({ reason: 'assistant-request-returned-no-assistant' });
    const served = answer.assistant ?? this.options.assistants?.get(answer.assistantId);
    this.context.assistant = overridden({ ...assistant, ...served }, answer.assistantOverrides, this.context);
  }

  async #leave({ reason, destination, content }) {
    this.endReason = reason;
    if (this.speaking) {
      this.emit('speech-update', { status: 'stopped', role: this.speaking, turn: this.turn }, `stopped ${this.speaking}`);
      this.line?.hush(this.speaking);
      this.speaking = null;
    }
    if (destination) {
      this.endReason = 'assistant-forwarded-call';
      if (content)
        await this.speak('assistant', content, { exact: true }).catch(() => {});
      this.setStatus('forwarding', { destination, messages: this.history, messagesOpenAIFormatted: wire.openAiForm(this.history),
        transcript: wire.flatTranscript(this.history), summary: this.#analysis().summary });
      this.emit('transfer-update', { destination });
      this.now += 500;
    }
    this.endedAt = this.now;
    this.line?.hangUp();
    const ended = () => this.setStatus('ended', { endedReason: this.endReason });
    if (!this.options.reportFirst)
      ended();
    this.status = 'ended';
    await this.#sleep((this.options.reportDelayMs ?? 2000) / this.speed);
    this.now += this.options.reportDelayMs ?? 2000;
    if (!this.options.noReport)
      this.emit('end-of-call-report', (attempt) => this.report(attempt, destination), this.endReason);
    if (this.options.reportFirst)
      ended();
  }

  #analysis() {
    const success = String(this.outcome?.success ?? true);
    return { summary: `${this.scenario.title ?? this.scenario.name}.`, successEvaluation: success, ...fill(this.scenario.analysis ?? {}, this.variables) };
  }

  report(attempt = 0, destination = undefined) {
    const start = this.connectedAt ?? this.startAt;
    return wire.reportFields({ reason: this.endReason, history: this.history, start, end: this.endedAt ?? this.now, analysis: this.#analysis(),
      cost: 0.11 * ((this.endedAt ?? this.now) - start) / 60000, callId: this.id, attempt, padBytes: this.options.reportBytes, destination });
  }

  // GET /call/:id
  object() {
    const ended = this.status === 'ended';
    const { call } = this.context;
    return { ...call, status: this.status, updatedAt: new Date(this.now).toISOString(),
      ...(this.connectedAt ? { startedAt: new Date(this.connectedAt).toISOString() } : {}),
      ...(ended ? { endedAt: new Date(this.endedAt).toISOString(), ...this.report() } : {}) };
  }

  // The call vanishes: no further message, as when a worker dies.
  kill() {
    this.killed = true;
    this.line?.hangUp();
    this.wake?.();
  }

  hangUp(reason = 'customer-ended-call') {
    this.inbox.push({ type: 'hang-up', reason });
    this.wake?.();
  }

  async runTools(uses) {
    const calls = uses.map((use) => ({ name: use.tool, args: use.arguments ?? {}, elsewhere: use.elsewhere, canned: use.result,
      async: this.#toolConfig(use.tool)?.async,
      id: use.id ?? (this.options.randomToolIds ? `call_${this.random.hex(20)}` : `call_${++this.toolCount}`) }));
    this.history.push(wire.entry.toolCalls(calls, this.now, this.startAt));
    const here = calls.filter((call) => !call.elsewhere);
    const shape = this.random.pick(Object.keys(wire.TOOL_SHAPES));
    const fields = wire.toolCallFields(shape, here, this.context.assistant);
    const item = here.length ? await this.#meanwhile(this.emit('tool-calls', fields, here.map((c) => c.id).join(','))) : null;
    this.now += 700;
    for (const call of calls)
      this.#takeResult(call, item);
    this.commit();
  }

  #toolConfig(name) {
    return this.scenario.assistant.tools?.find((tool) => tool.name === name);
  }

  // Commands are obeyed while an answer is awaited.
  async #meanwhile(promise) {
    let settled = false;
    const over = promise.finally(() => (settled = true));
    while (!settled) {
      await Promise.race([over, new Promise((resolve) => (this.wake = resolve))]);
      await this.#obey();
    }
    return over;
  }

  #takeResult(call, item) {
    const answer = call.elsewhere ? { result: call.canned ?? 'ok' } : readToolResult(item, call.id);
    const text = call.async ? 'Success.' : answer.result ?? answer.error ?? 'No result returned.';
    this.lastTool = answer.error || answer.result === undefined ? 'failed' : 'ok';
    this.toolResults.push({ id: call.id, name: call.name, args: call.args, ...answer, http: item?.status ?? null });
    this.history.push(wire.entry.toolResult(call.id, call.name, text, this.now, this.startAt));
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// The assistant as it runs: overrides laid over it, and {{variables}} filled in; those that nobody has given are empty.
function overridden(assistant, { variableValues = {}, ...overrides } = {}, { customer }) {
  const known = { 'customer.number': customer?.number, 'customer.name': customer?.name, ...variableValues };
  const filled = (text) => text?.replace(/\{\{\s*([\w.]+)\s*\}\}/g, (whole, key) => known[key] ?? '');
  const whole = { ...assistant, ...overrides };
  const messages = (whole.model?.messages ?? []).map((m) => ({ ...m, content: filled(m.content) }));
  return { ...whole, model: { ...whole.model, messages }, firstMessage: filled(whole.firstMessage) };
}

// What Vapi makes of an answer to tool-calls: ids must match exactly, results are strings of one line.
export function readToolResult(item, id) {
  if (!item?.ok)
    return {};
  const found = parse(item.answer)?.results?.find((r) => r.toolCallId === id);
  if (!found)
    return {};
  const problems = [];
  if (typeof found.result === 'string' && found.result.includes('\n'))
    problems.push('result has several lines');
  if (found.result !== undefined && typeof found.result !== 'string')
    problems.push('result is not a string');
  return { ...found, ...(problems.length ? { problems } : {}) };
}

const STEP_ACTIONS = {
  async assistant(call, step) {
    if (!step.ifTool || step.ifTool === call.lastTool)
      await call.speak('assistant', step.assistant);
  },
  user: (call, step) => call.speak('user', step.user),
  pause: (call, step) => call.pass(step.pause),
  tool: (call, step) => call.runTools([step]),
  tools: (call, step) => call.runTools(step.tools),
  async interrupt(call, { interrupt }) {
    await call.speak('assistant', interrupt.assistant, { heard: interrupt.after ?? 0.4 });
    call.emit('user-interrupted', { turnId: call.random.uuid(call.now) }, 'user-interrupted');
    await call.speak('user', interrupt.user);
  },
  async hang(call, step) {
    await call.pass(step.hang);
    call.emit('hang', {}, 'hang');
  },
  async question(call, step) {
    const item = await call.emit(step.question, step.fields ?? {}, step.question);
    call.answers = [...(call.answers ?? []), { type: step.question, status: item?.status, answer: parse(item?.answer), text: item?.answer }];
    await call.pass(200);
  },
  async transfer(call, step) {
    throw new Leave({ reason: 'assistant-forwarded-call', destination: step.transfer, content: step.content });
  },
  async language(call, step) {
    call.emit('language-change-detected', { language: step.language });
  },
  async handoff(call, step) {
    const from = { name: call.context.assistant.name, id: call.assistantId };
    call.context.assistant = { ...call.context.assistant, name: step.handoff };
    call.emit('transfer-update', { destination: { type: 'assistant', assistantName: step.handoff }, fromAssistant: from,
      toAssistant: { name: step.handoff } });
    call.emit('assistant.started', { newAssistant: { name: step.handoff } });
    await call.pass(300);
  },
  say: (call, step) => call.speak('assistant', step.say),
  async event(call, step) {
    call.emit(step.event, step.fields ?? {}, step.event);
  },
};

const CONTROL_WORDS = {
  'mute-assistant': (call) => {
    call.muted.assistant = true;
    call.cutSpeech('assistant');
  },
  'unmute-assistant': (call) => {
    call.muted.assistant = false;
  },
  'mute-customer': (call) => {
    call.muted.customer = true;
    call.cutSpeech('user');
  },
  'unmute-customer': (call) => {
    call.muted.customer = false;
  },
  'say-first-message': (call) => {
    call.pendingSpeech.push({ text: fill(call.scenario.assistant.firstMessage ?? 'Hello.', call.variables) });
  },
};

const CONTROLS = {
  say: {
    check: (c) => (typeof c.content === 'string' && c.content ? null : 'content must be a string'),
    act(call, c) {
      if (c.interruptAssistantEnabled)
        call.cutSpeech('assistant');
      call.pendingSpeech.push({ text: c.content, endAfter: c.endCallAfterSpoken });
    },
  },
  'add-message': {
    check: (c) => (c.message?.role && typeof c.message.content === 'string' ? null : 'message must have role and content'),
    act(call, c) {
      const role = { assistant: 'bot', tool: 'tool_call_result', function: 'tool_call_result' }[c.message.role] ?? c.message.role;
      call.added.push(c.message);
      call.history.push({ role, message: c.message.content, time: call.now, secondsFromStart: (call.now - call.startAt) / 1000 });
      call.commit();
      if (c.triggerResponseEnabled !== false && c.message.role !== 'assistant')
        call.pendingSpeech.push({ text: call.scenario.assistant.reply ?? 'Thank you, I have noted that.' });
    },
  },
  control: {
    check: (c) => (c.control in CONTROL_WORDS ? null : `control must be one of ${Object.keys(CONTROL_WORDS).join(', ')}`),
    act: (call, c) => CONTROL_WORDS[c.control](call),
  },
  'end-call': {
    act() {
      throw new Leave({ reason: 'manually-canceled' });
    },
  },
  transfer: {
    check: (c) => (c.destination?.type ? null : 'destination must be an object'),
    act(call, c) {
      throw new Leave({ reason: 'assistant-forwarded-call', destination: c.destination, content: c.content });
    },
  },
  'hang-up': {
    check: () => 'type must be a command',
    act(call, c) {
      throw new Leave({ reason: c.reason });
    },
  },
};

// Many simulated calls against one webhook URL. Used by tests, demo and bench as a library, by sim.mjs as a program.
import { Assistants } from './assistants.mjs';
import { Delivery } from './delivery.mjs';
import { Random } from './random.mjs';
import { SimServer } from './server.mjs';
import { SimulatedCall } from './call.mjs';
import { loadScenarios } from './scenario.mjs';

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? 0;

export class Simulator {
  // options: target, auth, retries, backoffType, baseDelaySeconds, excludedStatusCodes, timeoutMs, speed, seed, port, privateKey, and those of
  // calls: turns, subscribe, mark, disorder, duplicates, reportBytes, reportDelayMs, noReport, reportFirst, neverEnds, legacyTime, randomToolIds,
  // assistantId, startAt, line: (call) => {answer(), say(role, text), hush(role), hangUp()} or nothing, what makes a call's sound; a call that is over
  // hangs up again when the simulator closes.
  constructor(options) {
    this.options = { speed: 1, seed: 1, ...options };
    this.random = new Random(this.options.seed);
    this.delivery = new Delivery(this.options);
    this.server = new SimServer(this);
    this.calls = new Map();
    this.assistants = new Assistants();
    this.started = 0;
  }

  async listen() {
    await this.server.listen(this.options.port ?? 0);
    this.url = `http://127.0.0.1:${this.server.port}`;
    return this;
  }

  // `scenario`: object, list of objects, file, folder or name. Starts `n` calls at once; gives them.
  start(scenario, n = 1, overrides = {}) {
    const scenarios = typeof scenario === 'string' || scenario === undefined ? loadScenarios(scenario ?? 'booking') : [scenario].flat();
    return Array.from({ length: n }, () => this.#startOne(scenarios[this.started % scenarios.length], overrides));
  }

  #startOne(scenario, overrides) {
    const call = new SimulatedCall({ scenario, random: this.random.fork(`call ${this.started++}`), delivery: this.delivery,
      options: { ...this.options, ...overrides, assistants: this.assistants, index: this.started - 1 }, baseUrl: this.url, startAt: overrides.startAt ?? this.options.startAt });
    this.calls.set(call.id, call);
    if (!this.assistants.has(call.assistantId)) // what GET gives, PATCH changes and the next call of it runs with
      this.assistants.set(call.assistantId, { ...call.context.assistant, latestVersion: 1 });
    call.run().catch((error) => {
      call.failure = error;
      call.finish(call);
    });
    return call;
  }

  // Calls begin spread over `rampMs` instead of all at once.
  async startRamp(scenario, n, { rampMs = 0, ...overrides } = {}) {
    const calls = [];
    for (let i = 0; i < n; i++) {
      calls.push(...this.start(scenario, 1, overrides));
      if (rampMs)
        await new Promise((resolve) => setTimeout(resolve, rampMs / n));
    }
    return calls;
  }

  async finished(calls = [...this.calls.values()]) {
    await Promise.all(calls.map((call) => call.done));
    const broken = calls.find((call) => call.failure);
    if (broken)
      throw broken.failure;
    return calls;
  }

  forEach(body, action) {
    const { callId } = JSON.parse(body.toString() || '{}');
    const chosen = [...this.calls.values()].filter((call) => (!callId || call.id === callId) && !call.over);
    chosen.forEach(action);
    return chosen.length;
  }

  // Effects per call and kind: nothing may be counted twice.
  effects() {
    const out = {};
    for (const call of this.calls.values())
      for (const command of call.received) {
        const what = `${command.type} ${command.control ?? command.content ?? command.message?.content ?? ''}`.trim();
        out[call.id] ??= {};
        out[call.id][what] = (out[call.id][what] ?? 0) + 1;
      }
    return out;
  }

  stats() {
    const calls = [...this.calls.values()];
    const sizes = this.delivery.ledger.map((item) => item.bytes ?? 0);
    return {
      calls: calls.length, live: calls.filter((call) => !call.over).length, ended: calls.filter((call) => call.status === 'ended').length,
      delivery: this.delivery.totals, median_body_bytes: median(sizes), largest_body_bytes: sizes.reduce((a, b) => Math.max(a, b), 0),
      control_requests: this.server.controlRequests.length, api_requests: this.server.apiRequests.length, effects: this.effects(),
    };
  }

  async close() {
    for (const call of this.calls.values())
      call.kill();
    this.delivery.close();
    await this.server.close();
  }
}

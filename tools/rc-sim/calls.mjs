// Calls played from scripts: a list of steps (steps.mjs), one after the other on the platform's clock. A call is where its customer is: one session, or
// the one it moved to.
import { ApiError } from './errors.mjs';
import { STEPS } from './steps.mjs';
import { Session } from './session.mjs';

export class Call {
  // world: {clock, random, account, publish, over, sessions: Map}
  constructor(world, { name = 'call', customer, script, talk = null }) {
    Object.assign(this, { world, name, customer, script: [...script], talk, spoken: [], sessions: [], skipped: [] });
    this.session = this.open();
    this.done = new Promise((resolve) => {
      this.finish = resolve;
    });
  }

  open(origin = 'Call') {
    const session = new Session(this.world, { origin });
    session.call = this;
    this.sessions.push(session);
    this.world.sessions.set(session.id, session);
    return session;
  }

  get id() {
    return this.sessions[0].id;
  }

  get over() {
    return this.sessions.every((s) => s.over);
  }

  begin() {
    this.session.createdAt = this.session.latest = this.world.clock.now();
    this.run();
  }

  // One step now: {verb: argument}. What is impossible (the party has gone) is remembered in `skipped`; gives the time it takes.
  step(step) {
    const [verb, argument] = Object.entries(step)[0];
    if (!STEPS[verb])
      throw new Error(`no such step: ${verb}`);
    return STEPS[verb](this, argument) ?? 0;
  }

  // A call that others end, or change, goes on with what is still possible.
  run() {
    while (this.script.length && !this.over) {
      const step = this.script.shift();
      let ms = 0;
      try {
        ms = this.step(step);
      } catch (error) {
        this.skipped.push({ step, why: error.message });
        if (!(error instanceof ApiError) && !/is not in the call/.test(error.message))
          this.failure ??= error;
      }
      if (typeof ms === 'number' && ms > 0) {
        this.world.clock.after(ms, () => this.run());
        return;
      }
    }
    if (this.over)
      this.finish(this);
  }
}

// --- scripts with names; a function takes a Random, so that waits differ from call to call ---

const talkOf = (agent) => [{ say: [agent, 'Harbour Kitchen, this is the front desk, how may I help you?'] },
  { say: ['customer', 'Hello, I would like to change my reservation for tomorrow evening.'] },
  { say: [agent, 'Of course, what time would suit you better?'] }, { say: ['customer', 'Eight instead of seven, please.'] }];
const bye = (agent) => [{ say: [agent, 'That is done. Have a good evening.'] }, { say: ['customer', 'Thank you, goodbye.'] }];
const answered = (agent) => [{ inbound: true }, { ivr: 'menu' }, { wait: 4000 }, { ring: agent }, { wait: 3500 }, { answer: agent }, ...talkOf(agent)];

export const SCENARIOS = {
  simple: [...answered('ann'), ...bye('ann'), { hangup: 'customer' }],
  'agent-hangs-up': [...answered('ann'), ...bye('ann'), { hangup: 'ann' }],
  queue: [{ inbound: true }, { ivr: 'menu' }, { wait: 4000 }, { queue: 'support' }, { wait: 6000 }, { ring: ['ann', 'bob'] }, { wait: 4000 }, { answer: 'bob' },
    ...talkOf('bob'), ...bye('bob'), { hangup: 'customer' }],
  hold: [...answered('ann'), { hold: 'ann' }, { wait: 8000 }, { unhold: 'ann' }, ...bye('ann'), { hangup: 'customer' }],
  'blind-transfer': [...answered('ann'), { transfer: ['ann', 'bob'] }, { wait: 5000 }, { answer: 'bob' }, ...talkOf('bob'), ...bye('bob'), { hangup: 'customer' }],
  'transfer-outside': [...answered('ann'), { transfer: ['ann', '+15550109999'] }, { wait: 9000 }, { hangup: 'customer' }],
  'attended-transfer': [...answered('ann'), { consult: ['ann', 'bob'] }, { wait: 6000 }, { complete: 'original' }, ...bye('bob'), { hangup: 'bob' }],
  'attended-moves': [...answered('ann'), { consult: ['ann', 'bob'] }, { wait: 6000 }, { complete: 'consult' }, { wait: 7000 }, { hangup: 'customer' }],
  park: [...answered('ann'), { park: 'ann' }, { wait: 9000 }, { unpark: 'bob' }, ...bye('bob'), { hangup: 'customer' }],
  voicemail: [{ inbound: true }, { ring: 'ann' }, { wait: 15000 }, { voicemail: 'ann' }, { say: ['customer', 'Please call me back about the bill.'] }, { hangup: 'customer' }],
  'no-answer': [{ inbound: true }, { ring: 'ann' }, { wait: 20000 }, { noanswer: 'ann' }, { hangup: 'customer' }],
  cancelled: [{ inbound: true }, { ring: 'ann' }, { wait: 5000 }, { hangup: 'customer' }],
  supervised: [...answered('ann'), { supervise: ['carol', 'ann'] }, { wait: 5000 }, ...bye('ann'), { hangup: 'customer' }],
  conference: [...answered('ann'), { conference: ['ann', '+15550108888'] }, { wait: 10000 }, { hangup: 'all' }],
  outbound: [{ outbound: 'ann' }, { wait: 6000 }, { answer: 'customer' }, ...talkOf('ann'), ...bye('ann'), { hangup: 'ann' }],
  'outbound-busy': [{ outbound: 'ann' }, { wait: 3000 }, { busy: 'customer' }, { hangup: 'ann' }],
  'outbound-no-answer': [{ outbound: 'ann' }, { wait: 25000 }, { noanswer: 'customer' }, { hangup: 'ann' }],
  recorded: [{ inbound: true }, { ring: 'ann' }, { wait: 2000 }, { answer: 'ann' }, { record: 'ann' }, ...talkOf('ann'), { wait: 20000 }, ...bye('ann'), { hangup: 'customer' }],
  open: answered('ann'), // never ends by itself
};

// Any call that makes sense, as a script.
export function randomScript(random) {
  const people = ['ann', 'bob', 'dan'];
  const pause = (from, to) => ({ wait: random.int(from, to) });
  const script = [];
  let agent = random.pick(people);
  if (random.chance(0.25)) {
    script.push({ outbound: agent }, pause(2000, 9000));
    if (random.chance(0.25))
      return [...script, { [random.pick(['busy', 'noanswer', 'invalid'])]: 'customer' }, { hangup: agent }];
    script.push({ answer: 'customer' });
  } else {
    script.push({ inbound: true });
    if (random.chance(0.6))
      script.push({ ivr: 'menu' }, pause(1000, 9000));
    if (random.chance(0.4))
      script.push({ queue: 'support' }, pause(1000, 20000));
    const rung = random.chance(0.4) ? people.filter((p) => p === agent || random.chance(0.5)) : [agent];
    script.push({ ring: rung }, pause(1000, 12000));
    if (random.chance(0.12))
      return [...script, ...random.pick([[{ hangup: 'customer' }], [...rung.map((p) => ({ noanswer: p })), { hangup: 'customer' }],
        [{ voicemail: agent }, pause(3000, 15000), { hangup: 'customer' }], [...rung.map((p) => ({ reject: p })), { hangup: 'customer' }]])];
    script.push({ answer: agent });
  }
  const other = () => random.pick(people.filter((p) => p !== agent));
  const turns = {
    talk: () => script.push(...talkOf(agent).slice(0, random.int(1, 4))),
    hold: () => script.push({ hold: agent }, pause(1000, 20000), { unhold: agent }),
    mute: () => script.push({ mute: agent }, pause(500, 4000), { unmute: agent }),
    record: () => script.push({ record: agent }),
    supervise: () => script.push({ supervise: ['carol', agent] }, pause(1000, 6000), ...(random.chance(0.5) ? [{ unsupervise: 'carol' }] : [])),
    blind() {
      const next = other();
      script.push({ transfer: [agent, next] }, pause(1000, 8000), { answer: next });
      agent = next;
    },
    attended() {
      const next = other();
      script.push({ consult: [agent, next] }, pause(1000, 8000), { complete: random.pick(['original', 'consult']) });
      agent = next;
    },
    park() {
      const next = other();
      script.push({ park: agent }, pause(1000, 15000), { unpark: next });
      agent = next;
    },
  };
  for (let n = random.int(1, 6); n > 0; n--) {
    turns[random.pick(Object.keys(turns))]();
    script.push(pause(200, 5000));
  }
  return [...script, { hangup: random.chance(0.6) ? 'customer' : agent }];
}

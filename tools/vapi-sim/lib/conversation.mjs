// A conversation that nobody has scripted: an assistant that does what its instructions say (instructions.mjs) and a caller with knowledge, will,
// patience and mood. All chance comes from the call's own seed, so the same seed and the same instructions give the same call; other
// instructions give another one.
//
//   "callers": [{number, name, knows: {email, guests ...}, opens: ["I need a table for {guests}"], questions: ["Is there parking?"],
//      refuses: {"email": "always" | "unless_explained" | probability}, mumbles: {"name": "always" | "first" | probability},
//      patience: 3 (so often the same may be asked), bears: 12 (questions altogether), hurry: probability of leaving at each question}]
//   "success": {"needs": ["name", "email"], "tool": "book_table", "calm": true}   when the call's own evaluation is a success
import { readInstructions, answerIn } from './instructions.mjs';
import { ASSISTANT, CALLER, INFORMATION } from './words.mjs';
import { fill } from './scenario.mjs';

const SPOKEN_MS = 4500; // of one sentence, for guessing how long a call takes

export const guessedMs = (caller) => 9000 + SPOKEN_MS * (12 + 2 * Object.keys(caller.knows ?? {}).length);

class Caller {
  constructor(profile, random, language) {
    Object.assign(this, { patience: 3, bears: 20, hurry: 0, questions: [], refuses: {}, mumbles: {}, ...profile });
    this.knows = { name: profile.name, phone: profile.number, ...profile.knows };
    this.random = random;
    this.language = language;
    this.asked = {};
    this.heard = 0;
    this.annoyed = false;
  }

  line(key, values = {}) {
    return fill(this.random.pick(CALLER[key][this.language]), values);
  }

  opening() {
    return fill(this.random.pick(this.opens ?? ['Hello.']), this.knows);
  }

  // What the opening tells unasked.
  toldBy(text) {
    return Object.keys(this.knows).filter((key) => (this.opens ?? []).some((line) => line.includes(`{${key}}`) && fill(line, this.knows) === text));
  }

  // {text, value?, refused?, unclear?, annoyed?, leaves?} to a question for `key`.
  answer(key, { explained, slowly }) {
    const times = (this.asked[key] = (this.asked[key] ?? 0) + 1);
    this.heard++;
    if (this.heard > this.bears || this.random.chance(this.hurry))
      return { text: this.line('leave'), leaves: true };
    if (times >= this.patience) {
      this.annoyed = true;
      return { text: this.line('annoyed', { times: String(times) }), annoyed: true };
    }
    if (this.#refuses(this.refuses[key], explained))
      return { text: this.line('refuse'), refused: true };
    if (this.knows[key] === undefined)
      return { text: this.line('unknown'), refused: true };
    if (this.#mumbles(this.mumbles[key], slowly))
      return { text: this.line('mumble'), unclear: true };
    const tell = INFORMATION[key]?.tell[this.language] ?? ['{value}.'];
    const text = fill(this.random.pick(tell), { value: this.knows[key] });
    return { text: text[0].toUpperCase() + text.slice(1), value: this.knows[key] };
  }

  #refuses(how, explained) {
    return typeof how === 'number' ? this.random.chance(how) : how === 'always' || (how === 'unless_explained' && !explained);
  }

  #mumbles(how, slowly) {
    return typeof how === 'number' ? this.random.chance(how) : how === 'always' || (how === 'first' && !slowly);
  }
}

class Leaves extends Error {}

class Conversation {
  constructor(call) {
    this.call = call;
    this.language = call.scenario.language === 'es' ? 'es' : 'en';
    this.caller = new Caller(call.profile, call.random, this.language);
    this.known = {};
    this.given = {};
    this.tools = {};
  }

  // Read anew whenever it matters: messages added to the running call are instructions too.
  get plan() {
    const { model } = this.call.context.assistant;
    const text = [...model.messages, ...this.call.added].filter((m) => m.role === 'system').map((m) => m.content).join('\n');
    if (text !== this.text) {
      this.text = text;
      this.read = readInstructions(text, model.tools ?? []);
    }
    return this.read;
  }

  line(key, values) {
    return fill(ASSISTANT[key][this.language], values ?? {});
  }

  async say(...texts) {
    await this.call.speak('assistant', texts.filter(Boolean));
    await this.#breath();
  }

  async hear(text) {
    await this.call.speak('user', text);
    await this.#breath();
  }

  // A call that is gone, or was ended from outside, is not talked on in.
  async #breath() {
    await this.call.pass(this.call.random.int(300, 700));
    if (this.call.killed)
      throw new Leaves();
  }

  async run() {
    try {
      await this.#talk();
    } catch (error) {
      if (!(error instanceof Leaves))
        throw error;
    }
  }

  async #talk() {
    const opening = this.caller.opening();
    await this.hear(opening);
    for (const key of this.caller.toldBy(opening))
      this.#learn(key, this.caller.knows[key]);
    const tried = new Set();
    for (let next; (next = this.#wanted().find(({ key }) => !(key in this.known) && !tried.has(key)));) {
      tried.add(next.key);
      await this.#askFor(next);
    }
    for (const question of this.caller.questions)
      await this.#answerTo(question);
    if (this.plan.confirm && Object.keys(this.known).length) {
      await this.say(this.line('confirm', { details: Object.values(this.known).join(', ') }));
      await this.hear(this.caller.line('yes'));
    }
    for (const tool of this.plan.tools)
      await this.#use(tool);
    await this.#close();
  }

  #learn(key, value) {
    this.known[key] = value;
    this.given[key] = value;
  }

  // What the instructions ask for, and what the tools they name cannot do without.
  #wanted() {
    const { collect, tools } = this.plan;
    const needed = tools.flatMap((tool) => tool.function.parameters?.required ?? []);
    return [...collect, ...needed.filter((key) => !collect.some((item) => item.key === key)).map((key) => ({ key, what: key.replaceAll('_', ' ') }))];
  }

  async #askFor({ key, ask, what }) {
    const how = { ...this.plan.forAll, ...this.plan.how[key] };
    const question = ask ?? INFORMATION[key]?.ask[this.language] ?? this.line('ask', { what });
    const times = Math.min(how.times ?? 1, this.plan.most ?? Infinity);
    const most = Math.min(times + (how.again ? 1 : 0), this.plan.most ?? Infinity);
    for (let n = 1, slowly = false; n <= most; n++) {
      const words = n === 1 ? question : this.line(slowly ? 'again' : 'once_more', { question });
      await this.say(how.explain && n === 1 ? this.line('because') : null, words);
      const answer = this.caller.answer(key, { explained: how.explain, slowly });
      await this.hear(answer.text);
      if (answer.leaves)
        throw new Leaves();
      if (answer.value !== undefined)
        this.#learn(key, answer.value);
      if (answer.annoyed)
        await this.#calm();
      if (answer.refused || answer.annoyed)
        break;
      slowly = Boolean(answer.unclear && how.again);
      if (n >= times && !slowly)
        break;
    }
    if (!(key in this.known))
      await this.say(this.line('accept'));
  }

  async #calm() {
    if (this.plan.calm)
      await this.say(this.line('sorry'), this.line('hand_over'));
  }

  async #answerTo(question) {
    await this.hear(question);
    await this.say(answerIn(this.plan, question) ?? this.line(this.plan.honest ? 'honest' : 'no_answer'));
  }

  // A tool is used when what it cannot do without is known.
  async #use(tool) {
    const { name, parameters } = tool.function;
    const properties = Object.keys(parameters?.properties ?? {});
    if ((parameters?.required ?? []).some((key) => !(key in this.known)))
      return this.say(this.line('failed'));
    const use = { tool: name, arguments: Object.fromEntries(properties.filter((key) => key in this.known).map((key) => [key, this.known[key]])) };
    await this.say(this.line('wait'));
    await this.call.runTools([use]);
    if (this.call.lastTool === 'failed' && this.plan.toolTrouble.retry) {
      await this.say(this.line('technical'));
      await this.call.runTools([use]);
    }
    this.tools[name] = this.call.lastTool === 'ok';
    if (this.tools[name])
      return this.say(this.line('done'));
    return this.say(this.line('failed'), this.plan.toolTrouble.callBack ? this.line('call_back') : null);
  }

  async #close() {
    if (this.plan.closing) {
      await this.say(this.line('anything_else'));
      await this.hear(this.caller.line('no_more'));
      return this.say(this.line('goodbye'));
    }
    return this.hear(this.caller.line('bye'));
  }

  // By the scenario's own rule, not by ours.
  succeeded() {
    const { needs = [], tool, calm } = this.call.scenario.success ?? {};
    return needs.every((key) => key in this.given) && (!tool || this.tools[tool] === true) && (!calm || !this.caller.annoyed);
  }
}

// Plays the call until it is over; what came of it is call.outcome.
export async function converse(call) {
  const conversation = new Conversation(call);
  try {
    await conversation.run();
  } finally {
    call.outcome = { success: conversation.succeeded(), given: conversation.given, tools: conversation.tools, annoyed: conversation.caller.annoyed };
  }
}

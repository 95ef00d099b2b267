// Reads instructions (a system prompt) as far as the simulated assistant can act upon them: what it has to ask for and in which words, how it
// treats answers, tools, questions and the end of a call. Sentence by sentence, by rules; what no rule understands changes nothing. Pure.
import { INFORMATION, fold } from './words.mjs';

const ASKS = /\b(ask(?:ing|ed)?|collect|find out|obtain|request|gather|get|take down|pregunta|preguntar|preguntado|pide|pedir|solicita|averigua|recoge|obten)\b/g;
const ASKS_FOR_ANYTHING = /^(ask|asked|asking|collect|pregunta|preguntado|pide)$/;
const NEGATIONS = /\b(never|do not|dont|not|without|no|nunca|sin)\b/g;
// Up to its comma a sentence that begins so says when, not what. What follows one of the others is said of the time after asking.
const SUBORDINATE = /^(when|whenever|if|before|once|after|while|cuando|si|antes|despues)\b[^,]*$/;
const CONDITION = /\b(before|until|when|if|because|after|once|unless|antes|hasta|cuando|si|porque|despues)\b/;
const OTHERS_ASK = /\b(callers?|customers?|guests?|they|people)( \w+)?$/;

// Texts in quotation marks are taken out, so that what is quoted is not read as instruction.
function takeQuotes(line) {
  const quotes = [];
  const text = line.replace(/"([^"]*)"|«([^»]*)»|“([^”]*)”/g, (whole, a, b, c) => {
    quotes.push((a ?? b ?? c).trim());
    return ` QUOTE${quotes.length - 1} `;
  });
  return { text, quotes };
}

const wordPattern = (word) => new RegExp(`\\b${word}${word.length > 5 && !word.includes(' ') ? '\\w*' : '(s|es)?\\b'}`);

const IDIOMS = /\b(at a time|at the same time|at any time|(every|each|first|next|last) time|in time|by name|three times|at the end of the day)\b/g;

// The pieces of information this (folded) text names, in its order. "e-mail address" is no address.
export function informationIn(text) {
  const found = [];
  const rest = text.replace(IDIOMS, '').replace(/\b(e-?mail|e mail) address(es)?\b/g, 'email').replace(/\bdireccion de correo\b/g, 'correo').replace(/\bnumero de telefono\b/g, 'telefono');
  for (const [key, { words }] of Object.entries(INFORMATION)) {
    const at = words.map((word) => rest.search(wordPattern(word))).filter((i) => i >= 0);
    if (at.length)
      found.push({ key, at: Math.min(...at) });
  }
  return found.sort((a, b) => a.at - b.at).map(({ key }) => key);
}

// "ask for the caller's shoe size and the colour": what no table names.
function unknownInformation(rest) {
  const list = rest.match(/^(?: the caller| the guest)?(?: for| por)?:? ((?:the|their|his or her|a|an|el|la|su|un|una) .+)$/);
  if (!list)
    return [];
  return list[1].split(/,| and | y /).map((part) => part.replace(/quote\d+|[.;:!]/g, '').trim().replace(/^(the |their |his or her |an? |el |la |su |una? )?(callers |guests |customers )?/, '').replace(/ of the (caller|guest|customer)$/, ''))
    .filter((part) => /^[a-z][a-z -]{2,40}$/.test(part) && part.split(' ').length <= 4 && !informationIn(part).length);
}

const slug = (text) => text.replace(/[^a-z0-9]+/g, '_').replace(/^_|_$/g, '');

class Reader {
  constructor() {
    this.plan = { collect: [], how: {}, forAll: {}, tools: [], toolTrouble: {}, sentences: [], confirm: false, closing: false, honest: false, calm: false };
    this.listOf = false; // the lines below are a list of what to ask for
  }

  read(text) {
    for (const line of text.split('\n'))
      this.#line(line);
    return this.plan;
  }

  #line(raw) {
    const heading = /^\s*#/.test(raw);
    const item = /^\s*([-*+•]|\d+[.)])\s+/.test(raw);
    const line = raw.replace(/^\s*(#+|[-*+•]|\d+[.)])?\s*/, '').trim();
    if (!line)
      return;
    if (heading || !item)
      this.listOf = (heading || line.endsWith(':')) && /\b(collect|information|ask for|ask|datos|pregunta)\b/.test(fold(line));
    if (heading)
      return;
    const { text, quotes } = takeQuotes(line);
    const about = informationIn(fold(text)).concat(unknownNamed(fold(text)));
    const before = this.plan.collect.length;
    for (const sentence of text.split(/(?<=[.!?])\s+/))
      this.#sentence(sentence, quotes, about);
    if (item && this.listOf && this.plan.collect.length === before && line.split(' ').length <= 5)
      informationIn(fold(line)).forEach((key) => this.#collect(key, null));
    this.#manner(fold(text), about);
    this.plan.sentences.push(...text.split(/(?<=[.!?])\s+/).filter((s) => !/QUOTE\d/.test(s)));
  }

  #collect(key, ask, what = key) {
    const known = this.plan.collect.find((item) => item.key === key);
    if (known)
      known.ask ??= ask;
    else
      this.plan.collect.push({ key, ask, what });
  }

  // One sentence that tells to ask for something: for what the rest of it names, up to a condition.
  #sentence(sentence, quotes, about) {
    const text = fold(sentence);
    for (const match of text.matchAll(ASKS)) {
      const before = text.slice(0, match.index);
      const not = [...before.slice(before.lastIndexOf(';') + 1).matchAll(NEGATIONS)].length;
      if (not % 2 || SUBORDINATE.test(before) || OTHERS_ASK.test(before.trim()))
        continue;
      const rest = text.slice(match.index + match[0].length).split(CONDITION)[0];
      const quoted = text.match(/quote(\d+)/);
      const ask = quoted ? quotes[Number(quoted[1])] : null;
      const keys = informationIn(rest);
      const others = ASKS_FOR_ANYTHING.test(match[0]) ? unknownInformation(rest) : [];
      const only = keys.length + others.length === 1 ? ask : null;
      keys.forEach((key) => this.#collect(key, only));
      others.forEach((what) => this.#collect(slug(what), only, what));
      if (!keys.length && !others.length && ask && about.length === 1)
        this.#collect(about[0], ask);
    }
  }

  // How something is done; `about`: the information the line names, none: all.
  #manner(text, about) {
    const { plan } = this;
    const set = (rule) => (about.length ? about.forEach((key) => (plan.how[key] = { ...plan.how[key], ...rule })) : Object.assign(plan.forAll, rule));
    const tell = (pattern, action) => {
      if (pattern.test(text))
        action();
    };
    tell(/\b(ask (once more|again)|once more in other words|slowly|otra vez|despacio|repeat the answer)\b/, () => set({ again: true }));
    tell(/\b(needed for|say why|explain why|used for nothing else|para que se necesita|no se usara)\b/, () => set({ explain: true }));
    tell(/\b(only when the callers request is settled|at the (very )?end|everything else is settled|solo cuando la peticion|preguntar al final)\b/, () => about.length && set({ last: true }));
    tell(/\b(ask|pregunta)\b.*\b(three|3|tres) (times|veces)\b/, () => !/\b(never|not|nunca|no)\b/.test(text) && set({ times: 3 }));
    tell(/\b(never|not|nunca|no)\b.*\b(same|mismo)\b.*\b(twice|three|dos veces|tres)\b/, () => (plan.most = 2));
    tell(/\b(repeat|confirm|read back|sum up|summari[sz]e|recap|repite|confirma|resume)\b.*\b(details|booking|right|agreed|datos|reserva|correctos)\b/, () => (plan.confirm = true));
    tell(/\b(anything else|algo mas)\b/, () => (plan.closing = true));
    tell(/\b(do not|dont|no) (know|sabes|sepas)\b/, () => (plan.honest = true));
    tell(/\b(upset|impatient|angry|impacienta|molesto)\b/, () => (plan.calm = true));
    tell(/\bfails?\b|\bfalla\b/, () => {
      plan.toolTrouble.retry ||= /\b(try it|try again|once more|intentalo)\b/.test(text);
      plan.toolTrouble.callBack ||= /\b(call back|calls back|devuelva)\b/.test(text);
    });
  }
}

// "ask for the caller's shoe size" once more, for lines that say how: only as a name that was collected.
function unknownNamed(text) {
  const match = text.match(/\b(?:ask|asked) for (?:the|their) (?:callers )?([a-z -]{3,30}?)(?=[,.:;]|$| before| only)/);
  return match && !informationIn(match[1]).length ? [slug(match[1])] : [];
}

// {collect: [{key, what, ask}], how: {key: {again, explain, last, times}}, forAll: the same for everything, tools: [names in order], toolTrouble:
// {retry, callBack}, confirm, closing, honest, calm, most, sentences}. `tools`: as in an assistant's configuration.
export function readInstructions(text, tools = []) {
  const plan = new Reader().read(text);
  plan.tools = tools.map((tool) => ({ tool, at: text.indexOf(tool.function.name) })).filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at).map(({ tool }) => tool);
  const late = ({ key }) => Number(Boolean({ ...plan.forAll, ...plan.how[key] }.last));
  plan.collect.sort((a, b) => late(a) - late(b));
  return plan;
}

const SMALL = new Set('the and you your are for with have has can what when where which how does did about there this that our not any per los las una con por que cual como donde cuando hay tienen tiene puedo'.split(' '));
const contentWords = (text) => [...new Set(fold(text).match(/[a-z0-9]{3,}/g) ?? [])].filter((word) => !SMALL.has(word)).map((word) => word.replace(/s$/, ''));

// What the instructions say about a caller's question; null: nothing. A line about how often it is asked is no answer.
export function answerIn(plan, question) {
  const wanted = contentWords(question);
  let best = null;
  for (const sentence of plan.sentences) {
    const has = contentWords(sentence);
    const share = wanted.filter((word) => has.includes(word)).length / (wanted.length || 1);
    if (share >= 0.5 && share > (best?.share ?? 0) && !/\b(ask|asks|question|preguntan?)\b/.test(fold(sentence)))
      best = { share, sentence };
  }
  return best?.sentence ?? null;
}

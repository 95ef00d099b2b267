// Scenario files: who calls, which assistant answers, and what happens: step by step by a script, or (with "callers" instead of "script") as the
// assistant's instructions have it, see conversation.mjs.
//
//   {"name", "title", "language", "callType", "customer": {number, name},
//    "assistant": {name, firstMessage?, prompt: [lines], rules: true (adds common-rules.md), tools: [{name, description,
//                  parameters, async?}], reply: "what it says when an added message triggers a response",
//                  behaviour?: "by-instructions"},
//    "assistantRequest": true            ask our server for the assistant first
//    "variables": {"day": ["Friday", ..]} one value per call, by seed; {day} in any text
//    "script": [step ...], "end": "customer-ended-call", "analysis": {summary, successEvaluation, structuredData}}
//
// A step is an object with exactly one of the keys of STEPS; the other keys refine it.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, basename } from 'node:path';
import { fileURLToPath } from 'node:url';

export const SCENARIOS_DIR = join(dirname(fileURLToPath(import.meta.url)), '../../scenarios');

export const STEPS = {
  assistant: 'text or [finals]; with ifTool: ok | failed it is only said when the last tool ended so',
  user: 'text or [finals]: several finals in one utterance',
  pause: 'ms of silence',
  tool: 'name; arguments, id?, elsewhere? + result? (answered by somebody else: only the history shows it)',
  tools: '[{tool, arguments, id?}]: several calls in one message',
  interrupt: 'the caller interrupts: {assistant, user, after: 0-1 share of the words heard}',
  hang: 'ms the assistant is delayed',
  question: 'message type whose answer Vapi reads: transfer-destination-request, knowledge-base-request ...; fields?',
  transfer: 'destination object: forwarding, transfer-update, then the end',
  language: 'code the transcriber switches to',
  handoff: 'name of the assistant that takes over',
  say: 'the platform itself speaks (as a control URL say does)',
  event: 'message type sent as it is, with fields',
};

export function checkScenario(scenario, name) {
  const bad = (why) => {
    throw new Error(`scenario ${name}: ${why}`);
  };
  const byInstructions = scenario.assistant?.behaviour === 'by-instructions';
  if (!scenario.name || !scenario.assistant || !Array.isArray(byInstructions ? scenario.callers : scenario.script))
    bad(`needs name, assistant and ${byInstructions ? 'callers' : 'script'}`);
  if (byInstructions !== Boolean(scenario.callers) || (byInstructions && scenario.script))
    bad('callers are for an assistant whose behaviour is by-instructions, a script is for all others');
  if (!Array.isArray(scenario.assistant.prompt))
    bad('assistant.prompt must be a list of lines');
  const tools = new Set((scenario.assistant.tools ?? []).map((tool) => tool.name));
  scenario.callers?.forEach((caller, i) => {
    if (!caller.number || !caller.knows)
      bad(`caller ${i} needs number and knows`);
  });
  scenario.script?.forEach((step, i) => {
    const kinds = Object.keys(step).filter((key) => key in STEPS);
    if (kinds.length !== 1)
      bad(`step ${i} must have exactly one of ${Object.keys(STEPS).join(', ')}`);
    for (const use of step.tools ?? (step.tool ? [step] : []))
      if (!tools.has(use.tool))
        bad(`step ${i} uses the tool ${use.tool}, which the assistant does not have`);
  });
  return scenario;
}

export function loadScenario(file) {
  const scenario = checkScenario(JSON.parse(readFileSync(file, 'utf8')), basename(file));
  if (scenario.assistant.rules) {
    const rules = readFileSync(join(SCENARIOS_DIR, 'common-rules.md'), 'utf8');
    scenario.assistant.prompt = [...scenario.assistant.prompt, rules];
  }
  return scenario;
}

// A file, a folder, or the name of one of ours.
export function loadScenarios(where) {
  let path = where;
  try {
    statSync(path);
  } catch {
    path = join(SCENARIOS_DIR, `${where}.json`);
  }
  if (!statSync(path).isDirectory())
    return [loadScenario(path)];
  return readdirSync(path).filter((f) => f.endsWith('.json')).sort().map((f) => loadScenario(join(path, f)));
}

export function fill(value, variables) {
  if (typeof value === 'string')
    return value.replace(/\{(\w+)\}/g, (whole, key) => variables[key] ?? whole);
  if (Array.isArray(value))
    return value.map((item) => fill(item, variables));
  if (value && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, fill(v, variables)]));
  return value;
}

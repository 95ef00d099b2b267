// The bodies of one long call, as the simulator sends them on the wire, with marks in place of the call's id and of a token: what loadgen plays.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Simulator } from '../tools/vapi-sim/lib/simulator.mjs';

export const CALL_MARK = '00000000-0000-7000-8000-0000000ca11d';
export const TOKEN_MARK = 'zqktok0000000000';

const toolAnswer = (body) => {
  const { message } = JSON.parse(body);
  const results = (message.toolCallList ?? []).map((call) => ({ toolCallId: call.id, name: call.name ?? call.function.name, result: '{"tables":[{"time":"19:00"}]}' }));
  return JSON.stringify({ results });
};

// Writes one file per message into dir; gives their number and sizes. Tool calls are played by the assistant (they are in the history), but not
// sent: the bench measures the stream, not tools.
export async function writeScript(dir, { turns = 100, reportBytes = 520 * 1024, seed = 'bench' } = {}) {
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const sim = await new Simulator({ target: 'http://127.0.0.1:9/', speed: 1e6, seed, turns, reportBytes, subscribe: 'live', startAt: Date.now() - 600000 }).listen();
  const bodies = [];
  sim.delivery.send = async ({ type, render, firstTry = () => {} }) => {
    const body = render(0);
    bodies.push({ type, body });
    firstTry();
    return { ok: true, status: 200, answer: toolAnswer(body) };
  };
  const [call] = await sim.finished(sim.start('booking', 1));
  await sim.close();
  const kept = bodies.filter(({ type }) => type !== 'tool-calls');
  kept.forEach(({ type, body }, i) => {
    let text = body.replaceAll(call.id, CALL_MARK);
    if (type === 'transcript') {
      const parsed = JSON.parse(text);
      parsed.message.transcript += ` ${TOKEN_MARK}`;
      text = JSON.stringify(parsed);
    }
    writeFileSync(join(dir, `${String(i).padStart(6, '0')}.json`), text);
  });
  const sizes = kept.map(({ body }) => body.length).sort((a, b) => a - b);
  return { messages: kept.length, median: sizes[Math.floor(sizes.length / 2)], largest: sizes.at(-1), total: sizes.reduce((a, b) => a + b, 0) };
}

// tools/stt-sim for one test after the other, without a process for each: a line of stdin is its arguments, or "stop".
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { SttServer } from '../../tools/stt-sim/server.mjs';

const options = { key: { type: 'string' }, idle: { type: 'string' }, beta: { type: 'boolean' } };

function fromArguments(args) {
  const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
  return new SttServer(positionals.length ? positionals : ['good'], { key: values.key, beta: values.beta, ...(values.idle ? { idleMs: Number(values.idle) } : {}) });
}

let server;
for await (const line of createInterface({ input: process.stdin })) {
  await server?.close();
  server = line === 'stop' ? undefined : await fromArguments(line.split(' ')).listen();
  console.log(server ? `stt at ${server.url}` : 'stopped');
}
process.exit();

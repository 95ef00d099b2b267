#!/usr/bin/env node
// Speech-to-text providers as one server: Deepgram live (/v1/listen), OpenAI Realtime (/v1/realtime), OpenAI transcription
// (/v1/audio/transcriptions). GET /state tells what it was sent and what it heard.
//
//   node tools/stt-sim/sim.mjs [--port N] [--key KEY] [--idle MS] [--beta] [behaviour ...]
import { parseArgs } from 'node:util';
import { SttServer } from './server.mjs';

const { values, positionals } = parseArgs({ allowPositionals: true,
  options: { port: { type: 'string', default: '0' }, key: { type: 'string' }, idle: { type: 'string' }, beta: { type: 'boolean' } } });
const options = { key: values.key, beta: values.beta, ...(values.idle ? { idleMs: Number(values.idle) } : {}) };
const server = await new SttServer(positionals.length ? positionals : ['good'], options).listen(Number(values.port));
console.log(`stt at ${server.url}`);

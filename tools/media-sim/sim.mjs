#!/usr/bin/env node
// A call's audio for a media URL: plays what is said as the platform's client does, prints what comes back.
import { parseArgs } from 'node:util';
import { join16, silence, speak } from '../lib/speech.mjs';
import { MEDIA_CLIENTS } from './index.mjs';

const HELP = `usage: node tools/media-sim/sim.mjs --dialect NAME --url URL [options]

  --dialect NAME      ${Object.keys(MEDIA_CLIENTS).join(', ')}
  --url URL           for example ws://127.0.0.1:8080/in/twilio/main
  --say TEXT          what the caller says; again and again for more sentences, with a second of silence between
  --answer TEXT       what the assistant says (the outbound track), in the callers' pauses
  --token TEXT        Twilio: the auth token to sign with
  --public-url URL    Twilio: the URL that is signed, when it is not --url
  --call ID           the platform's id of the call
  --loss P --late P --duplicate P   probabilities for a frame
  --fast              not at human pace`;

const text = { type: 'string' };
const many = { type: 'string', multiple: true, default: [] };
const { values: v } = parseArgs({ options: { dialect: text, url: text, say: many, answer: many, token: text, 'public-url': text, call: text, loss: text,
  late: text, duplicate: text, fast: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } } });
const Client = MEDIA_CLIENTS[v.dialect];
if (v.help || !Client || !v.url) {
  console.log(HELP);
  process.exit(v.help ? 0 : 2);
}

const isVapi = v.dialect === 'vapi-transcriber';
const rate = isVapi ? 16000 : 8000;
const turns = Array.from({ length: Math.max(v.say.length, v.answer.length) }, (_, i) => [v.say[i], v.answer[i]]);
const heard = { customer: [], assistant: [] };
for (const [say, answer] of turns)
  for (const [who, other, words] of [['customer', 'assistant', say], ['assistant', 'customer', answer]]) {
    const pcm = join16(words ? speak(words, { rate, voice: who === 'customer' ? 'en-us' : 'en-gb' }) : silence(0), silence(1000, rate));
    heard[who].push(pcm);
    heard[other].push(new Int16Array(pcm.length));
  }
const [customer, assistant] = [join16(...heard.customer), join16(...heard.assistant)];

const both = v.answer.length > 0;
const client = await Client.connect(v.url, { authToken: v.token, publicUrl: v['public-url'], callId: v.call, tracks: both ? ['inbound', 'outbound'] : ['inbound'] });
client.start();
const number = (value) => Number(value ?? 0);
const pcm = isVapi ? { customer, assistant } : both ? { inbound: customer, outbound: assistant } : customer;
const frames = await client.play(pcm, { fast: v.fast, loss: number(v.loss), late: number(v.late), duplicate: number(v.duplicate) });
await (client.stop?.() ?? client.close());
console.log(JSON.stringify({ frames, close: client.closeCode, transcripts: client.transcripts, marks: client.marks, complaints: client.complaints,
  bytes_played: client.audio?.reduce((n, b) => n + b.length, 0) }));

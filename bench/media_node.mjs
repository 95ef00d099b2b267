#!/usr/bin/env node
// What one would write in an afternoon, and a yardstick of `./dev bench media`: the `ws` package, each frame decoded, its mean square taken. No speech
// detection, nothing kept, nothing told. node media_node.mjs FORMAT [FOLDER WITH node_modules]: `ws`, `bufferutil` and `@discordjs/opus` come from there.
// grpc: the same on `@grpc/grpc-js` (of the repository's node_modules), messages of RingCX's stream.
// Prints its port; at SIGTERM the frames it has taken, as JSON.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [format, folder] = process.argv.slice(2);
const require = createRequire(folder ? join(folder, 'package.json') : import.meta.url);
const Opus = format.startsWith('opus') ? require('@discordjs/opus').OpusEncoder : null;

let frames = 0;
let squares = 0;
const ULAW = Int16Array.from({ length: 256 }, (_, byte) => {
  const b = ~byte & 255;
  const magnitude = (((b & 15) << 3) + 132 << (b >> 4 & 7)) - 132;
  return b & 128 ? -magnitude : magnitude;
});
const pcm = new Int16Array(5760);

function measured(samples, n) {
  let sum = 0;
  for (let i = 0; i < n; i++)
    sum += samples[i] * samples[i];
  squares += n ? sum / n : 0;
  frames++;
}

function ulaw(bytes, from) {
  const n = bytes.length - from;
  for (let i = 0; i < n; i++)
    pcm[i] = ULAW[bytes[from + i]];
  measured(pcm, n);
}

// 16-bit samples of a Buffer that may begin at an odd address.
const samples = (bytes) => (bytes.byteOffset % 2 ? new Int16Array(Uint8Array.prototype.slice.call(bytes).buffer) : new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1));

const WORK = {
  mulaw: (ws, data, binary) => binary && ulaw(data, 1),
  json: (ws, data) => {
    const message = JSON.parse(data.toString());
    if (message.event === 'media')
      ulaw(Buffer.from(message.media.payload, 'base64'), 0);
  },
  l16: (ws, data, binary) => {
    if (binary)
      measured(samples(data), data.length >> 1);
  },
  opus: (ws, data) => {
    const decoder = (ws.legs ??= [])[data[0]] ??= new Opus(16000, 1);
    const out = decoder.decode(data.subarray(1));
    measured(samples(out), out.length >> 1);
  },
};
const work = WORK[format.replace(/-.*/, '')];

async function listenWs() {
  const { WebSocketServer } = folder ? require('ws') : (await import('../tools/lib/ws.mjs')).default;
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false, backlog: 4096 });
  server.on('connection', (ws) => ws.on('message', (data, binary) => work(ws, data, binary)));
  server.on('listening', () => console.log(server.address().port));
}

async function listenGrpc() {
  const { grpc, service } = (await import('../tools/rc-sim/grpc.mjs')).grpcTools();
  const server = new grpc.Server();
  const Stream = (call, done) => {
    call.on('data', ({ segment_media: media }) => media && ulaw(media.audio_content.payload, 0));
    call.on('end', () => done(null, {}));
  };
  server.addService(service, { Stream });
  server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error)
      throw error;
    console.log(port);
  });
}

await (format === 'grpc' ? listenGrpc() : listenWs());
process.on('SIGTERM', () => {
  console.log(JSON.stringify({ frames, rms: frames ? Math.sqrt(squares / frames) : 0 }));
  process.exit(0);
});

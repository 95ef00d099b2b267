#!/usr/bin/env node
// What one would write in an afternoon, and the yardstick of the bench: parse the webhook, keep the call in memory, send an event to every watcher,
// answer 200. Nothing is stored, checked or understood.
import http from 'node:http';
import WebSocket from '../tools/lib/ws.mjs';

const calls = new Map();
const live = new WebSocket.Server({ noServer: true, perMessageDeflate: false });

const EVENTS = {
  transcript: (m) => ({ type: `transcript.${m.transcriptType}`, speaker: m.role === 'user' ? 'user' : 'ai', text: m.transcript }),
  'status-update': (m) => ({ type: 'call.status', status: m.status }),
  'speech-update': (m) => ({ type: `speech.${m.status}`, speaker: m.role === 'user' ? 'user' : 'ai' }),
  'conversation-update': (m) => ({ type: 'message', count: m.messages?.length }),
  'end-of-call-report': (m) => ({ type: 'call.report', reason: m.endedReason }),
};

function take(message) {
  const id = message.call?.id;
  const call = calls.get(id) ?? { id, seq: 0, events: [] };
  calls.set(id, call);
  const event = { seq: ++call.seq, call_id: id, at: message.timestamp, ...(EVENTS[message.type]?.(message) ?? { type: message.type }) };
  call.events.push(event);
  if (message.type === 'end-of-call-report')
    calls.delete(id);
  const text = JSON.stringify({ type: 'event', event });
  for (const client of live.clients)
    client.send(text);
}

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    take(JSON.parse(Buffer.concat(chunks).toString()).message);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': 2 });
    response.end('{}');
  });
});
server.keepAliveTimeout = 600000;
server.on('upgrade', (request, socket, head) => live.handleUpgrade(request, socket, head, () => {}));
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => console.log(server.address().port));

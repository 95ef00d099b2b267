// Sockets of live audio that Callmend dials over TLS: certificates of a CA made here (tls.ca_file), of
// one that the system trusts, of a stranger's, for another host.
import { test, before, after } from 'node:test';
import assert from 'node:assert/strict';
import net from 'node:net';
import tls from 'node:tls';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mediaWorldFor } from './lib/media.mjs';
import { until } from '../../tools/lib/wait.mjs';
import { VapiListenServer } from '../../tools/media-sim/index.mjs';

const dir = mkdtempSync('/tmp/callmend-media-tls-');
const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
const makeCa = (name) => openssl('req', '-x509', ...EC, '-days', '2', '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`);
function certify(ca, name, host) {
  writeFileSync(join(dir, `${name}.ext`), `subjectAltName=DNS:${host}\n`);
  openssl('req', ...EC, '-subj', `/CN=${host}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
  openssl('x509', '-req', '-in', `${name}.csr`, '-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.pem`);
}
makeCa('ours');
makeCa('system');
makeCa('stranger');
certify('ours', 'good', 'localhost');
certify('system', 'public', 'localhost');
certify('stranger', 'bad', 'localhost');
certify('ours', 'other', 'example.com');

const open = [];
after(() => {
  open.forEach((server) => server.close());
  rmSync(dir, { recursive: true, force: true });
});

// TLS in front of the simulator.
async function front(name, sim) {
  const server = tls.createServer({ key: readFileSync(join(dir, `${name}.key`)), cert: readFileSync(join(dir, `${name}.pem`)) }, (socket) => {
    const on = net.connect(sim.port, '127.0.0.1');
    socket.pipe(on).pipe(socket);
    socket.on('error', () => on.destroy());
    on.on('error', () => socket.destroy());
  });
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  open.push(server);
  return (callId) => `wss://localhost:${server.address().port}/${callId}/listen`;
}

const w = mediaWorldFor({ before, after }, { audio: { listen_socket: true }, config: { tls: { ca_file: join(dir, 'ours.pem') } },
  env: { SSL_CERT_FILE: join(dir, 'system.pem') } }); // OpenSSL's name for the system's certificates
const PCM = new Int16Array(16000);

for (const [name, whose] of [['good', 'our CA'], ['public', 'a CA that the system trusts']]) {
  test(`who has a certificate of ${whose} for the host is heard, on every shard`, async () => {
    const sim = await new VapiListenServer({ announce: true, source: () => ({ customer: PCM, assistant: PCM }), play: { stay: true, fast: true } }).listen();
    open.push(sim);
    const url = await front(name, sim);
    for (let i = 0; i < 6; i++) {
      const id = `${name}-${i}`;
      const call = await w().running(id, { monitor: { listenUrl: url(id) } });
      await until(`call ${i} is heard`, () => w().facts(call).some((f) => f.heard === 'attached'));
      await w().over(id);
    }
  });
}

test('a stranger\'s certificate, or another host\'s, is refused before a byte of the handshake', async () => {
  for (const name of ['bad', 'other']) {
    const sim = await new VapiListenServer({ announce: true }).listen();
    open.push(sim);
    const url = await front(name, sim);
    const failed = await w().counted('callmend_media_dials_total{result="failed"}');
    for (let i = 0; i < 4; i++)
      await w().running(`${name}-${i}`, { monitor: { listenUrl: url(`${name}-${i}`) } });
    await until('all have failed', async () => await w().counted('callmend_media_dials_total{result="failed"}') >= failed + 4);
    assert.equal(sim.handshakes.length, 0, name);
    for (let i = 0; i < 4; i++)
      await w().over(`${name}-${i}`);
  }
});

// The port of gRPC: off unless configured, the parent's like the other (a core that dies takes no client's place in the queue), with a certificate or
// behind a proxy. What is said there is tests/net/grpc.test.mjs's and the media tests' business.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import { Product, freePort } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

const METHOD = '/ringcentral.ringcx.streaming.v1beta2.Streaming/Stream';

async function ask(port, credentials, path = METHOD) {
  const client = new grpc.Client(`localhost:${port}`, credentials, { 'grpc.use_local_subchannel_pool': 1 });
  try {
    return await new Promise((resolve) => {
      const call = client.makeClientStreamRequest(path, (b) => b, (b) => b, new grpc.Metadata(), { deadline: Date.now() + 15000 },
        (error) => resolve({ code: error?.code ?? 0, details: error?.details }));
      call.end();
    });
  } finally {
    client.close();
  }
}

test('in the clear: streams want a credential, other methods are not there; a core that dies is replaced behind the same port', async () => {
  const port = await freePort();
  const product = await Product.start({ config: { grpc: { listen_port: port } } });
  try {
    const insecure = grpc.credentials.createInsecure();
    assert.equal((await ask(port, insecure)).code, grpc.status.UNAUTHENTICATED);
    assert.equal((await ask(port, insecure, '/other.Service/Method')).code, grpc.status.UNIMPLEMENTED);
    assert.match(product.log(), new RegExp(`listening on 127.0.0.1:${port} for gRPC, without TLS`));
    const core = () => product.pid('core');
    const killed = core();
    process.kill(killed, 'SIGKILL');
    assert.equal((await ask(port, insecure)).code, grpc.status.UNAUTHENTICATED); // it waited
    assert.notEqual(core(), killed);
    const metrics = await (await fetch(`${product.url}/metrics`)).text();
    assert.match(metrics, /^callmend_grpc_streams_total\{status="unauthenticated"\} 1$/m);
  } finally {
    await product.destroy();
  }
});

test('with a certificate; one that cannot be used is named by `check`, and stops the start', async () => {
  const dir = mkdtempSync('/tmp/callmend-grpc-');
  const certificate = join(dir, 'cert.pem'), key = join(dir, 'key.pem'), port = await freePort();
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate], { stdio: 'ignore' });
  const product = await Product.start({ config: { grpc: { listen_port: port, certificate_file: certificate, key_file: key } } });
  try {
    assert.equal((await ask(port, grpc.credentials.createSsl(readFileSync(certificate)))).code, grpc.status.UNAUTHENTICATED);
    const check = () => product.cli(['check', '--config', product.configFile]);
    assert.equal((await check()).code, 0);
    await product.stop();
    for (const [change, reason] of [[() => writeFileSync(key, 'no key'), `${key}: no private key in PEM form`], [() => rmSync(key), `${key}: No such file`],
      [() => delete product.config.grpc.key_file, `${certificate}: a certificate needs its key`]].map(([c, r]) => [c, new RegExp(r)])) {
      change();
      await product.launch({ ready: false });
      const checked = await check();
      assert.equal(checked.code, 1);
      assert.match(checked.stderr, reason);
      assert.match(checked.stderr, /^callmend: check: grpc\.certificate_file: /m);
      assert.equal((await product.exit).code, 1);
      await until('the reason is told', () => reason.test(product.log()));
      assert.match(product.log(), /cannot start: grpc\.certificate_file: /);
    }
  } finally {
    await product.destroy();
    rmSync(dir, { recursive: true, force: true });
  }
});

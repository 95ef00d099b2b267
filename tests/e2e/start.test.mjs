// Starts and stops at the wrong moment: the core comes first and does not wait for PostgreSQL; the parent, which starts both, is never too busy to
// start a dead core again or to stop (A1, I2).
import test from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync, mkdtempSync, existsSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { message } from './lib/world.mjs';
import { nothingLeft, processesOf, read, readyz, stopped } from './lib/processes.mjs';
import { BINARY, Product, alive, freePort } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

// The very first start, held in the middle of initdb. `go` lets it run on.
async function heldInInitdb(product) {
  await product.launch({ ready: false });
  const { pid } = await until('initdb runs', () => processesOf(product.dir).find(({ command }) => /\/initdb /.test(command)), { everyMs: 2 });
  process.kill(pid, 'SIGSTOP');
  return { pid, go: () => alive(pid) && process.kill(pid, 'SIGCONT') };
}

test('the first start: the core answers while PostgreSQL is being made, and is started again when it dies', async () => {
  const product = new Product();
  let initdb;
  try {
    initdb = await heldInInitdb(product);
    await until('the core answers', async () => (await fetch(`${product.url}/healthz`)).ok);
    const early = await readyz(product);
    assert.equal(early.status, 503);
    assert.equal(early.ready, false);
    assert.match(early.reasons.join(), /sources and projects are not loaded yet/);
    assert.equal((await product.webhook('main', message('hang', 'early'))).status, 503, 'nobody is told that a source does not exist');
    const old = product.kill('core');
    assert.ok(old);
    await product.restarted('core', old);
    await until('the new core answers', async () => (await fetch(`${product.url}/healthz`)).ok);
    initdb.go();
    await product.ready();
    await product.makeToken();
    assert.equal((await readyz(product)).database, 'connected');
    const how = await stopped(product);
    assert.deepEqual(how, { code: 0, signal: null });
    assert.doesNotMatch(product.log(), / error /, 'a schema that is being made is no error');
    await nothingLeft(product.dir);
  } finally {
    initdb?.go();
    await product.destroy();
  }
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'])
  test(`${signal} during the first start leaves no process, and the next start begins anew`, async () => {
    const product = new Product();
    let initdb;
    try {
      initdb = await heldInInitdb(product);
      const how = await stopped(product, signal);
      assert.deepEqual(how, { code: 0, signal: null });
      assert.equal(alive(initdb.pid), false);
      await nothingLeft(product.dir);
      assert.equal(product.pid('parent'), null);
      await product.launch();
      await product.makeToken();
    } finally {
      initdb?.go();
      await product.destroy();
    }
  });

test('a terminal is closed: every process of its group is told, some twice, and all of them end in order', async () => {
  const product = await Product.start();
  try {
    const group = ['core', 'analyst-1', 'parent'].map((role) => product.pid(role));
    assert.ok(group.every(Boolean));
    for (const pid of [...group, product.pid('parent')])
      process.kill(pid, 'SIGHUP');
    assert.deepEqual(await product.exit, { code: 0, signal: null });
    await nothingLeft(product.dir);
    assert.match(product.log(), /SIGHUP, stopping/);
    assert.match(product.log(), /core: draining/);
    assert.doesNotMatch(product.log(), /starting it again/);
  } finally {
    await product.destroy();
  }
});

for (const verb of ['core', 'analyst'])
  test(`SIGHUP ends a ${verb} that has no parent, unless it was started under nohup`, async () => {
    const dir = mkdtempSync('/tmp/callmend-e2e-');
    const config = join(dir, 'callmend.yaml');
    writeFileSync(config, JSON.stringify({ state_dir: dir, secrets_dir: dir, listen: { host: '127.0.0.1', port: await freePort() } }));
    const children = [];
    const begin = async (...words) => {
      const child = spawn(words[0], [...words.slice(1), verb, '--config', config],
        { env: { ...process.env, CALLMEND_DATABASE_URL: 'postgresql://127.0.0.1:1/nowhere' }, stdio: ['ignore', 'ignore', 'pipe'] });
      children.push(child);
      let log = '';
      child.stderr.on('data', (bytes) => (log += bytes));
      const exit = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })));
      await until(`${verb} is ready`, () => /ready/.test(log) || assert.fail(log));
      return { child, exit };
    };
    const ignoresHangup = ({ pid }) => BigInt(`0x${/SigIgn:\s*(\S+)/.exec(read(`/proc/${pid}/status`))[1]}`) & 1n;
    try {
      const plain = await begin(BINARY);
      assert.ok(!ignoresHangup(plain.child));
      plain.child.kill('SIGHUP');
      assert.deepEqual(await plain.exit, { code: 0, signal: null });
      const kept = await begin('nohup', BINARY);
      assert.ok(ignoresHangup(kept.child));
      kept.child.kill('SIGTERM');
      assert.deepEqual(await kept.exit, { code: 0, signal: null });
    } finally {
      children.forEach((child) => child.kill('SIGKILL'));
      rmSync(dir, { recursive: true, force: true });
    }
  });

test('a second `up` on the same state folder is refused and disturbs nobody', async () => {
  const product = await Product.start();
  const second = new Product({ dir: product.dir, port: await freePort() });
  try {
    second.logFile = join(product.dir, 'log2');
    second.configFile = join(product.dir, 'second.yaml');
    await second.launch({ ready: false });
    const how = await second.exit;
    assert.equal(how.code, 1);
    assert.match(second.log(), new RegExp(`another callmend \\(pid ${product.child.pid}\\) runs with the state folder`));
    assert.equal((await product.api('GET', '/api/v1/projects')).status, 200);
    assert.equal(product.pid('parent'), product.child.pid);
  } finally {
    await product.destroy();
  }
});

test('the core opens as many files as the system lets it, whatever its shell said', async () => {
  const product = await Product.start({ shell: 'ulimit -Sn 400; ulimit -Hn 5000' });
  try {
    const pid = Number(read(join(product.stateDir, 'core.pid')));
    assert.match(read(`/proc/${product.pid('core')}/limits`), /Max open files +5000 +5000 /);
    assert.match(product.log(), /at most 5000 files and sockets may be open/);
  } finally {
    await product.destroy();
  }
});

test('a port in use is named; SIGTERM ends the waiting for it', async () => {
  const holder = createServer();
  await new Promise((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const product = new Product({ port: holder.address().port });
  try {
    await product.launch({ ready: false });
    await until('it says so', () => /address already in use.*trying for/i.test(product.log()));
    assert.deepEqual(await stopped(product), { code: 0, signal: null });
    await product.launch({ ready: false });
    assert.equal((await product.exit).code, 1);
    assert.match(product.log(), /cannot start: .*address already in use/i);
    assert.equal(existsSync(join(product.stateDir, 'postgres')), false, 'nothing was begun');
    await nothingLeft(product.dir);
  } finally {
    holder.close();
    await product.destroy();
  }
});

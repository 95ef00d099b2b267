// `callmend demo` as its help says: it finds tools/demo of the source tree and hands all words over; without it, or without node, it says what is missing.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../tools/lib/wait.mjs';

const run = (args, env = {}) => spawnSync(process.env.CALLMEND, args, { encoding: 'utf8', timeout: 60000, env: { ...process.env, ...env } });

test('demo --help is the verb\'s, demo -- --help the demo\'s own', () => {
  const ours = run(['demo', '--help']);
  assert.equal(ours.status, 0);
  assert.match(ours.stdout, /usage: callmend demo/);
  const its = run(['demo', '--', '--help']);
  assert.equal(its.status, 0, its.stderr);
  assert.match(its.stdout, /usage: \.\/dev run \[options\]/);
  assert.match(its.stdout, /--speed X/);
});

test('words and options go to the demo of CALLMEND_SOURCE, with this program to run', () => {
  const dir = mkdtempSync('/tmp/callmend-demo-');
  try {
    mkdirSync(join(dir, 'tools', 'demo'), { recursive: true });
    writeFileSync(join(dir, 'tools', 'demo', 'demo.mjs'), 'console.log(JSON.stringify({ args: process.argv.slice(2), binary: process.env.CALLMEND_BINARY }));\nprocess.exit(7);\n');
    const { status, stdout } = run(['demo', '--speed', '5', '--no-stay', 'word'], { CALLMEND_SOURCE: dir });
    assert.equal(status, 7);
    const seen = JSON.parse(stdout);
    assert.deepEqual(seen.args, ['--speed', '5', '--no-stay', 'word']);
    assert.ok(seen.binary.endsWith('callmend'), seen.binary);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('without node it names the package', () => {
  const { status, stderr } = run(['demo'], { PATH: '/nowhere' });
  assert.equal(status, 1);
  assert.match(stderr, /cannot start node .*\(package nodejs\)/);
});

test('an option the demo does not know is refused with its usage', () => {
  const { status, stderr } = run(['demo', '--sped', '5']);
  assert.equal(status, 2);
  assert.match(stderr, /--sped/);
});

const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};
const processesOf = (dir) => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && read(`/proc/${pid}/cmdline`).includes(dir));

for (const signal of ['SIGHUP', 'SIGTERM'])
  test(`${signal} in the middle of it ends the demo, its node and the PostgreSQL of that, though nobody reads what it prints`, async () => {
    const dir = mkdtempSync('/tmp/callmend-demo-');
    chmodSync(dir, 0o755); // PostgreSQL started by root runs as somebody else
    const demo = spawn(process.env.CALLMEND, ['demo', '--state', dir, '--no-stay'], { env: { ...process.env, CALLMEND_BIN: process.env.CALLMEND }, stdio: ['ignore', 'pipe', 'pipe'] });
    const exit = new Promise((resolve) => demo.on('exit', (code, by) => resolve({ code, by })));
    try {
      await until('it has made its token', () => read(join(dir, 'demo.token')), { timeoutMs: 60000 });
      const postgres = read(join(dir, 'run', 'postgres.pid')).trim();
      assert.ok(existsSync(`/proc/${postgres}`));
      demo.stdout.destroy();
      demo.stderr.destroy();
      demo.kill(signal);
      const { by } = await exit;
      assert.equal(by, null, 'it ends by itself');
      await until('nothing is left', () => processesOf(dir).length === 0);
      assert.ok(!existsSync(`/proc/${postgres}`));
    } finally {
      demo.kill('SIGKILL');
      for (const pid of processesOf(dir))
        process.kill(Number(pid), 'SIGKILL');
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    }
  });

// `callmend demo` as its help says: it finds tools/demo of the source tree and hands all words over; without it, or without node, it says what is missing.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

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

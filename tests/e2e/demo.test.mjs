// What `./dev run` plays, from its first step to the last: each must be observed, and what it printed must be so.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const DEMO = new URL('../../tools/demo/demo.mjs', import.meta.url).pathname;

async function play(dir, ...args) {
  const demo = spawn(process.execPath, [DEMO, '--state', dir, '--port', '18700', '--no-stay', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const out = [];
  demo.stdout.on('data', (bytes) => out.push(bytes));
  demo.stderr.on('data', (bytes) => out.push(bytes));
  const code = await new Promise((resolve) => demo.on('close', resolve));
  return { code, out: Buffer.concat(out).toString() };
}

test('every step is observed, recordings are left behind', async () => {
  const dir = mkdtempSync('/tmp/callmend-demo-');
  chmodSync(dir, 0o755); // PostgreSQL started by root runs as somebody else
  try {
    const { code, out } = await play(dir, '--speed', '4');
    assert.equal(code, 0, out);
    assert.doesNotMatch(out, /NOT OBSERVED|✗/);
    assert.match(out, /✓ booking  caller [·▁▂▃▄▅▆▇█]+ {3}assistant [·▁▂▃▄▅▆▇█]+\n/);
    assert.match(out, /✓ booking: (assistant|caller) [\d.]+-[\d.]+ s, /);
    const id = out.match(/curl -o booking\.ogg http:\/\/127\.0\.0\.1:\d+\/api\/v1\/recordings\/([-0-9a-f]{36})\/audio -H/)?.[1];
    const files = readdirSync(join(dir, 'recordings'), { recursive: true }).map(String);
    const ogg = files.filter((name) => name.endsWith('.ogg'));
    assert.equal(ogg.length, 3);
    const bytes = readFileSync(join(dir, 'recordings', ogg.find((name) => name.includes(id))));
    assert.equal(bytes.toString('latin1', 0, 4), 'OggS');
    assert.ok(!files.some((name) => name.endsWith('.wav')));
  } finally {
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  }
});

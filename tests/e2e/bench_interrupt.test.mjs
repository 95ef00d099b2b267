// `./dev bench analyst` has a PostgreSQL of its own: interrupted at any moment it takes that and its folder along.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { alive } from './lib/product.mjs';
import { until } from '../../tools/lib/wait.mjs';

const BENCH = new URL('../../bench/analyst.mjs', import.meta.url).pathname;
const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};
const below = (pid) => {
  const children = read(`/proc/${pid}/task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
  return children.flatMap((child) => [child, ...below(child)]);
};

const MOMENTS = { 'while the cluster is made': /initdb/, 'while it runs': /\/postgres -D/ };
for (const [signal, moment] of [['SIGINT', 'while it runs'], ['SIGHUP', 'while it runs'], ['SIGTERM', 'while the cluster is made']])
  test(`${signal} ${moment} leaves nothing`, async () => {
    const bench = spawn(process.execPath, [BENCH, '--calls', '200000', '--turns', '20'], { stdio: 'ignore' });
    const exit = new Promise((resolve) => bench.on('exit', resolve));
    try {
      const command = await until(moment, () => below(bench.pid).map((pid) => read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')).find((c) => MOMENTS[moment].test(c)), { everyMs: 2 });
      const [dir] = /\/tmp\/callmend-bench-\w+/.exec(command);
      const all = below(bench.pid);
      bench.kill(signal);
      assert.ok((await exit) > 128, 'it says that it was interrupted');
      await until('no process is left', () => !all.some(alive));
      assert.ok(!existsSync(dir));
    } finally {
      for (const pid of [...below(bench.pid), bench.pid].filter(alive))
        process.kill(pid, 'SIGTERM');
    }
  });

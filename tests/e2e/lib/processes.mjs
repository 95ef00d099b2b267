// Processes of a product as the system has them, and how ready it says it is: for tests of starts and stops.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { alive } from './product.mjs';
import { until } from '../../../tools/lib/wait.mjs';

export const read = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
};

// Every living process that has to do with a folder: by its arguments or by where it works.
export function processesOf(dir) {
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid && alive(Number(pid))).map(Number)
    .map((pid) => ({ pid, command: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ') }))
    .filter(({ pid, command }) => {
      try {
        return command.includes(dir) || readlinkSync(`/proc/${pid}/cwd`).startsWith(dir);
      } catch {
        return command.includes(dir);
      }
    });
}

export const nothingLeft = (dir) => until('no process is left', () => processesOf(dir).length === 0 || assert.fail(JSON.stringify(processesOf(dir))));
export const readyz = async (product) => {
  const answer = await fetch(`${product.url}/readyz`);
  return { status: answer.status, ...(await answer.json()) };
};

export async function stopped(product, signal = 'SIGTERM') {
  product.child.kill(signal);
  return product.exit;
}

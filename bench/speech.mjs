#!/usr/bin/env node
// ./dev bench speech [FILE.wav LABELS.csv ...] [--curve]: false alarms of the speech detectors at 6 % missed, and nanoseconds per frame, against hand-made
// labels (channel,start_s,end_s); without files on a set it makes with espeak-ng. What is counted how: bench/speech_bench.c.
import { spawnSync } from 'node:child_process';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const build = process.env.CALLMEND_BUILD ?? join(dirname(fileURLToPath(import.meta.url)), '../build/release');
const { status, error } = spawnSync(join(build, 'bench/speech_bench'), process.argv.slice(2), { stdio: 'inherit' });
if (error)
  throw error;
process.exit(status ?? 1);

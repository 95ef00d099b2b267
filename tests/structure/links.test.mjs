// Links between the documents lead somewhere; and the check itself can fail.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { deadLinks, documents, existsIn } from './links.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('links between the documents lead somewhere', () => {
  const files = documents(ROOT);
  assert.ok(files.has('README.md') && files.size > 20, 'the documents were found');
  assert.deepEqual(deadLinks(files, existsIn(ROOT)), []);
});

const dead = (tree) => {
  const files = new Map(Object.entries(tree));
  return deadLinks(files, (path) => files.has(path) || path === 'tools');
};

test('found: a file that is not there, a heading that is not there', () => {
  assert.deepEqual(dead({ 'docs/a.md': '[x](b.md) [y](#z)', 'README.md': '[a](docs/a.md#words)' }),
    ['docs/a.md links to b.md: no such file', 'docs/a.md links to #z: no such heading', 'README.md links to docs/a.md#words: no such heading']);
});

test('not found: what is there, other sites, code', () => {
  assert.deepEqual(dead({
    'docs/a.md': '[x](../README.md#two-commands) [s](../tools) [w](https://example.com/#x) `[c](gone.md)`\n```\n[d](gone.md)\n# Gone\n```\n',
    'README.md': '# The `callmend` **tree**\n## Two commands\n[b](#the-callmend-tree) [c](#two-commands-1)\n## Two commands\n',
  }), []);
});

// The include directions hold; and the check itself can fail.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { sourceTree, violations, folderOf } from './includes.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('includes point down only, pure folders stay pure', () => {
  const files = sourceTree(ROOT);
  assert.ok(files.size > 50, 'the tree was found');
  assert.deepEqual(violations(files), []);
});

test('every source file belongs to a folder with rules', () => {
  const homeless = [...sourceTree(ROOT).keys()].filter((file) => !folderOf(file));
  assert.deepEqual(homeless, []);
});

const BAD = {
  'a lower layer that includes an upper one': { 'src/net/a.c': '#include "ingest/lane.h"', 'src/ingest/lane.h': '' },
  'two folders of a layer that know each other': { 'src/store/a.c': '#include "journal/journal.h"', 'src/journal/journal.h': '' },
  'api that includes ingest': { 'src/api/a.c': '#include "ingest/ingest.h"', 'src/ingest/ingest.h': '' },
  'a relative path around the rule': { 'src/base/a.c': '#include "../call/state.h"', 'src/call/state.h': '' },
  'a dialect that knows the session': { 'src/dialect/a.c': '#include "call/state.h"', 'src/call/state.h': '' },
  'libwebsockets outside net': { 'src/api/a.c': '#include <libwebsockets.h>' },
  'libpq outside store': { 'src/ingest/a.c': '#include <libpq-fe.h>' },
  'a codec library outside codecs': { 'src/leg/a.c': '#include <opus.h>' },
  'a resampler outside codecs': { 'src/record/a.c': '#include <speex/speex_resampler.h>' },
  'Ogg Opus files outside record': { 'codecs/a.c': '#include <opusfile.h>' },
  'live audio that knows its recorder': { 'src/media/a.c': '#include "record/recorder.h"', 'src/record/recorder.h': '' },
  'live audio that knows who owns calls': { 'src/media/a.c': '#include "ingest/lane.h"', 'src/ingest/lane.h': '' },
  'a recorder that knows calls': { 'src/record/a.c': '#include "call/state.h"', 'src/call/state.h': '' },
  'a thread in a leg': { 'src/leg/a.c': '#include <pthread.h>' },
  'libuv in the pure core': { 'src/call/a.c': '#include <uv.h>' },
  'a socket header in a dialect': { 'src/dialect/a.c': '# include <sys/socket.h>' },
  'a clock reached through a header': { 'src/call/a.c': '#include "base/x.h"', 'src/base/x.h': '#include <time.h>' },
  'a clock that is read': { 'src/call/a.c': 'long f(void) { return clock_now_us(); }' },
  'an upper contract in the pure core': { 'src/call/a.c': '#include "callmend/live.h"', 'include/callmend/live.h': '' },
};

for (const [name, files] of Object.entries(BAD))
  test(`found: ${name}`, () => assert.equal(violations(new Map(Object.entries(files))).length > 0, true));

test('not found: what is allowed, and words in comments', () => {
  const files = new Map(Object.entries({
    'src/call/a.c': '#include "callmend/span.h"\n#include <string.h>\n/* never clock_now_us() here */',
    'include/callmend/span.h': '#include <stdint.h>',
    'src/net/b.c': '#include <libwebsockets.h>\n#include "rt/shard.h"', 'src/rt/shard.h': '#include <uv.h>',
  }));
  assert.deepEqual(violations(files), []);
});

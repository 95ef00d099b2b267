// Which folder may include what: DESIGN in one table. Layers point down only; pure folders reach no clock, thread, socket or SQL, not even
// through a header; each foreign library is known to one folder.
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { join, dirname } from 'node:path';

const BELOW = ['src/base', 'include/callmend'];
export const FOLDERS = {
  'src/base': { may: BELOW },
  'codecs': { may: ['codecs', ...BELOW], pure: true },
  'src/dialect': { may: ['src/dialect', ...BELOW], pure: true },
  'src/call': { may: ['src/call', ...BELOW], pure: true },
  'src/leg': { may: ['src/leg', 'codecs', ...BELOW], pure: true },
  'src/rt': { may: ['src/rt', ...BELOW] },
  'src/net': { may: ['src/net', 'src/rt', ...BELOW] },
  'src/journal': { may: ['src/journal', 'src/rt', ...BELOW] },
  'src/store': { may: ['src/store', 'src/rt', ...BELOW] },
  'src/record': { may: ['src/record', 'codecs', ...BELOW] },
  'src/stt': { may: ['src/stt', 'src/net', 'src/rt', 'codecs', ...BELOW] },
  'src/media': { may: ['src/media', 'src/leg', 'src/net', 'src/rt', ...BELOW] },
  'src/connect': { may: ['src/connect', 'src/net', 'src/rt', ...BELOW] },
  'src/ingest': { may: ['src/ingest', 'src/journal', 'src/net', 'src/rt', 'src/call', ...BELOW] },
  'src/notify': { may: ['src/notify', 'src/net', 'src/rt', ...BELOW] },
  'src/analysis': { may: ['src/analysis', 'src/call', ...BELOW] },
  'src/llm': { may: ['src/llm', 'src/net', 'src/rt', ...BELOW] },
  'src/healing': { may: ['src/healing', 'src/analysis', 'src/call', 'src/llm', 'src/net', 'src/rt', ...BELOW] },
  'src/api': { may: ['src/api', 'src/net', 'src/rt', ...BELOW] },
  'src/node': { may: ['src', 'include/callmend'] },
  'include/callmend': { may: ['include/callmend', 'src/base', 'src/net', 'src/rt'] },
};

// Libraries and the only folders that know them.
export const OWNERS = [
  [/^(libwebsockets|lws-|curl\/|nghttp2\/)/, ['src/net']],
  [/^(libpq-fe|postgresql\/)/, ['src/store']],
  [/^uv\.h/, ['src/rt', 'src/net', 'src/stt', 'src/media', 'src/connect', 'src/node']],
  [/^(sodium|xxhash)/, ['src/base']],
  [/^openssl/, ['src/base', 'src/net']],
  [/^yaml/, ['src/base']],
  [/^(opus\.h|opus\/|opus_|spandsp|speex)/, ['codecs']],
  [/^(opusenc|opusfile)/, ['src/record']],
  [/^jansson/, ['src/base', 'src/api', 'src/store', 'src/node']],
  [/^(ncurses|curses)/, ['src/node']],
];

// What a pure folder must not reach, directly or through headers.
const IMPURE = /^(uv\.h|time\.h|sys\/(time|socket|epoll|stat|mman|wait)\.h|netinet\/|arpa\/|netdb\.h|poll\.h|pthread\.h|threads\.h|signal\.h|unistd\.h|fcntl\.h|stdatomic\.h|dirent\.h)/;
const IMPURE_CALLS = /\b(clock_now_us|clock_monotonic_us|crypto_random|log_line|metric_add|metric_observe_us|fopen|getenv|rand|random)\s*\(/;
// Contracts that belong to layer 3 and above, although they stand among the contracts.
const UPPER_CONTRACTS = ['include/callmend/live.h', 'include/callmend/store.h', 'include/callmend/directory.h', 'include/callmend/hear.h',
  'include/callmend/listen.h', 'include/callmend/connect.h'];

export const folderOf = (file) => Object.keys(FOLDERS).find((folder) => file.startsWith(`${folder}/`));

const withoutComments = (text) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '').replace(/"(?:[^"\\\n]|\\.)*"(?!\s*$)/gm, '""');

export function includesOf(text) {
  return [...text.matchAll(/^\s*#\s*include\s*([<"])([^>"]+)[>"]/gm)].map(([, kind, path]) => ({ ours: kind === '"', path }));
}

// `files`: Map from path to text. An include of ours resolves against the three include roots and the file's own folder.
function resolve(files, from, path) {
  return [join('include', path), join('src', path), path, join(dirname(from), path)].find((candidate) => files.has(candidate));
}

function headersReached(files, file, seen = new Set()) {
  for (const { path } of includesOf(files.get(file)).filter((i) => i.ours)) {
    const next = resolve(files, file, path);
    if (next && !seen.has(next)) {
      seen.add(next);
      headersReached(files, next, seen);
    }
  }
  return seen;
}

export function violations(files) {
  const out = [];
  for (const [file, text] of files) {
    const folder = folderOf(file);
    if (!folder)
      continue;
    const { may, pure } = FOLDERS[folder];
    const allowed = (target) => may.some((prefix) => target.startsWith(`${prefix}/`));
    for (const { ours, path } of includesOf(text)) {
      const target = ours && resolve(files, file, path);
      if (target && !allowed(target))
        out.push(`${file} includes ${target}`);
      const owner = !target && OWNERS.find(([pattern]) => pattern.test(path));
      if (owner && !owner[1].includes(folder))
        out.push(`${file} includes <${path}>, which only ${owner[1].join(', ')} may know`);
      if (pure && IMPURE.test(path))
        out.push(`${file} is pure and includes <${path}>`);
    }
    if (pure)
      out.push(...impurities(files, file));
  }
  return out;
}

function impurities(files, file) {
  const out = [];
  for (const header of headersReached(files, file)) {
    if (UPPER_CONTRACTS.includes(header))
      out.push(`${file} is pure and reaches ${header}`);
    for (const { path } of includesOf(files.get(header)))
      if (IMPURE.test(path))
        out.push(`${file} is pure and reaches <${path}> through ${header}`);
  }
  const call = withoutComments(files.get(file)).match(IMPURE_CALLS);
  if (call)
    out.push(`${file} is pure and calls ${call[1]}`);
  return out;
}

export function sourceTree(root) {
  const files = new Map();
  const walk = (folder) => {
    if (!existsSync(join(root, folder)))
      return;
    for (const item of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = join(folder, item.name);
      if (item.isDirectory())
        walk(path);
      else if (/\.[ch]$/.test(item.name))
        files.set(path, readFileSync(join(root, path), 'utf8'));
    }
  };
  ['src', 'include', 'codecs'].forEach(walk);
  return files;
}

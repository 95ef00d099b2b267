// Links between our Markdown files: the file is there, and so is the heading behind `#`.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const NOT_OURS = ['node_modules', 'build', '.git'];

// A fenced block shows text, it links nowhere; so does a span of code.
const withoutCode = (text) => text.replace(/^```[\s\S]*?^```/gm, '').replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()#]/g, ''));

// As GitHub names headings: the link's text without marks, in small letters, blanks as dashes; the second of a name has -1.
function anchorsOf(text) {
  const seen = new Map();
  return new Set([...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#{1,6}\s+(.+?)\s*$/gm)].map(([, heading]) => {
    const name = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
    const n = seen.get(name) ?? 0;
    seen.set(name, n + 1);
    return n ? `${name}-${n}` : name;
  }));
}

// `files`: Map from path to text; `exists`: is there a file or folder of this path?
export function deadLinks(files, exists) {
  const out = [];
  for (const [file, text] of files)
    for (const [, link] of withoutCode(text).matchAll(/\]\(([^()\s]+)\)/g)) {
      const [path, anchor] = link.split('#');
      const target = path ? normalize(join(dirname(file), path)) : file;
      if (/^[a-z]+:/.test(link))
        continue;
      if (path && !exists(target))
        out.push(`${file} links to ${link}: no such file`);
      else if (anchor && files.has(target) && !anchorsOf(files.get(target)).has(anchor))
        out.push(`${file} links to ${link}: no such heading`);
    }
  return out;
}

export function documents(root) {
  const files = new Map();
  const walk = (folder) => {
    for (const item of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = join(folder, item.name);
      if (item.isDirectory() && !NOT_OURS.includes(item.name))
        walk(path);
      else if (item.name.endsWith('.md'))
        files.set(path, readFileSync(join(root, path), 'utf8'));
    }
  };
  walk('.');
  return files;
}

export const existsIn = (root) => (path) => existsSync(join(root, path));

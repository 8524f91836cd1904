// Every link of the built site leads to a page, and to a place on it.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const dist = join(dirname(fileURLToPath(import.meta.url)), '.vitepress', 'dist');
const own = readdirSync(dist, { recursive: true })
  .filter((f) => f.endsWith('.html') && !f.startsWith('api/') && f !== '404.html');
const texts = new Map();
const read = (path) => {
  if (!texts.has(path)) {
    texts.set(path, readFileSync(path, 'utf8'));
  }
  return texts.get(path);
};
const plain = (s) => s.replace(/&amp;/g, '&').replace(/&quot;/g, '"').replace(/&#39;/g, "'");
const wrong = [];
let count = 0;
for (const page of own) {
  for (const [, raw] of read(join(dist, page)).matchAll(/ href="([^"]*)"/g)) {
    const href = plain(raw);
    if (/^(?:[a-z]+:|\/\/)/.test(href)) {
      continue;
    }
    count++;
    const [path, anchor] = href.split('#');
    let target = path === '' ? page : path.startsWith('/') ? path.slice(1) : normalize(join(dirname(page), path));
    target = join(dist, decodeURIComponent(target));
    if (existsSync(target) && statSync(target).isDirectory()) {
      target = join(target, 'index.html');
    } else if (!existsSync(target) && existsSync(target + '.html')) {
      target += '.html';
    }
    if (!existsSync(target)) {
      if (!path.startsWith('/api/') || existsSync(join(dist, 'api'))) {
        wrong.push(`${page}: no ${href}`);
      }
    } else if (anchor && !read(target).includes(` id="${decodeURIComponent(anchor)}"`)) {
      wrong.push(`${page}: no place ${href}`);
    }
  }
}
wrong.forEach((line) => console.error(line));
console.log(`${own.length} pages, ${count} links, ${wrong.length} wrong`);
process.exit(wrong.length || own.length < 40 ? 1 : 0);

// Copies what the site shows into pages/: docs/, the READMEs that it links to, result files, Javadoc.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const site = dirname(fileURLToPath(import.meta.url));
const root = dirname(site);
const pages = join(site, 'pages');
rmSync(pages, { recursive: true, force: true });
cpSync(join(root, 'docs'), pages, { recursive: true });
for (const folder of ['benchmarks', 'cuda', 'datasets', 'spark']) {
  const readme = join(root, folder, 'README.md');
  if (existsSync(readme)) {
    mkdirSync(join(pages, folder), { recursive: true });
    cpSync(readme, join(pages, folder, 'README.md'));
  }
}
const files = join(pages, 'public');
mkdirSync(files);
cpSync(join(root, 'benchmarks', 'results'), join(files, 'results'), { recursive: true });
cpSync(join(pages, 'experiment.schema.json'), join(files, 'experiment.schema.json'));
const javadoc = join(root, 'target', 'reports', 'apidocs');
if (existsSync(javadoc)) {
  cpSync(javadoc, join(files, 'api'), { recursive: true });
} else {
  console.warn('no Javadoc in target/reports/apidocs; make it with: mvn -q -B javadoc:javadoc');
}

const examples = join(root, 'docs', 'examples');
cpSync(examples, join(files, 'examples'), { recursive: true, filter: (f) => !f.endsWith('.md') });

// Links that leave docs/ go to the copies; folders of the repository are named, not linked.
const outside = [
  [/\]\(\.\.\/(benchmarks|cuda|datasets|spark)\/README\.md/g, '](/$1/README.md'],
  [/\]\((?:\.\.\/)+benchmarks\/results\/([\w.-]+)\)/g, '](/results/$1){target="_self"}'],
  [/\]\((?:\.\/)?results\/([\w.-]+\.json)\)/g, '](/results/$1){target="_self"}'],
  [/\]\((?:examples\/)?(Circuit\.java|circuit\.ipynb)\)/g, '](/examples/$1){target="_self"}'],
  [/\]\((?:\.\/)?experiment\.schema\.json\)/g, '](/experiment.schema.json){target="_self"}'],
  [/\[([^\]]*)\]\(\.\.\/(?:src|native|cuda|pom|\.github|LICENSE|CHANGELOG|CONTRIBUTING|README)[^)]*\)/g, '$1'],
];
for (const file of readdirSync(pages, { recursive: true }).filter((f) => f.endsWith('.md'))) {
  const path = join(pages, file);
  const folder = dirname(relative(pages, path));
  let text = readFileSync(path, 'utf8');
  for (const [from, to] of outside) {
    text = text.replace(from, to);
  }
  if (['benchmarks', 'cuda', 'datasets', 'spark'].includes(folder)) {
    text = text
      .replace(/\]\(\.\.\/docs\//g, '](../')
      .replace(/\[([^\]]*)\]\((?!https?:|#|\/|\.\.\/|README)[^)]*\)/g, '$1');
  }
  writeFileSync(path, text);
}

// Pages that list folders.
const title = (path) => /^# (.*)$/m.exec(readFileSync(path, 'utf8'))?.[1] ?? path;
for (const [folder, name] of [['adr', 'Decisions'], ['reference', 'Reference']]) {
  const list = readdirSync(join(pages, folder)).filter((f) => f.endsWith('.md')).sort();
  const lines = list.map((f) => `* [${title(join(pages, folder, f))}](${f})`);
  writeFileSync(join(pages, folder, 'index.md'), `# ${name}\n\n${lines.join('\n')}\n`);
}

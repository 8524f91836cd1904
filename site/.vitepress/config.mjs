import { defineConfig } from 'vitepress';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const pages = join(import.meta.dirname, '..', 'pages');
const title = (file) => /^# (.*)$/m.exec(readFileSync(join(pages, file + '.md'), 'utf8'))[1];
const item = (file, text) => ({ text: text ?? title(file), link: '/' + file });
const folder = (name) =>
  readdirSync(join(pages, name))
    .filter((f) => f.endsWith('.md') && f !== 'index.md')
    .sort()
    .map((f) => item(`${name}/${f.slice(0, -3)}`));

const sidebar = [
  {
    text: 'Begin',
    items: [item('start'), item('tutorial-experiment'), item('tutorial-ioi'), item('how-to')],
  },
  {
    text: 'Do',
    items: [
      'prompts', 'inspect', 'datasets', 'models', 'tokenizers', 'tasks', 'programs', 'autoencoders',
      'experiments', 'comparison', 'judging', 'attends', 'report', 'formats', 'spark', 'embedding', 'examples/README', 'extending', 'cuda', 'platforms',
    ].map((f) => item(f)),
  },
  { text: 'Understand', items: ['concepts', 'attribution', 'lexicon', 'results', 'architecture', 'kernels', 'performance', 'startup'].map((f) => item(f)) },
  { text: 'From other libraries', items: ['from-autocircuit', 'from-eap-ig', 'defects', 'upgrade'].map((f) => item(f)) },
  { text: 'Reference', collapsed: true, items: [item('cli'), ...folder('reference'), { text: 'Javadoc', link: '/api/index.html', target: '_self' }] },
  { text: 'Tests', collapsed: true, items: ['skips', 'fuzzing'].map((f) => item(f)) },
  { text: 'Decisions', collapsed: true, items: folder('adr') },
];

export default defineConfig({
  title: 'AutoCircuit for the JVM',
  description: 'Circuits in transformer language models, fast and exact, in Java.',
  srcDir: 'pages',
  outDir: '.vitepress/dist',
  cleanUrls: false,
  lastUpdated: false,
  ignoreDeadLinks: [/^\/(api|results|examples)\//, /^\/experiment\.schema/],
  markdown: { config: (md) => md.set({ html: false }) },
  themeConfig: {
    nav: [
      { text: 'Begin', link: '/start' },
      { text: 'How to', link: '/how-to' },
      { text: 'Reference', link: '/reference/' },
      { text: 'Javadoc', link: '/api/index.html', target: '_self' },
    ],
    sidebar,
    outline: [2, 3],
    search: { provider: 'local' },
  },
});

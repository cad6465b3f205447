/** Every language has the words of every key that is used, and no others. */

import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const LANGUAGES = ['en', 'de'] as const;

type Words = Record<string, { message: string }>;

const words = Object.fromEntries(
  LANGUAGES.map((language) => {
    const file = resolve(ROOT, `public/_locales/${language}/messages.json`);
    return [language, JSON.parse(readFileSync(file, 'utf8')) as Words];
  }),
) as Record<(typeof LANGUAGES)[number], Words>;
const keys = Object.keys(words.en);

describe.each(LANGUAGES)('%s', (language) => {
  test('has words for the same keys, sorted', () => {
    expect(Object.keys(words[language])).toEqual([...keys].sort());
  });

  test('has no empty words, and the same values in them', () => {
    for (const [key, { message }] of Object.entries(words[language])) {
      expect(message.trim(), key).not.toBe('');
      expect(values(message), key).toEqual(values(words.en[key]!.message));
    }
  });

  test('names itself', () => {
    expect(words[language]['ext_language']?.message).toBe(language);
  });
});

test('all words that are used are there', () => {
  const { named, begun } = used();
  const lacking = named.filter((key) => !keys.includes(key));
  const empty = begun.filter((start) => !keys.some((key) => key.startsWith(start)));
  expect([...lacking, ...empty]).toEqual([]);
});

test('all words that are there are used', () => {
  const { named, begun, names } = used();
  const unused = keys.filter(
    (key) =>
      !named.includes(key) && !names.has(key) && !begun.some((start) => key.startsWith(start)),
  );
  expect(unused).toEqual([]);
});

/** Places of values: $1, $2. */
function values(message: string): string[] {
  return [...message.matchAll(/\$\d/g)].map(([place]) => place).sort();
}

/**
 * Keys that pages and the manifest name, beginnings that code completes, and all names in the code,
 * where the compiler sees to it that keys exist.
 */
function used(): { named: string[]; begun: string[]; names: Set<string> } {
  const sources = ['wxt.config.ts', ...sourceFiles()]
    .map((file) => readFileSync(resolve(ROOT, file), 'utf8'))
    .join('\n');
  const found = (pattern: RegExp): string[] =>
    [...sources.matchAll(pattern)].map(([, key]) => key!);
  return {
    named: [...found(/data-(?:word|label)="(\w+)"/g), ...found(/__MSG_(\w+?)__/g)],
    begun: found(/word\(\s*`(\w+_)\$\{/g),
    names: new Set(found(/'(\w+)'/g)),
  };
}

function sourceFiles(): string[] {
  const files = readdirSync(resolve(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  return files.filter((file) => /\.(ts|html)$/.test(file)).map((file) => `src/${file}`);
}

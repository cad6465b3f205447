// Writes src/types/*.ts from the JSON Schemas of the SDK: node scripts/types.mjs [--check]
import { readFile, writeFile } from 'node:fs/promises';
import { compile } from 'json-schema-to-typescript';

const SCHEMAS = {
  card: '../sdk/dfedge/bundles/card.schema.json',
  verdict: '../sdk/dfedge/verdict.schema.json',
};
const check = process.argv.includes('--check');
const root = new URL('../', import.meta.url);
let stale = 0;
for (const [name, path] of Object.entries(SCHEMAS)) {
  const schema = JSON.parse(await readFile(new URL(path, root), 'utf8'));
  const text = await compile(withoutRootReference(schema), name, {
    bannerComment: `/* Made by "npm run types" from ${path.replace('../', '')}; do not edit. */`,
    additionalProperties: false,
    style: { singleQuote: true, printWidth: 100 },
  });
  const file = new URL(`src/types/${name}.ts`, root);
  if (!check) {
    await writeFile(file, text);
  } else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    console.error(`src/types/${name}.ts is not what the schema gives: run "npm run types"`);
    stale += 1;
  }
}
process.exitCode = stale ? 1 : 0;

/** The compiler takes no reference at the root: put there what it refers to. */
function withoutRootReference({ $ref, ...schema }) {
  if ($ref === undefined) return schema;
  const name = $ref.split('/').at(-1);
  return { ...schema, ...schema.$defs[name], title: name };
}

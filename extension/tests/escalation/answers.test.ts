/** What a server answers is checked by the SDK's own schema before it is believed. */

import { expect, test } from 'vitest';
import verdictSchema from '../../../sdk/dfedge/verdict.schema.json';
import { readEscalation, readProblem, readStage } from '../../src/escalation/answers';
import { shown } from '../../src/escalation/text';
import { escalation, ID, judged } from './made';

test('an escalation with a verdict, and with fields that came later', () => {
  const told = escalation('done', { verdict: judged(), later: { a: 1 } });
  expect(readEscalation(told)).toEqual(told);
});

test.each<[string, unknown]>([
  ['it is no object', null],
  ['it is no object', [escalation('done')]],
  ['it.state is missing', { id: ID, stage: { name: 'done' } }],
  ['it.state is none of those it can be', escalation('asleep')],
  ['id is no UUID', { ...escalation('done'), id: '../../keys' }],
  ['it.stage.name is none', { ...escalation('done'), stage: { name: 'resting' } }],
  ['it.stage.done is no integer', { ...escalation('done'), stage: { name: 'done', done: 0.5 } }],
  ['it.thresholds.fake is out of', escalation('done', { thresholds: { real: 0, fake: 2 } })],
  ['it.notes[0] is no string', escalation('done', { notes: [1] })],
  [
    'it.verdict.tracks[0].observations[0].box.left is no number',
    escalation('done', {
      verdict: JSON.parse(JSON.stringify(judged()).replace('"left":10', '"left":1e999')) as unknown,
    }),
  ],
  ['it.verdict.label is none', escalation('done', { verdict: { ...judged(), label: 'SURE' } })],
  [
    'it.verdict.reasons is no array',
    escalation('done', { verdict: judged({ reasons: {} as [] }) }),
  ],
])('refused: %s', (said, answer) => {
  expect(() => readEscalation(answer)).toThrow(said);
});

test('stages and problems that are none are null', () => {
  const stage = { name: 'models', done: 1, total: 8 };
  expect(readStage({ state: 'running', stage })).toEqual(stage);
  expect(readStage({ state: 'running' })).toBeNull();
  expect(readProblem({ code: 'queue_full', detail: 'Later.' })?.code).toBe('queue_full');
  expect(readProblem('<html>')).toBeNull();
});

test('words of a server are shown on one line, without what turns or hides letters', () => {
  expect(shown('  one\u202e two\n\u0007three ')).toBe('one two three');
  expect(shown('a'.repeat(1000))).toHaveLength(300);
});

test('every word of the SDK’s schema that says what fits is understood', () => {
  const known = [
    '$ref',
    'anyOf',
    'enum',
    'type',
    'properties',
    'required',
    'items',
    'minimum',
    'maximum',
  ];
  const silent = ['title', 'description', 'default'];
  const words = (schema: object): string[] =>
    Object.entries(schema).flatMap(([word, value]) => {
      if (word === 'properties') return [word, ...Object.values(value as object).flatMap(words)];
      if (word === 'items') return [word, ...words(value as object)];
      if (word === 'anyOf') return [word, ...(value as object[]).flatMap(words)];
      return [word];
    });
  const used = new Set(Object.values(verdictSchema.$defs).flatMap(words));
  expect([...used].filter((word) => ![...known, ...silent].includes(word))).toEqual([]);
});

/** What is said of a video, and when. */

import { describe, expect, test } from 'vitest';
import { isShown, type Saying, sayingOf, SteadySaying } from '../../src/page/saying';
import type { Reason, Verdict } from '../../src/types/verdict';

const THRESHOLDS = { real: 0.2, fake: 0.9 };

describe('a verdict comes to', () => {
  test('what its label means', () => {
    expect(sayingOf(verdict('FAKE', 0.95), 'standard', THRESHOLDS)).toBe('suspicious');
    expect(sayingOf(verdict('REAL', 0.1), 'standard', THRESHOLDS)).toBe('real');
    expect(sayingOf(verdict('NO_FACE', null), 'standard', THRESHOLDS)).toBe('no_face');
  });

  test('leaning for those who want to hear it, when the score lies nearer to suspicious', () => {
    expect(sayingOf(verdict('UNCERTAIN', 0.8), 'high', THRESHOLDS)).toBe('leaning');
    expect(sayingOf(verdict('UNCERTAIN', 0.5), 'high', THRESHOLDS)).toBe('unsure');
    expect(sayingOf(verdict('UNCERTAIN', 0.8), 'standard', THRESHOLDS)).toBe('unsure');
  });

  test('unsure whatever the score, when faces or thresholds are lacking', () => {
    const few = verdict('UNCERTAIN', 0.8, 'too_blurry');
    expect(sayingOf(few, 'high', THRESHOLDS)).toBe('unsure');
    expect(sayingOf(verdict('UNCERTAIN', 0.8), 'high', null)).toBe('unsure');
  });
});

describe('it is said', () => {
  test('no sooner than two seconds after the first look', () => {
    const steady = new SteadySaying();
    expect(said(steady, [0, 'suspicious'], [1, 'suspicious'], [1.9, 'suspicious'])).toBe('looking');
    expect(said(steady, [2, 'suspicious'])).toBe('suspicious');
  });

  test('until another has held for two seconds', () => {
    const steady = new SteadySaying();
    said(steady, [0, 'real'], [2, 'real']);
    expect(said(steady, [3, 'suspicious'], [4, 'real'], [5, 'suspicious'])).toBe('real');
    expect(said(steady, [6.9, 'suspicious'])).toBe('real');
    expect(said(steady, [7, 'suspicious'])).toBe('suspicious');
  });

  test('still, when the clip starts anew and too little was seen of it', () => {
    const steady = new SteadySaying();
    said(steady, [0, 'suspicious'], [2, 'suspicious']);
    expect(said(steady, [3, null], [6, null])).toBe('suspicious');
  });

  test('steadily, from the look on that all others agreed with', () => {
    const steady = new SteadySaying();
    said(steady, [0, 'looking'], [1, 'real']);
    expect(steady.steadySince).toBe(Infinity);
    said(steady, [2, 'real'], [3, 'real']);
    expect(steady.steadySince).toBe(1);
    said(steady, [4, 'suspicious']);
    expect(steady.steadySince).toBe(Infinity);
  });

  test('not at all where only suspicious ones are wanted', () => {
    expect(isShown('real', 'low')).toBe(false);
    expect(isShown('suspicious', 'low')).toBe(true);
    expect(isShown('real', 'standard')).toBe(true);
    expect(isShown('waiting', 'high')).toBe(false);
  });
});

function said(steady: SteadySaying, ...looks: [seconds: number, saying: Saying | null][]): Saying {
  return looks.map(([seconds, saying]) => steady.after(saying, seconds)).at(-1)!;
}

function verdict(
  label: Verdict['label'],
  probability: number | null,
  reason: Reason = 'score_in_unsure_band',
): Verdict {
  return { label, fake_probability: probability, reasons: [reason] } as Verdict;
}

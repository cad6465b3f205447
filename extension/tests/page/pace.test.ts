/** How often a video is looked at. */

import { expect, test } from 'vitest';
import { Pace } from '../../src/page/pace';

const MAINS = { onBattery: false, level: 1 };

test('twice a second, when nothing speaks for fewer', () => {
  expect(new Pace(() => MAINS).interval(0)).toBe(0.5);
});

test('the judge is left half of its time, but its first answer waits for the models', () => {
  const pace = new Pace(() => MAINS);
  pace.answered(5);
  expect(pace.interval(0)).toBe(0.5);
  for (const seconds of [0.9, 1, 1.1]) pace.answered(seconds);
  expect(pace.interval(0)).toBe(2);
});

test('never less often than every ten seconds', () => {
  const pace = new Pace(() => MAINS);
  pace.answered(0);
  pace.answered(60);
  expect(pace.interval(0)).toBe(10);
});

test('once a second when the same was said for a while', () => {
  const pace = new Pace(() => MAINS);
  pace.steadySince(10);
  expect(pace.interval(14)).toBe(0.5);
  expect(pace.interval(15)).toBe(1);
  pace.steadySince(Infinity);
  expect(pace.interval(16)).toBe(0.5);
});

test('less often on a battery, and less still when it is low', () => {
  expect(new Pace(() => ({ onBattery: true, level: 0.8 })).interval(0)).toBe(1);
  expect(new Pace(() => ({ onBattery: true, level: 0.1 })).interval(0)).toBe(2);
});

test('less often while the browser drops frames, and as before when it drops none', () => {
  const pace = new Pace(() => MAINS);
  pace.shown({ dropped: 0, total: 30 });
  expect(pace.interval(0)).toBe(0.5);
  pace.shown({ dropped: 10, total: 60 });
  expect(pace.interval(0)).toBe(0.75);
  for (let total = 90; total < 300; total += 30) pace.shown({ dropped: 10, total });
  expect(pace.interval(0)).toBe(0.5);
});

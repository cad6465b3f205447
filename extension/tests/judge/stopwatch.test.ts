import { expect, test } from 'vitest';
import { Stopwatch } from '../../src/judge/stopwatch';

test('tells the median and the 95th percentile of the last 500 looks', () => {
  const stopwatch = new Stopwatch();
  expect(stopwatch.speed()).toBeNull();
  stopwatch.took(9000); // the models were being opened; forgotten in the end
  for (let milliseconds = 1; milliseconds <= 500; milliseconds++) stopwatch.took(milliseconds);
  expect(stopwatch.speed()).toEqual({ frames: 500, median: 250, p95: 475 });
});

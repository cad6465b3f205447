/** A capture that stays black is of a protected video; a dark scene is not. */

import { expect, test } from 'vitest';
import { type Blackness, blacknessOf, NOTHING_SEEN } from '../../src/hard/blackness';

const SIDE = 10;

/** A frame whose first pixels are light. */
function frame(light: number) {
  const rgba = new Uint8ClampedArray(SIDE * SIDE * 4);
  rgba.fill(200, 0, light * 4);
  return { width: SIDE, height: SIDE, rgba };
}

function after(...frames: (readonly [light: number, ptsSeconds: number])[]): Blackness['is'] {
  let blackness = NOTHING_SEEN;
  for (const [light, at] of frames) blackness = blacknessOf(frame(light), at, blackness);
  return blackness.is;
}

test('black for seconds from the start is protected, not before', () => {
  expect(after([0, 3], [0, 5])).toBe('so_far');
  expect(after([0, 3], [0, 5], [0, 9])).toBe('always');
});

test('a badge over a black picture is no picture', () => {
  expect(after([9, 0], [9, 6])).toBe('always');
});

test('what was seen once is not protected, however dark it becomes', () => {
  expect(after([0, 0], [90, 1], [0, 2], [0, 20])).toBe('seen');
});

test('a picture after long blackness is one', () => {
  expect(after([0, 0], [0, 8], [90, 9])).toBe('seen');
});

test('winding back starts the wait anew', () => {
  expect(after([0, 30], [0, 2], [0, 7])).toBe('so_far');
});

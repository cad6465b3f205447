/** A place in a tab is found in the captured picture of it. */

import { expect, test } from 'vitest';
import { regionOf } from '../../src/hard/place';

const PLACE = { left: 100, top: 50, width: 320, height: 180 };

test('a picture of half the size has the place at half the distance', () => {
  const place = { ...PLACE, viewportWidth: 1280, viewportHeight: 720 };
  expect(regionOf(place, 640, 360)).toEqual({ left: 50, top: 25, width: 160, height: 90 });
});

test('a tab that became square lies in the middle of a wide picture', () => {
  const place = { ...PLACE, viewportWidth: 900, viewportHeight: 900 };
  expect(regionOf(place, 1280, 720)).toEqual({ left: 360, top: 40, width: 256, height: 144 });
});

test('of what is partly out of view, the rest is taken', () => {
  const place = { ...PLACE, left: -20, top: 700, viewportWidth: 1280, viewportHeight: 720 };
  expect(regionOf(place, 1280, 720)).toEqual({ left: 0, top: 700, width: 300, height: 20 });
});

test('of what is out of view, nothing is', () => {
  const place = { ...PLACE, top: 720, viewportWidth: 1280, viewportHeight: 720 };
  expect(regionOf(place, 1280, 720)).toBeNull();
});

/** Where badges and panels lie. */

import { describe, expect, test } from 'vitest';
import { besides, cornersToTry, inCorner, seenPart } from '../../src/page/placing';

const VIEW = { width: 1000, height: 800 };
const BADGE = { width: 100, height: 26 };

describe('a badge', () => {
  test('lies in a corner of what is seen of the video', () => {
    const seen = seenPart({ left: -200, top: 700, width: 500, height: 300 }, VIEW)!;
    expect(seen).toEqual({ left: 0, top: 700, width: 300, height: 100 });
    expect(inCorner(seen, BADGE, 'top_left')).toMatchObject({ left: 8, top: 708 });
    expect(inCorner(seen, BADGE, 'bottom_right')).toMatchObject({ left: 192, top: 766 });
  });

  test('has no place on what is not seen, or too small', () => {
    expect(seenPart({ left: 0, top: 900, width: 500, height: 300 }, VIEW)).toBeUndefined();
    const small = { left: 0, top: 0, width: 110, height: 300 };
    expect(inCorner(small, BADGE, 'top_left')).toBeUndefined();
  });

  test('stays off the bottom where the browser has its controls', () => {
    expect(cornersToTry(true, undefined)).toEqual(['top_left', 'top_right']);
    expect(cornersToTry(true, 'bottom_left')).toEqual(['top_left', 'top_right']);
  });

  test('stays in the corner that it has, if it can', () => {
    expect(cornersToTry(false, 'bottom_left')[0]).toBe('bottom_left');
    expect(cornersToTry(false, 'bottom_left')).toHaveLength(4);
  });
});

describe('a panel', () => {
  const size = { width: 340, height: 500 };

  test('lies right of the video, or left of it', () => {
    const left = { left: 0, top: 100, width: 480, height: 300 };
    expect(besides(left, size, VIEW)).toEqual({ left: 488, top: 100 });
    const right = { left: 500, top: 100, width: 480, height: 300 };
    expect(besides(right, size, VIEW)).toEqual({ left: 152, top: 100 });
  });

  test('lies above the right of a video that fills the window, and never out of it', () => {
    const whole = { left: 0, top: 0, width: 1000, height: 800 };
    expect(besides(whole, size, VIEW)).toEqual({ left: 652, top: 8 });
    const low = { left: 0, top: 700, width: 480, height: 300 };
    expect(besides(low, size, VIEW)).toEqual({ left: 488, top: 292 });
  });
});

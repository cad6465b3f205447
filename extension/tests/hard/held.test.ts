/** What is held for sources is few, and goes when nobody asks for it. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Held } from '../../src/hard/held';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function thing(name: string, released: string[]) {
  return { release: () => released.push(name) };
}

test('of too many, the one that was not asked for the longest goes', () => {
  const released: string[] = [];
  const held = new Held(2, 60);
  held.put('a', thing('a', released));
  held.put('b', thing('b', released));
  held.get('a');
  held.put('c', thing('c', released));
  expect(released).toEqual(['b']);
  expect(held.get('b')).toBeUndefined();
});

test('one that nobody asks for goes by itself, and asking keeps it', () => {
  const released: string[] = [];
  const held = new Held(2, 60);
  held.put('a', thing('a', released));
  vi.advanceTimersByTime(50_000);
  held.get('a');
  vi.advanceTimersByTime(50_000);
  expect(released).toEqual([]);
  vi.advanceTimersByTime(10_000);
  expect(released).toEqual(['a']);
});

test('there is room when one of too many was not asked for lately', () => {
  const released: string[] = [];
  const held = new Held(2, 60);
  held.put('a', thing('a', released));
  expect(held.hasRoom(10)).toBe(true);
  held.put('b', thing('b', released));
  vi.advanceTimersByTime(9_000);
  held.get('b');
  expect(held.hasRoom(10)).toBe(false);
  vi.advanceTimersByTime(2_000);
  expect(held.hasRoom(10)).toBe(true);
});

test('another one for the same source takes the place of the first, and each goes once', () => {
  const released: string[] = [];
  const held = new Held(2, 60);
  held.put('a', thing('first', released));
  held.put('a', thing('second', released));
  expect(released).toEqual(['first']);
  held.release('a');
  held.release('a');
  vi.advanceTimersByTime(120_000);
  expect(released).toEqual(['first', 'second']);
});

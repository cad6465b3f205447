/** What is offered of a video that was not checked. */

import { afterEach, expect, test, vi } from 'vitest';
import { offersAt } from '../../src/page/ladder';

afterEach(() => {
  vi.unstubAllEnvs();
});

const stands = { problem: null, waits: false, direct: true, hasAddress: true } as const;

test('a copy and then the tab, where the page may not read it', () => {
  expect(offersAt({ ...stands, problem: 'cross_origin' })).toEqual(['load_again', 'capture']);
  expect(offersAt({ ...stands, problem: 'unreadable', direct: false })).toEqual(['capture']);
});

test('the tab alone, where there is no address to load a copy from', () => {
  expect(offersAt({ ...stands, problem: 'cross_origin', hasAddress: false })).toEqual(['capture']);
});

test('no tab in Firefox, which shows it to nobody', () => {
  vi.stubEnv('FIREFOX', 'true');
  expect(offersAt({ ...stands, problem: 'cross_origin' })).toEqual(['load_again']);
  expect(offersAt({ ...stands, problem: 'unreadable', direct: false })).toEqual([]);
});

test('nothing of a protected video, and no tab whose place is unknown', () => {
  expect(offersAt({ ...stands, problem: 'protected' })).toEqual([]);
  expect(offersAt({ ...stands, problem: 'place_unknown', direct: false })).toEqual([]);
});

test('to try again what may pass, and to look at what waits', () => {
  expect(offersAt({ ...stands, problem: 'judge_unavailable' })).toEqual(['check']);
  expect(offersAt({ ...stands, waits: true })).toEqual(['check']);
  expect(offersAt(stands)).toEqual([]);
});

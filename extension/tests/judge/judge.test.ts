/** What the judge keeps of videos, and for how long. */

import { expect, test } from 'vitest';
import { Judge } from '../../src/judge/judge';
import { frame, madeModels } from './made';

const FAKE = { face: true, logit: 9 };
const MINUTE = 60_000;

test('a verdict speaks of the last sixty frames', async () => {
  const judge = new Judge(madeModels(FAKE), '1');
  for (let i = 0; i < 70; i++) await judge.look(frame('a', i));
  const { verdict } = await judge.look(frame('a', 70));
  expect(verdict.label).toBe('FAKE');
  expect(verdict.source.frames_sampled).toBe(60);
  expect(verdict.timeline[0]!.pts_seconds).toBe(11 / 2);
});

test('a video that plays in a loop is judged by all that was looked at', async () => {
  const judge = new Judge(madeModels(FAKE), '1');
  for (const index of [0, 1, 2, 3]) await judge.look(frame('a', index));
  for (const index of [0.2, 1]) await judge.look(frame('a', index));
  const { verdict } = await judge.look(frame('a', 2.2));
  expect(verdict.timeline.map((point) => point.pts_seconds)).toEqual([0, 0.1, 0.5, 1, 1.1, 1.5]);
  expect(verdict.label).toBe('FAKE');
  const times = judge.faces('a').map((face) => face.ptsSeconds);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});

test('six faces of a person, over the whole window', async () => {
  const judge = new Judge(madeModels(FAKE), '1');
  for (let i = 0; i < 90; i++) await judge.look(frame('a', i));
  const faces = judge.faces('a');
  expect(faces.map((face) => face.trackId)).toEqual([0, 0, 0, 0, 0, 0]);
  const times = faces.map((face) => face.ptsSeconds);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(times[0]).toBeGreaterThanOrEqual(30 / 2);
  expect(times.at(-1)).toBe(89 / 2);
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  expect(Math.max(...gaps)).toBeLessThan(15);
  expect(faces.every((face) => face.width === 96 && face.rgba.length === 96 * 96 * 4)).toBe(true);
});

test('faces that cannot count give way to those that can', async () => {
  const judge = new Judge(madeModels(FAKE), '1');
  for (let i = 0; i < 20; i++) {
    const dark = i % 2 === 1;
    const one = frame('a', i);
    await judge.look(dark ? { ...one, rgba: new Uint8ClampedArray(one.rgba.length) } : one);
  }
  const usable = judge.faces('a').map((face) => face.usable);
  expect(usable.slice(0, -1)).toEqual([true, true, true, true, true]);
});

test('what is forgotten is unknown', async () => {
  const judge = new Judge(madeModels(FAKE), '1');
  await judge.look(frame('a', 0));
  judge.forget('a');
  expect(() => judge.faces('a')).toThrow('unknown_source');
});

test('a video unheard of for long is let go, one that is asked about is not', async () => {
  let now = 0;
  const judge = new Judge(madeModels(FAKE), '1', () => now);
  await judge.look(frame('silent', 0));
  await judge.look(frame('asked about', 0));
  now = 20 * MINUTE;
  judge.faces('asked about');
  now = 40 * MINUTE;
  await judge.look(frame('other', 0));
  expect(() => judge.faces('silent')).toThrow('unknown_source');
  expect(judge.faces('asked about').length).toBe(1);
});

test('forty videos are known, those heard of last', async () => {
  const judge = new Judge(madeModels(FAKE), '1');
  for (let i = 0; i < 41; i++) await judge.look(frame(`${i}`, 0));
  expect(() => judge.faces('0')).toThrow('unknown_source');
  expect(judge.faces('1').length).toBe(1);
});

test('pixels that are not of the size they are said to be', async () => {
  const judge = new Judge(madeModels(FAKE), '1');
  await expect(judge.look({ ...frame('a', 0), width: 321 })).rejects.toThrow('unreadable');
});

test('the search for small faces rests ever longer where it finds none', async () => {
  const views: number[] = [];
  const judge = new Judge(madeModels({ face: false, logit: 0, views }), '1');
  const searched: number[] = [];
  for (let i = 0; i < 60; i++) {
    views.length = 0;
    await judge.look(frame('a', i));
    if (views.length > 2) searched.push(i / 2);
  }
  expect(searched).toEqual([0, 2, 6, 14, 22]);
});

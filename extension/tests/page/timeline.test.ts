/** Scores over the time that was watched. */

import { describe, expect, test } from 'vitest';
import { path } from '../../src/page/chart';
import { Timeline } from '../../src/page/timeline';
import type { TimelinePoint } from '../../src/types/verdict';

const THRESHOLDS = { real: 0.2, fake: 0.8 };

describe('kept', () => {
  test('are the points in order of time, also when the video was wound back', () => {
    const timeline = new Timeline();
    for (const at of [5, 6, 1]) timeline.add(point(at, 0.5), false);
    expect(timeline.points().map(({ pts_seconds: at }) => at)).toEqual([1, 5, 6]);
  });

  test('is a bounded number of them, the highest of each stretch', () => {
    const timeline = new Timeline();
    for (let at = 0; at < 4000; at++) timeline.add(point(at, at === 1234 ? 0.9 : 0.1), false);
    const points = timeline.points();
    expect(points.length).toBeLessThanOrEqual(600);
    expect(points.filter((one) => one.fake_probability === 0.9)).toEqual([point(1234, 0.9)]);
  });

  test('are two minutes of a live stream', () => {
    const timeline = new Timeline();
    for (let at = 0; at <= 500; at++) timeline.add(point(at, 0.5), true);
    expect(timeline.points()[0]).toEqual(point(380, 0.5));
  });
});

describe('drawn', () => {
  test('is a line through the zones of the labels, each a third of the height', () => {
    const scores = [point(0, 0), point(10, 0.2), point(20, 0.8), point(40, 1)];
    expect(path(scores, THRESHOLDS)).toBe('M0.0 78.0L0.0 78.0L78.5 52.0L157.0 26.0L314.0 0.0');
  });

  test('with gaps where no face was seen', () => {
    const scores = [point(0, 0), point(5, null), point(10, 1)];
    expect(path(scores, THRESHOLDS)).toBe('M0.0 78.0L0.0 78.0M314.0 0.0L314.0 0.0');
  });
});

function point(at: number, probability: number | null): TimelinePoint {
  return { pts_seconds: at, fake_probability: probability };
}

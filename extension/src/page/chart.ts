/** Scores over time as a line: where it lies in a chart with a zone for each label. */

import type { TimelinePoint } from '../types/verdict';
import type { Thresholds } from './saying';

export const WIDTH = 314;
export const HEIGHT = 78;
/** Seconds that the whole width stands for at least. */
const LEAST_SECONDS = 10;

/** Seconds that the width stands for. */
export function widthSeconds(first: TimelinePoint, last: TimelinePoint): number {
  return Math.max(last.pts_seconds - first.pts_seconds, LEAST_SECONDS);
}

/**
 * The way of a pen over the scores, lifted where no face was seen. Each of the three zones takes a
 * third of the height, since the upper one often holds only a few hundredths.
 */
export function path(timeline: readonly TimelinePoint[], thresholds: Thresholds): string {
  const first = timeline[0]!;
  const seconds = widthSeconds(first, timeline.at(-1)!);
  let drawn = '';
  let down = false;
  for (const { pts_seconds: at, fake_probability: probability } of timeline) {
    if (probability === null) {
      down = false;
      continue;
    }
    const x = (((at - first.pts_seconds) / seconds) * WIDTH).toFixed(1);
    const y = ((1 - zoned(probability, thresholds)) * HEIGHT).toFixed(1);
    // A lone point is drawn as one, by a line to itself.
    drawn += down ? `L${x} ${y}` : `M${x} ${y}L${x} ${y}`;
    down = true;
  }
  return drawn;
}

/** 0 to 1: up to the lower threshold a third, up to the upper one two. */
function zoned(probability: number, { real, fake }: Thresholds): number {
  if (probability <= real) return probability / real / 3;
  if (probability < fake) return (1 + (probability - real) / (fake - real)) / 3;
  return (2 + (probability - fake) / (1 - fake)) / 3;
}

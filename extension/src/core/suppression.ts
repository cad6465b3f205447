/** Non-maximum suppression: many overlapping detections in, one a face out. */

import { type Box, iou } from './geometry';

export interface Detection {
  readonly box: Box;
  /** The detector's confidence, 0 to 1. */
  readonly score: number;
}

/**
 * Blend detections that overlap by more than `maxIou`, as MediaPipe's graphs do (`WEIGHTED`): the
 * best takes in all that overlap it, and their coordinates are averaged by score. Best first.
 */
export function weightedSuppression(detections: readonly Detection[], maxIou: number): Detection[] {
  let left = bestFirst(detections);
  const faces: Detection[] = [];
  while (left.length > 0) {
    const best = left[0]!;
    const together = left.filter((other) => other === best || iou(best.box, other.box) > maxIou);
    faces.push({ box: blend(together), score: best.score });
    left = left.filter((other) => !together.includes(other));
  }
  return faces;
}

/** The same, the highest score first; ties stay in order. */
export function bestFirst<T extends Detection>(detections: readonly T[]): T[] {
  return [...detections].sort((a, b) => b.score - a.score);
}

function blend(detections: readonly Detection[]): Box {
  let [left, top, right, bottom, weight] = [0, 0, 0, 0, 0];
  for (const { box, score } of detections) {
    left += box.left * score;
    top += box.top * score;
    right += box.right * score;
    bottom += box.bottom * score;
    weight += score;
  }
  return {
    left: left / weight,
    top: top / weight,
    right: right / weight,
    bottom: bottom / weight,
  };
}

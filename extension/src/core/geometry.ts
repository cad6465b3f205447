/** Rectangles of pixels, half-open; the same arithmetic as `dfedge.types` and `dfedge.crops`. */

import type { CropContract } from '../types/card';

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** A square of a frame that the face detector sees; it may reach past the edges. */
export interface View {
  readonly left: number;
  readonly top: number;
  readonly side: number;
}

export const width = (box: Box): number => box.right - box.left;
export const height = (box: Box): number => box.bottom - box.top;
export const area = (box: Box): number => width(box) * height(box);

export function center(box: Box): readonly [number, number] {
  return [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
}

export function scaled(box: Box, factor: number): Box {
  return {
    left: box.left * factor,
    top: box.top * factor,
    right: box.right * factor,
    bottom: box.bottom * factor,
  };
}

/** Area that both boxes hold, in square pixels. */
export function intersection(a: Box, b: Box): number {
  const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return across > 0 && down > 0 ? across * down : 0;
}

/** Intersection over union, 0 to 1. */
export function iou(a: Box, b: Box): number {
  const both = intersection(a, b);
  return both === 0 ? 0 : both / (area(a) + area(b) - both);
}

/** The smallest square that holds a frame, about its centre: MediaPipe's letterbox. */
export function wholeView(frameWidth: number, frameHeight: number): View {
  const side = Math.max(frameWidth, frameHeight);
  return { left: (frameWidth - side) / 2, top: (frameHeight - side) / 2, side };
}

/**
 * The whole-pixel crop of a face box, to the order of operations of `dfedge.crops.crop_box`, which
 * `tests/golden/crop_boxes.json` holds both to.
 */
export function cropBox(box: Box, contract: Pick<CropContract, 'margin' | 'squaring'>): Box {
  let w = width(box);
  let h = height(box);
  if (contract.squaring === 'longer_side') w = h = Math.max(w, h);
  const scale = 1 + 2 * contract.margin;
  w *= scale;
  h *= scale;
  const [x, y] = center(box);
  const left = Math.floor(x - w / 2 + 0.5);
  const top = Math.floor(y - h / 2 + 0.5);
  return {
    left,
    top,
    right: left + Math.max(1, Math.floor(w + 0.5)),
    bottom: top + Math.max(1, Math.floor(h + 0.5)),
  };
}

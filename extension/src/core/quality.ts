/** How well a face can be judged; the numbers of `dfedge.crops.measure_quality`. */

import type { Quality } from '../types/card';
import type { Reason } from '../types/verdict';
import { type Box, height, width } from './geometry';
import { type Picture, resizeChannels } from './picture';

/** Side, in pixels, at which sharpness is measured, whatever the crop's size. */
const SIDE = 112;

export interface CropQuality {
  /** Variance of the Laplacian of the grey crop at 112 x 112. */
  readonly sharpness: number;
  /** Mean of the grey crop, 0 to 255. */
  readonly brightness: number;
}

/** Sharpness and brightness of the visible part of a crop, which is not empty. */
export function measureQuality(crop: Picture): CropQuality {
  const grey = toGrey(crop);
  const small = resizeChannels(grey, crop.width, crop.height, 1, SIDE, SIDE);
  return { sharpness: variance(laplacian(small)), brightness: mean(grey) };
}

/** Why a face cannot be judged by the card's limits; empty when it can. */
export function qualityIssues(box: Box, crop: CropQuality, limits: Quality): Reason[] {
  const issues: Reason[] = [];
  if (Math.min(width(box), height(box)) < limits.min_face_pixels) issues.push('face_too_small');
  if (crop.sharpness < limits.min_sharpness) issues.push('too_blurry');
  if (crop.brightness < limits.min_brightness) issues.push('too_dark');
  if (crop.brightness > limits.max_brightness) issues.push('too_bright');
  return issues;
}

/** Grey levels by OpenCV's fixed-point weights of ITU-R BT.601. */
function toGrey({ data }: Picture): Uint8Array {
  const grey = new Uint8Array(data.length / 3);
  for (let i = 0; i < grey.length; i++) {
    const sum = data[3 * i]! * 9798 + data[3 * i + 1]! * 19235 + data[3 * i + 2]! * 3735;
    grey[i] = (sum + 16384) >> 15;
  }
  return grey;
}

/** The kernel 0 1 0 / 1 -4 1 / 0 1 0 with the edge mirrored about its own pixels. */
function laplacian(grey: Uint8Array): Float64Array {
  const mirror = (i: number): number => (i < 0 ? -i : i >= SIDE ? 2 * SIDE - 2 - i : i);
  const at = (x: number, y: number): number => grey[mirror(y) * SIDE + mirror(x)]!;
  const out = new Float64Array(SIDE * SIDE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      out[y * SIDE + x] = at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4 * at(x, y);
    }
  }
  return out;
}

function mean(values: Uint8Array | Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

function variance(values: Float64Array): number {
  const middle = mean(values);
  let sum = 0;
  for (const value of values) sum += (value - middle) ** 2;
  return sum / values.length;
}

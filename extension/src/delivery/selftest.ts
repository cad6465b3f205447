/** Whether a model gives here what it gave where it was signed. */

import { type Detector, scoreCrop } from '../core/pipeline';
import type { Picture } from '../core/picture';
import { RejectedError } from './rejecting';

/** Pixels of a side; no model's input, so that resizing is tested as well. */
const SIDE = 200;
/** Of a logit up to 1, and relative above: WASM and WebGPU round otherwise than a server's CPU. */
const TOLERANCE = 0.02;

/** The picture that `dfedge.bundles.web.trial_picture` makes, byte by byte. */
export function trialPicture(): Picture {
  const data = new Uint8Array(SIDE * SIDE * 3);
  for (let y = 0, at = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      for (let c = 0; c < 3; c++) data[at++] = 3 * x + 5 * y + 40 * c + ((x * y) >> 5);
    }
  }
  return { width: SIDE, height: SIDE, data };
}

/**
 * Let the model judge the picture.
 *
 * @throws RejectedError it says something else than was signed.
 */
export async function selfTest(detector: Detector, signed: number): Promise<void> {
  const { logit } = await scoreCrop(detector, trialPicture());
  const error = Math.abs(logit - signed);
  // Also when it is no number.
  if (!(error <= TOLERANCE * Math.max(1, Math.abs(signed)))) {
    throw new RejectedError('self_test', `a logit of ${logit} where ${signed} was signed`);
  }
}

/** Telling a video that nothing may capture from one that starts in the dark. */

import type { Pixels } from '../messages';

/** What frames of a video have shown so far. */
export type Blackness =
  | { readonly is: 'seen' }
  | { readonly is: 'so_far' | 'always'; readonly sinceSeconds: number }
  | { readonly is: 'nothing' };

export const NOTHING_SEEN: Blackness = { is: 'nothing' };

/** Of 255; a capture's colours are not exact. */
const BLACK_LEVEL = 16;
/** The rest may be our badge, or subtitles, which are not protected. */
const BLACK_SHARE = 0.9;
/** Of the video's time that must have passed in black; films fade in faster. */
const BLACK_SECONDS = 6;

/** After one more frame. Once anything was seen, black is a dark scene. */
export function blacknessOf(pixels: Pixels, ptsSeconds: number, before: Blackness): Blackness {
  if (before.is === 'seen' || !isBlack(pixels)) return { is: 'seen' };
  const sinceSeconds = 'sinceSeconds' in before ? before.sinceSeconds : ptsSeconds;
  if (ptsSeconds < sinceSeconds) return { is: 'so_far', sinceSeconds: ptsSeconds };
  const long = ptsSeconds - sinceSeconds >= BLACK_SECONDS;
  return { is: long ? 'always' : 'so_far', sinceSeconds };
}

function isBlack({ rgba, width, height }: Pixels): boolean {
  let black = 0;
  for (let i = 0; i < rgba.length; i += 4) {
    if (Math.max(rgba[i]!, rgba[i + 1]!, rgba[i + 2]!) <= BLACK_LEVEL) black++;
  }
  return black >= BLACK_SHARE * width * height;
}

/** Where a video lies in the picture of its tab. */

import type { Place } from '../messages';
import type { Region } from './drawing';

/**
 * The part of a captured picture that shows a place of the tab; null when it is out of view. A tab
 * whose shape is not the picture's any more is shown whole in the middle of it.
 */
export function regionOf(place: Place, pictureWidth: number, pictureHeight: number): Region | null {
  const { viewportWidth, viewportHeight } = place;
  const scale = Math.min(pictureWidth / viewportWidth, pictureHeight / viewportHeight);
  const marginX = (pictureWidth - viewportWidth * scale) / 2;
  const marginY = (pictureHeight - viewportHeight * scale) / 2;
  const left = Math.max(place.left, 0);
  const top = Math.max(place.top, 0);
  const width = Math.min(place.left + place.width, viewportWidth) - left;
  const height = Math.min(place.top + place.height, viewportHeight) - top;
  if (width < 1 || height < 1) return null;
  return {
    left: marginX + left * scale,
    top: marginY + top * scale,
    width: width * scale,
    height: height * scale,
  };
}

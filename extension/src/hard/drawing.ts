/** Pixels of what the host holds: copies of videos, captures of tabs, pictures. */

import type { Pixels } from '../messages';
import { ProblemError } from '../problems';

/** A rectangle in pixels of what is drawn. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The longer side of a frame that is judged, at most, as in pages. */
export const FRAME_SIDE = 640;
/** The same of a picture: faces in it are cut at this size. */
export const PICTURE_SIDE = 2048;

/** A region's pixels, shrunk until its longer side is at most `longest`. */
export function draw(
  image: HTMLVideoElement | HTMLImageElement | ImageBitmap,
  region: Region,
  longest: number,
): Pixels {
  const factor = Math.min(1, longest / Math.max(region.width, region.height));
  const width = Math.max(1, Math.round(region.width * factor));
  const height = Math.max(1, Math.round(region.height * factor));
  const context = new OffscreenCanvas(width, height).getContext('2d', {
    willReadFrequently: true,
    alpha: false,
  });
  if (context === null) throw new ProblemError('internal', 'no canvas');
  context.imageSmoothingQuality = 'high';
  const { left, top } = region;
  context.drawImage(image, left, top, region.width, region.height, 0, 0, width, height);
  return { width, height, rgba: context.getImageData(0, 0, width, height).data };
}

/** All of a video's picture. */
export function drawVideo(video: HTMLVideoElement): Pixels {
  const { videoWidth: width, videoHeight: height } = video;
  return draw(video, { left: 0, top: 0, width, height }, FRAME_SIDE);
}

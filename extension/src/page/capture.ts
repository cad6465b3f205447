/** Looks at a video by what its tab shows: for videos that can be read in no other way. */

import type { Looked, Place } from '../messages';
import { ProblemError } from '../problems';
import type { Looker, Sight } from './lookers';
import { isProtected } from './protection';

/** Only for tabs whose capture someone asked for, in the popup. */
export class CaptureLooker implements Looker {
  readonly #sight: Sight;
  readonly #streamId: string;
  #opened = false;

  /** @param streamId of the tab's capture, as the browser gave it for that click. */
  constructor(sight: Sight, streamId: string) {
    this.#sight = sight;
    this.#streamId = streamId;
  }

  async look(video: HTMLVideoElement, ptsSeconds: number, index: number): Promise<Looked> {
    if (isProtected(video)) throw new ProblemError('protected', 'the video has keys');
    const { link, source } = this.#sight;
    const place = placeInTab(video);
    const first = this.#opened ? {} : { streamId: this.#streamId };
    const looked = await link.ask('capture', { source, place, ptsSeconds, index, ...first });
    this.#opened = true;
    return looked;
  }

  stop(): void {
    // The host ends the capture when the video is forgotten, or long not asked for.
  }
}

/**
 * Where a video's picture lies in its tab, borders and paddings left out.
 *
 * @throws ProblemError `place_unknown` in a frame of another site, whose place cannot be known.
 */
export function placeInTab(video: HTMLVideoElement): Place {
  let { left, top, width, height } = pictureIn(video);
  let view: Window = window;
  while (view !== view.parent) {
    const frame = view.frameElement;
    if (frame === null) throw new ProblemError('place_unknown', 'in a frame of another site');
    const at = frame.getBoundingClientRect();
    // A frame may be drawn larger or smaller than its page is laid out.
    const scale = at.width / (frame as HTMLElement).offsetWidth;
    left = at.left + (frame.clientLeft + left) * scale;
    top = at.top + (frame.clientTop + top) * scale;
    width *= scale;
    height *= scale;
    view = view.parent;
  }
  return {
    left,
    top,
    width,
    height,
    viewportWidth: view.innerWidth,
    viewportHeight: view.innerHeight,
  };
}

/** The element without border and padding, in CSS pixels of its frame's viewport. */
function pictureIn(video: HTMLVideoElement): Pick<Place, 'left' | 'top' | 'width' | 'height'> {
  const box = video.getBoundingClientRect();
  const style = getComputedStyle(video);
  const inset = (side: string): number =>
    parseFloat(style.getPropertyValue(`border-${side}-width`)) +
    parseFloat(style.getPropertyValue(`padding-${side}`));
  const [left, top] = [inset('left'), inset('top')];
  return {
    left: box.left + left,
    top: box.top + top,
    width: Math.max(0, box.width - left - inset('right')),
    height: Math.max(0, box.height - top - inset('bottom')),
  };
}

/**
 * Ways to have a frame of a video judged. The canvas is for videos whose pixels the page may read;
 * `follow.ts` and `capture.ts` have others, for those that it may not.
 */

import { FRAME_SIDE } from '../hard/drawing';
import type { JudgeLink } from '../judge/link';
import type { Looked, Source } from '../messages';
import { ProblemError } from '../problems';
import { isProtected } from './protection';

/** Looks at the frames of one video; whoever holds it asks for one at a time. */
export interface Looker {
  /**
   * Have the frame that is shown now judged. Nothing of the video is changed.
   *
   * @param ptsSeconds the frame's time in its media.
   * @param index its number among those of this video that were looked at, from 0.
   * @throws ProblemError why it cannot be; `cross_origin` and `protected` will not pass.
   */
  look(video: HTMLVideoElement, ptsSeconds: number, index: number): Promise<Looked>;
  /** Let go of all that is held; the judge forgets the video by itself. */
  stop(): void;
}

/** What a looker is made for. */
export interface Sight extends Source {
  readonly link: JudgeLink;
}

/** Draws the video into a canvas that is in no document, and sends its pixels to the judge. */
export class CanvasLooker implements Looker {
  readonly #sight: Sight;
  #canvas: OffscreenCanvas | undefined;

  constructor(sight: Sight) {
    this.#sight = sight;
  }

  async look(video: HTMLVideoElement, ptsSeconds: number, index: number): Promise<Looked> {
    // Asked first: what is protected is drawn black, without an error.
    if (isProtected(video)) throw new ProblemError('protected', 'the video has keys');
    const pixels = this.#draw(video);
    const { link, source } = this.#sight;
    return link.ask('look', { source, ptsSeconds, index, ...pixels });
  }

  stop(): void {
    this.#canvas = undefined;
  }

  #draw(video: HTMLVideoElement): { width: number; height: number; rgba: Uint8ClampedArray } {
    const factor = Math.min(1, FRAME_SIDE / Math.max(video.videoWidth, video.videoHeight));
    const width = Math.max(1, Math.round(video.videoWidth * factor));
    const height = Math.max(1, Math.round(video.videoHeight * factor));
    this.#canvas ??= new OffscreenCanvas(width, height);
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    const context = this.#canvas.getContext('2d', { willReadFrequently: true, alpha: false });
    if (context === null) throw new ProblemError('internal', 'no canvas');
    context.imageSmoothingQuality = 'high';
    context.drawImage(video, 0, 0, width, height);
    try {
      return { width, height, rgba: context.getImageData(0, 0, width, height).data };
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      throw new ProblemError('cross_origin', error.message);
    }
  }
}

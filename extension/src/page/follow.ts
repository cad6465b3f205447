/** Looks at a video that the page may not read, in a copy of it that the judge's host loads. */

import type { Looked } from '../messages';
import { ProblemError } from '../problems';
import type { Looker, Sight } from './lookers';
import { isProtected } from './protection';

/** Only for videos that someone wants loaded again: by a click, or by the setting `loadAgain`. */
export class FollowLooker implements Looker {
  readonly #sight: Sight;

  constructor(sight: Sight) {
    this.#sight = sight;
  }

  async look(video: HTMLVideoElement, ptsSeconds: number, index: number): Promise<Looked> {
    if (isProtected(video)) throw new ProblemError('protected', 'the video has keys');
    if (!canFollow(video)) throw new ProblemError('cross_origin', 'the video has no address');
    const { link, source } = this.#sight;
    return link.ask('follow', { source, url: video.currentSrc, ptsSeconds, index });
  }

  stop(): void {
    // The host lets go of the copy when the video is forgotten, or long not asked for.
  }
}

/** Whether a copy of a video could be loaded at all: it has an address on the web. */
export function canFollow(video: HTMLVideoElement): boolean {
  return /^https?:/i.test(video.currentSrc);
}

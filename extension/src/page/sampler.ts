/** When a video is looked at: one frame at a time, for as long as it plays and is seen. */

import type { Pace } from './pace';

/** What is asked of a video; a part of HTMLVideoElement. */
export type Played = Pick<
  HTMLVideoElement,
  'requestVideoFrameCallback' | 'cancelVideoFrameCallback' | 'getVideoPlaybackQuality'
>;

/**
 * Asks for a look whenever one is due. It waits by a timer and then for one frame: to be called for
 * every frame costs a page more than all else that is done here.
 */
export class Sampler {
  readonly #video: Played;
  readonly #pace: Pace;
  readonly #look: (ptsSeconds: number) => Promise<void>;
  #awake = false;
  #busy = false;
  #last = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #handle = 0;

  /** Sleeps at first. */
  constructor(video: Played, pace: Pace, look: (ptsSeconds: number) => Promise<void>) {
    this.#video = video;
    this.#pace = pace;
    this.#look = look;
  }

  /** Look from now on. A paused video has no new frames, so nothing is done until it plays. */
  wake(): void {
    if (this.#awake) return;
    this.#awake = true;
    this.#wait();
  }

  /** Look no more, until woken. */
  sleep(): void {
    this.#awake = false;
    clearTimeout(this.#timer);
    this.#video.cancelVideoFrameCallback(this.#handle);
  }

  /** Look now at what is shown, playing or not. */
  async now(ptsSeconds: number): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    clearTimeout(this.#timer);
    this.#video.cancelVideoFrameCallback(this.#handle);
    this.#last = performance.now();
    try {
      await this.#look(ptsSeconds);
      this.#pace.answered((performance.now() - this.#last) / 1000);
    } finally {
      this.#busy = false;
      if (this.#awake) this.#wait();
    }
  }

  #wait(): void {
    if (this.#busy) return; // goes on when that is done
    const now = performance.now();
    const { droppedVideoFrames, totalVideoFrames } = this.#video.getVideoPlaybackQuality();
    this.#pace.shown({ dropped: droppedVideoFrames, total: totalVideoFrames });
    const due = this.#last + this.#pace.interval(now / 1000) * 1000;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#handle = this.#video.requestVideoFrameCallback((_, { mediaTime }) => {
          void this.now(mediaTime);
        });
      },
      Math.max(0, due - now),
    );
  }
}

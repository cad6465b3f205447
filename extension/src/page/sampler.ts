/** Frames of a video that plays, one at a time, at most {@link LONGEST_SIDE} pixels long. */

/** Seconds between two frames. */
export const INTERVAL_SECONDS = 0.5;
const LONGEST_SIDE = 640;

export interface Sampled {
  readonly ptsSeconds: number;
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8ClampedArray;
}

/** Why frames of a video cannot be read. */
export type Obstacle = 'cross_origin' | 'protected';

export interface SamplerEvents {
  /** Looks at a frame; the next one comes only when this is done. */
  frame(sampled: Sampled): Promise<void>;
  /** Frames of this video cannot be read. */
  obstacle(obstacle: Obstacle): void;
}

/**
 * Samples one video for as long as it plays and the page is seen. Nothing of the video is changed:
 * its frames are drawn into a canvas that is in no document.
 */
export class Sampler {
  readonly #video: HTMLVideoElement;
  readonly #events: SamplerEvents;
  #canvas: OffscreenCanvas | undefined;
  #handle = 0;
  #busy = false;
  #last = -Infinity;
  #stopped = false;

  constructor(video: HTMLVideoElement, events: SamplerEvents) {
    this.#video = video;
    this.#events = events;
    this.#ask();
  }

  /** Never sample again. */
  stop(): void {
    this.#stopped = true;
    this.#video.cancelVideoFrameCallback(this.#handle);
  }

  #ask(): void {
    if (this.#stopped) return;
    this.#handle = this.#video.requestVideoFrameCallback((now, { mediaTime }) => {
      this.#ask();
      void this.#sample(now, mediaTime);
    });
  }

  async #sample(now: number, ptsSeconds: number): Promise<void> {
    if (this.#busy || document.hidden || now - this.#last < INTERVAL_SECONDS * 1000) return;
    const { videoWidth, videoHeight } = this.#video;
    if (videoWidth === 0 || videoHeight === 0) return;
    this.#busy = true;
    this.#last = now;
    try {
      const rgba = this.#draw(videoWidth, videoHeight);
      if (rgba !== undefined) await this.#events.frame({ ptsSeconds, ...rgba });
    } finally {
      this.#busy = false;
    }
  }

  #draw(videoWidth: number, videoHeight: number): Omit<Sampled, 'ptsSeconds'> | undefined {
    const factor = Math.min(1, LONGEST_SIDE / Math.max(videoWidth, videoHeight));
    const width = Math.max(1, Math.round(videoWidth * factor));
    const height = Math.max(1, Math.round(videoHeight * factor));
    this.#canvas ??= new OffscreenCanvas(width, height);
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    const context = this.#canvas.getContext('2d', { willReadFrequently: true, alpha: false });
    if (context === null) return undefined;
    context.imageSmoothingQuality = 'high';
    context.drawImage(this.#video, 0, 0, width, height);
    try {
      return { width, height, rgba: context.getImageData(0, 0, width, height).data };
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      this.stop();
      this.#events.obstacle(this.#video.mediaKeys === null ? 'cross_origin' : 'protected');
      return undefined;
    }
  }
}

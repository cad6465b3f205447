/** Copies of videos that pages may not read: loaded a second time, never played, wound to a frame. */

import { askBackground } from '../keeping';
import type { Pixels } from '../messages';
import { ProblemError } from '../problems';
import { drawVideo } from './drawing';
import { fetchUpTo } from './fetching';
import { Held } from './held';
import { eventOf } from './waiting';

/** Copies that are held at the same time, over all tabs. */
const MOST = 4;
const IDLE_SECONDS = 60;
/** One that was asked for so lately is in use: its video plays. */
const IN_USE_SECONDS = 10;
const LOAD_SECONDS = 20;
const SEEK_SECONDS = 10;
/** Of a video that can only be had as a whole. */
const MOST_BYTES = 64 * 1024 * 1024;

export class Copies {
  readonly #held = new Held<Copy>(MOST, IDLE_SECONDS);

  /**
   * The frame of a video at a time.
   *
   * @throws ProblemError `unreadable` when it cannot be loaded, or not wound to that time;
   *   `unknown_source` while too many others are watched in this way.
   */
  async frame(
    source: string,
    url: string,
    ptsSeconds: number,
    signal: AbortSignal,
  ): Promise<Pixels> {
    if (!/^https?:/i.test(url)) throw new ProblemError('unreadable', 'not an address on the web');
    let copy = this.#held.get(source);
    if (copy === undefined && !this.#held.hasRoom(IN_USE_SECONDS)) {
      // Copies that drive each other out would be loaded over and over.
      throw new ProblemError('unknown_source', `${MOST} videos are being loaded again`);
    }
    if (copy?.url !== url) {
      copy = new Copy(url);
      this.#held.put(source, copy);
    }
    try {
      return await copy.at(ptsSeconds, signal);
    } catch (error) {
      this.#held.release(source);
      throw error;
    }
  }

  forget(source: string): void {
    this.#held.release(source);
  }
}

class Copy {
  readonly url: string;
  readonly #video = document.createElement('video');
  readonly #released = new AbortController();
  #loading: Promise<void> | undefined;

  constructor(url: string) {
    this.url = url;
  }

  async at(ptsSeconds: number, signal: AbortSignal): Promise<Pixels> {
    const either = AbortSignal.any([signal, this.#released.signal]);
    await (this.#loading ??= this.#load());
    either.throwIfAborted();
    const video = this.#video;
    const to = Math.min(ptsSeconds, video.duration);
    if (video.currentTime !== to || video.readyState < video.HAVE_CURRENT_DATA) {
      const seeked = eventOf(video, 'seeked', {
        code: 'unreadable',
        seconds: SEEK_SECONDS,
        signal: either,
      });
      video.currentTime = to;
      await seeked;
    }
    return drawVideo(video);
  }

  /** Stop loading, and give back what was loaded. */
  release(): void {
    this.#released.abort();
    const { src } = this.#video;
    this.#video.removeAttribute('src');
    this.#video.load();
    if (src.startsWith('blob:')) URL.revokeObjectURL(src);
  }

  async #load(): Promise<void> {
    await askBackground('drop_cookies', {});
    await this.#open(this.url);
    if (this.#canSeek()) return;
    // Its server gives no parts of files, or it is a broadcast, of which there is no whole.
    const { duration } = this.#video;
    if (!Number.isFinite(duration)) throw new ProblemError('unreadable', 'a broadcast');
    this.#video.removeAttribute('src');
    const whole = await fetchUpTo(MOST_BYTES, this.url, this.#released.signal);
    await this.#open(URL.createObjectURL(whole));
    if (!this.#canSeek()) throw new ProblemError('unreadable', 'it cannot be wound');
  }

  async #open(address: string): Promise<void> {
    this.#released.signal.throwIfAborted();
    const video = this.#video;
    video.muted = true;
    video.preload = 'auto';
    // Pixels of what the extension may access can be read, whatever its site says to other sites.
    video.crossOrigin = 'anonymous';
    video.src = address;
    await eventOf(video, 'loadeddata', {
      code: 'unreadable',
      seconds: LOAD_SECONDS,
      signal: this.#released.signal,
    });
    if (video.videoWidth === 0) throw new ProblemError('unreadable', 'it has no picture');
  }

  #canSeek(): boolean {
    const { seekable } = this.#video;
    return seekable.length > 0 && seekable.end(seekable.length - 1) > 0;
  }
}

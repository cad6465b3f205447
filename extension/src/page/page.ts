/** A frame of a page: its videos and pictures, and what the rest of the extension tells it. */

import { JudgeLink } from '../judge/link';
import type { TellingMessage } from '../messages';
import type { PageSettings } from '../settings';
import { Follower } from './follower';
import { watchPower } from './pace';
import { Pictures } from './pictures';
import type { Thresholds } from './saying';
import { watchVideos } from './videos';
import { type Page, WatchedVideo } from './watched';

export class PageWatch {
  readonly #link = new JudgeLink();
  readonly #pictures = new Pictures(this.#link, () => this.#settings);
  readonly #power = watchPower();
  readonly #videos = new Map<HTMLVideoElement, WatchedVideo>();
  #settings: PageSettings;
  #thresholds: Thresholds | null = null;
  /** While videos are watched. */
  #watching: { readonly follower: Follower; readonly stop: () => void } | undefined;

  constructor(settings: PageSettings) {
    this.#settings = settings;
    this.#apply();
  }

  /** Do what the background or the popup tells. */
  told(message: TellingMessage): void {
    switch (message.type) {
      case 'settings':
        this.#settings = message;
        this.#apply();
        break;
      case 'reveal':
        void this.#find(message.source)?.reveal();
        break;
      case 'ask_server':
        void this.#find(message.source)?.askServer();
        break;
      case 'check':
        for (const video of this.#videos.values()) {
          if (message.source === null || message.source === video.source) video.check();
        }
        break;
      case 'capture':
        this.#find(message.source)?.capture(message.streamId);
        break;
      case 'picture':
        void this.#pictures.judge(message.url);
        break;
    }
  }

  /** The page was left and is there again: all is told anew. */
  readonly returned = (settings: PageSettings): void => {
    this.#settings = settings;
    this.#unwatch();
    this.#apply();
  };

  stop(): void {
    this.#unwatch();
    this.#pictures.stop();
  }

  #find(source: string): WatchedVideo | undefined {
    return [...this.#videos.values()].find((video) => video.source === source);
  }

  #apply(): void {
    if (!this.#settings.active) {
      this.#unwatch();
      return;
    }
    this.#watching ??= this.#watch();
    for (const video of this.#videos.values()) video.changed();
    if (this.#settings.sensitivity === 'high' && this.#thresholds === null) void this.#learn();
  }

  #watch(): { follower: Follower; stop: () => void } {
    const follower = new Follower();
    const page: Page = {
      link: this.#link,
      follower,
      power: this.#power,
      settings: () => this.#settings,
      thresholds: () => this.#thresholds,
    };
    const stop = watchVideos(
      (video) => this.#videos.set(video, new WatchedVideo(video, page)),
      (video) => {
        this.#videos.get(video)?.stop();
        this.#videos.delete(video);
      },
    );
    return { follower, stop };
  }

  #unwatch(): void {
    this.#watching?.stop();
    for (const video of this.#videos.values()) video.stop();
    this.#videos.clear();
    this.#watching?.follower.stop();
    this.#watching = undefined;
  }

  /** What leans towards suspicious is told by the model's thresholds. */
  async #learn(): Promise<void> {
    try {
      this.#thresholds = (await this.#link.ask('models', {})).thresholds;
    } catch {
      return; // without them nothing is said to lean
    }
  }
}

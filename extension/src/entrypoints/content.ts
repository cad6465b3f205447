/** In every frame of every page: each video that plays gets a badge that says what the judge says. */

import { defineContentScript } from 'wxt/utils/define-content-script';
import { JudgeLink } from '../judge/link';
import type { Looked } from '../messages';
import { Badge } from '../page/badge';
import { Sampler, type Sampled } from '../page/sampler';
import { SteadySaying } from '../page/saying';
import { watchVideos } from '../page/videos';

export default defineContentScript({
  matches: ['<all_urls>'],
  allFrames: true,
  matchAboutBlank: true,
  main(context) {
    const link = new JudgeLink();
    const watched = new Map<HTMLVideoElement, WatchedVideo>();
    const stop = watchVideos(
      (video) => watched.set(video, new WatchedVideo(video, link)),
      (video) => {
        watched.get(video)?.stop();
        watched.delete(video);
      },
    );
    context.onInvalidated(() => {
      stop();
      for (const video of watched.values()) video.stop();
    });
  },
});

class WatchedVideo {
  readonly #source = crypto.randomUUID();
  readonly #badge: Badge;
  readonly #sampler: Sampler;
  readonly #steady = new SteadySaying();
  readonly #link: JudgeLink;
  #index = 0;

  constructor(video: HTMLVideoElement, link: JudgeLink) {
    this.#link = link;
    this.#badge = new Badge(video);
    this.#sampler = new Sampler(video, {
      frame: (sampled) => this.#look(sampled),
      obstacle: () => {
        this.#badge.say('cannot_check');
      },
    });
  }

  stop(): void {
    this.#sampler.stop();
    this.#badge.remove();
    void this.#link.ask('forget', { source: this.#source }).catch(() => undefined);
  }

  async #look(sampled: Sampled): Promise<void> {
    let looked: Looked;
    try {
      looked = await this.#link.ask('look', {
        source: this.#source,
        index: this.#index++,
        ...sampled,
      });
    } catch {
      this.#badge.say('cannot_check');
      return;
    }
    const saying = this.#steady.after(looked.verdict, performance.now() / 1000);
    this.#badge.say(saying, looked.verdict.fake_probability ?? undefined);
  }
}

/** In every frame of every page: each video that plays gets a badge that says what the judge says. */

import { browser } from 'wxt/browser';
import { defineContentScript } from 'wxt/utils/define-content-script';
import type { ForgetMessage, LookAnswer, LookMessage, WakeMessage } from '../messages';
import { Badge } from '../page/badge';
import { Sampler, type Sampled } from '../page/sampler';
import { SteadySaying } from '../page/saying';
import { watchVideos } from '../page/videos';

export default defineContentScript({
  matches: ['<all_urls>'],
  allFrames: true,
  matchAboutBlank: true,
  main(context) {
    const watched = new Map<HTMLVideoElement, WatchedVideo>();
    const stop = watchVideos(
      (video) => watched.set(video, new WatchedVideo(video)),
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
  #index = 0;

  constructor(video: HTMLVideoElement) {
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
    const message: ForgetMessage = { type: 'forget', source: this.#source };
    void browser.runtime.sendMessage(message).catch(() => undefined);
  }

  async #look(sampled: Sampled): Promise<void> {
    const wake: WakeMessage = { type: 'wake' };
    if ((await browser.runtime.sendMessage(wake)) !== true) return;
    const message: LookMessage = {
      type: 'look',
      source: this.#source,
      index: this.#index++,
      ...sampled,
    };
    const answer: LookAnswer = await browser.runtime.sendMessage(message);
    if ('problem' in answer) {
      this.#badge.say('cannot_check');
      return;
    }
    const saying = this.#steady.after(answer.verdict, performance.now() / 1000);
    this.#badge.say(saying, answer.verdict.fake_probability ?? undefined);
  }
}

/** In every frame of every page: each video gets a badge that says what the judge says. */

import { browser } from 'wxt/browser';
import { defineContentScript } from 'wxt/utils/define-content-script';
import { askBackground } from '../keeping';
import type { TellingMessage } from '../messages';
import { PageWatch } from '../page/page';
import type { PageSettings } from '../settings';

export default defineContentScript({
  matches: ['<all_urls>'],
  allFrames: true,
  matchAboutBlank: true,
  // Sandboxed frames that the page writes itself have an origin of their own.
  matchOriginAsFallback: true,
  async main(context) {
    // In a picture or a drawing of its own there is no place for elements of ours.
    if (!(document.documentElement instanceof HTMLElement)) return;
    let settings: PageSettings;
    try {
      settings = await askBackground('page_settings', {});
    } catch {
      return; // the extension is gone, or being replaced
    }
    if (context.isInvalid) return;
    const watch = new PageWatch(settings);
    const hear = (message: TellingMessage): void => {
      watch.told(message);
    };
    browser.runtime.onMessage.addListener(hear);
    // A page that comes back as it was left is a new one to the background.
    window.addEventListener('pageshow', ({ persisted }) => {
      if (persisted) void askBackground('page_settings', {}).then(watch.returned, () => undefined);
    });
    context.onInvalidated(() => {
      browser.runtime.onMessage.removeListener(hear);
      watch.stop();
    });
  },
});

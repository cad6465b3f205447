/** Sees that a judge is there when a page needs one. */

import { browser } from 'wxt/browser';
import { defineBackground } from 'wxt/utils/define-background';
import { isMessage } from '../messages';

let opening: Promise<void> | undefined;

export default defineBackground(() => {
  browser.runtime.onMessage.addListener(
    (message: unknown, _, respond: (ready: boolean) => void) => {
      if (!isMessage(message) || message.type !== 'wake') return false;
      void openJudge().then(
        () => {
          respond(true);
        },
        () => {
          respond(false);
        },
      );
      return true;
    },
  );
});

/** Open the offscreen page, once however many pages ask at the same time. */
async function openJudge(): Promise<void> {
  if (await browser.offscreen.hasDocument()) return;
  opening ??= browser.offscreen
    .createDocument({
      url: `offscreen.html?version=${browser.runtime.getManifest().version}`,
      reasons: [browser.offscreen.Reason.WORKERS],
      justification: 'Runs the models on frames of videos, on this device.',
    })
    .finally(() => {
      opening = undefined;
    });
  await opening;
}

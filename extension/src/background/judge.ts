/** Sees that there is a judge. */

import { browser } from 'wxt/browser';

let opening: Promise<void> | undefined;

/** Open the offscreen page where there is none yet, once however many pages ask. */
export async function openJudge(): Promise<void> {
  // Firefox has no offscreen page; its background is a page itself.
  if (import.meta.env.FIREFOX) return;
  if (await browser.offscreen.hasDocument()) return;
  const { WORKERS, USER_MEDIA } = browser.offscreen.Reason;
  opening ??= browser.offscreen
    .createDocument({
      url: `offscreen.html?version=${browser.runtime.getManifest().version}`,
      reasons: [WORKERS, USER_MEDIA],
      justification:
        'Runs the models on frames of videos, on this device; when asked to, on what a tab shows.',
    })
    .finally(() => {
      opening = undefined;
    });
  await opening;
}

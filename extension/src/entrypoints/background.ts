/** Sees that a judge is there when a page needs one, and keeps what the user chose. */

import { browser } from 'wxt/browser';
import { defineBackground } from 'wxt/utils/define-background';
import { hostJudge } from '../judge/host';
import { answerInBackground } from '../keeping';
import { pageSettings, serverKeyItem, settingsItem } from '../settings';

let opening: Promise<void> | undefined;

export default defineBackground(() => {
  // Firefox has no offscreen page; its background is a page itself.
  if (import.meta.env.FIREFOX) hostJudge(browser.runtime.getManifest().version);
  answerInBackground({
    wake: async () => {
      await openJudge();
      return null;
    },
    page_settings: async (_, sender) => {
      const host = new URL(sender.tab?.url ?? 'about:blank').hostname;
      return pageSettings(await settingsItem.getValue(), host);
    },
    report: () => null,
    gone: () => null,
    server: async (_, sender) => {
      if (sender.tab !== undefined) return null; // a page's script has no business with the key
      const { serverUrl, consentedAt } = await settingsItem.getValue();
      if (serverUrl === '' || consentedAt === null) return null;
      return { url: serverUrl, key: await serverKeyItem.getValue() };
    },
    model_source: async (_, sender) => {
      if (sender.tab !== undefined) return { server: null, modelKey: '' };
      const { serverUrl, modelKey } = await settingsItem.getValue();
      // No face goes there, so no consent is needed: this is asked because someone asked for it.
      const server = { url: serverUrl, key: await serverKeyItem.getValue() };
      return { server: serverUrl === '' ? null : server, modelKey };
    },
    options: async () => {
      await browser.runtime.openOptionsPage();
      return null;
    },
  });
});

/** Open the offscreen page, once however many pages ask at the same time. */
async function openJudge(): Promise<void> {
  if (import.meta.env.FIREFOX) return;
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

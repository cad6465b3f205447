/** Sees that a judge is there, and keeps what is said of videos and what the user chose. */

import { browser } from 'wxt/browser';
import { defineBackground } from 'wxt/utils/define-background';
import { showAction } from '../background/action';
import { obeyKeys, offerMenu } from '../background/asked';
import { openJudge } from '../background/judge';
import { dropCookies } from '../hard/cookies';
import { recordReport } from '../history';
import { hostJudge } from '../judge/host';
import { answerInBackground, type Sender } from '../keeping';
import { dropReport, forgetTab, keepReport, openDocument, type Reporter } from '../reports';
import {
  currentSettings,
  pageSettings,
  serverKeyItem,
  type Settings,
  watchSettings,
} from '../settings';
import { tellTab } from '../telling';

export default defineBackground(() => {
  if (import.meta.env.FIREFOX) hostJudge(browser.runtime.getManifest().version);
  void keepPagesOut();
  answerInBackground({
    wake: async () => {
      await openJudge();
      return null;
    },
    page_settings: async (_, sender) => {
      const by = reporter(sender);
      if (by !== null) await showAction(by.tabId, (await openDocument(by)).videos);
      return pageSettings(await currentSettings(), hostOf(sender.tab?.url));
    },
    report: async (report, sender) => {
      const by = reporter(sender);
      if (by === null) return null;
      const now = new Date();
      await showAction(by.tabId, (await keepReport(by, report, now)).videos);
      const { history } = await currentSettings();
      if (history) await recordReport(report, sender.tab?.incognito, now);
      return null;
    },
    gone: async (source, sender) => {
      const by = reporter(sender);
      if (by !== null) await showAction(by.tabId, (await dropReport(by.tabId, source)).videos);
      return null;
    },
    server: async (_, sender) => {
      if (sender.tab !== undefined) return null; // a page's script has no business with the key
      const { serverUrl, consentedAt } = await currentSettings();
      if (serverUrl === '' || consentedAt === null) return null;
      return { url: serverUrl, key: await serverKeyItem.getValue() };
    },
    model_source: async (_, sender) => {
      if (sender.tab !== undefined) return { server: null, modelKey: '' };
      const { serverUrl, modelKey } = await currentSettings();
      // No face goes there, so no consent is needed: this is asked because someone asked for it.
      const server = { url: serverUrl, key: await serverKeyItem.getValue() };
      return { server: serverUrl === '' ? null : server, modelKey };
    },
    drop_cookies: async () => {
      await dropCookies();
      return null;
    },
    options: async () => {
      await browser.runtime.openOptionsPage();
      return null;
    },
  });
  offerMenu();
  obeyKeys();
  browser.tabs.onRemoved.addListener((tabId) => void forgetTab(tabId));
  watchSettings((settings) => void tellPages(settings));
});

/** Scripts in pages are asked to keep out of what is stored, where the browser can see to it. */
async function keepPagesOut(): Promise<void> {
  // Firefox has no such thing.
  const { local } = browser.storage as { local: Partial<typeof browser.storage.local> };
  await local.setAccessLevel?.({ accessLevel: 'TRUSTED_CONTEXTS' });
}

/** Null where it is no frame of a page. */
function reporter({ tab, frameId, documentId }: Sender): Reporter | null {
  if (tab?.id === undefined || frameId === undefined) return null;
  return { tabId: tab.id, frameId, documentId };
}

async function tellPages(settings: Settings): Promise<void> {
  const tabs = await browser.tabs.query({});
  await Promise.all(
    tabs.map(async ({ id, url }) => {
      if (id === undefined) return;
      await tellTab(id, { type: 'settings', ...pageSettings(settings, hostOf(url)) });
    }),
  );
}

function hostOf(url: string | undefined): string {
  return URL.parse(url ?? '')?.hostname ?? '';
}

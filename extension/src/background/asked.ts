/** What the user asks of a page past the page itself: by the menu of a picture, or by keys. */

import { type Browser, browser } from 'wxt/browser';
import { mostSuspicious, reportsOf } from '../reports';
import { changeSettings, isSiteOff, siteOf, withSite } from '../settings';
import { tellTab } from '../telling';
import { word } from '../words';

const PICTURE = 'picture';

/** Pictures get an entry in their menu. */
export function offerMenu(): void {
  const make = async (): Promise<void> => {
    await browser.contextMenus.removeAll();
    browser.contextMenus.create({ id: PICTURE, title: word('menu_picture'), contexts: ['image'] });
  };
  // At each start, since the language may be another one.
  browser.runtime.onInstalled.addListener(() => void make());
  browser.runtime.onStartup.addListener(() => void make());
  browser.contextMenus.onClicked.addListener(({ menuItemId, srcUrl, frameId }, tab) => {
    if (menuItemId !== PICTURE || srcUrl === undefined || tab?.id === undefined) return;
    void tellTab(tab.id, { type: 'picture', url: srcUrl }, frameId);
  });
}

/** The keys of the manifest do what they say. */
export function obeyKeys(): void {
  browser.commands.onCommand.addListener((command, tab) => void obey(command, tab));
}

/** Do what a command of the manifest says; without a tab, in the one that is looked at. */
export async function obey(command: string, given: Browser.tabs.Tab | undefined): Promise<void> {
  const tab = given ?? (await browser.tabs.query({ active: true, lastFocusedWindow: true }))[0];
  if (tab?.id === undefined) return;
  if (command === 'check') await tellTab(tab.id, { type: 'check', source: null });
  if (command === 'reveal') await revealFirst(tab.id);
  if (command === 'toggle_site') await toggleSite(siteOf(tab.url ?? ''));
}

async function revealFirst(tabId: number): Promise<void> {
  const first = mostSuspicious((await reportsOf(tabId).getValue()).videos);
  if (first === undefined) return;
  await tellTab(tabId, { type: 'reveal', source: first.source }, first.frameId);
}

async function toggleSite(site: string | null): Promise<void> {
  if (site === null) return;
  await changeSettings((settings) => ({
    sitesOff: withSite(settings.sitesOff, site, isSiteOff(settings, site)),
  }));
}

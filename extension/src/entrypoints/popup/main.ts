/** The popup: what is said of the tab's videos, and what can be done about it. */

import { type Browser, browser } from 'wxt/browser';
import { askBackground } from '../../keeping';
import type { KeptReport } from '../../messages';
import { reportsOf } from '../../reports';
import {
  changeSettings,
  currentSettings,
  pageSettings,
  type PageSettings,
  type Settings,
  siteOf,
  watchSettings,
  withSite,
} from '../../settings';
import { tellTab } from '../../telling';
import { byId, onPress } from '../../ui/elements';
import { fillWords, language, problemWords, word, type WordKey } from '../../words';
import { type VideoDeeds, VideoRow } from './video';

void main();

async function main(): Promise<void> {
  document.documentElement.lang = language();
  fillWords(document);
  onPress(byId('options', HTMLButtonElement), () => askBackground('options', {}));
  const tab = await tabToShow();
  if (tab?.id === undefined) return;
  const popup = new Popup(tab, tab.id, await currentSettings());
  const reports = reportsOf(tab.id);
  popup.videos = (await reports.getValue()).videos;
  popup.show();
  reports.watch(({ videos }) => {
    popup.videos = videos;
    popup.show();
  });
  watchSettings((settings) => {
    popup.settings = settings;
    popup.show();
  });
}

/** That of the window, or the one that the address names: a popup may also be opened as a page. */
async function tabToShow(): Promise<Browser.tabs.Tab | undefined> {
  const named = new URLSearchParams(location.search).get('tab');
  if (named !== null) return browser.tabs.get(Number(named));
  return (await browser.tabs.query({ active: true, currentWindow: true }))[0];
}

class Popup {
  settings: Settings;
  videos: readonly KeptReport[] = [];
  readonly #tabId: number;
  /** The tab's host; null where the extension has no business. */
  readonly #site: string | null;
  readonly #deeds: VideoDeeds;
  readonly #rows = new Map<string, VideoRow>();
  readonly #list = byId('videos', HTMLUListElement);
  readonly #everywhere = byId('everywhere', HTMLInputElement);
  readonly #here = byId('site', HTMLInputElement);

  constructor(tab: Browser.tabs.Tab, tabId: number, settings: Settings) {
    this.settings = settings;
    this.#tabId = tabId;
    this.#site = siteOf(tab.url ?? '');
    this.#deeds = deedsIn(tabId);
    byId('site-label', HTMLElement).textContent = word('popup_site', this.#site ?? '');
    byId('private', HTMLElement).hidden = !tab.incognito;
    this.#everywhere.addEventListener('change', () => {
      void changeSettings(() => ({ enabled: this.#everywhere.checked }));
    });
    this.#here.addEventListener('change', () => {
      const site = this.#site;
      if (site === null) return;
      const on = this.#here.checked;
      void changeSettings(({ sitesOff }) => ({ sitesOff: withSite(sitesOff, site, on) }));
    });
    onPress(byId('check', HTMLButtonElement), () =>
      tellTab(this.#tabId, { type: 'check', source: null }),
    );
  }

  show(): void {
    const page = pageSettings(this.settings, this.#site ?? '');
    this.#everywhere.checked = this.settings.enabled;
    this.#here.checked = page.active;
    this.#here.disabled = !this.settings.enabled;
    byId('site-row', HTMLElement).hidden = this.#site === null;
    this.#showVideos(page);
    const nothing = this.#whyNothing(page);
    byId('nothing', HTMLElement).hidden = nothing === null;
    byId('nothing', HTMLElement).textContent = nothing === null ? '' : word(nothing);
    byId('hint', HTMLElement).hidden = this.videos.length === 0;
    byId('check', HTMLElement).hidden = !page.active || page.mode !== 'on_click';
  }

  #showVideos(page: PageSettings): void {
    const gone = new Set(this.#rows.keys());
    for (const video of this.videos) {
      gone.delete(video.source);
      const row = this.#rows.get(video.source);
      if (row !== undefined) {
        row.show(video, page);
        continue;
      }
      const made = new VideoRow(video, page, this.#deeds);
      this.#rows.set(video.source, made);
      this.#list.append(made.item);
    }
    for (const source of gone) {
      this.#rows.get(source)?.item.remove();
      this.#rows.delete(source);
    }
  }

  #whyNothing(page: PageSettings): WordKey | null {
    if (!this.settings.enabled) return 'popup_off';
    if (this.#site === null) return 'popup_no_page';
    if (!page.active) return 'popup_site_off';
    return this.videos.length === 0 ? 'popup_no_videos' : null;
  }
}

function deedsIn(tabId: number): VideoDeeds {
  return {
    reveal: async ({ source, frameId }) => {
      await tellTab(tabId, { type: 'reveal', source }, frameId);
      window.close();
    },
    check: ({ source, frameId }) => tellTab(tabId, { type: 'check', source }, frameId),
    capture: async ({ source, frameId }) => {
      let streamId: string;
      try {
        streamId = await browser.tabCapture.getMediaStreamId({ targetTabId: tabId });
      } catch {
        byId('problem', HTMLElement).textContent = problemWords('capture_refused');
        return;
      }
      await tellTab(tabId, { type: 'capture', source, streamId }, frameId);
      window.close();
    },
    askServer: async ({ source, frameId }) => {
      await tellTab(tabId, { type: 'ask_server', source }, frameId);
      window.close();
    },
  };
}

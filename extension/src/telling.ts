/** Telling the content scripts of a tab. */

import { browser } from 'wxt/browser';
import type { TellingMessage } from './messages';

/** Tell one frame of a tab, or all; a page that has no content script of ours hears nothing. */
export async function tellTab(
  tabId: number,
  message: TellingMessage,
  frameId?: number,
): Promise<void> {
  const options = frameId === undefined ? {} : { frameId };
  try {
    await browser.tabs.sendMessage(tabId, message, options);
  } catch {
    return; // nobody is there
  }
}

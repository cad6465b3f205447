/** The button in the browser's toolbar: how many videos of its tab look manipulated. */

import { browser } from 'wxt/browser';
import type { KeptReport } from '../messages';
import { word } from '../words';

export interface Shown {
  /** A few characters on the button. */
  readonly text: string;
  readonly color: string;
  readonly suspicious: number;
}

/** What the button shows of a tab's videos. */
export function shownOf(videos: readonly KeptReport[]): Shown {
  const suspicious = videos.filter(({ saying }) => saying === 'suspicious').length;
  if (suspicious > 0) return { text: String(suspicious), color: '#b3261e', suspicious };
  const unsure = videos.some(({ saying }) => saying === 'unsure' || saying === 'leaning');
  return { text: unsure ? '?' : '', color: '#7a5200', suspicious };
}

export async function showAction(tabId: number, videos: readonly KeptReport[]): Promise<void> {
  const { text, color, suspicious } = shownOf(videos);
  const title =
    videos.length === 0 ? word('ext_name') : word('action_title', suspicious, videos.length);
  try {
    await Promise.all([
      browser.action.setBadgeText({ tabId, text }),
      browser.action.setBadgeBackgroundColor({ tabId, color }),
      browser.action.setBadgeTextColor({ tabId, color: '#ffffff' }),
      browser.action.setTitle({ tabId, title }),
    ]);
  } catch {
    return; // the tab was closed meanwhile
  }
}

/** Copies of videos are loaded as by someone the site does not know. */

import { browser } from 'wxt/browser';

const RULE = 1;

/**
 * In the background: take cookies and credentials off the media that pages of this extension load,
 * and keep none that come back. The attribute `crossorigin=anonymous` does not do it: to Chromium a
 * site that the extension may access is no other origin, so its cookies go along.
 *
 * @throws when the browser will not; then nothing may be loaded.
 */
export async function dropCookies(): Promise<void> {
  const remove = (header: string) => ({ header, operation: 'remove' as const });
  await browser.declarativeNetRequest.updateSessionRules({
    removeRuleIds: [RULE],
    addRules: [
      {
        id: RULE,
        action: {
          type: 'modifyHeaders',
          requestHeaders: ['cookie', 'authorization', 'referer'].map(remove),
          responseHeaders: [remove('set-cookie')],
        },
        condition: { initiatorDomains: [location.hostname], resourceTypes: ['media'] },
      },
    ],
  });
}

/**
 * Firefox puts a background page to sleep that no event reaches for half a minute, whatever it waits
 * for; a call to the browser counts as one. Chromium's offscreen page is left alone.
 */

import { browser } from 'wxt/browser';

const PAUSE_MILLISECONDS = 1000;

/** Do what may take long, and stay awake meanwhile. */
export async function stayingAwake<T>(work: () => Promise<T>): Promise<T> {
  if (!import.meta.env.FIREFOX) return work();
  const timer = setInterval(() => void browser.runtime.getPlatformInfo(), PAUSE_MILLISECONDS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

/** Stay awake until whoever wants it waits no longer. */
export async function stayUntil(signal: AbortSignal): Promise<null> {
  return stayingAwake(
    () =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          resolve(null);
        });
      }),
  );
}

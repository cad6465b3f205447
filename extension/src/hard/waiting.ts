/** Waiting for an event, but not forever. */

import { type ProblemCode, ProblemError } from '../problems';

/**
 * Wait for `event` on a media element.
 *
 * @throws ProblemError `code`, when it fails, takes more than `seconds`, or `signal` is aborted.
 */
export async function eventOf(
  media: HTMLMediaElement,
  event: string,
  { code, seconds, signal }: { code: ProblemCode; seconds: number; signal: AbortSignal },
): Promise<void> {
  const ended = new AbortController();
  const heard = new Promise<void>((resolve, reject) => {
    const fail = (detail: string, why = code) => {
      reject(new ProblemError(why, detail));
    };
    const once = { signal: ended.signal, once: true };
    media.addEventListener(
      event,
      () => {
        resolve();
      },
      once,
    );
    media.addEventListener(
      'error',
      () => {
        fail(media.error?.message ?? 'the media cannot be read');
      },
      once,
    );
    signal.addEventListener(
      'abort',
      () => {
        fail('given up', 'cancelled');
      },
      once,
    );
    AbortSignal.timeout(seconds * 1000).addEventListener(
      'abort',
      () => {
        fail(`no ${event} in ${seconds} s`);
      },
      once,
    );
  });
  try {
    await heard;
  } finally {
    ended.abort();
  }
}

/** Loading what someone asked for, as by a visitor whom the site does not know. */

import { ProblemError } from '../problems';

/**
 * What lies at an address, without cookies and without saying where it was found.
 *
 * @throws ProblemError `unreadable` when it cannot be loaded, or is larger than `mostBytes`.
 */
export async function fetchUpTo(
  mostBytes: number,
  url: string,
  signal: AbortSignal,
): Promise<Blob> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: 'omit', referrerPolicy: 'no-referrer', signal });
  } catch (error) {
    throw new ProblemError(signal.aborted ? 'cancelled' : 'unreadable', String(error));
  }
  if (!response.ok || response.body === null) {
    throw new ProblemError('unreadable', `the site answers ${response.status}`);
  }
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  // Counted as it comes: what a site says of the length need not be true.
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    if (bytes > mostBytes) {
      await reader.cancel();
      throw new ProblemError('unreadable', `larger than ${mostBytes} bytes`);
    }
    parts.push(value);
  }
  return new Blob(parts, { type: response.headers.get('Content-Type') ?? '' });
}

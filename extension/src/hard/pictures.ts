/** Pictures of pages, loaded because someone asked what to think of one. */

import type { Pixels } from '../messages';
import { ProblemError } from '../problems';
import { draw, PICTURE_SIDE } from './drawing';
import { fetchUpTo } from './fetching';

const MOST_BYTES = 32 * 1024 * 1024;

/**
 * The pixels of the picture at an address.
 *
 * @throws ProblemError `unreadable` when there is none, or it is too large.
 */
export async function loadPicture(url: string, signal: AbortSignal): Promise<Pixels> {
  if (!/^(https?|data):/i.test(url)) throw new ProblemError('unreadable', 'no address on the web');
  const data = await fetchUpTo(MOST_BYTES, url, signal);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(data);
  } catch (error) {
    throw new ProblemError('unreadable', String(error));
  }
  const { width, height } = bitmap;
  try {
    return draw(bitmap, { left: 0, top: 0, width, height }, PICTURE_SIDE);
  } finally {
    bitmap.close();
  }
}

/** How the judge's host looks at what pages cannot read. */

import type { Judging, Looking, Pixels } from '../messages';
import type { Client, Handlers } from '../rpc';
import { Captures } from './captures';
import { Copies } from './copies';
import { loadPicture } from './pictures';

type Answered = 'picture' | 'follow' | 'capture' | 'forget';

/** The host's answers; `forget` lets go of all that is held for a video. */
export function hardHandlers(looking: Client<Looking>): Pick<Handlers<Judging>, Answered> {
  const copies = new Copies();
  const captures = new Captures();
  const look = (
    at: { source: string; ptsSeconds: number; index: number },
    pixels: Pixels,
  ): Promise<Looking['look']['answer']> => {
    const { source, ptsSeconds, index } = at;
    const frame = { source, ptsSeconds, index, ...pixels };
    return looking.ask('look', frame, { transfer: [pixels.rgba.buffer] });
  };
  return {
    picture: async ({ source, url }, { signal }) =>
      look({ source, ptsSeconds: 0, index: 0 }, await loadPicture(url, signal)),
    follow: async (request, { signal }) => {
      const { source, url, ptsSeconds } = request;
      return look(request, await copies.frame(source, url, ptsSeconds, signal));
    },
    capture: async (request) => look(request, await captures.frame(request)),
    forget: ({ source }) => {
      copies.forget(source);
      captures.forget(source);
      return looking.ask('forget', { source });
    },
  };
}

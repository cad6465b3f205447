/** What a server's verdict may say: checked, and joined with what the device knows itself. */

import { ProblemError } from '../problems';
import type { Verdict } from '../types/verdict';
import { isPrintable } from './text';

const MAX_OPINIONS = 64;
const MAX_TEXT = 200;
/** Eleven days; a time line is drawn of what the server says. */
const MAX_SECONDS = 1_000_000;

/**
 * The server's verdict, in which the device's own words are told by the device: source, timing, the
 * edge opinion and the edge models.
 *
 * @throws ProblemError the server's verdict is of the right form, but cannot be meant.
 */
export function joined(device: Verdict, server: Verdict, totalSeconds: number): Verdict {
  for (const problem of problems(server)) throw new ProblemError('server_failed', problem);
  const unreadable = (device.source.problems ?? []).length > 0;
  return {
    ...server,
    source: device.source,
    reasons: [
      ...new Set([...server.reasons, ...(unreadable ? ['partly_unreadable' as const] : [])]),
    ],
    opinions: [...device.opinions, ...server.opinions.filter(({ tier }) => tier === 'heavy')],
    models: [...device.models, ...server.models.filter(({ role }) => role === 'heavy')],
    timing: { ...device.timing, total_seconds: Math.round(totalSeconds * 1e4) / 1e4 },
    dfedge_version: device.dfedge_version,
  };
}

/** The device's verdict as a server is told it: no name, and no words about the video. */
export function told(device: Verdict): Verdict {
  return { ...device, source: { ...device.source, name: '', problems: [] } };
}

function* problems({ opinions, models, timeline, tracks }: Verdict): Generator<string> {
  if (!opinions.some(({ tier }) => tier === 'heavy')) {
    yield 'its verdict holds no opinion of its own';
  }
  if (Math.max(opinions.length, models.length) > MAX_OPINIONS) {
    yield `its verdict holds more than ${MAX_OPINIONS} opinions`;
  }
  const texts = [
    ...opinions.map(({ model }) => model),
    ...models.flatMap(({ name, version, sha256 }) => [name, version, sha256]),
  ];
  if (!texts.every((text) => text.length <= MAX_TEXT && isPrintable(text))) {
    yield 'its verdict holds names that cannot be shown';
  }
  const seen = tracks.flatMap(({ observations }) => observations);
  if ([...timeline, ...seen].some(({ pts_seconds }) => pts_seconds > MAX_SECONDS)) {
    yield 'its verdict speaks of times that cannot be';
  }
  if (tracks.some(({ observations, label }) => observations.length === 0 || label === 'NO_FACE')) {
    yield 'its verdict speaks of people nobody saw';
  }
}

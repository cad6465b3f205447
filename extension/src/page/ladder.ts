/** What can still be done about a video that was not checked: one rung after the other. */

import type { ProblemCode } from '../problems';
import type { Offer } from './panel';

/** Where a video stands on the ladder. */
export interface Standing {
  readonly problem: ProblemCode | null;
  /** Nothing was looked at yet. */
  readonly waits: boolean;
  /** Its pixels were asked of the page itself, and no copy of it, nor its tab. */
  readonly direct: boolean;
  /** Whether a copy of it could be loaded. */
  readonly hasAddress: boolean;
}

/** Problems that may be over when it is tried again. */
export function mayPass(problem: ProblemCode): boolean {
  return problem === 'judge_unavailable' || problem === 'internal';
}

export function offersAt({ problem, waits, direct, hasAddress }: Standing): Offer[] {
  if (problem === null) return waits ? ['check'] : [];
  if (mayPass(problem)) return ['check'];
  // Of what is protected neither a copy nor the tab shows anything.
  if (problem === 'protected') return [];
  const offers: Offer[] = direct && hasAddress ? ['load_again'] : [];
  // Firefox gives no extension a tab's picture.
  if (import.meta.env.FIREFOX || problem === 'place_unknown') return offers;
  return [...offers, 'capture'];
}

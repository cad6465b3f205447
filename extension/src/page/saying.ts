/** What is said of a video: it settles before it speaks, and then does not flicker. */

import type { Sensitivity } from '../settings';
import type { Label, Verdict } from '../types/verdict';

export type Saying =
  /** Nothing was looked at yet: it has not played, or waits for the user to ask. */
  | 'waiting'
  | 'looking'
  | 'suspicious'
  /** Unsure, and nearer to suspicious than to not. */
  | 'leaning'
  | 'unsure'
  | 'real'
  | 'no_face'
  | 'cannot_check';

export interface Thresholds {
  readonly real: number;
  readonly fake: number;
}

type Said = Pick<Verdict, 'label' | 'fake_probability' | 'reasons'>;

const OF_LABEL: Record<Label, Saying> = {
  FAKE: 'suspicious',
  REAL: 'real',
  UNCERTAIN: 'unsure',
  NO_FACE: 'no_face',
};

/** What a verdict comes to; `thresholds` are those of its model, where they are known. */
export function sayingOf(
  verdict: Said,
  sensitivity: Sensitivity,
  thresholds: Thresholds | null,
): Saying {
  const saying = OF_LABEL[verdict.label];
  if (saying !== 'unsure' || sensitivity !== 'high' || thresholds === null) return saying;
  return leansToFake(verdict, thresholds) ? 'leaning' : saying;
}

/** Whether a badge says it at all, of a video that nobody asked about. */
export function isShown(saying: Saying, sensitivity: Sensitivity): boolean {
  if (saying === 'waiting') return false;
  return sensitivity !== 'low' || saying === 'suspicious';
}

/** A saying speaks no earlier than this after the first look, and must hold so long to change. */
export const SETTLE_SECONDS = 2;
/** Looks after which too few usable faces are something to say; before, more may come. */
const FEW_LOOKS = 10;

export class SteadySaying {
  #said: Saying = 'waiting';
  #next: Saying = 'looking';
  #since = 0;
  #first: number | undefined;

  /** Since when all looks have come to what is said; Infinity: it is not said yet, or wavers. */
  get steadySince(): number {
    return this.#said === this.#next && this.#said !== 'looking' ? this.#since : Infinity;
  }

  /**
   * What to say after a look that comes to `saying`, in seconds of any clock; null: it is too early
   * for it to come to anything.
   */
  after(saying: Saying | null, nowSeconds: number): Saying {
    this.#first ??= nowSeconds;
    if (this.#said === 'waiting') this.#said = 'looking';
    if (saying === null) return this.#said;
    if (saying !== this.#next) {
      this.#next = saying;
      this.#since = nowSeconds;
    }
    const from = this.#said === 'looking' ? this.#first : this.#since;
    if (nowSeconds - from >= SETTLE_SECONDS) this.#said = saying;
    return this.#said;
  }
}

/** Whether it is too early to say that a verdict lacks usable faces. */
export function isTooEarly(verdict: Verdict): boolean {
  return verdict.reasons.includes('too_few_frames') && verdict.source.frames_sampled < FEW_LOOKS;
}

/** By the score alone: closer to the threshold of suspicious than to the other, in log-odds. */
function leansToFake({ fake_probability: score, reasons }: Said, thresholds: Thresholds): boolean {
  if (score === null || !reasons.includes('score_in_unsure_band')) return false;
  const logit = (p: number): number => Math.log(p / (1 - p));
  return logit(score) > (logit(thresholds.real) + logit(thresholds.fake)) / 2;
}

/** What a badge says: it settles before it speaks, and then does not flicker. */

import type { Label, Verdict } from '../types/verdict';

export type Saying =
  /** Nothing is looked at before the user asks. */
  | 'waiting'
  | 'looking'
  | 'suspicious'
  /** Unsure, and nearer to suspicious than to not. */
  | 'leaning'
  | 'unsure'
  | 'real'
  | 'no_face'
  | 'cannot_check';

export const WORDS: Record<Saying, string> = {
  waiting: 'Check this video',
  leaning: 'Unsure, but it leans towards suspicious',
  looking: 'Looking at the faces…',
  suspicious: 'Suspicious: the faces look manipulated',
  real: 'No sign of manipulation found',
  unsure: 'Unsure: the model cannot tell',
  no_face: 'No face seen',
  cannot_check: 'Cannot check this video',
};

const OF_LABEL: Record<Label, Saying> = {
  FAKE: 'suspicious',
  REAL: 'real',
  UNCERTAIN: 'unsure',
  NO_FACE: 'no_face',
};

/** A verdict must hold for this long before it is said, and so must another that takes its place. */
export const SETTLE_SECONDS = 2;

export class SteadySaying {
  #said: Saying = 'looking';
  #next: Saying = 'looking';
  #since = 0;

  /** What to say after a verdict at a time, in seconds of any clock. */
  after(verdict: Pick<Verdict, 'label'>, nowSeconds: number): Saying {
    const next = OF_LABEL[verdict.label];
    if (next !== this.#next) {
      this.#next = next;
      this.#since = nowSeconds;
    }
    if (nowSeconds - this.#since >= SETTLE_SECONDS) this.#said = next;
    return this.#said;
  }
}

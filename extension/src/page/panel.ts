/** The panel beside a video or picture: what is said of it, why, and what can be done. */

import type { JudgeLink } from '../judge/link';
import type { Source } from '../messages';
import type { ProblemCode } from '../problems';
import type { TimelinePoint, Verdict } from '../types/verdict';
import type { SecondOpinion } from './opinion';
import type { Saying } from './saying';

/** What can be done about a video that is not checked: now, from a copy, by what the tab shows. */
export type Offer = 'check' | 'load_again' | 'capture';

/** What is known at one time. */
export interface Shown {
  readonly saying: Saying;
  /** Of this device; null while there is none. */
  readonly verdict: Verdict | null;
  /** Scores over the time that was watched; empty for pictures. */
  readonly timeline: readonly TimelinePoint[];
  /** Why it cannot be checked. */
  readonly problem: ProblemCode | null;
  readonly offers: readonly Offer[];
  /** The host of the user's server; null where nothing may be sent. */
  readonly server: string | null;
}

/** What a panel is about. */
export interface Subject extends Source {
  readonly what: 'video' | 'picture';
  /** The element that it opens beside. */
  readonly anchor: Element;
  readonly link: JudgeLink;
  readonly opinion: SecondOpinion;
  /** The user takes an offer. */
  take(offer: Offer): void;
  /** The panel was closed, by whomever: the place for the focus to go back. */
  closed(): void;
}

/** Open from its making on; at most one is open in a page. */
export class Panel {
  readonly #subject: Subject;
  #shown: Shown;

  constructor(subject: Subject, shown: Shown) {
    this.#subject = subject;
    this.#shown = shown;
  }

  /** Show what is known now. */
  show(shown: Shown): void {
    this.#shown = shown;
  }

  /** Close it, and take what was asked of it last with it. */
  close(): Shown {
    this.#subject.closed();
    return this.#shown;
  }
}

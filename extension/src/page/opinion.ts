/** A second opinion of the user's server on one video or picture: asked, waited for, or had. */

import type { SendingProgress, Sent } from '../escalation/sending';
import type { JudgeLink } from '../judge/link';
import type { Mistake, Source } from '../messages';
import { type ProblemCode, ProblemError } from '../problems';

export type OpinionState =
  | { readonly is: 'not_asked' }
  | { readonly is: 'asked'; readonly progress: SendingProgress | null }
  | { readonly is: 'had'; readonly sent: Sent }
  | { readonly is: 'failed'; readonly problem: ProblemCode };

/** Outlives the panel that shows it, so that closing the panel loses nothing. */
export class SecondOpinion {
  readonly #link: JudgeLink;
  readonly #source: string;
  readonly #changed = new Set<() => void>();
  #state: OpinionState = { is: 'not_asked' };
  #asking: AbortController | undefined;

  constructor(link: JudgeLink, { source }: Source) {
    this.#link = link;
    this.#source = source;
  }

  get state(): OpinionState {
    return this.#state;
  }

  /** Be told whenever the state changes; gives what ends that. */
  listen(changed: () => void): () => void {
    this.#changed.add(changed);
    return () => this.#changed.delete(changed);
  }

  /** Send the faces that were seen, unless that is under way. Needs the user's consent. */
  async ask(unasked = false): Promise<void> {
    if (this.#state.is === 'asked') return;
    const asking = new AbortController();
    this.#asking = asking;
    this.#become({ is: 'asked', progress: null });
    try {
      const sent = await this.#link.ask(
        'escalate',
        { source: this.#source, unasked },
        {
          progress: (progress) => {
            this.#become({ is: 'asked', progress });
          },
          signal: asking.signal,
        },
      );
      this.#become({ is: 'had', sent });
    } catch (error) {
      const { code } = ProblemError.of(error).problem;
      this.#become(code === 'cancelled' ? { is: 'not_asked' } : { is: 'failed', problem: code });
    }
  }

  /** Wait no longer. */
  cancel(): void {
    this.#asking?.abort();
  }

  /** Tell the server that its verdict is wrong; only when one was had. */
  async report(mistake: Mistake, note: string): Promise<void> {
    if (this.#state.is !== 'had') return;
    const { escalationId } = this.#state.sent;
    await this.#link.ask('feedback', { escalationId, mistake, note });
  }

  #become(state: OpinionState): void {
    this.#state = state;
    for (const changed of this.#changed) changed();
  }
}

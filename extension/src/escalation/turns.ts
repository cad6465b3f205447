/** At most so many at a time; the others wait in the order in which they came. */

import { ProblemError } from '../problems';

export class Turns {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Do the work when it is its turn.
   *
   * @throws ProblemError `cancelled`: the signal came before its turn.
   */
  async take<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#running >= this.#most) await this.#turn(signal);
    else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next(); // which runs in its place
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    await new Promise<void>((come, gone) => {
      this.#waiting.push(come);
      signal.addEventListener('abort', () => {
        const place = this.#waiting.indexOf(come);
        if (place < 0) return;
        this.#waiting.splice(place, 1);
        gone(new ProblemError('cancelled', 'given up'));
      });
    });
  }
}

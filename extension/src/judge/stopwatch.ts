/** How long looks take. */

import type { Speed } from './models';

/** Looks that are remembered; of more, the last. */
const MOST = 500;

export class Stopwatch {
  readonly #milliseconds: number[] = [];

  /** A look took so long. */
  took(milliseconds: number): void {
    this.#milliseconds.push(milliseconds);
    if (this.#milliseconds.length > MOST) this.#milliseconds.shift();
  }

  /** Of the looks that are remembered; null when there is none. */
  speed(): Speed | null {
    const sorted = this.#milliseconds.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1]!;
    return sorted.length === 0 ? null : { frames: sorted.length, median: at(0.5), p95: at(0.95) };
  }
}

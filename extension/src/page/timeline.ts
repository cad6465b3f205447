/** The scores of a video over the time that was watched, however long, in bounded memory. */

import type { TimelinePoint } from '../types/verdict';

const MOST_POINTS = 600;
/** Seconds of a live stream that are kept. */
const LIVE_SECONDS = 120;

export class Timeline {
  /** Points by the number of their slot; a slot keeps the highest score that was seen in it. */
  #slots = new Map<number, TimelinePoint>();
  #slotSeconds = 0.25;

  /** A frame was looked at; of a live stream what is long past is let go. */
  add(point: TimelinePoint, live: boolean): void {
    this.#put(point);
    if (live) {
      for (const [slot, { pts_seconds: at }] of this.#slots) {
        if (at < point.pts_seconds - LIVE_SECONDS) this.#slots.delete(slot);
      }
    }
    if (this.#slots.size > MOST_POINTS) this.#coarsen();
  }

  clear(): void {
    this.#slots.clear();
  }

  /** In order of time. */
  points(): TimelinePoint[] {
    return [...this.#slots.values()].sort((a, b) => a.pts_seconds - b.pts_seconds);
  }

  #put(point: TimelinePoint): void {
    const slot = Math.floor(point.pts_seconds / this.#slotSeconds);
    const known = this.#slots.get(slot);
    if (known === undefined || higher(point, known)) this.#slots.set(slot, point);
  }

  #coarsen(): void {
    const points = this.points();
    this.#slotSeconds *= 2;
    this.#slots = new Map();
    for (const point of points) this.#put(point);
  }
}

function higher(point: TimelinePoint, known: TimelinePoint): boolean {
  return (point.fake_probability ?? -1) >= (known.fake_probability ?? -1);
}

/** Things that are held for sources, few at a time, and not for long when nobody asks for them. */

export interface Releasable {
  release(): void;
}

export class Held<T extends Releasable> {
  readonly #most: number;
  readonly #idleMilliseconds: number;
  /** The one that was asked for last at the end. */
  readonly #things = new Map<
    string,
    { thing: T; askedAt: number; timer: ReturnType<typeof setTimeout> }
  >();

  constructor(most: number, idleSeconds: number) {
    this.#most = most;
    this.#idleMilliseconds = idleSeconds * 1000;
  }

  /** What is held for a source, and is so anew from now on. */
  get(source: string): T | undefined {
    const held = this.#things.get(source);
    if (held === undefined) return undefined;
    this.#hold(source, held.thing);
    return held.thing;
  }

  /** Whether another one would take the place of none that was asked for in the last seconds. */
  hasRoom(seconds: number): boolean {
    const [oldest] = this.#things.values();
    if (oldest === undefined || this.#things.size < this.#most) return true;
    return Date.now() - oldest.askedAt > seconds * 1000;
  }

  /** Hold something for a source instead of what was; the longest unused goes when it is full. */
  put(source: string, thing: T): void {
    this.release(source);
    this.#hold(source, thing);
    for (const [oldest] of this.#things) {
      if (this.#things.size <= this.#most) break;
      this.release(oldest);
    }
  }

  release(source: string): void {
    const held = this.#things.get(source);
    if (held === undefined) return;
    clearTimeout(held.timer);
    this.#things.delete(source);
    held.thing.release();
  }

  #hold(source: string, thing: T): void {
    clearTimeout(this.#things.get(source)?.timer);
    this.#things.delete(source);
    const timer = setTimeout(() => {
      this.release(source);
    }, this.#idleMilliseconds);
    this.#things.set(source, { thing, askedAt: Date.now(), timer });
  }
}

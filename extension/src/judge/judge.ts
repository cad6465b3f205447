/** Verdicts on videos as they play: a rolling window of each, for as long as it is heard of. */

import { makeRoom, type Sendable } from '../escalation/crops';
import type { Frame, Looked, SeenFace } from '../messages';
import { ProblemError } from '../problems';
import type { ModelsState, Opened } from './models';
import { Stopwatch } from './stopwatch';
import { Window } from './window';

/** Videos that are known at a time; of more, those heard of last. */
const MOST_VIDEOS = 40;
/** A page may vanish without a word, so a video unheard of for this long is let go. */
const LONGEST_SILENCE = 30 * 60 * 1000;

interface Known {
  readonly window: Window;
  readonly heardAt: number;
}

export class Judge {
  readonly #opened: Opened;
  readonly #version: string;
  readonly #now: () => number;
  readonly #stopwatch = new Stopwatch();
  /** In the order in which they were last heard of. */
  readonly #known = new Map<string, Known>();

  /** `now` tells milliseconds of any clock that does not run back. */
  constructor(opened: Opened, version: string, now = (): number => performance.now()) {
    this.#opened = opened;
    this.#version = version;
    this.#now = now;
  }

  /** Look at a frame, and judge the window that ends with it. */
  async look(frame: Frame): Promise<Looked> {
    if (frame.rgba.length !== frame.width * frame.height * 4 || frame.rgba.length === 0) {
      throw new ProblemError('unreadable', `${frame.width} x ${frame.height} is not its size`);
    }
    const started = performance.now();
    const window = this.#find(frame.source) ?? new Window(this.#opened);
    this.#heard(frame.source, window);
    await window.look(frame);
    makeRoom([...this.#known.values()].map((known) => known.window.crops));
    const milliseconds = performance.now() - started;
    this.#stopwatch.took(milliseconds);
    return { verdict: window.verdict(frame, milliseconds, this.#version), milliseconds };
  }

  /** Let go of a video. */
  forget(source: string): null {
    this.#known.delete(source);
    return null;
  }

  /** The faces that the verdict on a video rests on. */
  faces(source: string): readonly SeenFace[] {
    return this.#knownWindow(source).faces();
  }

  /** What a submission of a video to a server is made of, not encoded yet. */
  sendable(source: string): Sendable {
    return { source, ...this.#knownWindow(source).sendable() };
  }

  /** Which models run, and how fast. */
  models(): ModelsState {
    return { ...this.#opened.state, speed: this.#stopwatch.speed() };
  }

  /** Let the models run where they run best. */
  async accelerate(): Promise<void> {
    await this.#opened.accelerate();
  }

  #knownWindow(source: string): Window {
    const window = this.#find(source);
    if (window === undefined) throw new ProblemError('unknown_source', source);
    this.#heard(source, window);
    return window;
  }

  #find(source: string): Window | undefined {
    return this.#known.get(source)?.window;
  }

  #heard(source: string, window: Window): void {
    const now = this.#now();
    this.#known.delete(source);
    this.#known.set(source, { window, heardAt: now });
    for (const [other, { heardAt }] of this.#known) {
      if (this.#known.size <= MOST_VIDEOS && now - heardAt <= LONGEST_SILENCE) break;
      this.#known.delete(other);
    }
  }
}

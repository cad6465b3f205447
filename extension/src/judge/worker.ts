/** The worker with the models, as a channel that outlives it. */

import { workerChannel } from '../channels';
import type { Channel } from '../rpc';

/** Seconds before a worker that broke is started anew. */
const PAUSE_SECONDS = 10;

/** Started when something is posted; when it breaks or is stopped, anew with what is posted next. */
export class ModelWorker implements Channel {
  readonly #start: () => Worker;
  readonly #now: () => number;
  readonly #heard: ((message: unknown) => void)[] = [];
  readonly #gone: (() => void)[] = [];
  #running: { readonly worker: Worker; readonly channel: Channel } | undefined;
  #brokenAt = -Infinity;

  /** `now` tells milliseconds of any clock that does not run back. */
  constructor(start: () => Worker, now = (): number => performance.now()) {
    this.#start = start;
    this.#now = now;
  }

  post(message: unknown, transfer?: Transferable[]): void {
    if (this.#running === undefined && this.#now() - this.#brokenAt < PAUSE_SECONDS * 1000) {
      queueMicrotask(() => {
        this.#tellGone();
      });
      return;
    }
    this.#running ??= this.#run();
    this.#running.channel.post(message, transfer);
  }

  listen(heard: (message: unknown) => void): void {
    this.#heard.push(heard);
  }

  closed(gone: () => void): void {
    this.#gone.push(gone);
  }

  /** Give back its memory; what it knew is lost. */
  stop(): void {
    this.#running?.worker.terminate();
    this.#running = undefined;
    this.#tellGone();
  }

  #run(): { worker: Worker; channel: Channel } {
    const worker = this.#start();
    const channel = workerChannel(worker);
    channel.listen((message) => {
      for (const heard of this.#heard) heard(message);
    });
    channel.closed(() => {
      if (this.#running?.worker !== worker) return;
      this.#brokenAt = this.#now();
      this.stop();
    });
    return { worker, channel };
  }

  #tellGone(): void {
    for (const gone of this.#gone) gone();
  }
}

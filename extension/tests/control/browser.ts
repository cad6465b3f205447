/** A browser's storage, for modules that import it: import this before them. */

import { fakeBrowser } from 'wxt/testing';

/** Locks as a browser gives them: whoever asks for a name waits for those before. */
class Locks {
  readonly #last = new Map<string, Promise<unknown>>();

  request<T>(name: string, work: () => Promise<T>): Promise<T> {
    const done = (this.#last.get(name) ?? Promise.resolve()).then(work);
    this.#last.set(
      name,
      done.catch(() => undefined),
    );
    return done;
  }
}

Object.assign(globalThis, { chrome: fakeBrowser });
Object.defineProperty(globalThis, 'navigator', { value: { locks: new Locks() } });

export { fakeBrowser };

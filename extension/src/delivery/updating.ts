/** Fetch the server's newer model, if there is one, check it, and let the worker try it. */

import type { ModelsState } from '../judge/models';
import { ProblemError } from '../problems';
import type { Asking } from '../rpc';
import type { Bytes } from './bytes';
import { BundleServer } from './fetching';
import { isNewer, type SignedManifest, verified, type WebManifest } from './manifest';
import { RejectedError } from './rejecting';
import type { ModelSource } from './source';
import type { ModelStore } from './store';

export interface Done {
  readonly done: number;
  readonly total: number;
}

/** What an update needs of its surroundings. */
export interface Surroundings {
  readonly store: ModelStore;
  readonly source: () => Promise<ModelSource>;
  /** Which models run. */
  readonly models: () => Promise<ModelsState>;
  /** Open the models anew. */
  readonly reopen: () => Promise<ModelsState>;
}

/** Updates, one at a time. */
export class Updater {
  readonly #surroundings: Surroundings;
  #running: Promise<unknown> = Promise.resolve();

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** Which models run, and why the server's newest is not among them. */
  async state(): Promise<ModelsState> {
    const { store, models } = this.#surroundings;
    return { ...(await models()), rejected: await store.rejected().catch(() => null) };
  }

  /**
   * Update, and say which models run then. What is wrong with the server's model is told in the
   * state.
   *
   * @throws ProblemError the server is away, or refuses; nothing is changed.
   */
  async update(asking: Asking<Done>): Promise<ModelsState> {
    const done = this.#running.then(() => this.#update(asking));
    this.#running = done.catch(() => undefined);
    await done;
    return this.state();
  }

  async #update(asking: Asking<Done>): Promise<void> {
    const { store, source, models, reopen } = this.#surroundings;
    const { server, modelKey } = await source();
    // Those of another key are no longer trusted, nor any without one.
    const trusted = (signed: SignedManifest): Promise<boolean> =>
      verified(signed, modelKey).then(
        () => true,
        () => false,
      );
    if (await store.retain(trusted)) await reopen();
    if (modelKey === '') return;
    if (server === null) throw new ProblemError('server_unreachable', 'no server is set');
    const from = new BundleServer(server, asking.signal);
    const signed = await from.offered();
    if (signed === null) {
      await store.reject(null);
      return;
    }
    try {
      const manifest = await verified(signed, modelKey);
      if (isNew(manifest, await models())) {
        await store.offer(signed, await fetched(from, manifest, asking));
        await reopen();
      } else {
        await store.reject(null);
      }
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      console.warn(`model from the server: ${error.message}`);
      await store.reject(error.why);
    }
  }
}

/**
 * Whether it is another one than runs.
 *
 * @throws RejectedError it is another one, and not newer.
 */
function isNew(manifest: WebManifest, { models }: ModelsState): boolean {
  const running = models.find((model) => model.role === 'edge')!;
  if (isNewer(manifest.version, running.version)) return true;
  const same = manifest.files.some((file) => file.sha256 === running.sha256);
  if (same && manifest.version === running.version) return false;
  throw new RejectedError(
    'not_newer',
    `${manifest.name} ${manifest.version} is not newer than ${running.name} ${running.version}`,
  );
}

async function fetched(
  server: BundleServer,
  manifest: WebManifest,
  asking: Asking<Done>,
): Promise<Map<string, Bytes>> {
  const total = manifest.files.reduce((sum, file) => sum + file.size_bytes, 0);
  let done = 0;
  const files = new Map<string, Bytes>();
  for (const file of manifest.files) {
    const came = (bytes: number): void => {
      done += bytes;
      asking.progress({ done, total });
    };
    files.set(file.name, await server.file(file, came));
  }
  return files;
}

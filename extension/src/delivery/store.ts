/**
 * Models from the server, as they are kept: one that waits for its first try, one that runs, and the
 * one before it. The host puts models in, the worker takes them out; one file says which is which,
 * and is replaced as a whole.
 */

import type { DetectorCard } from '../types/card';
import { type Bytes, checkFile, sha256 } from './bytes';
import { isNewer, readManifest, type SignedManifest, type WebManifest } from './manifest';
import { RejectedError, type Rejection } from './rejecting';
import { originShelf, type Shelf } from './shelf';

/** A bundle whose files are what was signed. */
export interface BundleBytes {
  readonly card: DetectorCard;
  readonly model: Bytes;
  readonly preprocess: Bytes;
  readonly manifest: WebManifest;
}

/** Folders, by the part that the bundle in them plays. */
interface Kept {
  readonly candidate: string | null;
  readonly current: string | null;
  readonly before: string | null;
  /** Why the newest one that was offered is not used. */
  readonly rejected: Rejection | null;
}

const NOTHING: Kept = { candidate: null, current: null, before: null, rejected: null };
const STATE_FOLDER = 'state';
const STATE = 'state.json';
const SIGNED = 'signed.json';
const CARD = 'card.json';

export class ModelStore {
  readonly #shelf: Shelf;

  constructor(shelf: Shelf = originShelf) {
    this.#shelf = shelf;
  }

  /** Put a bundle in, for the worker to try. */
  async offer(signed: SignedManifest, files: ReadonlyMap<string, Bytes>): Promise<void> {
    const folder = await sha256(encode(signed.manifest));
    for (const [name, content] of files) await this.#shelf.write(folder, `file-${name}`, content);
    await this.#shelf.write(folder, SIGNED, encode(JSON.stringify(signed)));
    await this.#save({ ...(await this.#kept()), candidate: folder, rejected: null });
  }

  async reject(why: Rejection | null): Promise<void> {
    const kept = await this.#kept();
    if (kept.rejected !== why) await this.#save({ ...kept, rejected: why });
  }

  async rejected(): Promise<Rejection | null> {
    return (await this.#kept()).rejected;
  }

  /** Throw away what does not pass, and say whether anything was. */
  async retain(passes: (signed: SignedManifest) => Promise<boolean>): Promise<boolean> {
    const kept = await this.#kept();
    const retained = async (folder: string | null): Promise<string | null> =>
      folder !== null && (await passes(await this.#signed(folder))) ? folder : null;
    const current = await retained(kept.current);
    const before = await retained(kept.before);
    if (current === kept.current && before === kept.before) return false;
    await this.#save({
      ...NOTHING,
      current: current ?? before,
      before: current === null ? null : before,
    });
    return true;
  }

  /**
   * The newest bundle that `use` takes without an error, used; null where the one that ships, of
   * version `shipped`, is to run. What no longer serves is thrown away.
   */
  async open<T>(shipped: string, use: (bundle: BundleBytes) => Promise<T>): Promise<T | null> {
    const used = (await this.#openNew(shipped, use)) ?? (await this.#openProven(shipped, use));
    await this.#tidy();
    return used;
  }

  /** A new one has one try, even if the browser dies of it. */
  async #openNew<T>(shipped: string, use: (bundle: BundleBytes) => Promise<T>): Promise<T | null> {
    const kept = await this.#kept();
    const { candidate, current } = kept;
    if (candidate === null) return null;
    await this.#save({ ...kept, candidate: null, rejected: 'broken' });
    const used = await this.#try(candidate, shipped, use);
    if (used instanceof RejectedError) {
      await this.#save({ ...kept, candidate: null, rejected: used.why });
      return null;
    }
    await this.#save({ ...NOTHING, current: candidate, before: current });
    return used;
  }

  async #openProven<T>(
    shipped: string,
    use: (bundle: BundleBytes) => Promise<T>,
  ): Promise<T | null> {
    const { current, before } = await this.#kept();
    for (const folder of [current, before]) {
      if (folder === null) continue;
      const used = await this.#try(folder, shipped, use);
      if (!(used instanceof RejectedError)) return used;
      const rejected = used.why === 'not_newer' ? null : used.why;
      await this.#save({ ...NOTHING, current: folder === current ? before : null, rejected });
    }
    return null;
  }

  async #try<T>(
    folder: string,
    shipped: string,
    use: (bundle: BundleBytes) => Promise<T>,
  ): Promise<T | RejectedError> {
    try {
      const bundle = await this.#bundle(folder);
      // After an update the extension may ship a newer one.
      const { version } = bundle.manifest;
      if (!isNewer(version, shipped)) throw new RejectedError('not_newer', version);
      return await use(bundle);
    } catch (error) {
      const rejected =
        error instanceof RejectedError ? error : new RejectedError('broken', String(error));
      console.warn(`model from the server: ${rejected.message}`);
      return rejected;
    }
  }

  async #bundle(folder: string): Promise<BundleBytes> {
    const { manifest: text } = await this.#signed(folder);
    const manifest = readManifest(text);
    const files = new Map<string, Bytes>();
    for (const file of manifest.files) {
      const content = await this.#shelf.read(folder, `file-${file.name}`);
      if (content === null) throw new RejectedError('damaged', `${file.name} is not there`);
      await checkFile(file, content);
      files.set(file.name, content);
    }
    return unpacked(manifest, files);
  }

  async #signed(folder: string): Promise<SignedManifest> {
    const content = await this.#shelf.read(folder, SIGNED);
    if (content === null) return { manifest: '', signature: '' };
    return JSON.parse(decode(content)) as SignedManifest;
  }

  async #kept(): Promise<Kept> {
    const content = await this.#shelf.read(STATE_FOLDER, STATE);
    return content === null ? NOTHING : (JSON.parse(decode(content)) as Kept);
  }

  async #save(kept: Kept): Promise<void> {
    await this.#shelf.write(STATE_FOLDER, STATE, encode(JSON.stringify(kept)));
  }

  async #tidy(): Promise<void> {
    const { candidate, current, before } = await this.#kept();
    const used = [STATE_FOLDER, candidate, current, before];
    for (const folder of await this.#shelf.folders()) {
      if (!used.includes(folder)) await this.#shelf.remove(folder);
    }
  }
}

/**
 * A bundle from its files.
 *
 * @throws RejectedError it is none that this extension runs.
 */
export function unpacked(manifest: WebManifest, files: ReadonlyMap<string, Bytes>): BundleBytes {
  const content = files.get(CARD);
  if (content === undefined) throw new RejectedError('unfit', 'it has no card');
  const card = JSON.parse(decode(content)) as DetectorCard;
  const graph = (role: 'model' | 'preprocess'): Bytes | undefined =>
    files.get(card.files.find((file) => file.role === role)?.name ?? '');
  const model = graph('model');
  const preprocess = graph('preprocess');
  // What the card does not say, JSON may.
  const schema: string = card.schema;
  const kind: string = card.kind;
  if (
    schema !== 'dfedge.card/1' ||
    kind !== 'deepfake_detector' ||
    card.name !== manifest.name ||
    card.version !== manifest.version ||
    model === undefined ||
    preprocess === undefined
  ) {
    throw new RejectedError('unfit', 'its card is not that of a detector, or of another one');
  }
  return { card, model, preprocess, manifest };
}

const encode = (text: string): Bytes => new TextEncoder().encode(text);
const decode = (content: Bytes): string => new TextDecoder().decode(content);

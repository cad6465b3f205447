/** A signed bundle from the user's server, as bytes that nobody has used yet. */

import { broken, type Asked, refusal, send } from '../escalation/exchange';
import { isConfidential } from '../escalation/server';
import type { ServerAccess } from '../escalation/sending';
import { ProblemError } from '../problems';
import { type Bytes, checkFile } from './bytes';
import type { SignedManifest, WebFile } from './manifest';
import { RejectedError } from './rejecting';

const MAX_MANIFEST_BYTES = 128 * 1024;
const LONGEST_SECONDS = 600;

export class BundleServer {
  readonly #access: ServerAccess;
  readonly #limits: Pick<Asked, 'signal' | 'deadline'>;

  constructor(access: ServerAccess, signal: AbortSignal) {
    if (!isConfidential(access.url)) {
      throw new ProblemError('server_refused', 'http:// would send the key unencrypted');
    }
    this.#access = access;
    this.#limits = { signal, deadline: performance.now() + LONGEST_SECONDS * 1000 };
  }

  /**
   * What it offers; null where it offers nothing.
   *
   * @throws ProblemError it is away, or refuses.
   */
  async offered(): Promise<SignedManifest | null> {
    const odd = new ProblemError('server_failed', 'it did not answer as an escalation server does');
    const text = await this.#get('/v1/web-bundle', MAX_MANIFEST_BYTES, odd, () => undefined);
    if (text === null) return null;
    let told: Partial<Record<keyof SignedManifest, unknown>> | null;
    try {
      told = JSON.parse(new TextDecoder().decode(text)) as typeof told;
    } catch {
      told = null;
    }
    const { manifest, signature } = told ?? {};
    if (typeof manifest !== 'string' || typeof signature !== 'string') throw odd;
    return { manifest, signature };
  }

  /**
   * A file, whole and as it was signed; `came` is told of each piece of so many bytes.
   *
   * @throws RejectedError it is another one.
   * @throws ProblemError the server is away, or refuses.
   */
  async file(file: WebFile, came: (bytes: number) => void): Promise<Bytes> {
    const path = `/v1/web-bundle/files/${file.name}`;
    const longer = new RejectedError('damaged', `${file.name} is longer than was signed`);
    const content = await this.#get(path, file.size_bytes, longer, came);
    if (content === null) throw new RejectedError('damaged', `${file.name} is not there`);
    await checkFile(file, content);
    return content;
  }

  /** Null where there is nothing at the path; `tooLong` is thrown as soon as more than `limit` came. */
  async #get(
    path: string,
    limit: number,
    tooLong: Error,
    came: (bytes: number) => void,
  ): Promise<Bytes | null> {
    const asked: Asked = { method: 'GET', path, ...this.#limits };
    const response = await send(this.#access, asked);
    if (response.status === 404) return null;
    if (!response.ok) throw await refusal(response, asked);
    const content = new Uint8Array(limit);
    let at = 0;
    try {
      const reader = response.body!.getReader();
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        if (at + read.value.length > limit) {
          void reader.cancel();
          throw tooLong;
        }
        content.set(read.value, at);
        at += read.value.length;
        came(read.value.length);
      }
    } catch (error) {
      throw error === tooLong ? tooLong : broken(error, asked);
    }
    return content.slice(0, at);
  }
}

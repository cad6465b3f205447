/**
 * What is signed of a bundle: `dfedge.bundles.web` in Python. Nothing of it is believed, or even read,
 * before its signature is checked.
 */

import { fromBase64 } from './bytes';
import { RejectedError } from './rejecting';

export interface WebFile {
  readonly name: string;
  readonly sha256: string;
  readonly size_bytes: number;
}

export interface WebManifest {
  readonly schema: 'dfedge.web-bundle/1';
  readonly name: string;
  readonly version: string;
  readonly files: readonly WebFile[];
  readonly self_test: { readonly logit: number };
}

/** A manifest and its signature, as a server hands them out. */
export interface SignedManifest {
  /** The exact text that is signed. */
  readonly manifest: string;
  /** Ed25519, base64. */
  readonly signature: string;
}

/** Of all files together. */
const MAX_BYTES = 32 * 1024 ** 2;
const MAX_FILES = 8;

/**
 * The manifest, if it bears the signature of a key (base64).
 *
 * @throws RejectedError it does not, or is no manifest.
 */
export async function verified(
  { manifest, signature }: SignedManifest,
  publicKey: string,
): Promise<WebManifest> {
  const key = await importKey(publicKey);
  let signs = false;
  try {
    const text = new TextEncoder().encode(manifest);
    signs = await crypto.subtle.verify('Ed25519', key, fromBase64(signature), text);
  } catch {
    // A signature that cannot be one does not sign.
  }
  if (!signs) throw new RejectedError('signature', 'it is not signed by the key in the options');
  return readManifest(manifest);
}

/**
 * A manifest from its text.
 *
 * @throws RejectedError it is none.
 */
export function readManifest(text: string): WebManifest {
  let manifest: unknown;
  try {
    manifest = JSON.parse(text);
  } catch {
    throw new RejectedError('unfit', 'the manifest is no JSON');
  }
  if (!isManifest(manifest)) throw new RejectedError('unfit', 'this is no dfedge.web-bundle/1');
  const bytes = manifest.files.reduce((sum, file) => sum + file.size_bytes, 0);
  if (bytes > MAX_BYTES) throw new RejectedError('unfit', `${bytes} bytes are too many`);
  return manifest;
}

/** Whether a version such as 1.10.2 is above another. */
export function isNewer(version: string, than: string): boolean {
  const [ours, theirs] = [version, than].map((text) => text.split('.').map(Number));
  const at = ours!.findIndex((part, place) => part !== theirs![place]);
  return at >= 0 && ours![at]! > theirs![at]!;
}

async function importKey(text: string): Promise<CryptoKey> {
  try {
    const raw = fromBase64(text.trim());
    return await crypto.subtle.importKey('raw', raw, 'Ed25519', false, ['verify']);
  } catch (error) {
    throw new RejectedError('key', `the key in the options is none: ${String(error)}`);
  }
}

function isManifest(value: unknown): value is WebManifest {
  const { schema, name, version, files, self_test } = (value ?? {}) as Record<string, unknown>;
  return (
    schema === 'dfedge.web-bundle/1' &&
    matches(name, /^[a-z0-9][a-z0-9._-]{0,63}$/) &&
    matches(version, /^\d{1,9}\.\d{1,9}\.\d{1,9}$/) &&
    Array.isArray(files) &&
    files.length > 0 &&
    files.length <= MAX_FILES &&
    files.every(isFile) &&
    new Set(files.map((file) => file.name)).size === files.length &&
    Number.isFinite((self_test as { logit?: unknown } | undefined)?.logit)
  );
}

function isFile(value: unknown): value is WebFile {
  const { name, sha256, size_bytes } = (value ?? {}) as Record<string, unknown>;
  return (
    matches(name, /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/) &&
    matches(sha256, /^[0-9a-f]{64}$/) &&
    Number.isSafeInteger(size_bytes) &&
    (size_bytes as number) > 0
  );
}

function matches(value: unknown, pattern: RegExp): value is string {
  return typeof value === 'string' && pattern.test(value);
}

/** Bytes as text, and their sha256. */

import { RejectedError } from './rejecting';

export type Bytes = Uint8Array<ArrayBuffer>;

/** Throws where the text is no base64. */
export function fromBase64(text: string): Bytes {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** Hexadecimal. */
export async function sha256(content: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/**
 * See that a file is what was signed.
 *
 * @throws RejectedError it is not.
 */
export async function checkFile(
  file: { readonly name: string; readonly sha256: string; readonly size_bytes: number },
  content: Bytes,
): Promise<void> {
  if (content.length !== file.size_bytes || (await sha256(content)) !== file.sha256) {
    throw new RejectedError('damaged', `${file.name} is not what was signed`);
  }
}

/** Where newer models come from. */

import type { ServerAccess } from '../escalation/sending';

export interface ModelSource {
  /** Null while the user has set none. */
  readonly server: ServerAccess | null;
  /** Ed25519 public key (base64) whose signature they must bear; empty: none are fetched. */
  readonly modelKey: string;
}

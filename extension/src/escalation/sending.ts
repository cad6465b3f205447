/** What sending faces to a server is about: the types that others see. */

import type { Source } from '../messages';
import type { Verdict } from '../types/verdict';

/** Where to send to, and with which key. */
export interface ServerAccess {
  /** Origin and path, without a slash at its end. */
  readonly url: string;
  readonly key: string;
}

/** A face with what is around it, cut from a frame as the server expects it. */
export interface SentCrop {
  readonly png: Uint8Array<ArrayBuffer>;
  readonly trackId: number;
  readonly frameIndex: number;
  readonly ptsSeconds: number;
  readonly frameWidth: number;
  readonly frameHeight: number;
  readonly left: number;
  readonly top: number;
  readonly box: readonly [left: number, top: number, right: number, bottom: number];
  readonly detectionScore: number;
}

/** All that a submission is made of. */
export interface Material extends Source {
  readonly crops: readonly SentCrop[];
  readonly verdict: Verdict;
  readonly framesSampled: number;
}

export interface SendingProgress {
  readonly stage: 'sending' | 'waiting' | 'faces' | 'models' | 'evidence';
  readonly done: number;
  readonly total: number | null;
}

export interface Sent {
  readonly escalationId: string;
  /** The device's and the server's opinions joined. */
  readonly verdict: Verdict;
  /** Those of the server, which the verdict's label rests on; null where it has none. */
  readonly thresholds: { readonly real: number; readonly fake: number } | null;
  /** Sentences of the server for the user. */
  readonly notes: readonly string[];
  /** The server's page about it. */
  readonly reviewUrl: string;
}

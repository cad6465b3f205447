/** What the parts of the extension say to each other: one union, told apart by `type`. */

import type { Verdict } from './types/verdict';

/** A frame of a video that plays, for the judge. */
export interface LookMessage {
  readonly type: 'look';
  /** The video, unique over all tabs. */
  readonly source: string;
  readonly ptsSeconds: number;
  readonly index: number;
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8ClampedArray;
}

/** The video is gone: let go of what is known of it. */
export interface ForgetMessage {
  readonly type: 'forget';
  readonly source: string;
}

/** From a page to the background, which sees that a judge is there. */
export interface WakeMessage {
  readonly type: 'wake';
}

export type Message = LookMessage | ForgetMessage | WakeMessage;

/** What the judge answers to a frame. */
export type LookAnswer =
  { readonly verdict: Verdict; readonly milliseconds: number } | { readonly problem: string };

/** Whether something that came over a channel is one of ours. */
export function isMessage(value: unknown): value is Message {
  return (
    typeof value === 'object' &&
    value !== null &&
    'type' in value &&
    (value.type === 'look' || value.type === 'forget' || value.type === 'wake')
  );
}

/** What can go wrong, as codes that have words in every language of the extension. */

export type ProblemCode =
  /** Its site lets no one read the video's pixels. */
  | 'cross_origin'
  /** The video is protected by DRM. */
  | 'protected'
  /** The video or picture cannot be loaded or decoded. */
  | 'unreadable'
  /** The models do not run here. */
  | 'judge_unavailable'
  /** Nothing is known of this video any more, or not yet. */
  | 'unknown_source'
  /** Its frame lies in a frame of another site, so that its place in the tab is unknown. */
  | 'place_unknown'
  /** Capturing the tab was not allowed. */
  | 'capture_refused'
  | 'no_consent'
  | 'server_unreachable'
  /** The server does not know the key, or does not let it do this. */
  | 'key_refused'
  | 'server_busy'
  | 'server_refused'
  | 'server_failed'
  /** There is no usable face to send. */
  | 'nothing_to_send'
  | 'cancelled'
  | 'internal';

export interface Problem {
  readonly code: ProblemCode;
  /** For developers, in English; people read the words of the code. */
  readonly detail: string;
}

/** A problem, thrown. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(code: ProblemCode, detail: string) {
    super(`${code}: ${detail}`);
    this.name = 'ProblemError';
    this.problem = { code, detail };
  }

  /** Any error as one of ours. */
  static of(error: unknown): ProblemError {
    if (error instanceof ProblemError) return error;
    return new ProblemError('internal', error instanceof Error ? error.message : String(error));
  }
}

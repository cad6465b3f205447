/** Why a model from the server is not used. */

export type Rejection =
  /** The public key in the options is none. */
  | 'key'
  /** It does not bear the signature of that key. */
  | 'signature'
  /** What is signed is no model that this extension knows how to run. */
  | 'unfit'
  /** It is not newer than the one that runs. */
  | 'not_newer'
  /** A file is not what was signed. */
  | 'damaged'
  /** It does not open, or does not run. */
  | 'broken'
  /** It gives something else here than where it was signed. */
  | 'self_test';

/** A model is refused; the message is for developers. */
export class RejectedError extends Error {
  readonly why: Rejection;

  constructor(why: Rejection, detail: string) {
    super(`${why}: ${detail}`);
    this.name = 'RejectedError';
    this.why = why;
  }
}

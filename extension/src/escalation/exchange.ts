/**
 * Requests to the user's server: with its key, to no other address, without cookies, tried again
 * where that may help.
 */

import { ProblemError } from '../problems';
import { readProblem } from './answers';
import type { ServerAccess } from './sending';
import { shown } from './text';

/** Of one request, before the server is given up. */
const ATTEMPTS = 4;
const FIRST_PAUSE_SECONDS = 0.5;
/** An answer that is longer is cut off and refused. */
export const MAX_ANSWER_BYTES = 16 * 1024 ** 2;

/** What can stand in a header. */
const KEY = /^[\x21-\x7e]{1,512}$/;
const TRY_AGAIN = new Set([408, 425, 429, 500, 502, 503, 504]);

export interface Asked {
  readonly method: 'GET' | 'POST';
  /** Below the server's address, with a slash at its start. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: BodyInit;
  /** Ends the request and all waiting: the problem is then `cancelled`. */
  readonly signal: AbortSignal;
  /** For how long after `signal` an answer that is on its way is still taken; 0 unless told. */
  readonly graceSeconds?: number;
  /** On the clock of {@link performance.now}: no answer later than that is waited for. */
  readonly deadline: number;
}

/**
 * The JSON of a successful answer, null where it has none, after a few attempts.
 *
 * @throws ProblemError there is no such answer.
 */
export async function exchange(access: ServerAccess, asked: Asked): Promise<unknown> {
  let pause = FIRST_PAUSE_SECONDS;
  for (let attempt = 1; ; attempt++) {
    let problem: ProblemError;
    let wait = jittered(pause);
    try {
      const response = await send(access, asked);
      if (response.ok) return await readJson(response, asked);
      problem = await refusal(response, asked);
      if (!TRY_AGAIN.has(response.status)) throw problem;
      wait = Math.max(wait, retryAfter(response));
    } catch (error) {
      problem = ProblemError.of(error);
      if (problem.problem.code !== 'server_unreachable') throw problem;
    }
    if (attempt === ATTEMPTS) throw problem;
    await sleep(wait, asked, problem);
    pause *= 2;
  }
}

/**
 * One request; whatever its status, what answers is the server itself.
 *
 * @throws ProblemError nobody answers, or the answer is a redirection.
 */
export async function send(access: ServerAccess, asked: Asked): Promise<Response> {
  if (!KEY.test(access.key)) {
    throw new ProblemError('key_refused', 'it is no key: one line of printable ASCII');
  }
  const left = Math.max(0, Math.ceil(asked.deadline - performance.now()));
  let response: Response;
  try {
    response = await fetch(access.url + asked.path, {
      method: asked.method,
      headers: {
        Accept: 'application/json, application/problem+json',
        ...asked.headers,
        Authorization: `Bearer ${access.key}`,
      },
      body: asked.body ?? null,
      redirect: 'manual',
      credentials: 'omit',
      cache: 'no-store',
      referrerPolicy: 'no-referrer',
      signal: AbortSignal.any([cutOff(asked), AbortSignal.timeout(left)]),
    });
  } catch (error) {
    throw broken(error, asked);
  }
  if (response.type === 'opaqueredirect') {
    throw new ProblemError('server_refused', 'it redirects; name the address that it leads to');
  }
  return response;
}

/** Aborted so long after the signal as an answer may still come. */
function cutOff({ signal, graceSeconds = 0 }: Asked): AbortSignal {
  if (graceSeconds === 0 || signal.aborted) return signal;
  const late = new AbortController();
  const wait = (): void => {
    setTimeout(() => {
      late.abort();
    }, graceSeconds * 1000);
  };
  signal.addEventListener('abort', wait, { once: true });
  return late.signal;
}

/**
 * Wait, or give up at once where that would outlast the deadline.
 *
 * @throws ProblemError the one given, or that it was cancelled.
 */
export async function sleep(
  seconds: number,
  { signal, deadline }: Pick<Asked, 'signal' | 'deadline'>,
  otherwise: ProblemError,
): Promise<void> {
  if (performance.now() + seconds * 1000 >= deadline) throw otherwise;
  await new Promise<void>((done) => {
    const timer = setTimeout(done, seconds * 1000);
    const ended = (): void => {
      clearTimeout(timer);
      done();
    };
    if (signal.aborted) ended();
    signal.addEventListener('abort', ended, { once: true });
  });
  if (signal.aborted) throw new ProblemError('cancelled', 'given up');
}

/** Up to a quarter more or less, so that many devices do not come at once. */
export function jittered(seconds: number): number {
  return seconds * (0.75 + Math.random() / 2);
}

/** What a failed transfer means. */
export function broken(error: unknown, { signal, deadline }: Asked): ProblemError {
  if (error instanceof ProblemError) return error;
  if (signal.aborted) return new ProblemError('cancelled', 'given up');
  if (performance.now() >= deadline) {
    return new ProblemError('server_failed', 'it did not answer in time');
  }
  return new ProblemError('server_unreachable', String(error));
}

async function readJson(response: Response, asked: Asked): Promise<unknown> {
  const text = await readText(response, asked);
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new ProblemError('server_failed', 'it did not answer as an escalation server does');
  }
}

async function readText(response: Response, asked: Asked): Promise<string> {
  if (response.body === null) return '';
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  const reader = response.body.getReader();
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      bytes += read.value.length;
      if (bytes > MAX_ANSWER_BYTES) {
        void reader.cancel();
        throw new ProblemError('server_failed', 'it answered with more than 16 MiB');
      }
      pieces.push(read.value);
    }
  } catch (error) {
    throw broken(error, asked);
  }
  return new Blob(pieces).text();
}

/** What the server says of its refusal. */
export async function refusal(response: Response, asked: Asked): Promise<ProblemError> {
  const { status } = response;
  const said = readProblem(await readJson(response, asked).catch(() => null));
  const detail = `HTTP ${status}${said === null ? '' : `, ${shown(said.detail)}`}`;
  if (status === 401 || status === 403) return new ProblemError('key_refused', detail);
  if (status === 429 || status === 503) return new ProblemError('server_busy', detail);
  return new ProblemError(status < 500 ? 'server_refused' : 'server_failed', detail);
}

/** Seconds; dates, which our servers do not send, are not understood. */
function retryAfter(response: Response): number {
  const text = response.headers.get('Retry-After') ?? '';
  return /^\d{1,7}$/.test(text) ? Number(text) : 0;
}

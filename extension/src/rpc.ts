/**
 * Questions and answers over a channel: a port of the extension, or a worker. A protocol names each
 * question with its request, its answer and what is told of its progress.
 */

import { type Problem, ProblemError } from './problems';

/** What a protocol says of each question. */
export interface Exchange {
  readonly request: object;
  readonly answer: unknown;
  readonly progress: unknown;
}

export type Protocol<P> = { readonly [K in keyof P]: Exchange };

/** One side of a connection. */
export interface Channel {
  post(message: unknown, transfer?: Transferable[]): void;
  listen(heard: (message: unknown) => void): void;
  closed(gone: () => void): void;
}

/** What a handler may do beside answering. */
export interface Asking<Progress> {
  /** Tell whoever asked how far it is. */
  readonly progress: (progress: Progress) => void;
  /** Aborted when whoever asked is gone, or waits no longer. */
  readonly signal: AbortSignal;
}

export type Handlers<P extends Protocol<P>> = {
  readonly [K in keyof P]: (
    request: P[K]['request'],
    asking: Asking<P[K]['progress']>,
  ) => Promise<P[K]['answer']> | P[K]['answer'];
};

type Question = { readonly id: number } & (
  { readonly type: string; readonly request: object } | { readonly abandon: true }
);
type Reply = { readonly id: number } & (
  { readonly answer: unknown } | { readonly progress: unknown } | { readonly problem: Problem }
);

/** Answer the questions that come over a channel; every error becomes a problem of its asker's. */
export function serve<P extends Protocol<P>>(channel: Channel, handlers: Handlers<P>): void {
  const running = new Map<number, AbortController>();
  channel.closed(() => {
    for (const controller of running.values()) controller.abort();
  });
  channel.listen((message) => {
    const question = message as Question;
    if ('abandon' in question) {
      running.get(question.id)?.abort();
      return;
    }
    const { id, type, request } = question;
    const controller = new AbortController();
    running.set(id, controller);
    const reply = (rest: object): void => {
      if (!controller.signal.aborted) channel.post({ id, ...rest });
    };
    void (async () => {
      try {
        const handler = handlers[type as keyof P];
        const answer = await handler(request, {
          progress: (progress) => {
            reply({ progress });
          },
          signal: controller.signal,
        });
        reply({ answer });
      } catch (error) {
        reply({ problem: ProblemError.of(error).problem });
      } finally {
        running.delete(id);
      }
    })();
  });
}

interface Waiting {
  readonly answer: (answer: unknown) => void;
  readonly problem: (error: ProblemError) => void;
  readonly progress: ((progress: unknown) => void) | undefined;
}

export interface AskOptions<Progress> {
  readonly progress?: (progress: Progress) => void;
  readonly signal?: AbortSignal;
  readonly transfer?: Transferable[];
}

/** Asks over a channel. */
export class Client<P extends Protocol<P>> {
  readonly #channel: Channel;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.listen((message) => {
      this.#heard(message as Reply);
    });
    channel.closed(() => {
      const lost = new ProblemError('judge_unavailable', 'the connection was closed');
      for (const { problem } of this.#waiting.values()) problem(lost);
      this.#waiting.clear();
    });
  }

  /**
   * Ask, and wait for the answer.
   *
   * @throws ProblemError what went wrong on the other side, or that it is gone.
   */
  async ask<K extends keyof P & string>(
    type: K,
    request: P[K]['request'],
    options: AskOptions<P[K]['progress']> = {},
  ): Promise<P[K]['answer']> {
    options.signal?.throwIfAborted();
    const id = this.#next++;
    const answered = new Promise<P[K]['answer']>((answer, problem) => {
      this.#waiting.set(id, { answer, problem, progress: options.progress });
      options.signal?.addEventListener('abort', () => {
        if (!this.#waiting.delete(id)) return;
        this.#channel.post({ id, abandon: true });
        problem(new ProblemError('cancelled', 'given up'));
      });
    });
    this.#channel.post({ id, type, request }, options.transfer);
    return answered;
  }

  #heard(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    if (waiting === undefined) return;
    if ('progress' in reply) {
      waiting.progress?.(reply.progress);
      return;
    }
    this.#waiting.delete(reply.id);
    if ('problem' in reply)
      waiting.problem(new ProblemError(reply.problem.code, reply.problem.detail));
    else waiting.answer(reply.answer);
  }
}

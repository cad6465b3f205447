/** Asking the background, and answering there. */

import { browser } from 'wxt/browser';
import type { Keeping } from './messages';
import { type Problem, ProblemError } from './problems';

type Name = keyof Keeping;
type Answer = { readonly answer: unknown } | { readonly problem: Problem };

interface Question {
  readonly keeping: Name;
  readonly request: object;
}

/** Who asks: a page of ours has no tab, or an address of ours. */
export type Sender = Parameters<Parameters<typeof browser.runtime.onMessage.addListener>[0]>[1];

export type KeepingHandlers = {
  readonly [K in Name]: (
    request: Keeping[K]['request'],
    sender: Sender,
  ) => Promise<Keeping[K]['answer']> | Keeping[K]['answer'];
};

/** Those of this context, where it is the background itself: messages do not come back to it. */
let own: KeepingHandlers | undefined;

/**
 * Ask the background.
 *
 * @throws ProblemError what went wrong there, or that it is gone.
 */
export async function askBackground<K extends Name>(
  keeping: K,
  request: Keeping[K]['request'],
): Promise<Keeping[K]['answer']> {
  if (own !== undefined) return own[keeping](request, {});
  const question: Question = { keeping, request };
  let answer: Answer | undefined;
  try {
    answer = await browser.runtime.sendMessage<Question, Answer | undefined>(question);
  } catch (error) {
    throw new ProblemError('judge_unavailable', String(error));
  }
  if (answer === undefined) throw new ProblemError('judge_unavailable', 'nobody answers');
  if ('problem' in answer) throw new ProblemError(answer.problem.code, answer.problem.detail);
  return answer.answer as Keeping[K]['answer'];
}

/** Answer in the background. */
export function answerInBackground(handlers: KeepingHandlers): void {
  own = handlers;
  browser.runtime.onMessage.addListener(
    (message: unknown, sender: Sender, respond: (answer: Answer) => void) => {
      if (typeof message !== 'object' || message === null || !('keeping' in message)) return false;
      const { keeping, request } = message as Question;
      const handle = handlers[keeping] as (request: object, sender: Sender) => unknown;
      void (async () => {
        try {
          respond({ answer: (await handle(request, sender)) ?? null });
        } catch (error) {
          respond({ problem: ProblemError.of(error).problem });
        }
      })();
      return true;
    },
  );
}

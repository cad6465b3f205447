/** The worker that runs the models, so that nothing else waits for them. Answers carry the id asked. */

import { defineUnlistedScript } from 'wxt/utils/define-unlisted-script';
import { Judge } from '../judge/judge';
import { openModels } from '../judge/models';
import type { ForgetMessage, LookAnswer, LookMessage } from '../messages';

export interface Asked {
  readonly id: number;
  readonly message: LookMessage | ForgetMessage;
}

export interface Answered {
  readonly id: number;
  readonly answer: LookAnswer;
}

export default defineUnlistedScript(() => {
  const root = new URL('/', self.location.href).href;
  const version = new URL(self.location.href).searchParams.get('version') ?? '';
  const opening = openModels(root).then((opened) => new Judge(opened, version));
  let before: Promise<unknown> = Promise.resolve();
  self.onmessage = ({ data }: MessageEvent<Asked>): void => {
    // One after the other: frames of a video must come in order, and the models are shared.
    before = before.then(async () => {
      const { id, message } = data;
      try {
        const judge = await opening;
        if (message.type === 'forget') judge.forget(message.source);
        else self.postMessage({ id, answer: await judge.look(message) } satisfies Answered);
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        self.postMessage({ id, answer: { problem } } satisfies Answered);
      }
    });
  };
});

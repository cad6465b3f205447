/** The worker that runs the models, so that nothing else waits for them. */

import { defineUnlistedScript } from 'wxt/utils/define-unlisted-script';
import { workerChannel } from '../channels';
import { encode } from '../escalation/crops';
import { Judge } from '../judge/judge';
import { openModels } from '../judge/models';
import type { Looking } from '../messages';
import { ProblemError } from '../problems';
import { serve } from '../rpc';

export default defineUnlistedScript(() => {
  const root = new URL('/', self.location.href).href;
  const version = new URL(self.location.href).searchParams.get('version') ?? '';
  const open = async (): Promise<Judge> => {
    try {
      return new Judge(await openModels(root), version);
    } catch (error) {
      throw new ProblemError('judge_unavailable', String(error));
    }
  };
  const opening = open();
  opening.catch(() => undefined); // whoever asks is told
  let isAccelerated = false;
  let before: Promise<unknown> = Promise.resolve();
  /** One after the other: frames of a video must come in order, and the models are shared. */
  const inTurn = <T>(work: (judge: Judge) => T | Promise<T>): Promise<T> => {
    const done = before.then(async () => work(await opening));
    before = done.catch(() => undefined);
    return done;
  };
  /** Not before a first frame has its answer: it takes seconds. */
  const accelerate = async (judge: Judge): Promise<void> => {
    if (isAccelerated) return;
    isAccelerated = true;
    await judge.accelerate();
  };
  serve<Looking>(workerChannel(self as DedicatedWorkerGlobalScope & typeof self), {
    look: async (frame, { signal }) => {
      const looked = await inTurn((judge) => {
        signal.throwIfAborted(); // its page may be gone while it waited
        return judge.look(frame);
      });
      void inTurn(accelerate);
      return looked;
    },
    forget: ({ source }) => inTurn((judge) => judge.forget(source)),
    faces: ({ source }) => inTurn((judge) => judge.faces(source)),
    // Frames need not wait for the encoding.
    crops: async ({ source }) => encode(await inTurn((judge) => judge.sendable(source))),
    models: () => inTurn((judge) => judge.models()),
  });
});

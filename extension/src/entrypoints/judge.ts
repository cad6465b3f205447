/** The worker that runs the models, so that nothing else waits for them. */

import { defineUnlistedScript } from 'wxt/utils/define-unlisted-script';
import { workerChannel } from '../channels';
import { encode } from '../escalation/crops';
import { Judge } from '../judge/judge';
import { openModels } from '../judge/models';
import type { Looking } from '../messages';
import { serve } from '../rpc';

export default defineUnlistedScript(() => {
  const root = new URL('/', self.location.href).href;
  const version = new URL(self.location.href).searchParams.get('version') ?? '';
  const open = async (): Promise<Judge> => new Judge(await openModels(root), version);
  let opening = open();
  let before: Promise<unknown> = Promise.resolve();
  /** One after the other: frames of a video must come in order, and the models are shared. */
  const inTurn = <T>(work: (judge: Judge) => T | Promise<T>): Promise<T> => {
    const done = before.then(async () => work(await opening));
    before = done.catch(() => undefined);
    return done;
  };
  serve<Looking>(workerChannel(self as DedicatedWorkerGlobalScope & typeof self), {
    look: (frame) => inTurn((judge) => judge.look(frame)),
    forget: ({ source }) => inTurn((judge) => judge.forget(source)),
    faces: ({ source }) => inTurn((judge) => judge.faces(source)),
    // Frames need not wait for the encoding.
    crops: async ({ source }) => encode(await inTurn((judge) => judge.sendable(source))),
    models: () => inTurn((judge) => judge.models()),
    reopen_models: () =>
      inTurn(async () => {
        opening = open();
        return (await opening).models();
      }),
  });
});

/**
 * Where the judge lives: a page without a window (offscreen in Chromium, the background page in
 * Firefox). It starts the worker with the models and answers the ports that lead here.
 */

import { browser } from 'wxt/browser';
import { stayingAwake, stayUntil } from '../awake';
import { portChannel } from '../channels';
import { ModelStore } from '../delivery/store';
import { Updater } from '../delivery/updating';
import { Escalator } from '../escalation/escalator';
import { hardHandlers } from '../hard/handlers';
import { askBackground } from '../keeping';
import type { Judging, Looking, Source } from '../messages';
import { type Asking, Client, type Handlers, serve } from '../rpc';
import { JUDGE_PORT } from './link';
import { ModelWorker } from './worker';

/** Without anyone connected for so long, the models give back their memory. */
const IDLE_MINUTES = 5;

/** Answer from now on; `version` is the extension's. */
export function hostJudge(version: string): void {
  const worker = new ModelWorker(() => new Worker(`/judge.js?version=${version}`));
  const handlers = judging(worker);
  let connected = 0;
  let idle: ReturnType<typeof setTimeout> | undefined;
  browser.runtime.onConnect.addListener((port) => {
    if (port.name !== JUDGE_PORT) return;
    const sources = new Set<string>();
    connected += 1;
    clearTimeout(idle);
    serve<Judging>(portChannel(port), noting(handlers, sources));
    port.onDisconnect.addListener(() => {
      for (const source of sources) void forget(handlers, source);
      connected -= 1;
      if (connected > 0) return;
      idle = setTimeout(() => {
        worker.stop();
      }, IDLE_MINUTES * 60_000);
    });
  });
}

/** The same handlers, which note the videos that are looked at and not forgotten. */
function noting(handlers: Handlers<Judging>, sources: Set<string>): Handlers<Judging> {
  const noted =
    <R extends Source, A, P>(handle: (request: R, asking: Asking<P>) => A) =>
    (request: R, asking: Asking<P>): A => {
      sources.add(request.source);
      return handle(request, asking);
    };
  return {
    ...handlers,
    look: noted(handlers.look),
    picture: noted(handlers.picture),
    follow: noted(handlers.follow),
    capture: noted(handlers.capture),
    forget: (request, asking) => {
      sources.delete(request.source);
      return handlers.forget(request, asking);
    },
  };
}

/** A page went without a word. */
async function forget(handlers: Handlers<Judging>, source: string): Promise<void> {
  const asking = { progress: () => undefined, signal: new AbortController().signal };
  try {
    await handlers.forget({ source }, asking);
  } catch {
    // The worker knows nothing of it any more.
  }
}

function judging(worker: ModelWorker): Handlers<Judging> {
  const looking = new Client<Looking>(worker);
  const updater = new Updater({
    store: new ModelStore(),
    source: () => askBackground('model_source', {}),
    models: () => looking.ask('models', {}),
    // A new worker: the old models' memory goes with the old one.
    reopen: () => {
      worker.stop();
      return looking.ask('models', {});
    },
  });
  const escalator = new Escalator(looking);
  return {
    look: (frame, { signal }) =>
      looking.ask('look', frame, { transfer: [frame.rgba.buffer], signal }),
    faces: (source) => looking.ask('faces', source),
    stay: (_, { signal }) => stayUntil(signal),
    models: () => updater.state(),
    ...hardHandlers(looking),
    escalate: (request, asking) => escalator.escalate(request, asking),
    feedback: (request) => escalator.feedback(request),
    update_models: (_, asking) => stayingAwake(() => updater.update(asking)),
  };
}

/**
 * Where the judge lives: a page without a window (offscreen in Chromium, the background page in
 * Firefox). It starts the worker with the models and answers the ports that lead here.
 */

import { browser } from 'wxt/browser';
import { portChannel, workerChannel } from '../channels';
import { ModelStore } from '../delivery/store';
import { Updater } from '../delivery/updating';
import { Escalator } from '../escalation/escalator';
import { hardHandlers } from '../hard/handlers';
import { askBackground } from '../keeping';
import type { Judging, Looking } from '../messages';
import { Client, type Handlers, serve } from '../rpc';
import { JUDGE_PORT } from './link';

/** Answer from now on; `version` is the extension's. */
export function hostJudge(version: string): void {
  const worker = new Worker(`/judge.js?version=${version}`);
  const looking = new Client<Looking>(workerChannel(worker));
  const handlers = judging(looking);
  browser.runtime.onConnect.addListener((port) => {
    if (port.name === JUDGE_PORT) serve<Judging>(portChannel(port), handlers);
  });
}

function judging(looking: Client<Looking>): Handlers<Judging> {
  const updater = new Updater({
    store: new ModelStore(),
    source: () => askBackground('model_source', {}),
    models: () => looking.ask('models', {}),
    reopen: () => looking.ask('reopen_models', {}),
  });
  const escalator = new Escalator(looking);
  return {
    look: (frame) => looking.ask('look', frame, { transfer: [frame.rgba.buffer] }),
    faces: (source) => looking.ask('faces', source),
    models: () => updater.state(),
    ...hardHandlers(looking),
    escalate: (request, asking) => escalator.escalate(request, asking),
    feedback: (request) => escalator.feedback(request),
    update_models: (_, asking) => updater.update(asking),
  };
}

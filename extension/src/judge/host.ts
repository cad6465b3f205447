/**
 * Where the judge lives: a page without a window (offscreen in Chromium, the background page in
 * Firefox). It starts the worker with the models and answers the ports that lead here.
 */

import { browser } from 'wxt/browser';
import { portChannel, workerChannel } from '../channels';
import { Escalator } from '../escalation/escalator';
import { hardHandlers } from '../hard/handlers';
import type { Judging, Looking } from '../messages';
import { ProblemError } from '../problems';
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
  const missing = (): never => {
    throw new ProblemError('internal', 'not built yet');
  };
  const escalator = new Escalator(looking);
  return {
    look: (frame) => looking.ask('look', frame, { transfer: [frame.rgba.buffer] }),
    faces: (source) => looking.ask('faces', source),
    models: (nothing) => looking.ask('models', nothing),
    ...hardHandlers(looking),
    escalate: (request, asking) => escalator.escalate(request, asking),
    feedback: (request) => escalator.feedback(request),
    update_models: missing,
  };
}

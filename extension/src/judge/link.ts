/** The way to the judge, from wherever it is asked. */

import { browser } from 'wxt/browser';
import { portChannel } from '../channels';
import { askBackground } from '../keeping';
import type { Judging } from '../messages';
import { type AskOptions, Client } from '../rpc';

/** The name of ports that lead to the judge's host. */
export const JUDGE_PORT = 'judge';

/** A connection that is made when something is asked, and made anew when it was lost. */
export class JudgeLink {
  #client: Promise<Client<Judging>> | undefined;

  /**
   * Ask the judge.
   *
   * @throws ProblemError what went wrong there, or that it is gone.
   */
  async ask<K extends keyof Judging>(
    type: K,
    request: Judging[K]['request'],
    options: AskOptions<Judging[K]['progress']> = {},
  ): Promise<Judging[K]['answer']> {
    this.#client ??= this.#connect();
    return (await this.#client).ask(type, request, options);
  }

  async #connect(): Promise<Client<Judging>> {
    const lost = (): void => {
      this.#client = undefined;
    };
    try {
      await askBackground('wake', {});
      const port = browser.runtime.connect({ name: JUDGE_PORT });
      port.onDisconnect.addListener(lost);
      return new Client<Judging>(portChannel(port));
    } catch (error) {
      lost();
      throw error;
    }
  }
}

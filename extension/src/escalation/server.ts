/** The API of an escalation server, as far as an extension needs it: submit, follow, cancel, answer. */

import type { Mistake } from '../messages';
import { ProblemError } from '../problems';
import { type Escalation, isFinal, isId, readEscalation, readStage, type Stage } from './answers';
import { serverEvents } from './events';
import { type Asked, exchange, jittered, send, sleep } from './exchange';
import type { ServerAccess } from './sending';

/** Between two looks at a job whose events do not come: at first, and at most. */
const FIRST_POLL_SECONDS = 0.5;
const LAST_POLL_SECONDS = 5;
/** Events with nothing for so long are given up: the server speaks every 15 seconds. */
const SILENCE_SECONDS = 40;
const SHORT_SECONDS = 10;
const CANCEL_SECONDS = 3;

type Limits = Pick<Asked, 'signal' | 'deadline'>;

/** Talks to one server with one key. */
export class EscalationServer {
  readonly #access: ServerAccess;

  constructor(access: ServerAccess) {
    if (!isConfidential(access.url)) {
      throw new ProblemError('no_consent', 'http:// would send key and faces unencrypted');
    }
    this.#access = access;
  }

  /** The server's page about an escalation. */
  reviewUrl(id: string): string {
    return `${this.#access.url}/review/${id}`;
  }

  /**
   * Send a submission; a repeated attempt makes no second job. Whoever gives up meanwhile still gets
   * the name of a job that the server took, so that it can be cancelled; what is on its way is cut
   * off a little later.
   *
   * @throws ProblemError it was not taken.
   */
  async submit(submission: FormData, limits: Limits): Promise<Escalation> {
    const answer = await exchange(this.#access, {
      method: 'POST',
      path: '/v1/escalations',
      headers: { 'Idempotency-Key': crypto.randomUUID() },
      body: submission,
      ...limits,
      graceSeconds: CANCEL_SECONDS,
    });
    return readEscalation(answer);
  }

  /**
   * Wait until it is final: its events are heard, and where they break off it is looked at, more and
   * more seldom.
   *
   * @throws ProblemError the server went away, or was not done by the deadline.
   */
  async follow(
    submitted: Escalation,
    limits: Limits,
    looked: (stage: Stage) => void,
  ): Promise<Escalation> {
    const late = new ProblemError('server_failed', 'it was not done in time');
    let escalation = submitted;
    let pause = FIRST_POLL_SECONDS;
    while (!isFinal(escalation)) {
      looked(escalation.stage);
      const ended = await this.#hear(escalation.id, limits, looked);
      escalation = ended ?? (await this.#get(escalation.id, limits));
      if (isFinal(escalation)) break;
      await sleep(jittered(pause), limits, late);
      pause = Math.min(pause * 1.5, LAST_POLL_SECONDS);
    }
    return escalation;
  }

  /** Tell the server to stop; one short attempt, and no error if it fails. */
  async cancel(id: string): Promise<void> {
    const path = `/v1/escalations/${id}/cancel`;
    await send(this.#access, { method: 'POST', path, ...soon(CANCEL_SECONDS) }).catch(
      () => undefined,
    );
  }

  /**
   * Say which kind of mistake a verdict is.
   *
   * @throws ProblemError it was not taken.
   */
  async feedback(id: string, mistake: Mistake, note: string): Promise<void> {
    if (!isId(id)) throw new ProblemError('internal', 'this is no id of an escalation');
    await exchange(this.#access, {
      method: 'POST',
      path: `/v1/escalations/${id}/feedback`,
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ mistake, note }),
      ...soon(SHORT_SECONDS),
    });
  }

  async #get(id: string, limits: Limits): Promise<Escalation> {
    const path = `/v1/escalations/${id}`;
    const answer = await exchange(this.#access, { method: 'GET', path, ...limits });
    const escalation = readEscalation(answer);
    if (escalation.id !== id) {
      throw new ProblemError('server_failed', 'it answered with another escalation');
    }
    return escalation;
  }

  /** The escalation that its events end with; undefined where they break off or do not come. */
  async #hear(
    id: string,
    limits: Limits,
    looked: (stage: Stage) => void,
  ): Promise<Escalation | undefined> {
    const silent = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        silent.abort();
      }, SILENCE_SECONDS * 1000);
    };
    heard();
    try {
      const response = await send(this.#access, {
        method: 'GET',
        path: `/v1/escalations/${id}/events`,
        headers: { Accept: 'text/event-stream' },
        deadline: limits.deadline,
        signal: AbortSignal.any([limits.signal, silent.signal]),
      });
      if (response.status !== 200 || response.body === null) return undefined;
      for await (const { event, data } of serverEvents(response.body, heard)) {
        if (event === 'progress') {
          const stage = readStage(JSON.parse(data));
          if (stage !== null) looked(stage);
        } else if (event === 'end') {
          const escalation = readEscalation(JSON.parse(data));
          return escalation.id === id ? escalation : undefined;
        }
      }
      return undefined;
    } catch {
      return undefined; // what is wrong, a look will tell
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Whether nobody on the way can read along: encrypted, or on this machine. */
export function isConfidential(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  if (protocol === 'https:') return true;
  const local =
    hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
  return protocol === 'http:' && local;
}

/** Limits of what nobody waits for long. */
function soon(seconds: number): Limits {
  return {
    signal: new AbortController().signal,
    deadline: performance.now() + seconds * 1000,
  };
}

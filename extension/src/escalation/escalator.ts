/** From a verdict to one that the server's opinion is part of; lives in the judge's host. */

import { stayingAwake } from '../awake';
import { askBackground } from '../keeping';
import type { Judging, Looking } from '../messages';
import { ProblemError } from '../problems';
import type { Asking, Client } from '../rpc';
import { type Escalation, type Stage } from './answers';
import { joined } from './fusing';
import type { SendingProgress, Sent, ServerAccess } from './sending';
import { EscalationServer } from './server';
import { submissionOf } from './submission';
import { shown } from './text';
import { Turns } from './turns';

/** Whoever waits sees how it goes and can end it, so a busy server gets its time. */
const PATIENCE_SECONDS = 600;
/** After nobody answered, or the key was refused, nothing is sent unasked for so long. */
const AWAY_SECONDS = 30;
/** Videos that are sent at the same time: their pictures are in memory meanwhile. */
const MOST_AT_ONCE = 4;
const MOST_NOTES = 8;

export class Escalator {
  readonly #looking: Pick<Client<Looking>, 'ask'>;
  readonly #access: () => Promise<ServerAccess | null>;
  readonly #turns = new Turns(MOST_AT_ONCE);
  #away: { readonly error: ProblemError; readonly until: number } | undefined;

  /** `access` gives the server that the user agreed to, null where there is none. */
  constructor(
    looking: Pick<Client<Looking>, 'ask'>,
    access = (): Promise<ServerAccess | null> => askBackground('server', {}),
  ) {
    this.#looking = looking;
    this.#access = access;
  }

  /**
   * Send the faces of a video, and wait for what the server makes of them.
   *
   * @throws ProblemError there is no second opinion; the server is told when nobody waits any more.
   */
  async escalate(
    { source, unasked }: Judging['escalate']['request'],
    asking: Asking<SendingProgress>,
  ): Promise<Sent> {
    asking.progress({ stage: 'waiting', done: 0, total: null });
    return this.#turns.take(async () => {
      if (unasked) this.#refuseIfAway();
      try {
        const sent = await stayingAwake(() => this.#ask(source, asking));
        this.#away = undefined;
        return sent;
      } catch (error) {
        this.#remember(ProblemError.of(error));
        throw error;
      }
    }, asking.signal);
  }

  /**
   * Tell the server that its verdict is a mistake.
   *
   * @throws ProblemError it could not be told.
   */
  async feedback({ escalationId, mistake, note }: Judging['feedback']['request']): Promise<null> {
    const server = await this.#server();
    await server.feedback(escalationId, mistake, note);
    return null;
  }

  async #ask(source: string, { progress, signal }: Asking<SendingProgress>): Promise<Sent> {
    const started = performance.now();
    const server = await this.#server();
    const material = await this.#looking.ask('crops', { source }, { signal });
    const { crops, verdict } = material;
    if (crops.length === 0) {
      throw new ProblemError('nothing_to_send', 'no frame shows a face well enough');
    }
    progress({ stage: 'sending', done: 0, total: crops.length });
    const limits = { signal, deadline: started + PATIENCE_SECONDS * 1000 };
    let escalation = await server.submit(submissionOf(material), limits);
    try {
      escalation = await server.follow(escalation, limits, (stage) => {
        const told = progressOf(stage);
        if (told !== undefined) progress(told);
      });
    } catch (error) {
      if (signal.aborted) await server.cancel(escalation.id);
      throw error;
    }
    const fused = joined(verdict, ownVerdict(escalation), (performance.now() - started) / 1000);
    return {
      escalationId: escalation.id,
      verdict: fused,
      thresholds: escalation.thresholds ?? null,
      notes: (escalation.notes ?? []).slice(0, MOST_NOTES).map(shown),
      reviewUrl: server.reviewUrl(escalation.id),
    };
  }

  async #server(): Promise<EscalationServer> {
    const access = await this.#access();
    if (access === null) throw new ProblemError('no_consent', 'no server may be asked');
    return new EscalationServer(access);
  }

  #refuseIfAway(): void {
    if (this.#away !== undefined && performance.now() < this.#away.until) throw this.#away.error;
  }

  #remember(error: ProblemError): void {
    if (['server_unreachable', 'key_refused'].includes(error.problem.code)) {
      this.#away = { error, until: performance.now() + AWAY_SECONDS * 1000 };
    }
  }
}

/** The verdict that the server came to. */
function ownVerdict({ state, verdict, problem }: Escalation): NonNullable<Escalation['verdict']> {
  if (state === 'done' && verdict != null) return verdict;
  if (problem != null) throw new ProblemError('server_failed', shown(problem.detail));
  const cancelled = state === 'cancelled';
  throw new ProblemError(
    'server_failed',
    cancelled ? 'it cancelled the work' : 'it is done and gives no verdict',
  );
}

/** What is shown of a stage; nothing of its end. */
function progressOf({ name, done = 0, total = null }: Stage): SendingProgress | undefined {
  if (name === 'done') return undefined;
  return { stage: name === 'fetching' ? 'waiting' : name, done, total };
}

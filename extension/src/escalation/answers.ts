/** What an escalation server answers, checked before it is believed. */

import verdictSchema from '../../../sdk/dfedge/verdict.schema.json';
import { ProblemError } from '../problems';
import type { Verdict } from '../types/verdict';
import { type Schema, misfit } from './schema';

/** Where an escalation stands; the last three are final. */
const STATES = ['queued', 'running', 'done', 'failed', 'cancelled'] as const;
const STAGES = ['waiting', 'fetching', 'faces', 'models', 'evidence', 'done'] as const;

/** How far the work has come; `total` is null while unknown. */
export interface Stage {
  readonly name: (typeof STAGES)[number];
  readonly done?: number;
  readonly total?: number | null;
}

export interface ServerProblem {
  readonly detail: string;
  readonly code: string;
}

/** An escalation as the server tells it, as far as it is used here. */
export interface Escalation {
  readonly id: string;
  readonly state: (typeof STATES)[number];
  readonly stage: Stage;
  readonly verdict?: Verdict | null;
  readonly thresholds?: { readonly real: number; readonly fake: number } | null;
  readonly problem?: ServerProblem | null;
  readonly notes?: readonly string[];
}

const { $defs: definitions } = verdictSchema as unknown as {
  $defs: Readonly<Record<string, Schema>>;
};
const PROBABILITY: Schema = { type: 'number', minimum: 0, maximum: 1 };

const STAGE: Schema = {
  type: 'object',
  properties: {
    name: { enum: STAGES },
    done: { type: 'integer', minimum: 0 },
    total: orNull({ type: 'integer', minimum: 0 }),
  },
  required: ['name'],
};

const PROBLEM: Schema = {
  type: 'object',
  properties: { detail: { type: 'string' }, code: { type: 'string' } },
  required: ['detail', 'code'],
};

const ESCALATION: Schema = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    state: { enum: STATES },
    stage: STAGE,
    verdict: orNull({ $ref: '#/$defs/Verdict' }),
    thresholds: orNull({
      type: 'object',
      properties: { real: PROBABILITY, fake: PROBABILITY },
      required: ['real', 'fake'],
    }),
    problem: orNull(PROBLEM),
    notes: { type: 'array', items: { type: 'string' } },
  },
  required: ['id', 'state', 'stage'],
};

export const isFinal = ({ state }: Escalation): boolean =>
  state !== 'queued' && state !== 'running';

/**
 * An escalation.
 *
 * @throws ProblemError it is none.
 */
export function readEscalation(answer: unknown): Escalation {
  const wrong = misfit(answer, ESCALATION, definitions);
  if (wrong === undefined && isId((answer as Escalation).id)) return answer as Escalation;
  const detail = `it did not answer as an escalation server does (${wrong ?? 'id is no UUID'})`;
  throw new ProblemError('server_failed', detail);
}

/** The stage of an event that tells of progress; null where it tells of none. */
export function readStage(event: unknown): Stage | null {
  const told = { type: 'object', properties: { stage: STAGE }, required: ['stage'] } as const;
  return misfit(event, told, definitions) === undefined ? (event as { stage: Stage }).stage : null;
}

/** RFC 9457 problem details; null where an answer is none. */
export function readProblem(answer: unknown): ServerProblem | null {
  return misfit(answer, PROBLEM, definitions) === undefined ? (answer as ServerProblem) : null;
}

/** Whether it can stand in an address: a UUID. */
export function isId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

function orNull(schema: Schema): Schema {
  return { anyOf: [schema, { type: 'null' }] };
}

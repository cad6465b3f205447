/** From a video to a second opinion: only with consent, only what is to be sent, told when given up. */

import { expect, test, vi } from 'vitest';
import { Escalator } from '../../src/escalation/escalator';
import type { Material, SendingProgress, ServerAccess } from '../../src/escalation/sending';
import { ProblemError } from '../../src/problems';
import { CROP, escalation, ID, json, judged, material, problemOf, serving } from './made';

const ASKED = { source: 'a', unasked: false };

function escalator(
  access: ServerAccess | null,
  crops = vi.fn<() => Promise<Material>>(() => Promise.resolve(material(CROP))),
): { escalator: Escalator; crops: typeof crops } {
  const looking = { ask: crops as never };
  return { escalator: new Escalator(looking, () => Promise.resolve(access)), crops };
}

function asking(signal = new AbortController().signal): {
  progress: (progress: SendingProgress) => void;
  signal: AbortSignal;
  stages: string[];
} {
  const stages: string[] = [];
  return { progress: ({ stage }) => stages.push(stage), signal, stages };
}

test('the opinions are joined, with the server’s thresholds, notes and page', async () => {
  const end = escalation('done', {
    verdict: judged(),
    thresholds: { real: 0.2, fake: 0.8 },
    notes: ['No heavier model\n is installed.'],
    review_href: 'https://elsewhere.example/',
  });
  const { access } = await serving({
    POST: json(202, escalation('queued')),
    [`GET /v1/escalations/${ID}/events`]: (_, response) => {
      const stage = { name: 'models', done: 1, total: 1 };
      response.write(`event: progress\ndata: ${JSON.stringify({ stage })}\n\n`);
      response.end(`event: end\ndata: ${JSON.stringify(end)}\n\n`);
    },
  });
  const ask = asking();
  const sent = await escalator(access).escalator.escalate(ASKED, ask);
  expect(sent.verdict.opinions.map(({ model }) => model)).toEqual(['edge-one', 'heavy-one']);
  expect(sent).toMatchObject({
    escalationId: ID,
    thresholds: { real: 0.2, fake: 0.8 },
    notes: ['No heavier model is installed.'],
    reviewUrl: `${access.url}/review/${ID}`,
  });
  expect(ask.stages).toEqual(['waiting', 'sending', 'waiting', 'models']);
});

test('without consent not even the pictures are made', async () => {
  const { escalator: asked, crops } = escalator(null);
  expect(await problemOf(asked.escalate(ASKED, asking()))).toMatch(/^no_consent/);
  const feedback = { escalationId: ID, mistake: 'false_alarm', note: '' } as const;
  expect(await problemOf(asked.feedback(feedback))).toMatch(/^no_consent/);
  expect(crops).not.toHaveBeenCalled();
});

test('without a usable face nobody is asked', async () => {
  const { access, asked } = await serving({});
  const empty = vi.fn(() => Promise.resolve(material()));
  const none = escalator(access, empty).escalator.escalate(ASKED, asking());
  expect(await problemOf(none)).toMatch(/^nothing_to_send/);
  expect(asked).toEqual([]);
});

test.each([
  ['failed', { problem: { code: 'media_limit', detail: 'Too large.' } }, 'Too large.'],
  ['cancelled', {}, 'it cancelled the work'],
  ['done', {}, 'it is done and gives no verdict'],
])('an escalation that is %s without a verdict', async (state, more, said) => {
  const { access } = await serving({ POST: json(200, escalation(state, more)) });
  const none = escalator(access).escalator.escalate(ASKED, asking());
  expect(await problemOf(none)).toBe(`server_failed: ${said}`);
});

test('the server is told when nobody waits any more', async () => {
  const { access, asked } = await serving({
    'POST /v1/escalations/': json(200, escalation('cancelled')),
    POST: json(202, escalation('queued')),
    GET: (_, response) => response.write(': ping\n\n'),
  });
  const controller = new AbortController();
  const ask = asking(controller.signal);
  const given = escalator(access).escalator.escalate(ASKED, ask);
  await vi.waitFor(() => {
    expect(asked).toHaveLength(2);
  });
  controller.abort();
  expect(await problemOf(given)).toMatch(/^cancelled/);
  expect(asked.at(-1)).toBe(`POST /v1/escalations/${ID}/cancel`);
});

test('a job that was taken while its asker gave up is cancelled', async () => {
  const controller = new AbortController();
  const { access, asked } = await serving({
    'POST /v1/escalations/': json(200, escalation('cancelled')),
    POST: (request, response) => {
      controller.abort();
      setTimeout(() => {
        json(202, escalation('queued'))(request, response);
      }, 100);
    },
  });
  const given = escalator(access).escalator.escalate(ASKED, asking(controller.signal));
  expect(await problemOf(given)).toMatch(/^cancelled/);
  expect(asked).toEqual(['POST /v1/escalations', `POST /v1/escalations/${ID}/cancel`]);
});

test('nothing is sent again after its asker gave up', async () => {
  const controller = new AbortController();
  const { access, asked } = await serving({
    POST: (request, response) => {
      controller.abort();
      json(503, {})(request, response);
    },
  });
  const given = escalator(access).escalator.escalate(ASKED, asking(controller.signal));
  expect(await problemOf(given)).toMatch(/^cancelled/);
  expect(asked).toEqual(['POST /v1/escalations']);
});

test('after a refused key nothing is sent unasked, until someone asks', async () => {
  let status = 401;
  const { access, asked } = await serving({
    POST: (request, response) => {
      const taken = status === 200;
      json(status, taken ? escalation('done', { verdict: judged() }) : {})(request, response);
    },
  });
  const { escalator: asker } = escalator(access);
  const unasked = { source: 'a', unasked: true };
  expect(await problemOf(asker.escalate(unasked, asking()))).toMatch(/^key_refused/);
  expect(await problemOf(asker.escalate(unasked, asking()))).toMatch(/^key_refused/);
  expect(asked).toHaveLength(1);
  status = 200;
  expect(await problemOf(asker.escalate(ASKED, asking()))).toBe('none');
  expect(await problemOf(asker.escalate(unasked, asking()))).toBe('none');
});

test('four videos are sent at a time, and the next when one of them is done or given up', async () => {
  const finish: ((error: ProblemError) => void)[] = [];
  const held = vi.fn(
    () =>
      new Promise<Material>((_, fail) => {
        finish.push(fail);
      }),
  );
  const { escalator: asker } = escalator({ url: 'http://localhost', key: 'k' }, held);
  const waits = new AbortController();
  const asks = [1, 2, 3, 4, 5, 6].map((i) =>
    problemOf(asker.escalate(ASKED, asking(i === 5 ? waits.signal : undefined))),
  );
  await vi.waitFor(() => {
    expect(held).toHaveBeenCalledTimes(4);
  });
  waits.abort();
  expect(await asks[4]).toMatch(/^cancelled/);
  finish[0]!(new ProblemError('unknown_source', 'a'));
  await vi.waitFor(() => {
    expect(held).toHaveBeenCalledTimes(5);
  });
  for (const fail of finish) fail(new ProblemError('unknown_source', 'a'));
  expect(await Promise.all(asks)).toHaveLength(6);
});

/** Talking to a server over a real connection: what is sent, and what comes of each answer. */

import type { ServerResponse } from 'node:http';
import { expect, test, vi } from 'vitest';
import type { Stage } from '../../src/escalation/answers';
import { EscalationServer, isConfidential } from '../../src/escalation/server';
import { submissionOf } from '../../src/escalation/submission';
import { readEscalation } from '../../src/escalation/answers';
import { CROP, escalation, ID, json, judged, material, problemOf, serving } from './made';

function limits(): { signal: AbortSignal; deadline: number } {
  return { signal: new AbortController().signal, deadline: performance.now() + 60_000 };
}

function stream(response: ServerResponse, ...events: [event: string, data: object][]): void {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
  for (const [event, data] of events) {
    response.write(`event: ${event}\r\nid: 1\r\ndata: ${JSON.stringify(data)}\r\n\r\n`);
  }
}

const QUEUED = readEscalation(escalation('queued'));

test('a submission is a form with its manifest first, under the key', async () => {
  let headers: NodeJS.Dict<string | string[]> = {};
  const { access, bodies } = await serving({
    'POST /v1/escalations': (request, response) => {
      ({ headers } = request);
      json(202, escalation('queued'))(request, response);
    },
  });
  const form = submissionOf(material(CROP, { ...CROP, trackId: 10_001 }));
  const taken = await new EscalationServer(access).submit(form, limits());
  expect(taken.id).toBe(ID);
  expect(headers.authorization).toBe('Bearer dfe_test');
  expect(headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/);
  expect(headers.cookie).toBeUndefined();
  const [, manifest, first, second] = bodies[0]!.split(/--+[^\r]+\r\n/);
  expect(manifest).toMatch(/^Content-Disposition: form-data; name="manifest"/);
  expect(manifest).toMatch(/Content-Type: application\/json\r\n/);
  const told = JSON.parse(manifest!.split('\r\n\r\n')[1]!) as { crops: { part: string }[] };
  expect(told).toMatchObject({
    schema: 'dfedge.escalation/1',
    kind: 'crops',
    frames_sampled: 8,
    device_verdict: { source: { name: '' } },
    crops: [
      { part: 'crop-000', track_id: 0, frame_index: 1, box: [10, 10, 50, 60] },
      { part: 'crop-001', track_id: 1 },
    ],
  });
  expect(Object.keys(told)).not.toContain('name');
  expect(first).toContain('name="crop-000"; filename="crop-000.png"\r\nContent-Type: image/png');
  expect(first!.split('\r\n\r\n')[1]).toBe('\x01\x02\x03\r\n');
  expect(second).toContain('name="crop-001"');
});

test.each([
  [401, 'key_refused'],
  [403, 'key_refused'],
  [404, 'server_refused'],
  [413, 'server_refused'],
  [422, 'server_refused'],
])('%i is not tried again: %s', async (status, code) => {
  const { access, asked } = await serving({ POST: json(status, { code: 'c', detail: 'Why.' }) });
  const submitted = new EscalationServer(access).submit(submissionOf(material(CROP)), limits());
  expect(await problemOf(submitted)).toBe(`${code}: HTTP ${status}, Why.`);
  expect(asked).toHaveLength(1);
});

test('a busy server is asked again with the same key of the request', async () => {
  const keys: unknown[] = [];
  const { access } = await serving({
    POST: (request, response) => {
      keys.push(request.headers['idempotency-key']);
      const taken = keys.length > 1;
      json(taken ? 202 : 429, taken ? escalation('queued') : {})(request, response);
    },
  });
  const taken = await new EscalationServer(access).submit(submissionOf(material(CROP)), limits());
  expect(taken.state).toBe('queued');
  expect(keys).toEqual([keys[0], keys[0]]);
});

test('where it asks to wait longer than anyone will, that is its answer', async () => {
  const busy = json(429, { code: 'queue_full', detail: 'Full.' }, { 'Retry-After': '600' });
  const { access, asked } = await serving({ POST: busy });
  const submitted = new EscalationServer(access).submit(submissionOf(material(CROP)), limits());
  expect(await problemOf(submitted)).toBe('server_busy: HTTP 429, Full.');
  expect(asked).toHaveLength(1);
});

test('redirections are not followed, so that the key goes nowhere else', async () => {
  const other = await serving({});
  const { access } = await serving({
    POST: (_, response) => response.writeHead(307, { Location: other.access.url }).end(),
  });
  const submitted = new EscalationServer(access).submit(submissionOf(material(CROP)), limits());
  expect(await problemOf(submitted)).toMatch(/^server_refused/);
  expect(other.asked).toEqual([]);
});

test('nobody there', async () => {
  const access = { url: 'http://127.0.0.1:1', key: 'k' };
  const hurried = { ...limits(), deadline: performance.now() + 300 };
  const submitted = new EscalationServer(access).submit(submissionOf(material(CROP)), hurried);
  expect(await problemOf(submitted)).toMatch(/^server_unreachable/);
});

test.each([
  ['no JSON', (response: ServerResponse) => response.end('<html>')],
  ['no escalation', (response: ServerResponse) => response.end('{}')],
  ['too long', (response: ServerResponse) => response.end(' '.repeat(17 * 1024 ** 2))],
])('an answer that is %s is not believed', async (_, answer) => {
  const { access } = await serving({
    POST: (__, response) => {
      answer(response.writeHead(200));
    },
  });
  const submitted = new EscalationServer(access).submit(submissionOf(material(CROP)), limits());
  expect(await problemOf(submitted)).toMatch(/^server_failed: it (did not )?answer/);
});

test('its events tell how far it is, and end with the verdict', async () => {
  const { access, asked } = await serving({
    GET: (_, response) => {
      response.writeHead(200);
      response.write(': ping\r\n\r\nretry: 1000\r\n\r');
      response.write('\nevent: progress\r\ndata: {"stage":{"na');
      response.write('me":"models","done":3,"total":8}}\r\n\r\n');
      response.end(`event: end\ndata: ${JSON.stringify(done())}\n\n`);
    },
  });
  const looked: Stage[] = [];
  const followed = await new EscalationServer(access).follow(QUEUED, limits(), (stage) => {
    looked.push(stage);
  });
  expect(followed.verdict).toEqual(judged());
  expect(looked.slice(1)).toEqual([{ name: 'models', done: 3, total: 8 }]);
  expect(asked).toEqual([`GET /v1/escalations/${ID}/events`]);
});

test('where its events break off, it is looked at', async () => {
  const { access, asked } = await serving({
    [`GET /v1/escalations/${ID}/events`]: (_, response) => {
      stream(response, ['progress', { stage: { name: 'faces', done: 1, total: 2 } }]);
      response.destroy();
    },
    GET: json(200, done()),
  });
  const followed = await new EscalationServer(access).follow(QUEUED, limits(), () => undefined);
  expect(followed.state).toBe('done');
  expect(asked).toEqual([`GET /v1/escalations/${ID}/events`, `GET /v1/escalations/${ID}`]);
});

test('another escalation than the one asked for is not believed', async () => {
  const other = { ...done(), id: ID.replace('0', 'f') };
  const { access } = await serving({
    [`GET /v1/escalations/${ID}/events`]: (_, response) => {
      stream(response, ['end', other]);
    },
    GET: json(200, other),
  });
  const followed = new EscalationServer(access).follow(QUEUED, limits(), () => undefined);
  expect(await problemOf(followed)).toBe('server_failed: it answered with another escalation');
});

test('giving up ends the waiting at once', async () => {
  const gone = vi.fn();
  const { access } = await serving({
    GET: (request, response) => {
      stream(response, ['progress', { stage: { name: 'waiting' } }]);
      request.on('close', gone);
    },
  });
  const controller = new AbortController();
  const asked = { ...limits(), signal: controller.signal };
  let looks = 0;
  const followed = new EscalationServer(access).follow(QUEUED, asked, () => {
    if (++looks === 2) controller.abort();
  });
  expect(await problemOf(followed)).toMatch(/^cancelled/);
  await vi.waitFor(() => {
    expect(gone).toHaveBeenCalled();
  });
});

test('a mistake is told by the server’s own word, and only of an escalation', async () => {
  const { access, asked, bodies } = await serving({
    POST: (_, response) => response.writeHead(204).end(),
  });
  const server = new EscalationServer(access);
  await server.feedback(ID, 'false_alarm', 'It is me.');
  expect(asked).toEqual([`POST /v1/escalations/${ID}/feedback`]);
  expect(JSON.parse(bodies[0]!)).toEqual({ mistake: 'false_alarm', note: 'It is me.' });
  expect(await problemOf(server.feedback('../keys', 'false_alarm', ''))).toMatch(/^internal/);
  expect(asked).toHaveLength(1);
});

test.each(['', 'two words', 'schlüssel', 'a\nb'])('%j is no key', async (key) => {
  const { access, asked } = await serving({});
  const submitted = new EscalationServer({ ...access, key }).submit(new FormData(), limits());
  expect(await problemOf(submitted)).toMatch(/^key_refused/);
  expect(asked).toEqual([]);
});

test('without encryption only this machine is talked to', () => {
  expect(
    ['https://a.example', 'http://localhost:8000/x', 'http://127.0.0.1', 'http://[::1]:1'].map(
      isConfidential,
    ),
  ).toEqual([true, true, true, true]);
  expect(
    ['http://a.example', 'http://127.0.0.1.example', 'ftp://localhost'].map(isConfidential),
  ).toEqual([false, false, false]);
  const open = (): unknown => new EscalationServer({ url: 'http://a.example', key: 'k' });
  expect(open).toThrow('no_consent');
});

function done(): object {
  return escalation('done', { verdict: judged() });
}

/** Verdicts, crops and a server over which a test decides. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Material, SentCrop, ServerAccess } from '../../src/escalation/sending';
import type { Verdict } from '../../src/types/verdict';

export const ID = '01a1ff41-bc76-7704-a200-b394df8ec573';

export function verdict(changes: Partial<Verdict> = {}): Verdict {
  const observation = {
    pts_seconds: 0.5,
    frame_index: 1,
    box: { left: 10, top: 10, right: 50, bottom: 60 },
    detection_score: 0.9,
    logit: 0.1,
    fake_probability: 0.5,
  };
  return {
    schema: 'dfedge.verdict/1',
    source: {
      name: 'video',
      kind: 'stream',
      width: 640,
      height: 360,
      duration_seconds: null,
      sampling: 'live',
      frames_sampled: 8,
      frames_with_face: 8,
    },
    label: 'UNCERTAIN',
    fake_probability: 0.5,
    confidence: null,
    reasons: ['score_in_unsure_band'],
    tracks: [
      {
        track_id: 0,
        label: 'UNCERTAIN',
        fake_probability: 0.5,
        confidence: null,
        reasons: ['score_in_unsure_band'],
        usable_frames: 8,
        observations: [observation],
      },
    ],
    timeline: [{ pts_seconds: 0.5, fake_probability: 0.5 }],
    opinions: [{ model: 'edge-one', tier: 'edge', label: 'UNCERTAIN', fake_probability: 0.5 }],
    models: [{ name: 'edge-one', version: '1', sha256: '', role: 'edge' }],
    timing: { total_seconds: 1, decode_seconds: 0, faces_seconds: 0, classify_seconds: 1 },
    dfedge_version: '0.1.0',
    ...changes,
  };
}

/** The verdict of a server that heard the device's. */
export function judged(changes: Partial<Verdict> = {}): Verdict {
  const device = verdict();
  return {
    ...device,
    label: 'FAKE',
    fake_probability: 0.9,
    confidence: 0.9,
    opinions: [
      ...device.opinions,
      { model: 'heavy-one', tier: 'heavy', label: 'FAKE', fake_probability: 0.95 },
    ],
    models: [...device.models, { name: 'heavy-one', version: '2', sha256: '', role: 'heavy' }],
    dfedge_version: 'of the server',
    ...changes,
  };
}

export function material(...crops: SentCrop[]): Material {
  return { source: 'a', crops, verdict: verdict(), framesSampled: 8 };
}

export const CROP: SentCrop = {
  png: Uint8Array.of(1, 2, 3),
  trackId: 0,
  frameIndex: 1,
  ptsSeconds: 0.5,
  frameWidth: 640,
  frameHeight: 360,
  left: 0,
  top: 0,
  box: [10, 10, 50, 60],
  detectionScore: 0.9,
};

export interface Served {
  readonly access: ServerAccess;
  /** `METHOD path` of each request, in order. */
  readonly asked: string[];
  readonly bodies: string[];
}

/** Answers each request by the first function whose key its `METHOD path` starts with; else 404. */
export async function serving(
  answers: Record<string, (request: IncomingMessage, response: ServerResponse) => void>,
): Promise<Served> {
  const asked: string[] = [];
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const line = `${request.method ?? ''} ${request.url ?? ''}`;
    asked.push(line);
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      bodies.push(Buffer.concat(pieces).toString('latin1'));
      const answer = Object.entries(answers).find(([start]) => line.startsWith(start))?.[1];
      if (answer === undefined) response.writeHead(404).end();
      else answer(request, response);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { access: { url: `http://127.0.0.1:${port}`, key: 'dfe_test' }, asked, bodies };
}

export function json(status: number, body: object, headers: Record<string, string> = {}) {
  return (_: IncomingMessage, response: ServerResponse): void => {
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}

/** An escalation as the server tells it. */
export function escalation(state: string, more: object = {}): object {
  return { id: ID, state, stage: { name: 'waiting', done: 0, total: null }, ...more };
}

/** The code and detail of the problem that comes of it. */
export async function problemOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'none',
    (error: unknown) => (error as Error).message,
  );
}

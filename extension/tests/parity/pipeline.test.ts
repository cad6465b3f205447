/**
 * The whole pipeline against the SDK, on frames that tests/e2e/extension/test_pipeline.py writes:
 * DFEDGE_PARITY is a folder with frames.json, the raw RGB frames and the SDK's verdict.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  buildVerdict,
  FramePipeline,
  type FrameRecord,
  type Models,
} from '../../src/core/pipeline';
import { openNetwork } from '../../src/runtime/ort';
import type { DetectorCard, FaceDetectorCard } from '../../src/types/card';
import type { Verdict } from '../../src/types/verdict';

interface Frames {
  faceBundle: string;
  bundle: string;
  clips: {
    name: string;
    frames: { file: string; width: number; height: number; pts_seconds: number; index: number }[];
    verdict: Verdict;
  }[];
}

/** What the issue of this pipeline asks: boxes within a pixel, logits within a thousandth. */
const BOX_PIXELS = 1;
const LOGIT = 1e-3;

const folder = process.env['DFEDGE_PARITY'];

describe.runIf(folder)('a clip judged as the SDK judges it', () => {
  // What is described here is collected even where it is not run.
  const frames: Frames = folder
    ? (JSON.parse(readFileSync(join(folder, 'frames.json'), 'utf8')) as Frames)
    : { faceBundle: '', bundle: '', clips: [] };

  test.each(frames.clips)('$name', { timeout: 300_000 }, async (clip) => {
    const models = await open(frames);
    const pipeline = new FramePipeline(models);
    const records: FrameRecord[] = [];
    for (const { file, width, height, pts_seconds, index } of clip.frames) {
      const data = new Uint8Array(readFileSync(join(folder!, file)));
      records.push(await pipeline.look({ width, height, data }, pts_seconds, index));
    }
    const { source, timing, models: infos, dfedge_version } = clip.verdict;
    const verdict = buildVerdict(records, source, models.card, infos, timing, dfedge_version);
    expect(verdict.label).toBe(clip.verdict.label);
    expect(verdict.reasons).toEqual(clip.verdict.reasons);
    expect(verdict.tracks.length).toBe(clip.verdict.tracks.length);
    verdict.tracks.forEach((track, i) => {
      const expected = clip.verdict.tracks[i]!;
      expect(track.label).toBe(expected.label);
      expect(track.observations.length).toBe(expected.observations.length);
      track.observations.forEach((seen, n) => {
        const theirs = expected.observations[n]!;
        for (const edge of ['left', 'top', 'right', 'bottom'] as const) {
          expect(Math.abs(seen.box[edge] - theirs.box[edge])).toBeLessThanOrEqual(BOX_PIXELS);
        }
        expect(Math.abs(seen.logit - theirs.logit), `${seen.pts_seconds}`).toBeLessThan(LOGIT);
        expect(seen.issues).toEqual(theirs.issues);
      });
    });
  });
});

async function open({ faceBundle, bundle }: Frames): Promise<Models> {
  const read = (path: string, name: string): Uint8Array =>
    new Uint8Array(readFileSync(join(path, name)));
  const card = (path: string): unknown => JSON.parse(readFileSync(join(path, 'card.json'), 'utf8'));
  return {
    faceCard: card(faceBundle) as FaceDetectorCard,
    faceNetwork: await openNetwork(read(faceBundle, 'model.onnx')),
    card: card(bundle) as DetectorCard,
    preprocess: await openNetwork(read(bundle, 'preprocess.onnx')),
    network: await openNetwork(read(bundle, 'model.onnx')),
  };
}

/** Every step between a frame and a verdict gives what the SDK gives: the vectors in tests/golden. */

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { tiles } from '../../src/core/finder';
import { type Box, cropBox } from '../../src/core/geometry';
import { type Picture, resizeArea, sampleView } from '../../src/core/picture';
import { measureQuality } from '../../src/core/quality';
import { judgeClip, judgeTrack, timeline } from '../../src/core/scoring';
import { weightedSuppression } from '../../src/core/suppression';
import { FaceTracker } from '../../src/core/tracking';
import type { CropContract, Decision } from '../../src/types/card';
import type { Label, Reason, TimelinePoint, TrackVerdict } from '../../src/types/verdict';

type Four = [number, number, number, number];

interface CropBoxes {
  cases: { box: Four; margin: number; squaring: CropContract['squaring']; crop: Four }[];
}

interface DeviceSteps {
  decision: Decision;
  quality: { size: [number, number]; sharpness: number; brightness: number }[];
  resize: { size: [number, number]; to: [number, number]; row: number; out: number[] }[];
  view: {
    size: [number, number];
    view: [number, number, number];
    rows: number[];
    out: number[][];
  }[];
  tiles: { args: [number, number, number]; out: [number, number, number][] }[];
  suppression: { boxes: Four[]; scores: number[]; out: number[][] }[];
  tracking: { frames: { pts_seconds: number; boxes: Four[] }[]; out: number[][] }[];
  judgement: {
    frames: number;
    tracks: TrackVerdict[];
    label: Label;
    fake_probability: number | null;
    confidence: number | null;
    reasons: Reason[];
    timeline: TimelinePoint[];
  }[];
}

function golden(name: string): unknown {
  const file = new URL(`../../../tests/golden/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8'));
}

const steps = golden('device_steps') as DeviceSteps;

function made(width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) data[i++] = 7 * x + 13 * y + 29 * c + 5 * ((x * y) % 17);
    }
  }
  return { width, height, data };
}

function row(picture: Picture, y: number): Uint8Array {
  return picture.data.subarray(y * picture.width * 3, (y + 1) * picture.width * 3);
}

function box([left, top, right, bottom]: Four): Box {
  return { left, top, right, bottom };
}

function largestDifference(actual: ArrayLike<number>, expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  return Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)));
}

describe('the steps before a model', () => {
  test('crop boxes are equal to the pixel', () => {
    for (const { box: face, crop, ...contract } of (golden('crop_boxes') as CropBoxes).cases) {
      expect(cropBox(box(face), contract)).toEqual(box(crop));
    }
  });

  test.each(steps.quality)('sharpness and brightness at $size', ({ size, ...expected }) => {
    const seen = measureQuality(made(...size));
    expect(seen.brightness).toBeCloseTo(expected.brightness, 9);
    // Of 12,544 grey levels some differ by one, where an average lies half-way.
    expect(Math.abs(seen.sharpness / expected.sharpness - 1)).toBeLessThan(5e-3);
  });

  test.each(steps.resize)('area resize of $size to $to within a grey level', (vector) => {
    const small = resizeArea(made(...vector.size), ...vector.to);
    expect(largestDifference(row(small, vector.row), vector.out)).toBeLessThanOrEqual(1);
  });

  test.each(steps.view)('what the face detector sees at $view within a grey level', (vector) => {
    const [left, top, side] = vector.view;
    const seen = sampleView(made(...vector.size), { left, top, side }, 64);
    vector.rows.forEach((y, i) => {
      expect(largestDifference(row(seen, y), vector.out[i]!)).toBeLessThanOrEqual(1);
    });
  });

  test('tiles cover a frame alike', () => {
    for (const { args, out } of steps.tiles) {
      expect(tiles(...args)).toEqual(out.map(([left, top, side]) => ({ left, top, side })));
    }
  });
});

describe('faces and people', () => {
  test('overlapping detections are blended alike', () => {
    for (const { boxes, scores, out } of steps.suppression) {
      const kept = weightedSuppression(
        boxes.map((edges, i) => ({ box: box(edges), score: scores[i]! })),
        0.3,
      );
      expect(kept.length).toBe(out.length);
      kept.forEach((face, i) => {
        const { left, top, right, bottom } = face.box;
        const values = [left, top, right, bottom, face.score];
        expect(largestDifference(values, out[i]!)).toBeLessThan(1e-6);
      });
    }
  });

  test('faces get the same numbers of tracks', () => {
    for (const { frames, out } of steps.tracking) {
      const tracker = new FaceTracker();
      const numbers = frames.map(({ pts_seconds, boxes }) =>
        tracker
          .update(
            boxes.map((edges) => ({ box: box(edges), score: 0.9 })),
            pts_seconds,
          )
          .map((face) => face.trackId),
      );
      expect(numbers).toEqual(out);
    }
  });
});

describe('judgement', () => {
  test('every label, probability and reason is the same', () => {
    const { decision } = steps;
    for (const { frames, tracks, ...expected } of steps.judgement) {
      const judged = tracks.map((track) =>
        judgeTrack(track.track_id, track.observations, decision, frames),
      );
      judged.forEach((track, i) => {
        const { fake_probability, confidence, novelty, ...rest } = tracks[i]!;
        expect(track).toMatchObject(rest);
        expect(track.fake_probability).toBeCloseTo(fake_probability, 12);
        expect(Math.abs(track.novelty! - novelty!)).toBeLessThanOrEqual(1.5e-6);
        expect(track.confidence === null).toBe(confidence === null);
      });
      const clip = judgeClip(judged, decision, frames);
      expect(clip.label).toBe(expected.label);
      expect(clip.reasons).toEqual(expected.reasons);
      if (expected.fake_probability === null) expect(clip.fakeProbability).toBeNull();
      else expect(clip.fakeProbability).toBeCloseTo(expected.fake_probability, 12);
      const seconds = Array.from({ length: frames }, (_, i) => 0.5 * i);
      const observations = judged.flatMap((track) => track.observations);
      expect(timeline(seconds, observations)).toEqual(expected.timeline);
    }
  });
});

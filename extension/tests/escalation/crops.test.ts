/** What is cut from frames to be sent: exact, within the frame, bounded, spread over the time. */

import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Picture } from '../../src/core/picture';
import type { FrameRecord, Sighting } from '../../src/core/pipeline';
import { encode, FaceCrops, makeRoom, sentRegion } from '../../src/escalation/crops';
import { encodePng } from '../../src/escalation/png';
import type { Reason } from '../../src/types/verdict';
import { verdict } from './made';

const BOX = { left: 100.3, top: 80.2, right: 160.9, bottom: 150.4 };

function noise(width: number, height: number, seed = 1): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0, state = seed; i < data.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    data[i] = state >>> 16;
  }
  return { width, height, data };
}

function face(trackId: number, frame: number, issues: Reason[] = []): Sighting {
  const observation = {
    pts_seconds: frame / 2,
    frame_index: frame,
    box: BOX,
    detection_score: 0.9,
    logit: 0,
    fake_probability: 0.5,
    issues,
  };
  return { trackId, face: { box: BOX, score: 0.9 }, observation };
}

function seen(frame: number, ...faces: Sighting[]): FrameRecord {
  return { ptsSeconds: frame / 2, faces };
}

/** The times of the frames from one to another. */
function frames(first: number, last: number): Set<number> {
  return new Set(Array.from({ length: last - first + 1 }, (_, i) => (first + i) / 2));
}

/** The rows of a PNG whose every row has Paeth's filter. */
function decoded(png: Uint8Array): Picture {
  const view = new DataView(png.buffer);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const start = 8 + 25;
  const rows = inflateSync(png.subarray(start + 8, start + 8 + view.getUint32(start)));
  const line = width * 3;
  const data = new Uint8Array(line * height);
  const at = (y: number, i: number): number => (y < 0 || i < 0 ? 0 : data[y * line + i]!);
  for (let y = 0; y < height; y++) {
    expect(rows[y * (line + 1)]).toBe(4);
    for (let i = 0; i < line; i++) {
      const [a, b, c] = [at(y, i - 3), at(y - 1, i), i < 3 ? 0 : at(y - 1, i - 3)];
      const nearest = [a, b, c].toSorted(
        (p, q) => Math.abs(a + b - c - p) - Math.abs(a + b - c - q),
      );
      data[y * line + i] = rows[y * (line + 1) + 1 + i]! + nearest[0]!;
    }
  }
  return { width, height, data };
}

test('regions are those of the golden file, as the SDK has them', () => {
  const file = new URL('../../../tests/golden/sent_regions.json', import.meta.url);
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as {
    cases: { box: number[]; frame: [number, number]; region: number[] | null }[];
  };
  for (const { box, frame, region } of cases) {
    const [left, top, right, bottom] = box as [number, number, number, number];
    const found = sentRegion({ left, top, right, bottom }, ...frame);
    expect(found === undefined ? null : Object.values(found)).toEqual(region);
  }
});

test('a PNG holds exactly the pixels', async () => {
  for (const picture of [noise(37, 21), noise(1, 1), noise(640, 2)]) {
    expect(decoded(await encodePng(picture))).toEqual(picture);
  }
});

test('a crop is the pixels of its frame, and left and top say where they lie', async () => {
  const frame = noise(320, 240);
  const kept = new FaceCrops();
  kept.add(frame, seen(7, face(0, 7)), frames(7, 7));
  const sendable = { source: 'a', verdict: verdict(), framesSampled: 1, crops: kept.of([0]) };
  const { crops } = await encode(sendable);
  expect(crops).toHaveLength(1);
  const crop = crops[0]!;
  expect([crop.left, crop.top, crop.frameWidth, crop.frameHeight]).toEqual([60, 45, 320, 240]);
  expect([crop.trackId, crop.frameIndex, crop.ptsSeconds]).toEqual([0, 7, 3.5]);
  expect(crop.box).toEqual([100.3, 80.2, 160.9, 150.4]);
  const pixels = decoded(crop.png);
  expect([pixels.width, pixels.height]).toEqual([141, 141]);
  for (const [x, y] of [[0, 0] as const, [140, 0] as const, [17, 140] as const]) {
    const from = ((45 + y) * 320 + 60 + x) * 3;
    const to = (y * 141 + x) * 3;
    expect(pixels.data.slice(to, to + 3)).toEqual(frame.data.slice(from, from + 3));
  }
});

test('a face that cannot be judged is not sent', () => {
  const kept = new FaceCrops();
  kept.add(noise(320, 240), seen(0, face(0, 0, ['too_blurry'])), frames(0, 0));
  expect(kept.of([0])).toEqual([]);
});

test('of a person at most 16, spread over the time that the verdict speaks of', () => {
  const kept = new FaceCrops();
  const frame = noise(320, 240);
  for (let i = 0; i < 200; i++) kept.add(frame, seen(i, face(3, i)), frames(i - 59, i));
  const times = kept
    .of([3])
    .map((crop) => crop.ptsSeconds)
    .toSorted((a, b) => a - b);
  expect(times).toHaveLength(16);
  expect(times[0]).toBeGreaterThanOrEqual(70);
  expect(times.at(-1)).toBe(99.5);
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  expect(Math.max(...gaps)).toBeLessThanOrEqual(8);
});

test('of a time that is seen again only what was seen last', () => {
  const kept = new FaceCrops();
  kept.add(noise(320, 240), seen(2, face(0, 2)), frames(2, 2));
  kept.add(noise(320, 240), seen(1, face(0, 1)), frames(1, 2));
  const again = seen(2, face(1, 2));
  kept.add(noise(320, 240), again, frames(1, 2));
  const order = kept.of([0, 1]).map((crop) => [crop.trackId, crop.ptsSeconds]);
  expect(order).toEqual([
    [0, 0.5],
    [1, 1],
  ]);
});

test('those asked for come person by person, each first from all of the time', () => {
  const kept = new FaceCrops();
  for (let i = 0; i < 8; i++)
    kept.add(noise(320, 240), seen(i, face(0, i), face(1, i)), frames(0, i));
  const order = kept.of([1, 5, 0]).map((crop) => [crop.trackId, crop.frameIndex]);
  expect(order.slice(0, 8)).toEqual([0, 4, 2, 6, 1, 3, 5, 7].map((frame) => [1, frame]));
  expect(order[8]).toEqual([0, 0]);
});

test('all videos together hold no more than they may, and the largest give first', () => {
  const [small, large] = [new FaceCrops(), new FaceCrops()];
  for (let i = 0; i < 3; i++) small.add(noise(320, 240), seen(i, face(0, i)), frames(0, i));
  for (let i = 0; i < 12; i++) large.add(noise(320, 240), seen(i, face(0, i)), frames(0, i));
  const one = 141 * 141 * 3;
  makeRoom([small, large], 8 * one);
  expect([small.heldBytes, large.heldBytes]).toEqual([3 * one, 5 * one]);
  makeRoom([small, large], 0);
  expect([small.heldBytes, large.heldBytes]).toEqual([one, one]);
});

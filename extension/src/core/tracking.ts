/**
 * Tracks: which faces over the frames of a source are the same person. Step for step
 * `dfedge.faces.tracking`; one tracker for a source.
 */

import { area, type Box, center, iou } from './geometry';
import type { Detection } from './suppression';

const MIN_IOU = 0.3;
const MAX_MOVE = 1.0;
const MAX_SIZE_RATIO = 1.6;
const MAX_GAP_SECONDS = 10;
const MAX_MISSED_FRAMES = 5;

/** A face with the track (the person) it belongs to, from 0 in order of first appearance. */
export interface TrackedFace {
  readonly trackId: number;
  readonly face: Detection;
}

interface Track {
  readonly trackId: number;
  box: Box;
  scene: number;
  seenAtSeconds: number;
  missedFrames: number;
}

export class FaceTracker {
  #tracks: Track[] = [];
  #nextId = 0;

  /** The faces of the next frame with their tracks, in the order given; a new scene ends all. */
  update(faces: readonly Detection[], ptsSeconds: number, scene = 0): TrackedFace[] {
    this.#tracks = this.#tracks.filter(
      (track) =>
        track.scene === scene &&
        (track.missedFrames <= MAX_MISSED_FRAMES ||
          ptsSeconds - track.seenAtSeconds <= MAX_GAP_SECONDS),
    );
    const joined = this.#join(faces);
    const tracked = faces.map((face, i) => {
      let track = joined.get(i);
      if (track === undefined) {
        const trackId = this.#nextId++;
        track = { trackId, box: face.box, scene, seenAtSeconds: ptsSeconds, missedFrames: 0 };
        this.#tracks.push(track);
      }
      track.box = face.box;
      track.seenAtSeconds = ptsSeconds;
      track.missedFrames = -1;
      return { trackId: track.trackId, face };
    });
    for (const track of this.#tracks) track.missedFrames += 1;
    return tracked;
  }

  /** The track of each face that continues one, the likeliest pairs first. */
  #join(faces: readonly Detection[]): Map<number, Track> {
    const pairs = this.#tracks.flatMap((track) =>
      faces.flatMap((face, index) => {
        const cost = unlikeness(track.box, face.box);
        return cost === undefined ? [] : [{ cost, track, index }];
      }),
    );
    pairs.sort(
      (a, b) =>
        a.cost[0] - b.cost[0] ||
        a.cost[1] - b.cost[1] ||
        a.track.trackId - b.track.trackId ||
        a.index - b.index,
    );
    const joined = new Map<number, Track>();
    const taken = new Set<Track>();
    for (const { track, index } of pairs) {
      if (taken.has(track) || joined.has(index)) continue;
      joined.set(index, track);
      taken.add(track);
    }
    return joined;
  }
}

/** How unlikely the boxes are of one person, overlap before distance; undefined when they cannot. */
function unlikeness(before: Box, after: Box): readonly [number, number] | undefined {
  const overlap = iou(before, after);
  if (overlap >= MIN_IOU) return [0, 1 - overlap];
  const sides = [Math.sqrt(area(before)), Math.sqrt(area(after))] as const;
  if (Math.max(...sides) > MAX_SIZE_RATIO * Math.min(...sides)) return undefined;
  const [x1, y1] = center(before);
  const [x2, y2] = center(after);
  const move = Math.hypot(x2 - x1, y2 - y1) / ((sides[0] + sides[1]) / 2);
  return move <= MAX_MOVE ? [1, move] : undefined;
}

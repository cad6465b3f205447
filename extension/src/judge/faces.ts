/** The faces that a verdict rests on, kept small for those who want to see them. */

import { cropBox } from '../core/geometry';
import { cut, type Picture, resizeArea } from '../core/picture';
import type { FrameRecord, Sighting } from '../core/pipeline';
import type { SeenFace } from '../messages';

/** Faces kept of a person. */
const FACES = 6;
/** Persons kept of a video; of a crowd those seen last. */
const PERSONS = 8;
/** Side of a kept face in pixels: 36 KiB of RGBA, so at most 1.7 MiB a video. */
const SIDE = 96;
/** Shown about a face, so that one sees whose it is: a share of its size on each side. */
const MARGIN = 0.2;

/** Of one video: for each person some faces, spread over the time that its verdict speaks of. */
export class SeenFaces {
  readonly #byTrack = new Map<number, SeenFace[]>();

  /** Keep the faces of a frame, in whatever order they come, and none from before `sinceSeconds`. */
  add(picture: Picture, record: FrameRecord, sinceSeconds: number): void {
    for (const sighting of record.faces) {
      const { trackId } = sighting;
      const kept = this.#byTrack.get(trackId) ?? [];
      this.#byTrack.delete(trackId); // and put last: the order is that of the last sighting
      const faces = [...kept, shown(picture, sighting)];
      this.#byTrack.set(trackId, spread(faces.sort((a, b) => a.ptsSeconds - b.ptsSeconds)));
    }
    for (const [trackId, kept] of this.#byTrack) {
      const left = kept.filter((face) => face.ptsSeconds >= sinceSeconds);
      if (left.length === 0) this.#byTrack.delete(trackId);
      else this.#byTrack.set(trackId, left);
    }
    for (const trackId of [...this.#byTrack.keys()].slice(0, -PERSONS)) {
      this.#byTrack.delete(trackId);
    }
  }

  /** All that are kept, by person and time. */
  list(): SeenFace[] {
    return [...this.#byTrack].sort(([a], [b]) => a - b).flatMap(([, faces]) => faces);
  }
}

/** At most {@link FACES} of them, in order of time: what cannot count goes first, then the nearest. */
function spread(faces: readonly SeenFace[]): SeenFace[] {
  return faces.length > FACES ? faces.toSpliced(leastMissed(faces), 1) : [...faces];
}

/** The index of the face, neither first nor last of all, whose neighbours in time are closest. */
function leastMissed(faces: readonly SeenFace[]): number {
  let least = 1;
  let [leastUsable, leastGap] = [true, Infinity];
  for (let i = 1; i < faces.length - 1; i++) {
    const { usable } = faces[i]!;
    const gap = faces[i + 1]!.ptsSeconds - faces[i - 1]!.ptsSeconds;
    if (usable === leastUsable ? gap < leastGap : leastUsable) {
      [least, leastUsable, leastGap] = [i, usable, gap];
    }
  }
  return least;
}

function shown(picture: Picture, { trackId, observation }: Sighting): SeenFace {
  const square = cropBox(observation.box, { margin: MARGIN, squaring: 'longer_side' });
  const side = Math.min(SIDE, square.right - square.left);
  const { data } = resizeArea(cut(picture, square, 0), side, side);
  const rgba = new Uint8ClampedArray(side * side * 4).fill(255);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    rgba.set(data.subarray(from, from + 3), to);
  }
  return {
    width: side,
    height: side,
    rgba,
    trackId,
    ptsSeconds: observation.pts_seconds,
    fakeProbability: observation.fake_probability,
    usable: (observation.issues ?? []).length === 0,
  };
}

/**
 * Finding the faces of a frame: one look at the whole, closer looks only where that is not enough.
 * Step for step `dfedge.faces.finder`, whose numbers and reasons stand there.
 */

import type { BlazeFace } from './blazeface';
import {
  area,
  type Box,
  center,
  height,
  intersection,
  iou,
  scaled,
  type View,
  wholeView,
  width,
} from './geometry';
import { type Picture, shrinkTo } from './picture';
import { bestFirst, type Detection } from './suppression';

const SAME_IOU = 0.3;
const WHOLE_SIDE_PIXELS = 640;
const NEAR_SIDE_PIXELS = 1280;
const SURE_SCORE = 0.75;
const MIN_SCORE = 0.6;
const WEAK_SCORE = 0.15;
const TILE_SCORE = 0.3;
/** Fractions are of the frame's longer side. */
const SMALL_FRACTION = 0.1;
const SEARCH_FRACTION = 0.06;
const CLOSE_UP = 4;
const MAX_CLOSE_UPS = 8;
const TILE_FRACTIONS = [0.5, 0.25];

export interface Found {
  /** In pixels of the picture, best first. */
  readonly faces: readonly Detection[];
  /** Whether all of the frame was searched for small faces, and none came to light. */
  readonly searchedInVain: boolean;
}

/** The faces of a picture; small ones are searched for, many times the work of the rest, on demand. */
export async function findFaces(
  detector: BlazeFace,
  picture: Picture,
  search = true,
): Promise<Found> {
  const longer = Math.max(picture.width, picture.height);
  const small = SMALL_FRACTION * longer;
  const far = new Looks(detector, picture, WHOLE_SIDE_PIXELS);
  const candidates = await far.atWhole();
  const isSure = (face: Detection): boolean => face.score >= SURE_SCORE && width(face.box) >= small;
  let faces = candidates.filter(isSure);
  const doubtful = candidates.filter((face) => !isSure(face));
  if (faces.length > 0 && doubtful.length === 0) return { faces, searchedInVain: false };
  faces = merge(faces, await far.closeUps(doubtful.filter((face) => width(face.box) >= small)));
  const near = new Looks(detector, picture, NEAR_SIDE_PIXELS);
  faces = merge(faces, await near.closeUps(doubtful.filter((face) => width(face.box) < small)));
  if (faces.length === 0) faces = await far.closeUps(await far.fromAfar());
  const known = faces.length;
  const searched = search && faces.every((face) => width(face.box) < SEARCH_FRACTION * longer);
  if (searched) faces = await near.search(faces);
  return { faces: bestFirst(faces), searchedInVain: searched && faces.length === known };
}

/** Looks at one frame, shrunk to a size that suits them; boxes are of the original frame. */
class Looks {
  readonly #detector: BlazeFace;
  readonly #picture: Picture;
  readonly #shrink: number;

  constructor(detector: BlazeFace, picture: Picture, sidePixels: number) {
    this.#detector = detector;
    ({ picture: this.#picture, factor: this.#shrink } = shrinkTo(picture, sidePixels));
  }

  /** All that could be a face, at first sight. */
  async atWhole(): Promise<Detection[]> {
    return (await this.#look([this.#whole()], WEAK_SCORE))[0]!;
  }

  /** What could be a face that fills the frame, seen in a view twice as wide. */
  async fromAfar(): Promise<Detection[]> {
    const { left, top, side } = this.#whole();
    const afar = { left: left - side / 2, top: top - side / 2, side: 2 * side };
    return (await this.#look([afar], WEAK_SCORE))[0]!;
  }

  /** The candidates that a close-up shows to be faces, as the close-up shows them. */
  async closeUps(candidates: readonly Detection[]): Promise<Detection[]> {
    const best = bestFirst(candidates).slice(0, MAX_CLOSE_UPS);
    const views = best.map((candidate) => {
      const box = scaled(candidate.box, this.#shrink);
      const side = CLOSE_UP * Math.max(width(box), height(box));
      const [x, y] = center(box);
      return { left: x - side / 2, top: y - side / 2, side };
    });
    const looks = await this.#look(views, MIN_SCORE);
    const faces = best.flatMap((candidate, i) =>
      looks[i]!.filter((face) => iou(face.box, candidate.box) > SAME_IOU),
    );
    return merge(bestFirst(faces), []);
  }

  /** The known faces and those in the tiles of the first size that shows any. */
  async search(known: readonly Detection[]): Promise<Detection[]> {
    let faces = [...known];
    for (const fraction of TILE_FRACTIONS) {
      const side = fraction * Math.max(this.#picture.width, this.#picture.height);
      const views = tiles(this.#picture.width, this.#picture.height, side);
      const looks = await this.#look(views, TILE_SCORE);
      const candidates = distinct(bestFirst(looks.flat()), faces);
      faces = merge(faces, await this.closeUps(candidates));
      if (faces.length > 0) break;
    }
    return faces;
  }

  #whole(): View {
    return wholeView(this.#picture.width, this.#picture.height);
  }

  /** For each view the faces that are whole in it, in pixels of the original frame. */
  async #look(views: readonly View[], minScore: number): Promise<Detection[][]> {
    const found = await this.#detector.detectViews(this.#picture, views, minScore);
    return found.map((seen, i) =>
      seen
        .filter((face) => !this.#isCut(face.box, views[i]!))
        .map(({ box, score }) => ({ box: scaled(box, 1 / this.#shrink), score })),
    );
  }

  /** Whether the box reaches past a side of the view where the frame goes on. */
  #isCut(box: Box, view: View): boolean {
    const right = view.left + view.side;
    const bottom = view.top + view.side;
    return (
      (box.left < view.left && view.left > 0) ||
      (box.top < view.top && view.top > 0) ||
      (box.right > right && right < this.#picture.width) ||
      (box.bottom > bottom && bottom < this.#picture.height)
    );
  }
}

/** The candidates that overlap neither a known face nor an earlier candidate. */
export function distinct(
  candidates: readonly Detection[],
  known: readonly Detection[],
): Detection[] {
  const kept: Detection[] = [];
  for (const face of candidates) {
    if ([...known, ...kept].every((other) => iou(face.box, other.box) <= SAME_IOU)) kept.push(face);
  }
  return kept;
}

/** One box a face: the first of those that are of the same, `preferred` first. */
export function merge(preferred: readonly Detection[], others: readonly Detection[]): Detection[] {
  const kept: Detection[] = [];
  for (const face of [...preferred, ...others]) {
    if (!kept.some((other) => isSameFace(face.box, other.box))) kept.push(face);
  }
  return kept;
}

/** Whether two boxes are of one face: they overlap, or most of the smaller lies in the larger. */
export function isSameFace(a: Box, b: Box): boolean {
  const both = intersection(a, b);
  return both > 0 && (iou(a, b) > SAME_IOU || both > 0.6 * Math.min(area(a), area(b)));
}

/** Squares of `side` that cover a frame, overlapping by a third of a side or more. */
export function tiles(frameWidth: number, frameHeight: number, side: number): View[] {
  return starts(frameHeight, side).flatMap((top) =>
    starts(frameWidth, side).map((left) => ({ left, top, side })),
  );
}

function starts(length: number, side: number): number[] {
  if (side >= length) return [(length - side) / 2];
  const gaps = Math.ceil((length - side) / ((side * 2) / 3));
  return Array.from({ length: gaps + 1 }, (_, i) => (i * (length - side)) / gaps);
}

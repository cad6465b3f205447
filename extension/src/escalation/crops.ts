/**
 * The pictures of faces that may be sent: kept while the frames pass by, and made into PNGs only
 * when someone asks for a second opinion. Cut as `dfedge.escalation.crops` cuts them.
 */

import { type Box, center, height, width } from '../core/geometry';
import { type Picture, visible } from '../core/picture';
import type { FrameRecord, Sighting } from '../core/pipeline';
import { encodePng } from './png';
import type { Material, SentCrop } from './sending';

/** Side of a crop, in longer sides of the face box: each model of the server cuts its own of it. */
const CROP_SCALE = 2;
/** Kept of a person, spread over the time that the verdict speaks of. */
const CROPS_PER_TRACK = 16;
/** Pixels kept of all videos together: 90 faces that fill a frame of 640 x 360. */
const MAX_HELD_BYTES = 64 * 1024 ** 2;
/** Pictures in one submission: the server takes no more. */
const MAX_CROPS = 256;
/** Encoded pictures in one submission. */
const MAX_SENT_BYTES = 32 * 1024 ** 2;

/** One face with what is around it, as pixels. */
export interface FaceCrop extends Omit<SentCrop, 'png'> {
  readonly pixels: Picture;
}

/** What is known of a video that may be sent, before anything is encoded. */
export interface Sendable extends Omit<Material, 'crops'> {
  readonly crops: readonly FaceCrop[];
}

/** Keeps crops of the usable faces of one video. */
export class FaceCrops {
  readonly #byTrack = new Map<number, FaceCrop[]>();

  /** Keep the usable faces of a frame, and of those before it what lies at one of these times. */
  add(picture: Picture, record: FrameRecord, ptsSeconds: ReadonlySet<number>): void {
    for (const [trackId, kept] of this.#byTrack) {
      const left = kept.filter(
        (crop) => crop.ptsSeconds !== record.ptsSeconds && ptsSeconds.has(crop.ptsSeconds),
      );
      if (left.length === 0) this.#byTrack.delete(trackId);
      else this.#byTrack.set(trackId, left);
    }
    for (const sighting of record.faces) {
      const crop = cutOut(picture, sighting);
      if (crop === undefined) continue;
      const kept = [...(this.#byTrack.get(crop.trackId) ?? []), crop];
      kept.sort((a, b) => a.ptsSeconds - b.ptsSeconds);
      this.#byTrack.set(crop.trackId, kept.length > CROPS_PER_TRACK ? thinned(kept) : kept);
    }
  }

  /**
   * The crops of these people, theirs together; of each first some from all of its time, then those
   * between, so that a limit met halfway leaves no part of the time out.
   */
  of(trackIds: readonly number[]): FaceCrop[] {
    return trackIds.flatMap((trackId) => {
      const kept = this.#byTrack.get(trackId) ?? [];
      const every = (step: number, from: number): FaceCrop[] =>
        kept.filter((_, i) => i % step === from);
      return [...every(4, 0), ...every(4, 2), ...every(2, 1)];
    });
  }

  get heldBytes(): number {
    return this.#tracks().reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Bytes of the person with most of them, among those of whom one may be let go. */
  get largestBytes(): number {
    return this.#largest()?.bytes ?? 0;
  }

  /** Let go of one crop of that person. */
  thin(): void {
    const largest = this.#largest();
    if (largest !== undefined) this.#byTrack.set(largest.trackId, thinned(largest.kept));
  }

  #largest(): { trackId: number; kept: FaceCrop[]; bytes: number } | undefined {
    const thinnable = this.#tracks().filter(({ kept }) => kept.length > 1);
    return thinnable.toSorted((a, b) => b.bytes - a.bytes)[0];
  }

  #tracks(): { trackId: number; kept: FaceCrop[]; bytes: number }[] {
    return [...this.#byTrack].map(([trackId, kept]) => {
      return { trackId, kept, bytes: kept.reduce((sum, crop) => sum + crop.pixels.data.length, 0) };
    });
  }
}

/** Let go of crops until all videos together hold no more than they may; of each person one stays. */
export function makeRoom(videos: readonly FaceCrops[], most = MAX_HELD_BYTES): void {
  while (videos.reduce((sum, video) => sum + video.heldBytes, 0) > most) {
    const largest = videos.toSorted((a, b) => b.largestBytes - a.largestBytes)[0];
    if (largest === undefined || largest.largestBytes === 0) return;
    largest.thin();
  }
}

/** Encode what is sent: the people who look most suspicious first, as far as the limits allow. */
export async function encode({ crops, ...known }: Sendable): Promise<Material> {
  return { ...known, crops: await encodeCrops(crops) };
}

/** Those that come first, as far as the limits on number and bytes allow, by person and time. */
async function encodeCrops(crops: readonly FaceCrop[]): Promise<SentCrop[]> {
  const chosen: SentCrop[] = [];
  let left = MAX_SENT_BYTES;
  for (const { pixels, ...told } of crops.slice(0, MAX_CROPS)) {
    const png = await encodePng(pixels);
    if (png.length > left) continue;
    left -= png.length;
    chosen.push({ ...told, png });
  }
  return chosen.sort((a, b) => a.trackId - b.trackId || a.frameIndex - b.frameIndex);
}

/**
 * The whole pixels of a frame that are sent for a face; undefined where nothing of it is inside: a
 * square about the centre of the box, rounded outwards, clipped to the frame.
 */
export function sentRegion(box: Box, frameWidth: number, frameHeight: number): Box | undefined {
  const half = (CROP_SCALE * Math.max(width(box), height(box))) / 2;
  const [x, y] = center(box);
  const left = Math.max(0, Math.floor(x - half));
  const top = Math.max(0, Math.floor(y - half));
  const right = Math.min(frameWidth, Math.ceil(x + half));
  const bottom = Math.min(frameHeight, Math.ceil(y + half));
  return right > left && bottom > top ? { left, top, right, bottom } : undefined;
}

function cutOut(picture: Picture, { trackId, face, observation }: Sighting): FaceCrop | undefined {
  if ((observation.issues ?? []).length > 0) return undefined;
  const region = sentRegion(face.box, picture.width, picture.height);
  if (region === undefined) return undefined;
  const { left, top, right, bottom } = face.box;
  return {
    trackId,
    frameIndex: observation.frame_index,
    ptsSeconds: observation.pts_seconds,
    frameWidth: picture.width,
    frameHeight: picture.height,
    left: region.left,
    top: region.top,
    box: [left, top, right, bottom],
    detectionScore: Math.min(Math.max(face.score, 0), 1),
    pixels: visible(picture, region),
  };
}

/** Without the one, neither first nor last, whose neighbours in time are closest. */
function thinned(kept: readonly FaceCrop[]): FaceCrop[] {
  let [least, leastGap] = [0, Infinity];
  for (let i = 1; i < kept.length - 1; i++) {
    const gap = kept[i + 1]!.ptsSeconds - kept[i - 1]!.ptsSeconds;
    if (gap < leastGap) [least, leastGap] = [i, gap];
  }
  return kept.toSpliced(least, 1);
}

/**
 * Frames of one source in, a verdict out: faces, tracks, crops, logits, judgement, as `dfedge`'s own
 * pipeline does for models of single pictures. All that a model needs stands in its card.
 */

import type { DetectorCard, FaceDetectorCard } from '../types/card';
import type { ModelInfo, Observation, SourceInfo, Timing, Verdict } from '../types/verdict';
import { BlazeFace } from './blazeface';
import { findFaces } from './finder';
import { type Box, cropBox } from './geometry';
import { floats, type Network } from './network';
import { cut, type Picture, visible } from './picture';
import { measureQuality, qualityIssues } from './quality';
import { calibrate, fakeLogits, judgeClip, judgeTrack, round6, timeline } from './scoring';
import type { Detection } from './suppression';
import { FaceTracker } from './tracking';

/** Names in every `preprocess.onnx`. */
const PREPROCESS_INPUT = 'crop';
const PREPROCESS_OUTPUT = 'input';

/** What scores a crop. */
export interface Detector {
  readonly card: DetectorCard;
  readonly preprocess: Network;
  readonly network: Network;
}

/** The models of a pipeline; shared between sources. */
export interface Models extends Detector {
  readonly faceCard: FaceDetectorCard;
  readonly faceNetwork: Network;
}

/** One face in one frame, scored. */
export interface Sighting {
  readonly trackId: number;
  /** As it was found, to all digits. */
  readonly face: Detection;
  readonly observation: Observation;
}

/** One frame that was looked at. */
export interface FrameRecord {
  readonly ptsSeconds: number;
  readonly faces: readonly Sighting[];
}

/** How long the search for small faces rests after the first in vain. */
const FIRST_REST_SECONDS = 2;

/** Looks at the frames of one source, in order of time. */
export class FramePipeline {
  readonly #models: Models;
  readonly #finder: BlazeFace;
  readonly #tracker = new FaceTracker();
  readonly #longestRest: number;
  #rest = 0;
  #searchAt = -Infinity;

  /**
   * As the SDK does it, all of every frame is searched for small faces where no large one is seen.
   * For a video that plays, let the search rest after one in vain: at first for
   * {@link FIRST_REST_SECONDS}, then for twice as long each time, at most for `longestRestSeconds`.
   */
  constructor(models: Models, longestRestSeconds = 0) {
    if (models.card.input.frames !== undefined && models.card.input.frames > 1) {
      throw new Error(`${models.card.name} takes several frames at once; give one of pictures`);
    }
    this.#models = models;
    this.#longestRest = longestRestSeconds;
    this.#finder = new BlazeFace(models.faceCard, models.faceNetwork);
  }

  /** Find, follow, cut and score the faces of a frame. */
  async look(picture: Picture, ptsSeconds: number, frameIndex: number): Promise<FrameRecord> {
    const { card } = this.#models;
    const found = await this.#find(picture, ptsSeconds);
    const tracked = this.#tracker.update(found, ptsSeconds);
    const faces: Sighting[] = [];
    for (const { trackId, face } of tracked) {
      const box = cropBox(face.box, card.crop);
      const quality = measureQuality(visible(picture, box));
      const crop = cut(picture, box, card.crop.pad_value ?? 0);
      const { logit, novelty } = await scoreCrop(this.#models, crop);
      const observation: Observation = {
        pts_seconds: round6(Math.max(ptsSeconds, 0)),
        frame_index: frameIndex,
        box: roundedBox(face.box),
        detection_score: round6(face.score),
        logit: round6(logit),
        fake_probability: round6(calibrate(logit, card.decision.calibration)),
        novelty: novelty === null ? null : round6(novelty),
        issues: qualityIssues(face.box, quality, card.decision.quality),
      };
      faces.push({ trackId, face, observation });
    }
    return { ptsSeconds: round6(Math.max(ptsSeconds, 0)), faces };
  }

  async #find(picture: Picture, ptsSeconds: number): Promise<readonly Detection[]> {
    const resting = ptsSeconds >= this.#searchAt - this.#rest && ptsSeconds < this.#searchAt;
    const { faces, searchedInVain } = await findFaces(this.#finder, picture, !resting);
    if (searchedInVain) {
      this.#rest = Math.min(Math.max(2 * this.#rest, FIRST_REST_SECONDS), this.#longestRest);
      this.#searchAt = ptsSeconds + this.#rest;
    } else if (faces.length > 0) {
      this.#rest = 0;
    }
    return faces;
  }
}

/** What the detector says of a crop of any size: before calibration, and how unlike known faces. */
export async function scoreCrop(
  { card, preprocess, network }: Detector,
  crop: Picture,
): Promise<{ logit: number; novelty: number | null }> {
  const { [PREPROCESS_OUTPUT]: input } = await preprocess.run({
    [PREPROCESS_INPUT]: { data: crop.data, dims: [crop.height, crop.width, 3] },
  });
  if (input === undefined) throw new Error(`${card.name}: its preprocess.onnx gives no tensor`);
  const outputs = await network.run({ [card.input.name]: input });
  const limit = card.decision.novelty;
  return {
    logit: fakeLogits(floats(outputs, card.output.name), card.output)[0]!,
    novelty: limit == null ? null : floats(outputs, limit.output)[0]!,
  };
}

/** The verdict on frames, in order of time. */
export function buildVerdict(
  records: readonly FrameRecord[],
  source: Omit<SourceInfo, 'frames_sampled' | 'frames_with_face'>,
  card: DetectorCard,
  models: ModelInfo[],
  timing: Timing,
  version: string,
): Verdict {
  const byTrack = new Map<number, Observation[]>();
  for (const { trackId, observation } of records.flatMap((record) => record.faces)) {
    byTrack.set(trackId, [...(byTrack.get(trackId) ?? []), observation]);
  }
  const { decision } = card;
  const tracks = [...byTrack]
    .sort(([a], [b]) => a - b)
    .map(([id, observations]) => judgeTrack(id, observations, decision, records.length));
  const { label, fakeProbability, confidence, reasons } = judgeClip(
    tracks,
    decision,
    records.length,
  );
  return {
    schema: 'dfedge.verdict/1',
    source: {
      ...source,
      frames_sampled: records.length,
      frames_with_face: records.filter((record) => record.faces.length > 0).length,
    },
    label,
    fake_probability: fakeProbability,
    confidence,
    reasons,
    tracks,
    timeline: timeline(
      records.map((record) => record.ptsSeconds),
      records.flatMap((record) => record.faces.map((face) => face.observation)),
    ),
    opinions: [{ model: card.name, tier: 'edge', label, fake_probability: fakeProbability }],
    models,
    timing,
    dfedge_version: version,
  };
}

function roundedBox(box: Box): Box {
  const round2 = (value: number): number => Math.round(value * 100) / 100;
  return {
    left: round2(box.left),
    top: round2(box.top),
    right: round2(box.right),
    bottom: round2(box.bottom),
  };
}

/**
 * From logits to labels: calibration, aggregation, thresholds, reasons. Pure functions, the same as
 * `dfedge.scoring` for models of single pictures.
 */

import type { Calibration, Decision, Output } from '../types/card';
import type { Label, Observation, Reason, TimelinePoint, TrackVerdict } from '../types/verdict';

/** The log-odds of *fake* for each row of (batch, classes) logits. */
export function fakeLogits(outputs: Float32Array, output: Output): number[] {
  const classes = output.classes.length;
  const rows = outputs.length / classes;
  return Array.from({ length: rows }, (_, row) => {
    const logits = [...outputs.subarray(row * classes, (row + 1) * classes)];
    const [fake] = logits.splice(output.fake_index, 1);
    if (logits.length === 0) return fake!;
    if (output.activation === 'softmax') return fake! - logSumExp(logits);
    return -softplus(-fake!) - logSumExp(logits.map((other) => -softplus(-other)));
  });
}

/** P(fake) = sigmoid(logit / temperature + bias), 0 to 1. */
export function calibrate(logit: number, calibration: Calibration): number {
  const x = logit / (calibration.temperature ?? 1) + (calibration.bias ?? 0);
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

/** The logit of a track from those of its frames, before calibration. */
export function aggregate(
  logits: readonly number[],
  how: NonNullable<Decision['frame_aggregation']>,
): number {
  if (how === 'mean_logit') return logits.reduce((sum, logit) => sum + logit, 0) / logits.length;
  return (
    logSumExp(logits.map((logit) => -softplus(-logit))) -
    logSumExp(logits.map((logit) => -softplus(logit)))
  );
}

export interface Judgement {
  readonly label: Label;
  readonly fakeProbability: number | null;
  readonly confidence: number | null;
  readonly reasons: Reason[];
}

/** The label of a calibrated probability by the card's two thresholds. */
export function judgeProbability(probability: number, decision: Decision): Judgement {
  const fakeProbability = probability;
  if (probability >= decision.fake.threshold) {
    const reasons: Reason[] = ['score_above_fake_threshold'];
    return { label: 'FAKE', fakeProbability, confidence: probability, reasons };
  }
  if (probability <= decision.real.threshold) {
    const reasons: Reason[] = ['score_below_real_threshold'];
    return { label: 'REAL', fakeProbability, confidence: 1 - probability, reasons };
  }
  return unsure(fakeProbability, ['score_in_unsure_band']);
}

/** What is said of one person; `observations` is not empty, in order of time. */
export function judgeTrack(
  trackId: number,
  observations: Observation[],
  decision: Decision,
  framesSampled: number,
): TrackVerdict {
  const usable = observations.filter(isUsable);
  const counted = usable.length > 0 ? usable : observations;
  const logit = aggregate(
    counted.map((seen) => seen.logit),
    decision.frame_aggregation ?? 'mean_logit',
  );
  let judgement = judgeProbability(calibrate(logit, decision.calibration), decision);
  const novelty = meanNovelty(counted);
  if (isNovel(novelty, decision)) {
    judgement = unsure(judgement.fakeProbability, ['out_of_distribution']);
  }
  if (usable.length < framesNeeded(decision, framesSampled)) {
    const few: Reason[] = framesSampled === 1 ? [] : ['too_few_frames'];
    judgement = unsure(judgement.fakeProbability, [...few, ...issuesByFrequency(observations)]);
  }
  return {
    track_id: trackId,
    label: judgement.label,
    fake_probability: judgement.fakeProbability!,
    confidence: judgement.confidence,
    reasons: judgement.reasons,
    usable_frames: usable.length,
    observations,
    novelty,
  };
}

/** The person whose verdict is that of the source: FAKE before UNCERTAIN before REAL. */
export function suspect(
  tracks: readonly TrackVerdict[],
  decision: Decision,
  framesSampled: number,
): TrackVerdict | undefined {
  const needed = framesNeeded(decision, framesSampled);
  const judged = tracks.filter((track) => track.usable_frames >= needed);
  return [...(judged.length > 0 ? judged : tracks)].sort(
    (a, b) =>
      RANK[b.label] - RANK[a.label] ||
      b.fake_probability - a.fake_probability ||
      a.track_id - b.track_id,
  )[0];
}

/** The verdict on the whole source; NO_FACE without any face. */
export function judgeClip(
  tracks: readonly TrackVerdict[],
  decision: Decision,
  framesSampled: number,
): Judgement {
  const track = suspect(tracks, decision, framesSampled);
  if (track === undefined) {
    return { label: 'NO_FACE', fakeProbability: null, confidence: null, reasons: ['no_face'] };
  }
  const { label, confidence, reasons } = track;
  return { label, confidence, reasons, fakeProbability: track.fake_probability };
}

/** The highest P(fake) at each sampled time; null where no face was found. */
export function timeline(
  sampledSeconds: readonly number[],
  observations: readonly Observation[],
): TimelinePoint[] {
  const highest = new Map<number, number>();
  for (const { pts_seconds: at, fake_probability: value } of observations) {
    highest.set(at, Math.max(highest.get(at) ?? 0, value));
  }
  return sampledSeconds.map((at) => ({
    pts_seconds: at,
    fake_probability: highest.get(at) ?? null,
  }));
}

/** Mean novelty, to six digits; null where any has none. */
export function meanNovelty(observations: readonly Observation[]): number | null {
  const values = observations.map((seen) => seen.novelty ?? null);
  if (values.length === 0 || values.includes(null)) return null;
  return round6(values.reduce<number>((sum, value) => sum + value!, 0) / values.length);
}

/** To six digits, as the JSON form has numbers. */
export const round6 = (value: number): number => Math.round(value * 1e6) / 1e6;

const RANK: Record<Label, number> = { NO_FACE: 0, REAL: 1, UNCERTAIN: 2, FAKE: 3 };

const isUsable = (seen: Observation): boolean => (seen.issues ?? []).length === 0;

function unsure(fakeProbability: number | null, reasons: Reason[]): Judgement {
  return { label: 'UNCERTAIN', fakeProbability, confidence: null, reasons };
}

function isNovel(novelty: number | null, decision: Decision): boolean {
  const limit = decision.novelty;
  // What is no number is as unlike as can be.
  return limit != null && novelty !== null && !(novelty <= limit.threshold);
}

function framesNeeded(decision: Decision, framesSampled: number): number {
  return framesSampled === 1 ? 1 : Math.max(decision.min_usable_frames, 1);
}

function issuesByFrequency(observations: readonly Observation[]): Reason[] {
  const counts = new Map<Reason, number>();
  for (const issue of observations.flatMap((seen) => seen.issues ?? [])) {
    counts.set(issue, (counts.get(issue) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([issue]) => issue);
}

function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

function logSumExp(values: readonly number[]): number {
  const highest = Math.max(...values);
  return highest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - highest), 0));
}

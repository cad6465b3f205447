/* Made by "npm run types" from sdk/dfedge/verdict.schema.json; do not edit. */

/**
 * What is said of a clip or of one person in it.
 */
export type Label = 'FAKE' | 'NO_FACE' | 'REAL' | 'UNCERTAIN';
/**
 * Machine-readable reasons; :data:`REASON_TEXT` has a sentence for each.
 */
export type Reason =
  | 'escalation_failed'
  | 'face_too_small'
  | 'models_disagree'
  | 'no_face'
  | 'out_of_distribution'
  | 'partly_unreadable'
  | 'score_above_fake_threshold'
  | 'score_below_real_threshold'
  | 'score_in_unsure_band'
  | 'too_blurry'
  | 'too_bright'
  | 'too_dark'
  | 'too_few_frames';

/**
 * What is said of a source.
 *
 * Attributes:
 *     fake_probability: calibrated P(fake) of the most suspicious person with enough usable
 *         frames (of the most suspicious one when none has enough); None only for NO_FACE.
 *     confidence: ``fake_probability`` for FAKE, its complement for REAL, else None.
 */
export interface Verdict {
  schema: 'dfedge.verdict/1';
  source: SourceInfo;
  label: Label;
  fake_probability: number | null;
  confidence: number | null;
  reasons: Reason[];
  tracks: TrackVerdict[];
  timeline: TimelinePoint[];
  opinions: Opinion[];
  models: ModelInfo[];
  timing: Timing;
  dfedge_version: string;
}
/**
 * What was looked at.
 *
 * Attributes:
 *     name: path, address or description the caller gave (credentials in addresses removed).
 *     width, height: pixels, upright; 0 when the source gave no frame.
 *     duration_seconds: None when unknown (streams) or meaningless (pictures).
 *     frames_sampled: frames that were decoded and searched for faces.
 *     frames_with_face: of those, frames with at least one face.
 *     problems: what could not be read, in words; empty for a sound source.
 */
export interface SourceInfo {
  name: string;
  kind: 'array' | 'frames' | 'image' | 'stream' | 'video';
  width: number;
  height: number;
  duration_seconds: number | null;
  sampling: string;
  frames_sampled: number;
  frames_with_face: number;
  problems?: string[];
}
/**
 * What is said of one person.
 *
 * Attributes:
 *     track_id: number of the track, from 0 in order of appearance.
 *     fake_probability: calibrated P(fake) over the track's usable frames (over all its frames
 *         when none is usable; the label is then UNCERTAIN).
 *     confidence: probability of the label's side; None when no side is taken.
 *     usable_frames: observations that count.
 *     novelty: mean over the frames ``fake_probability`` is of; None where it is not measured.
 */
export interface TrackVerdict {
  track_id: number;
  label: Label;
  fake_probability: number;
  confidence: number | null;
  reasons: Reason[];
  usable_frames: number;
  observations: Observation[];
  novelty?: number | null;
}
/**
 * One face in one frame.
 *
 * Attributes:
 *     pts_seconds: presentation time of the frame from the start of the source.
 *     frame_index: number of the frame in its source.
 *     box: face box in pixels of the frame.
 *     detection_score: the face detector's confidence.
 *     logit: raw logit of *fake*, before calibration; of a model that takes several frames at
 *         once that of the clip this frame stands for, the same in all frames of the person.
 *     fake_probability: ``logit`` calibrated: P(fake) of this frame alone, or of that clip.
 *     novelty: how unlike the face is to those the model knows, about 1 for a usual one; None
 *         where the model does not measure it.
 *     issues: why the frame does not count; empty when it does.
 */
export interface Observation {
  pts_seconds: number;
  frame_index: number;
  box: Box;
  detection_score: number;
  logit: number;
  fake_probability: number;
  novelty?: number | null;
  issues?: Reason[];
}
/**
 * A rectangle in pixels of its frame, half-open; it may reach past the frame's edge.
 */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}
/**
 * The highest P(fake) among the faces of one sampled frame; None where there is no face.
 */
export interface TimelinePoint {
  pts_seconds: number;
  fake_probability: number | null;
}
/**
 * What one model says of the whole source.
 */
export interface Opinion {
  model: string;
  tier: 'edge' | 'heavy';
  label: Label;
  fake_probability: number | null;
}
/**
 * A model that took part.
 */
export interface ModelInfo {
  name: string;
  version: string;
  sha256: string;
  role: 'edge' | 'face_detector' | 'heavy';
}
/**
 * Wall seconds; the stages overlap, so they need not add up to ``total_seconds``.
 */
export interface Timing {
  total_seconds: number;
  decode_seconds: number;
  faces_seconds: number;
  classify_seconds: number;
}

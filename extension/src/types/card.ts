/* Made by "npm run types" from sdk/dfedge/bundles/card.schema.json; do not edit. */

export type CardOfADfedgeBundle = DetectorCard | FaceDetectorCard;

/**
 * Card of a model that scores face crops as real or fake.
 */
export interface DetectorCard {
  kind: 'deepfake_detector';
  schema: 'dfedge.card/1';
  name: string;
  version: string;
  architecture: string;
  summary: string;
  licence: string;
  opset: number;
  files: FileEntry[];
  provenance: Provenance;
  limits: string[];
  metrics?: Metric[];
  input: Input;
  crop: CropContract;
  output: Output;
  decision: Decision;
  quantization?: Quantization | null;
  deployment?: Deployment | null;
}
/**
 * One file of the bundle; names are plain, a bundle has no folders.
 */
export interface FileEntry {
  name: string;
  role: 'model' | 'preprocess' | 'source';
  sha256: string;
  size_bytes: number;
}
/**
 * Where the weights come from: a published file, or the command that trained them.
 */
export interface Provenance {
  training_data: string;
  command?: string | null;
  source_url?: string | null;
  source_sha256?: string | null;
}
/**
 * One measured figure and what it was measured on.
 */
export interface Metric {
  name: string;
  value: number;
  data: string;
  subset?: string;
  count?: number | null;
}
/**
 * The tensor the model takes: float32, ``(x / 255 - mean) / std`` of an RGB crop.
 */
export interface Input {
  name: string;
  layout: 'NCHW' | 'NTCHW';
  width: number;
  height: number;
  frames?: number;
  colour_order?: 'BGR' | 'RGB';
  /**
   * @minItems 3
   * @maxItems 3
   */
  mean: never[];
  /**
   * @minItems 3
   * @maxItems 3
   */
  std: never[];
}
/**
 * How the crop is cut from a frame and brought to the input size.
 *
 * The side of the crop is ``(1 + 2 * margin)`` times the side of the face box (of its longer side
 * when squared), about the same centre; its left and top edge and its sides are rounded half up to
 * integers (:func:`dfedge.crops.crop_box` fixes the order); what lies outside the frame is
 * ``pad_value``.
 */
export interface CropContract {
  box_source: string;
  margin: number;
  squaring: 'longer_side' | 'none';
  rounding?: 'half_up';
  resize: 'letterbox' | 'stretch';
  interpolation?: 'bilinear_antialias';
  pad_value?: number;
}
/**
 * The logits the model gives: (batch, classes).
 */
export interface Output {
  name: string;
  classes: string[];
  fake_index: number;
  activation: 'sigmoid' | 'softmax';
}
/**
 * From logits to a label.
 */
export interface Decision {
  calibration: Calibration;
  frame_aggregation?: 'mean_logit' | 'mean_probability';
  track_aggregation?: 'max';
  fake: OperatingPoint;
  real: OperatingPoint;
  quality: Quality;
  min_usable_frames: number;
  novelty?: NoveltyLimit | null;
}
/**
 * ``P(fake) = sigmoid(logit / temperature + bias)``, fitted on labelled data.
 */
export interface Calibration {
  temperature?: number;
  bias?: number;
  fitted_on: string;
}
/**
 * A threshold on the calibrated P(fake) and what it stands for.
 */
export interface OperatingPoint {
  threshold: number;
  meaning: string;
}
/**
 * What a face must be for its score to count; below, the frame is kept as evidence only.
 */
export interface Quality {
  min_face_pixels: number;
  min_sharpness: number;
  min_brightness: number;
  max_brightness: number;
}
/**
 * How unlike the faces the model knows a face may be before its score means nothing.
 *
 * The graph has a second output (batch, 1): the distance of the features the score is made of
 * from those of known faces, about 1 for a usual face.
 */
export interface NoveltyLimit {
  output: string;
  threshold: number;
  meaning: string;
}
/**
 * The recipe that made a smaller model, and what it costs.
 */
export interface Quantization {
  recipe: string;
  reference_sha256: string;
  fidelity: Fidelity;
}
/**
 * How close a quantized model is to the fp32 one, and on what data.
 */
export interface Fidelity {
  logit_correlation: number;
  sign_agreement: number;
  max_probability_change: number;
  data: string;
  max_logit_error?: number | null;
  label_agreement?: number | null;
  auc_change?: number | null;
}
/**
 * What the graph was made for.
 */
export interface Deployment {
  target: 'cpu' | 'jetson' | 'mobile' | 'web';
  precision?: 'float16' | 'float32';
  batch?: BatchProfile | null;
}
/**
 * Batch sizes an engine is built for, as TensorRT's optimization profiles take them.
 */
export interface BatchProfile {
  smallest: number;
  usual: number;
  largest: number;
}
/**
 * Card of a BlazeFace-like detector: letterboxed square input, anchors, six key points.
 */
export interface FaceDetectorCard {
  kind: 'face_detector';
  schema: 'dfedge.card/1';
  name: string;
  version: string;
  architecture: string;
  summary: string;
  licence: string;
  opset: number;
  files: FileEntry[];
  provenance: Provenance;
  limits: string[];
  metrics?: Metric[];
  input: Input;
  boxes_output: string;
  scores_output: string;
  anchors: AnchorLayer[];
  min_score: number;
  nms_iou: number;
}
/**
 * One feature map of an SSD-style face detector.
 */
export interface AnchorLayer {
  stride: number;
  anchors_per_cell: number;
}

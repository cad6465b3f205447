/** BlazeFace: square views of a frame in, faces in frame pixels out; all numbers from its card. */

import type { AnchorLayer, FaceDetectorCard } from '../types/card';
import type { View } from './geometry';
import { floats, type Network } from './network';
import { type Picture, sampleView } from './picture';
import { type Detection, weightedSuppression } from './suppression';

/** Logits are clipped to this before the sigmoid, as in MediaPipe (`score_clipping_thresh`). */
const LOGIT_CLIP = 100;

/** Numbers a box: centre, size and six key points. */
const VALUES = 16;

export class BlazeFace {
  readonly #card: FaceDetectorCard;
  readonly #network: Network;
  readonly #size: number;
  readonly #anchors: Float32Array;

  constructor(card: FaceDetectorCard, network: Network) {
    this.#card = card;
    this.#network = network;
    this.#size = card.input.width;
    this.#anchors = anchorCenters(this.#size, card.anchors);
  }

  /** The faces of each view, best first, in pixels of the picture; one run for all views. */
  async detectViews(
    picture: Picture,
    views: readonly View[],
    minScore: number,
  ): Promise<Detection[][]> {
    if (views.length === 0) return [];
    const outputs = await this.#network.run({
      [this.#card.input.name]: {
        data: this.#input(picture, views),
        dims: [views.length, 3, this.#size, this.#size],
      },
    });
    const boxes = floats(outputs, this.#card.boxes_output);
    const logits = floats(outputs, this.#card.scores_output);
    const anchors = this.#anchors.length / 2;
    return views.map((view, i) => {
      const found = decode(
        boxes.subarray(i * anchors * VALUES, (i + 1) * anchors * VALUES),
        logits.subarray(i * anchors, (i + 1) * anchors),
        this.#anchors,
        minScore,
      );
      const scale = view.side / this.#size;
      return weightedSuppression(found, this.#card.nms_iou).map(({ box, score }) => ({
        score,
        box: {
          left: box.left * scale + view.left,
          top: box.top * scale + view.top,
          right: box.right * scale + view.left,
          bottom: box.bottom * scale + view.top,
        },
      }));
    });
  }

  #input(picture: Picture, views: readonly View[]): Float32Array {
    const plane = this.#size ** 2;
    const batch = new Float32Array(views.length * 3 * plane);
    const { mean, std } = this.#card.input;
    views.forEach((view, n) => {
      const { data } = sampleView(picture, view, this.#size);
      for (let channel = 0; channel < 3; channel++) {
        const scale = 1 / (255 * std[channel]!);
        const offset = -mean[channel]! / std[channel]!;
        const start = (n * 3 + channel) * plane;
        for (let i = 0, at = channel; i < plane; i++, at += 3) {
          batch[start + i] = data[at]! * scale + offset;
        }
      }
    });
    return batch;
  }
}

/**
 * The centres (x, y) of all anchors in input pixels: layer by layer, rows from the top, cells from
 * the left, then the anchors of a cell.
 */
export function anchorCenters(inputSize: number, layers: readonly AnchorLayer[]): Float32Array {
  const centers: number[] = [];
  for (const layer of layers) {
    const cells = Math.ceil(inputSize / layer.stride);
    const step = inputSize / cells;
    for (let row = 0; row < cells; row++) {
      for (let column = 0; column < cells; column++) {
        for (let n = 0; n < layer.anchors_per_cell; n++) {
          centers.push((column + 0.5) * step, (row + 0.5) * step);
        }
      }
    }
  }
  return Float32Array.from(centers);
}

/** What the raw outputs say, in input pixels, for the anchors that reach `minScore`. */
export function decode(
  boxes: Float32Array,
  logits: Float32Array,
  anchors: Float32Array,
  minScore: number,
): Detection[] {
  const found: Detection[] = [];
  for (let i = 0; i < logits.length; i++) {
    const logit = Math.min(Math.max(logits[i]!, -LOGIT_CLIP), LOGIT_CLIP);
    const score = Math.fround(1 / (1 + Math.exp(-logit)));
    if (!(score >= Math.fround(minScore))) continue;
    const w = boxes[i * VALUES + 2]!;
    const h = boxes[i * VALUES + 3]!;
    // Boxes of no positive size, which the network can give, are left out.
    if (!(w > 0 && h > 0)) continue;
    const cx = boxes[i * VALUES]! + anchors[2 * i]!;
    const cy = boxes[i * VALUES + 1]! + anchors[2 * i + 1]!;
    const box = { left: cx - w / 2, top: cy - h / 2, right: cx + w / 2, bottom: cy + h / 2 };
    found.push({ box, score });
  }
  return found;
}

/** Models that see one face in the middle of every frame, of a size and a score that a test sets. */

import { readFileSync } from 'node:fs';
import type { Models } from '../../src/core/pipeline';
import type { Opened } from '../../src/judge/models';
import type { Frame } from '../../src/messages';
import type { DetectorCard, FaceDetectorCard } from '../../src/types/card';

const BUNDLES = new URL('../../../edge_models/bundles/', import.meta.url);

export const FACE_CARD = card('blazeface-full-range') as FaceDetectorCard;
export const CARD = card('dfedge-efficientnet-b0-int8') as DetectorCard;

/** What the made models see. */
export interface Seen {
  /** Whether there is a face. */
  face: boolean;
  /** Of *fake*. */
  logit: number;
  /** Views of each run that looked for faces, as they come. */
  views?: number[];
}

export function madeModels(seen: Seen): Opened {
  const models: Models = {
    faceCard: FACE_CARD,
    faceNetwork: {
      run: ({ image }) => {
        const views = image!.dims[0]!;
        seen.views?.push(views);
        return Promise.resolve(faces(views, seen.face));
      },
    },
    card: CARD,
    preprocess: {
      run: () => Promise.resolve({ input: { data: new Float32Array(1), dims: [1] } }),
    },
    network: {
      run: () =>
        Promise.resolve({
          logit: { data: Float32Array.of(seen.logit), dims: [1, 1] },
          novelty: { data: Float32Array.of(1), dims: [1, 1] },
        }),
    },
  };
  return {
    models,
    infos: [],
    state: {
      backend: 'wasm',
      models: [],
      delivered: false,
      rejected: null,
      thresholds: { real: CARD.decision.real.threshold, fake: CARD.decision.fake.threshold },
    },
    accelerate: () => Promise.resolve(),
  };
}

const NOISE = Uint8ClampedArray.from({ length: 320 * 320 * 4 }, (_, i) => (i * 7919) % 251);

/** A frame of noise, 320 x 320, half a second after the one before it. */
export function frame(source: string, index: number): Frame {
  const rgba = NOISE.slice();
  return { source, index, ptsSeconds: index / 2, width: 320, height: 320, rgba };
}

/** Boxes and logits for a batch of views; the face fills a third of each. */
function faces(views: number, face: boolean): Record<string, { data: Float32Array; dims: [] }> {
  const size = FACE_CARD.input.width;
  const anchors = 2304;
  const middle = (Math.sqrt(anchors) / 2) * (Math.sqrt(anchors) + 1);
  const boxes = new Float32Array(views * anchors * 16);
  const logits = new Float32Array(views * anchors).fill(-20);
  for (let view = 0; view < views; view++) {
    if (!face) continue;
    const at = view * anchors + middle;
    logits[at] = 5;
    boxes.set([0, 0, size / 3, size / 3], at * 16);
  }
  return {
    [FACE_CARD.boxes_output]: { data: boxes, dims: [] },
    [FACE_CARD.scores_output]: { data: logits, dims: [] },
  };
}

function card(bundle: string): unknown {
  return JSON.parse(readFileSync(new URL(`${bundle}/card.json`, BUNDLES), 'utf8'));
}

/** The models, opened: those that ship, or a newer detector from the user's server. */

import type { Detector, Models } from '../core/pipeline';
import type { Rejection } from '../delivery/rejecting';
import { selfTest } from '../delivery/selftest';
import { type BundleBytes, ModelStore } from '../delivery/store';
import { Accelerated, trials } from '../runtime/accelerated';
import { type Backend, hasGpu, openNetwork, useWasmAt } from '../runtime/ort';
import type { DetectorCard, FaceDetectorCard } from '../types/card';
import type { ModelInfo } from '../types/verdict';

export interface Opened {
  readonly models: Models;
  readonly infos: ModelInfo[];
  readonly state: Omit<ModelsState, 'speed'>;
  /** Move to the GPU what runs there as well as in WASM; takes seconds, so not before the first frame. */
  accelerate(): Promise<void>;
}

/** A detector whose network may move to the GPU. */
interface OpenDetector extends Detector {
  readonly network: Accelerated;
}

/** Which models run, and on what. */
export interface ModelsState {
  readonly backend: Backend;
  readonly models: readonly ModelInfo[];
  /** Whether the detector came from the user's server; else it is the one that ships. */
  readonly delivered: boolean;
  /** Why the newest one from the server is not used; null where there is none, or it is. */
  readonly rejected: Rejection | null;
  /** P(fake) up to which a verdict is REAL, and from which on it is FAKE. */
  readonly thresholds: { readonly real: number; readonly fake: number };
  /** Of the frames that were looked at last; null before the first. */
  readonly speed: Speed | null;
}

/** Milliseconds a frame, from its pixels to the verdict. */
export interface Speed {
  readonly frames: number;
  readonly median: number;
  readonly p95: number;
}

/** Open the models below `root`, an address that ends with a slash. */
export async function openModels(root: string): Promise<Opened> {
  useWasmAt(`${root}ort/`);
  const [faceCard, shippedCard] = await Promise.all([
    read<FaceDetectorCard>(`${root}models/faces/card.json`),
    read<DetectorCard>(`${root}models/detector/card.json`),
  ]);
  const bytes = async (path: string): Promise<Uint8Array> =>
    new Uint8Array(await (await get(`${root}models/${path}`)).arrayBuffer());
  // One after the other: onnxruntime-web opens its WASM with the first.
  const faceNetwork = await Accelerated.open(await bytes('faces/model.onnx'));
  const delivered = await openDelivered(shippedCard.version);
  const detector: OpenDetector = delivered ?? {
    card: shippedCard,
    preprocess: await openNetwork(await bytes('detector/preprocess.onnx')),
    network: await Accelerated.open(await bytes('detector/model.onnx')),
  };
  const { card } = detector;
  const infos = [info(faceCard, 'face_detector'), info(card, 'edge')];
  const state = {
    models: infos,
    delivered: delivered !== null,
    rejected: null,
    thresholds: { real: card.decision.real.threshold, fake: card.decision.fake.threshold },
  };
  return {
    models: { faceCard, faceNetwork, ...detector },
    infos,
    get state() {
      return { ...state, backend: detector.network.backend };
    },
    accelerate: async () => {
      if (!(await hasGpu())) {
        detector.network.stay();
        faceNetwork.stay();
        return;
      }
      await detector.network.accelerate(trials(card.input, [1, 1, 1]));
      await faceNetwork.accelerate(trials(faceCard.input, [1, 1, 4]));
    },
  };
}

/** The newest detector from the user's server that works; null where the one that ships is to run. */
async function openDelivered(shippedVersion: string): Promise<OpenDetector | null> {
  const tried = async ({
    card,
    preprocess,
    model,
    manifest,
  }: BundleBytes): Promise<OpenDetector> => {
    const detector = {
      card,
      preprocess: await openNetwork(preprocess),
      network: await Accelerated.open(model),
    };
    await selfTest(detector, manifest.self_test.logit);
    return detector;
  };
  try {
    return await new ModelStore().open(shippedVersion, tried);
  } catch (error) {
    console.warn('models from the server cannot be read:', error);
    return null;
  }
}

function info(card: FaceDetectorCard | DetectorCard, role: ModelInfo['role']): ModelInfo {
  const graph = card.files.find((file) => file.role === 'model');
  return { name: card.name, version: card.version, sha256: graph?.sha256 ?? '', role };
}

async function read<Card>(url: string): Promise<Card> {
  return (await (await get(url)).json()) as Card;
}

async function get(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.statusText}`);
  return response;
}

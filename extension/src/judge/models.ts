/** The bundles that ship, opened. */

import type { Models } from '../core/pipeline';
import { openNetwork, useWasmAt } from '../runtime/ort';
import type { DetectorCard, FaceDetectorCard } from '../types/card';
import type { ModelInfo } from '../types/verdict';

export interface Opened {
  readonly models: Models;
  readonly infos: ModelInfo[];
  readonly state: ModelsState;
}

/** Which models run, and on what. */
export interface ModelsState {
  readonly backend: 'wasm' | 'webgpu';
  readonly models: readonly ModelInfo[];
  /** Whether the detector came from the user's server; else it is the one that ships. */
  readonly delivered: boolean;
  /** Why the newest one from the server is not used; null where there is none, or it is. */
  readonly rejected: string | null;
  /** P(fake) up to which a verdict is REAL, and from which on it is FAKE. */
  readonly thresholds: { readonly real: number; readonly fake: number };
}

/** Open the models below `root`, an address that ends with a slash. */
export async function openModels(root: string): Promise<Opened> {
  useWasmAt(`${root}ort/`);
  const [faceCard, card] = await Promise.all([
    read<FaceDetectorCard>(`${root}models/faces/card.json`),
    read<DetectorCard>(`${root}models/detector/card.json`),
  ]);
  const network = async (path: string): ReturnType<typeof openNetwork> =>
    openNetwork(new Uint8Array(await (await get(`${root}models/${path}`)).arrayBuffer()));
  // One after the other: onnxruntime-web opens its WASM with the first.
  const faceNetwork = await network('faces/model.onnx');
  const preprocess = await network('detector/preprocess.onnx');
  const infos = [info(faceCard, 'face_detector'), info(card, 'edge')];
  return {
    models: {
      faceCard,
      faceNetwork,
      card,
      preprocess,
      network: await network('detector/model.onnx'),
    },
    infos,
    state: {
      backend: 'wasm',
      models: infos,
      delivered: false,
      rejected: null,
      thresholds: { real: card.decision.real.threshold, fake: card.decision.fake.threshold },
    },
  };
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

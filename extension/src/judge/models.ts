/** The bundles that ship, opened. */

import type { Models } from '../core/pipeline';
import { openNetwork, useWasmAt } from '../runtime/ort';
import type { DetectorCard, FaceDetectorCard } from '../types/card';
import type { ModelInfo } from '../types/verdict';

export interface Opened {
  readonly models: Models;
  readonly infos: ModelInfo[];
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
  return {
    models: {
      faceCard,
      faceNetwork,
      card,
      preprocess,
      network: await network('detector/model.onnx'),
    },
    infos: [info(faceCard, 'face_detector'), info(card, 'edge')],
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

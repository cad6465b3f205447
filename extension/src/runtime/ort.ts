/**
 * Networks on onnxruntime-web. In Chromium its build for JSPI, which runs graphs on the GPU as well,
 * is put in place of the plain one (wxt.config.ts).
 */

import * as ort from 'onnxruntime-web/wasm';
import type { Network, Tensor } from '../core/network';

/** What runs a network. */
export type Backend = 'wasm' | 'webgpu';

/** Where the WASM and its glue lie, by their names in the package of this extension. */
export function useWasmAt(folder: string): void {
  ort.env.wasm.wasmPaths = { mjs: `${folder}ort.mjs`, wasm: `${folder}ort.wasm` };
}

/** A network from the bytes of an ONNX graph; WASM runs it on one thread. */
export async function openNetwork(graph: Uint8Array, on: Backend = 'wasm'): Promise<Network> {
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(graph, { executionProviders: [on] });
  return {
    async run(inputs) {
      const feeds = Object.fromEntries(
        Object.entries(inputs).map(([name, { data, dims }]) => [
          name,
          new ort.Tensor(data instanceof Uint8Array ? 'uint8' : 'float32', data, [...dims]),
        ]),
      );
      const results = await session.run(feeds);
      return Object.fromEntries(
        Object.entries(results).map(([name, tensor]): [string, Tensor] => [
          name,
          { data: tensor.data as Float32Array, dims: tensor.dims },
        ]),
      );
    },
  };
}

/**
 * Whether there is a GPU that runs networks: one in hardware, since WASM is faster than a software
 * one.
 */
export async function hasGpu(): Promise<boolean> {
  if (import.meta.env.FIREFOX || !('gpu' in navigator)) return false;
  try {
    const adapter = await (navigator.gpu as Gpu | undefined)?.requestAdapter();
    return adapter?.info.isFallbackAdapter === false;
  } catch {
    return false;
  }
}

/** The little of WebGPU that is asked here; TypeScript does not know it yet. */
interface Gpu {
  requestAdapter(): Promise<{ readonly info: { readonly isFallbackAdapter: boolean } } | null>;
}

/** Networks on onnxruntime-web. */

import * as ort from 'onnxruntime-web/wasm';
import type { Network, Tensor } from '../core/network';

/** Where the WASM and its glue lie: an address that ends with a slash. */
export function useWasmAt(folder: string): void {
  ort.env.wasm.wasmPaths = {
    mjs: `${folder}ort-wasm-simd-threaded.mjs`,
    wasm: `${folder}ort-wasm-simd-threaded.wasm`,
  };
}

/** A network from the bytes of an ONNX graph, in WASM on one thread. */
export async function openNetwork(graph: Uint8Array): Promise<Network> {
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create(graph, { executionProviders: ['wasm'] });
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

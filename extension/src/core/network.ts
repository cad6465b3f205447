/** What the pipeline needs of a neural network; `onnxruntime-web` in the browser, anything in tests. */

export interface Tensor {
  readonly data: Float32Array | Uint8Array;
  readonly dims: readonly number[];
}

export interface Network {
  /** Each output by name for the inputs by name. */
  run(inputs: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
}

/** The numbers of a float32 output. Throws where the graph has none of that name and type. */
export function floats(outputs: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const data = outputs[name]?.data;
  if (!(data instanceof Float32Array)) throw new Error(`the model gives no float32 ${name}`);
  return data;
}

/** Networks that run in WASM, and on the GPU where that has shown to give the same, sooner. */

import type { Network, Tensor } from '../core/network';
import { type Backend, openNetwork } from './ort';

/** What a network is tried with. */
export type Inputs = Readonly<Record<string, Tensor>>;

/** Between the numbers of both, up to 1, and relative above. */
const TOLERANCE = 1e-2;

export class Accelerated implements Network {
  readonly #wasm: Network;
  #openOnGpu: (() => Promise<Network>) | undefined;
  #gpu: Network | undefined;

  /** `openOnGpu` is called once or never. */
  constructor(wasm: Network, openOnGpu: () => Promise<Network>) {
    this.#wasm = wasm;
    this.#openOnGpu = openOnGpu;
  }

  /** A network from the bytes of an ONNX graph. */
  static async open(graph: Uint8Array): Promise<Accelerated> {
    return new Accelerated(await openNetwork(graph), () => openNetwork(graph, 'webgpu'));
  }

  get backend(): Backend {
    return this.#gpu === undefined ? 'wasm' : 'webgpu';
  }

  async run(inputs: Inputs): Promise<Record<string, Tensor>> {
    if (this.#gpu !== undefined) {
      try {
        return await this.#gpu.run(inputs);
      } catch (error) {
        // A GPU can go at any time: its driver is renewed, or the laptop undocked.
        console.warn('the GPU is lost:', error);
        this.#gpu = undefined;
      }
    }
    return this.#wasm.run(inputs);
  }

  /** Stay in WASM, and let go of what the GPU would need. */
  stay(): void {
    this.#openOnGpu = undefined;
  }

  /** Run on the GPU from now on, if it gives what WASM gives for all `trials`, and no later. */
  async accelerate(trials: readonly Inputs[]): Promise<void> {
    const open = this.#openOnGpu;
    this.stay();
    if (open === undefined) return;
    try {
      const gpu = await open();
      if (await isAsGood(gpu, this.#wasm, trials)) this.#gpu = gpu;
    } catch (error) {
      console.warn('the GPU does not run this network:', error);
    }
  }
}

async function isAsGood(gpu: Network, wasm: Network, trials: readonly Inputs[]): Promise<boolean> {
  let gain = 0;
  for (const trial of trials) {
    await gpu.run(trial); // compiles what this shape needs
    const started = performance.now();
    const said = await gpu.run(trial);
    const halfway = performance.now();
    const expected = await wasm.run(trial);
    gain += performance.now() - halfway - (halfway - started);
    if (!agree(said, expected)) {
      console.warn('the GPU gives other numbers than WASM');
      return false;
    }
  }
  return gain >= 0;
}

/** Whether all numbers of both are there and alike. */
function agree(said: Record<string, Tensor>, expected: Record<string, Tensor>): boolean {
  return Object.entries(expected).every(([name, { data }]) => {
    const other = said[name]?.data;
    return (
      other?.length === data.length &&
      data.every((value, i) => {
        // Also when it is no number.
        return Math.abs(value - other[i]!) <= TOLERANCE * Math.max(1, Math.abs(value));
      })
    );
  });
}

/** Made pictures as a network takes them: waves of several lengths, `batch` of them, in each trial. */
export function trials(
  { name, width, height }: { name: string; width: number; height: number },
  batches: readonly number[],
): Inputs[] {
  return batches.map((batch, n) => {
    const data = Float32Array.from({ length: batch * 3 * height * width }, (_, i) => {
      const [x, y] = [i % width, Math.floor(i / width)];
      return 2 * Math.sin(x / (3 + 5 * n)) * Math.cos(y / (7 + 3 * n));
    });
    return { [name]: { data, dims: [batch, 3, height, width] } };
  });
}

/** When a network moves to the GPU, and when it comes back. */

import { beforeEach, expect, test, vi } from 'vitest';
import type { Network, Tensor } from '../../src/core/network';
import { Accelerated, trials } from '../../src/runtime/accelerated';

const TRIALS = trials({ name: 'input', width: 4, height: 4 }, [1, 2]);

/** Gives the sum of its input and some error, after some milliseconds. */
function summing(error: number, milliseconds: number): Network & { runs: number } {
  return {
    runs: 0,
    async run({ input }) {
      this.runs += 1;
      await new Promise((done) => setTimeout(done, milliseconds));
      const sum = (input!.data as Float32Array).reduce((total, value) => total + value, error);
      return { logit: { data: Float32Array.of(sum), dims: [1] } satisfies Tensor };
    },
  };
}

async function accelerated(gpu: () => Promise<Network>): Promise<Accelerated> {
  const network = new Accelerated(summing(0, 20), gpu);
  const done = network.accelerate(TRIALS);
  await vi.runAllTimersAsync();
  await done;
  return network;
}

async function run(network: Network): Promise<Record<string, Tensor>> {
  const answer = network.run(TRIALS[0]!);
  await vi.runAllTimersAsync();
  return answer;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(console, 'warn').mockReturnValue();
});

test('a network runs in WASM until it is accelerated', async () => {
  const network = new Accelerated(summing(0, 0), () => Promise.reject(new Error('not asked')));
  await run(network);
  expect(network.backend).toBe('wasm');
});

test('a GPU that gives the same sooner is used from then on', async () => {
  const gpu = summing(0.009, 0);
  const network = await accelerated(() => Promise.resolve(gpu));
  expect(network.backend).toBe('webgpu');
  const before = gpu.runs;
  await run(network);
  expect(gpu.runs).toBe(before + 1);
});

test.each([
  ['gives other numbers', () => Promise.resolve(summing(0.5, 0))],
  ['gives no numbers', () => Promise.resolve(summing(NaN, 0))],
  ['takes longer', () => Promise.resolve(summing(0, 60))],
  ['does not open', () => Promise.reject(new Error('no adapter'))],
])('a GPU that %s is not used', async (_, gpu) => {
  expect((await accelerated(gpu)).backend).toBe('wasm');
});

test('a GPU that is lost gives way to WASM, and the answer still comes', async () => {
  const gpu = summing(0, 0);
  const network = await accelerated(() => Promise.resolve(gpu));
  gpu.run = () => Promise.reject(new Error('device lost'));
  const answer = await run(network);
  expect(answer['logit']!.data.length).toBe(1);
  expect(network.backend).toBe('wasm');
});

test('a network that stays does not open on the GPU any more', async () => {
  const opened = vi.fn<() => Promise<Network>>();
  const network = new Accelerated(summing(0, 0), opened);
  network.stay();
  await network.accelerate(TRIALS);
  expect(opened).not.toHaveBeenCalled();
});

// Times one graph in onnxruntime-web's WASM backend on one thread:
// node web.mjs FOLDER_WITH_NODE_MODULES MODEL INPUT_NAME DIMS SECONDS
// prints a JSON list of milliseconds, one a run. The input is seeded noise.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [folder, model, name, shape, seconds] = process.argv.slice(2);
const ort = createRequire(pathToFileURL(`${folder}/`))('onnxruntime-web');
ort.env.wasm.numThreads = 1;

const dims = shape.split(',').map(Number);
const noise = new Float32Array(dims.reduce((product, side) => product * side, 1));
let state = 20261121;
for (let index = 0; index < noise.length; index++) {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  noise[index] = (state / 2 ** 31 - 1) * 2;
}
const session = await ort.InferenceSession.create(await readFile(model), {
  executionProviders: ['wasm'],
});
const feeds = { [name]: new ort.Tensor('float32', noise, dims) };
const warm = performance.now() + 1000; // the engine compiles the hot code anew meanwhile
while (performance.now() < warm) await session.run(feeds);

const times = [];
const end = performance.now() + Number(seconds) * 1000;
while (performance.now() < end) {
  const before = performance.now();
  await session.run(feeds);
  times.push(performance.now() - before);
}
await session.release();
console.log(JSON.stringify(times));

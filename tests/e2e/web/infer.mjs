// Runs one graph in onnxruntime-web's WASM backend: node infer.mjs JOB.json
//
// JOB.json: { "model": FILE, "runs": [{ "inputs": { NAME: { "type", "dims", "file" } }, "out": PREFIX }] }
// Tensors are files of plain little-endian numbers; each output goes to PREFIX.NAME.bin, and their
// shapes are printed as JSON, one object a run.
import { readFile, writeFile } from 'node:fs/promises';
import * as ort from 'onnxruntime-web';

const ARRAYS = { float32: Float32Array, uint8: Uint8Array };

ort.env.wasm.numThreads = 1;

const job = JSON.parse(await readFile(process.argv[2], 'utf8'));
const session = await ort.InferenceSession.create(await readFile(job.model), {
  executionProviders: ['wasm'],
});
const shapes = [];
for (const run of job.runs) {
  const feeds = {};
  for (const [name, tensor] of Object.entries(run.inputs)) {
    feeds[name] = new ort.Tensor(tensor.type, await readNumbers(tensor), tensor.dims);
  }
  const results = await session.run(feeds);
  const dims = {};
  for (const [name, tensor] of Object.entries(results)) {
    const { buffer, byteOffset, byteLength } = tensor.data;
    await writeFile(`${run.out}.${name}.bin`, new Uint8Array(buffer, byteOffset, byteLength));
    dims[name] = tensor.dims;
  }
  shapes.push(dims);
}
await session.release();
console.log(JSON.stringify(shapes));

async function readNumbers({ type, file }) {
  const bytes = await readFile(file);
  // A copy, since Node may hand out a part of a larger buffer that starts anywhere.
  return new ARRAYS[type](new Uint8Array(bytes).buffer);
}

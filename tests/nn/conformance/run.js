// SPDX-License-Identifier: Apache-2.0
// node run.js MODULES < cases.json > answers.json: each network in onnxruntime-web on the CPU. An answer is a list of
// numbers, or the sentence with which the runtime refused.
const path = require('path');
const ort = require(path.join(process.argv[2], 'onnxruntime-web'));

ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'fatal';

async function answer(entry) {
  try {
    const session = await ort.InferenceSession.create(Buffer.from(entry.model, 'base64'), {
      executionProviders: ['wasm'], graphOptimizationLevel: 'disabled'});
    const x = new ort.Tensor('float32', Float32Array.from(entry.x), entry.shape);
    const result = (await session.run({x})).y;
    return Array.from(result.data, Number);
  } catch (refused) {
    return String(refused.message || refused).slice(0, 300);
  }
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const answers = [];
  for (const entry of JSON.parse(Buffer.concat(chunks))) answers.push(await answer(entry));
  process.stdout.write(JSON.stringify(answers));
}

main();

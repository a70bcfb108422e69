// SPDX-License-Identifier: Apache-2.0
// Files of the WebAssembly client are the native client's, byte for byte where both have the same randomness; and each
// reads what the other made: wasm's keys and images through the native server, its answer to both.
//   node twin_test.mjs SOURCE DATA BUILD web_twin
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [source, data, build, twin] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "obscura-web-"));
const file = (name) => join(folder, name);
const run = (...args) => execFileSync(join(build, "obscura"), args, { encoding: "utf8", env: { ...process.env, OBSCURA_DATA: data } });

/** The twin's randomness, in place of the platform's. */
function seedRandomness() {
  let state = 1;
  const crypto = {
    getRandomValues(out) {
      for (let i = 0; i < out.length; ++i) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        out[i] = state >>> 24;
      }
      return out;
    },
  };
  const before = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  Object.defineProperty(globalThis, "crypto", { value: crypto, configurable: true });
  return () => Object.defineProperty(globalThis, "crypto", before);
}

function pixelsOf(image) {
  return readFileSync(join(data, "mnist", "t10k-images-idx3-ubyte")).subarray(16 + 784 * image, 16 + 784 * (image + 1));
}
const valuesOf = (pixels) => Float32Array.from(pixels, (pixel) => Math.fround(pixel) / 255);

function same(name, bytes) {
  const native = readFileSync(file(name));
  assert.equal(bytes.length, native.length, `${name}: length`);
  assert.equal(Buffer.compare(Buffer.from(bytes), native), 0, `${name}: bytes differ`);
}

try {
  const { Obscura, ObscuraError } = await import(join(source, "web/dist/index.js"));
  run("compile", join(source, "models/mnist-square.onnx"), "--batch", "1", "--calibrate", "mnist", "-o", file("plan"));
  run("offer", file("plan"), "-o", file("offer"));
  const pixels = pixelsOf(0);
  writeFileSync(file("pixels"), pixels);
  execFileSync(twin, [file("offer"), file("pixels"), folder]);

  const obscura = await Obscura.load();
  const offer = obscura.readOffer(readFileSync(file("offer")));
  const restore = seedRandomness();
  const client = offer.generate();
  same("secret", client.secret());
  const keys = Buffer.concat([...client.keys()]);
  same("eval", keys);
  assert.equal(keys.length, offer.facts.keyBytes, "the bytes of keys that were announced");
  const request = client.encrypt(valuesOf(pixels));
  same("images", request.bytes);
  restore();
  console.log(`secret, ${keys.length} bytes of keys and ${request.bytes.length} of images are the native ones`);

  // Of wasm: keys and images; of the native server: the answer; read by both.
  writeFileSync(file("wasm-eval"), keys);
  writeFileSync(file("wasm-images"), request.bytes);
  run("run", file("plan"), file("wasm-images"), "--eval", file("wasm-eval"), "-o", file("answer"));
  const answer = client.decrypt(readFileSync(file("answer")), request);
  assert.deepEqual(answer.labels, [[7]], "the label of the first test image");
  const json = JSON.parse(run("decrypt", file("offer"), file("answer"), "--secret", file("secret"), "--json"));
  assert.deepEqual(json.labels, [7]);
  json.probabilities[0].forEach((p, k) => assert.ok(Math.abs(p - answer.probabilities[0][k]) <= 1e-8 * p, `class ${k}`));

  // Of the native client: the secret; read by wasm.
  const opened = offer.open(readFileSync(file("secret")));
  assert.deepEqual(opened.decrypt(readFileSync(file("answer"))).logits, answer.logits);
  assert.equal(opened.keyId, client.keyId);

  // Networks that bootstrap are read, and known to be too large for a tab.
  execFileSync(twin, [file("offer"), file("large")]);
  const large = obscura.readOffer(readFileSync(file("large")));
  assert.ok(large.facts.bootstraps);
  assert.ok(large.facts.keyBytes > 1e9, `${large.facts.keyBytes} bytes of keys`);
  large.free();

  // What does not belong together is refused with a sentence.
  const refused = (code, sentence, body) =>
    assert.throws(body, (error) => error instanceof ObscuraError && error.code === code && sentence.test(error.message));
  const stranger = offer.generate();
  refused("wrong_params", /but this is key/, () => stranger.decrypt(readFileSync(file("answer"))));
  const damaged = readFileSync(file("offer"));
  damaged[100] ^= 1;
  refused("bad_format", /damaged/, () => obscura.readOffer(damaged));
  refused("bad_format", /truncated/, () => obscura.readOffer(damaged.subarray(0, 200)));
  refused("wrong_params", /not one or more images/, () => client.encrypt(new Float32Array(783)));
  refused("bad_format", /not a file of Obscura/, () => offer.open(new Uint8Array(100)));
  const long = readFileSync(file("offer"));
  long.writeBigUInt64LE(0x1_0000_0000n + long.readBigUInt64LE(12), 12); // 2^32 more than it has
  refused("bad_format", /payload of \d{10} bytes/, () => obscura.readOffer(long));
} finally {
  rmSync(folder, { recursive: true });
}
console.log("both clients read each other's files");

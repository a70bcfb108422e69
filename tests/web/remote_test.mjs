// SPDX-License-Identifier: Apache-2.0
// The package's client of a service under Node.js: a key that is made once, jobs with progress, uploads that break off,
// stopping, tokens, and what a server refuses.
//   node remote_test.mjs SOURCE DATA BUILD
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { World } from "./browser.mjs";

const [source, data, build] = process.argv.slice(2);
const { MemoryStore, Obscura, ObscuraError, RemoteClient, SealedStore } = await import(join(source, "web/dist/index.js"));
const world = new World(source, data, build);
const digits = (...images) => Float32Array.from(images.flatMap((k) => [...world.digit(k)]), (pixel) => Math.fround(pixel) / 255);
const fails = (code, sentence, promise) =>
  assert.rejects(promise, (error) => {
    assert.ok(error instanceof ObscuraError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, sentence);
    return true;
  });

/** fetch, changed for as long as `body` takes. */
const fetched = globalThis.fetch;
async function withFetch(changed, body) {
  globalThis.fetch = changed;
  try {
    return await body();
  } finally {
    globalThis.fetch = fetched;
  }
}

/** No patience: what is asked becomes a job. */
const asJob = (url, init) => {
  if (init?.headers?.get?.("prefer")) init.headers.set("prefer", "respond-async");
  return fetched(url, init);
};

async function once(obscura, url) {
  const store = new MemoryStore();
  const phases = new Set();
  const options = { store, progress: (phase) => phases.add(phase) };
  const first = await RemoteClient.connect(obscura, url, "mnist-square", options);
  assert.ok(first.madeKey);
  const answer = await first.classify(digits(0, 1, 2));
  assert.deepEqual(answer.labels, [[7], [2], [1]]);
  assert.equal(answer.trace.keyBytes, first.facts.keyBytes);
  phases.delete("compute"); // told where the server takes longer than a client waits
  assert.deepEqual([...phases].sort(), ["decrypt", "encrypt", "keys", "offer", "send"]);
  const again = await RemoteClient.connect(obscura, url, "mnist-square", { store });
  assert.ok(!again.madeKey);
  assert.equal((await again.classify(digits(3))).trace.keyBytes, 0);
  first.free();
  await again.forget();
  assert.equal(await store.get(again.facts.keysName), undefined);
  again.free();
  const fresh = await RemoteClient.connect(obscura, url, "mnist-square", { store });
  assert.ok(fresh.madeKey);
  return fresh;
}

async function jobs(client) {
  const answer = await withFetch(asJob, () => client.classify(digits(4)));
  assert.deepEqual(answer.labels, [[4]]);
  const stopper = new AbortController();
  const stopping = withFetch(
    (url, init) => {
      if (String(url).endsWith("/events")) stopper.abort();
      return asJob(url, init);
    },
    () => client.classify(digits(...Array(20).keys()), stopper.signal),
  );
  await fails("cancelled", /stopped/, stopping);
}

/** Each piece's first answer is lost: once after it arrived, once before. */
async function brokenUpload(obscura, url) {
  let puts = 0;
  const broken = async (target, init) => {
    if (init?.method !== "PUT" || ++puts % 3 === 0) return fetched(target, init);
    if (puts % 3 === 1) throw new TypeError("the connection broke off");
    await (await fetched(target, init)).arrayBuffer();
    throw new TypeError("the answer was lost");
  };
  const client = await RemoteClient.connect(obscura, url, "mnist-square");
  const answer = await withFetch(broken, () => client.classify(digits(0)));
  assert.deepEqual(answer.labels, [[7]]);
  assert.ok(puts >= 9, `${puts} uploads`);
  client.free();
}

/** A key that lies unsealed is sealed with the first passphrase, and opened by that alone. */
async function sealed(obscura, url) {
  const inner = new MemoryStore();
  const connect = (passphrase) =>
    RemoteClient.connect(obscura, url, "mnist-square", { store: new SealedStore(inner, passphrase) });
  const plain = await connect();
  assert.deepEqual((await plain.classify(digits(0))).labels, [[7]]);
  const name = plain.facts.keysName;
  const secret = await inner.get(name);
  const client = await connect("correct horse");
  assert.ok(!client.madeKey);
  const kept = Buffer.from(await inner.get(name));
  assert.ok(!kept.includes(Buffer.from(secret.subarray(64))), "what is kept shows the key");
  assert.equal((await client.classify(digits(1))).trace.keyBytes, 0);
  await fails("sealed", /passphrase/, connect());
  await fails("sealed", /does not open/, connect("another"));
  await inner.put("another name", kept);
  await fails("sealed", /does not open/, new SealedStore(inner, "correct horse").get("another name"));
  assert.deepEqual(Buffer.from(await new SealedStore(inner, "correct horse").get(name)), Buffer.from(secret));
  await client.forget();
  const fresh = await connect("correct horse");
  assert.ok(fresh.madeKey);
  await fails("sealed", /passphrase/, connect());
  for (const one of [plain, client, fresh]) one.free();
}

async function refusals(obscura, url) {
  await fails("missing_key", /404/, RemoteClient.connect(obscura, url, "no-such-model"));
  await fails("io", /does not answer/, RemoteClient.connect(obscura, "http://127.0.0.1:9", "mnist-square"));
  await fails("infeasible", /29 MB of keys/, RemoteClient.connect(obscura, url, "mnist-square", { maxKeyBytes: 1e6 }));
  const client = await RemoteClient.connect(obscura, url, "mnist-square");
  await fails("wrong_params", /not one or more images/, client.classify(new Float32Array(10)));
  client.free();
}

async function tokens(obscura) {
  await world.stopServer();
  writeFileSync(join(world.folder, "plans", "server.toml"), "[tenants]\ntokens = true\n");
  const url = await world.serve();
  const plans = join(world.folder, "plans");
  const token = execFileSync(join(build, "obscura-server"), ["token", "add", plans, "alice"], { encoding: "utf8" }).trim();
  await fails("wrong_params", /401.*token/, RemoteClient.connect(obscura, url, "mnist-square"));
  const client = await RemoteClient.connect(obscura, url, "mnist-square", { token });
  assert.deepEqual((await client.classify(digits(0))).labels, [[7]]);
  client.free();
}

try {
  world.compile("mnist-square", "mnist");
  const url = await world.serve();
  const obscura = await Obscura.load();
  const client = await once(obscura, url);
  await jobs(client);
  await brokenUpload(obscura, url);
  await sealed(obscura, url);
  await refusals(obscura, url);
  await tokens(obscura);
  console.log("the package speaks the service's protocol");
} finally {
  await world.end();
}

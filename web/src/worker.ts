// SPDX-License-Identifier: Apache-2.0
/** The worker of WorkerClient: WebAssembly runs here, so that the page stays alive. The secret key is in no message. */
import { Obscura } from "./client.js";
import { ObscuraError } from "./errors.js";
import type { Ask, Told } from "./messages.js";
import { RemoteClient, type Phase } from "./remote.js";
import { SealedStore } from "./sealed.js";
import { IndexedDbStore } from "./store.js";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
const tell = (told: Told): void => scope.postMessage(told);

let obscura: Promise<Obscura> | undefined;
let remote: RemoteClient | undefined;
let stopper = new AbortController();
let current = 0;

/** The same phase is told of no more often: a page that gets thousands of messages lags behind its worker by seconds. */
const kTellEveryMs = 50;
let told: { phase: Phase; at: number } | undefined;

function tellProgress(phase: Phase, done: number, total: number): void {
  const now = performance.now();
  if (done < total && told?.phase === phase && now - told.at < kTellEveryMs) return;
  told = { phase, at: now };
  tell({ id: current, progress: [phase, done, total] });
}

async function perform(ask: Ask): Promise<void> {
  if (ask.do === "stop") {
    stopper.abort();
    return;
  }
  stopper = new AbortController();
  current = ask.id;
  if (ask.do === "connect") {
    obscura ??= Obscura.load();
    remote?.free();
    remote = undefined;
    remote = await RemoteClient.connect(await obscura, ask.url, ask.model, {
      token: ask.token,
      maxKeyBytes: ask.maxKeyBytes,
      store: new SealedStore(new IndexedDbStore(), ask.passphrase),
      progress: tellProgress,
    });
    tell({ id: ask.id, connected: { facts: remote.facts, madeKey: remote.madeKey } });
    return;
  }
  if (!remote) throw new ObscuraError("wrong_params", `${ask.do} comes after connect`);
  if (ask.do === "forget") {
    await remote.forget();
    tell({ id: ask.id, forgot: true });
    return;
  }
  const classified = await remote.classify(ask.images, stopper.signal);
  tell({ id: ask.id, classified, memoryBytes: remote.memoryBytes });
}

scope.onmessage = (event: MessageEvent<Ask>) => {
  const ask = event.data;
  perform(ask).catch((error: unknown) => {
    const known = error instanceof ObscuraError ? error : new ObscuraError("internal", String(error));
    tell({ id: ask.id, error: { code: known.code, message: known.message, status: known.status } });
  });
};

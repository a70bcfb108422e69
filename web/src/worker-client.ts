// SPDX-License-Identifier: Apache-2.0
/** RemoteClient in a Web Worker: keys take a second or more, in which a page has to stay alive. */
import { ObscuraError } from "./errors.js";
import type { Ask, Connected, Told } from "./messages.js";
import type { Classified, Phase } from "./remote.js";

export interface WorkerOptions {
  token?: string;
  maxKeyBytes?: number;
  /** Seals the secret key in the browser's storage, also one that lies there unsealed (SealedStore). */
  passphrase?: string;
  progress?: (phase: Phase, done: number, total: number) => void;
}

type Wanted = { resolve: (told: Told) => void; reject: (error: ObscuraError) => void };
type Without<T> = T extends unknown ? Omit<T, "id"> : never;

/** The secret key is kept in IndexedDB, by the worker. One call at a time. */
export class WorkerClient {
  private readonly worker: Worker;
  private readonly wanted = new Map<number, Wanted>();
  private last = 0;
  private progress: WorkerOptions["progress"];
  /** Bytes of WebAssembly's memory after the last classification. */
  memoryBytes = 0;

  constructor() {
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = (event: MessageEvent<Told>) => this.take(event.data);
    this.worker.onerror = (event) => {
      for (const one of this.wanted.values()) {
        one.reject(new ObscuraError("internal", `the worker ended: ${event.message ?? "no reason given"}`));
      }
      this.wanted.clear();
    };
  }

  /** As RemoteClient.connect. */
  async connect(url: string, model: string, options: WorkerOptions = {}): Promise<Connected> {
    this.progress = options.progress;
    const told = await this.ask({
      do: "connect",
      url,
      model,
      token: options.token,
      maxKeyBytes: options.maxKeyBytes,
      passphrase: options.passphrase,
    });
    if (!("connected" in told)) throw new ObscuraError("internal", "the worker told something else");
    return told.connected;
  }

  /** As RemoteClient.classify. */
  async classify(images: Float32Array, signal?: AbortSignal): Promise<Classified> {
    const stop = (): void => this.worker.postMessage({ id: 0, do: "stop" } satisfies Ask);
    signal?.addEventListener("abort", stop, { once: true });
    try {
      const told = await this.ask({ do: "classify", images });
      if (!("classified" in told)) throw new ObscuraError("internal", "the worker told something else");
      this.memoryBytes = told.memoryBytes;
      return told.classified;
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }

  /** As RemoteClient.forget. */
  async forget(): Promise<void> {
    await this.ask({ do: "forget" });
  }

  /** Ends the worker, and all of its memory with it. */
  close(): void {
    this.worker.terminate();
  }

  private ask(what: Without<Ask>): Promise<Told> {
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.wanted.set(id, { resolve, reject });
      this.worker.postMessage({ id, ...what });
    });
  }

  private take(told: Told): void {
    if ("progress" in told) {
      this.progress?.(...told.progress);
      return;
    }
    const wanted = this.wanted.get(told.id);
    this.wanted.delete(told.id);
    if ("error" in told) {
      wanted?.reject(new ObscuraError(told.error.code, told.error.message, told.error.status));
    } else {
      wanted?.resolve(told);
    }
  }
}

// SPDX-License-Identifier: Apache-2.0
/** The client of a service (`obscura-server serve`): from images to labels over HTTP, by one call. */
import { Client, Obscura, refuseLargeKeys, type Answer, type OfferFacts, type Request } from "./client.js";
import { ObscuraError, throwIfStopped, type Code } from "./errors.js";
import { MemoryStore, type SecretStore } from "./store.js";

/** What is done: keys are sent as they are made, so that their progress is one. */
export type Phase = "offer" | "keys" | "encrypt" | "send" | "compute" | "decrypt";

export interface RemoteOptions {
  /** Of servers that want one. */
  token?: string;
  /** Where the secret key stays; it never leaves this side. */
  store?: SecretStore;
  /** Bytes of evaluation keys that an offer may ask for. */
  maxKeyBytes?: number;
  progress?: (phase: Phase, done: number, total: number) => void;
}

/** What a classification took, and what the server saw of it. */
export interface Trace {
  /** 0 where the server had the keys. */
  keyBytes: number;
  requestBytes: number;
  answerBytes: number;
  /** Milliseconds. */
  keys: number;
  encrypt: number;
  server: number;
  decrypt: number;
  /** The first bytes of the encrypted images, as they were sent. */
  seen: Uint8Array;
}

export interface Classified extends Answer {
  trace: Trace;
}

const kDefaultMaxKeys = 600_000_000;
const kPieceBytes = 4 << 20;
const kTries = 5;
const kPauseMs = 1000;
const kSeenBytes = 4096;
/** What the server does not compute in this time becomes a job, whose progress it tells. */
const kPatience = "respond-async, wait=2";
const kHeadLength = "inference-header-content-length";

const now = (): number => performance.now();
const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The one tensor of an answer. */
function tensorOf(bytes: Uint8Array, headBytes: number): Uint8Array {
  const start = headBytes + 4;
  if (!(headBytes > 0) || bytes.length < start) {
    throw new ObscuraError("bad_format", "the server's answer is none of the Open Inference Protocol");
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset + headBytes, 4).getUint32(0, true);
  if (bytes.length !== start + length) throw new ObscuraError("io", "the server's answer breaks off");
  return bytes.subarray(start);
}

/** A model of a server, and this client's key for it. One call at a time. */
export class RemoteClient {
  private constructor(
    private readonly obscura: Obscura,
    private readonly url: string,
    private readonly model: string,
    private readonly options: RemoteOptions,
    private readonly client: Client,
    private readonly store: SecretStore,
    /** Whether connect() made the key. */
    readonly madeKey: boolean,
  ) {}

  /**
   * Fetches the model's offer. The key for its parameters is that of the store, or is made now and kept there.
   * @throws ObscuraError "io": no connection; "missing_key": no such model; "wrong_params": no token, or not a valid one;
   *   "infeasible": more than maxKeyBytes of keys
   */
  static async connect(obscura: Obscura, url: string, model: string, options: RemoteOptions = {}): Promise<RemoteClient> {
    const base = url.replace(/\/+$/, "");
    options.progress?.("offer", 0, 1);
    const answer = await call(`${base}/v2/models/${encodeURIComponent(model)}/offer`, {}, options, [200]);
    const offer = obscura.readOffer(new Uint8Array(await answer.arrayBuffer()));
    options.progress?.("offer", 1, 1);
    try {
      refuseLargeKeys(offer.facts, options.maxKeyBytes ?? kDefaultMaxKeys);
      const store = options.store ?? new MemoryStore();
      const kept = await store.get(offer.facts.keysName);
      const client = kept ? offer.open(kept) : offer.generate();
      kept?.fill(0);
      if (!kept) {
        const secret = client.secret();
        await store.put(offer.facts.keysName, secret);
        secret.fill(0);
      }
      return new RemoteClient(obscura, base, model, options, client, store, !kept);
    } catch (error) {
      offer.free();
      throw error;
    }
  }

  get facts(): OfferFacts {
    return this.client.offer.facts;
  }

  /** Bytes that WebAssembly's memory takes. */
  get memoryBytes(): number {
    return this.obscura.module.memoryBytes;
  }

  /**
   * Images as for Client.encrypt. Evaluation keys are sent before, where the server has none of this client.
   * @param signal stops the work, on the server too
   * @throws ObscuraError "wrong_params": no whole images, or an answer that is not to these; "io"; "busy": too much to do,
   *   or over a quota: later; "cancelled"; what the server says, with its status
   */
  async classify(images: Float32Array, signal?: AbortSignal): Promise<Classified> {
    const start = now();
    const keyBytes = await this.sendKeys(signal);
    const keysAt = now();
    this.options.progress?.("encrypt", 0, 1);
    const request = this.client.encrypt(images);
    const encryptedAt = now();
    this.options.progress?.("encrypt", 1, 1);
    const seen = request.bytes.slice(0, kSeenBytes);
    const requestBytes = request.bytes.length;
    let answer: Uint8Array;
    try {
      answer = await this.ask(request, signal);
    } catch (error) {
      this.client.forget(request);
      throw error;
    }
    const answeredAt = now();
    const decrypted = this.client.decrypt(answer, request);
    const end = now();
    this.options.progress?.("decrypt", 1, 1);
    const trace: Trace = {
      keyBytes,
      requestBytes,
      answerBytes: answer.length,
      keys: keysAt - start,
      encrypt: encryptedAt - keysAt,
      server: answeredAt - encryptedAt,
      decrypt: end - answeredAt,
      seen,
    };
    return { ...decrypted, trace };
  }

  /**
   * Takes the secret key out of the store, and its evaluation keys off the server. What was encrypted under it can then be
   * read by nobody; the next connect() makes another.
   * @throws ObscuraError "io": the server has the evaluation keys yet; the secret key is gone
   */
  async forget(): Promise<void> {
    await this.store.remove(this.facts.keysName);
    const gone = await call(`${this.url}/v2/keys/${this.client.keyId}`, { method: "DELETE" }, this.options, [200, 404]);
    await gone.arrayBuffer();
  }

  free(): void {
    const offer = this.client.offer;
    this.client.free();
    offer.free();
  }

  /** Makes and sends the evaluation keys where the server lacks them, a few megabytes at a time. Bytes that were sent. */
  private async sendKeys(signal?: AbortSignal): Promise<number> {
    const target = `${this.url}/v2/keys/${this.client.keyId}`;
    if (await this.serverHasKeys(target, signal)) return 0;
    const total = this.facts.keyBytes;
    this.options.progress?.("keys", 0, total);
    let first = 0;
    let waiting: Blob[] = [];
    let sending: Promise<void> = Promise.resolve();
    const flush = async (piece: Blob): Promise<void> => {
      const at = first;
      first += piece.size;
      waiting = [];
      await sending; // while this piece was made
      throwIfStopped(signal);
      sending = this.sendPiece(target, piece, at, total, signal);
      sending.catch(() => {}); // told where it is awaited
    };
    // Blobs lie outside of the tab, and Chromium sends them several times faster than arrays.
    for (const key of this.client.keysAs((bytes) => new Blob([bytes]))) {
      waiting.push(key);
      const piece = new Blob(waiting);
      if (piece.size >= kPieceBytes && first + piece.size < total) await flush(piece);
    }
    await flush(new Blob(waiting));
    await sending;
    if (first !== total) throw new ObscuraError("internal", `${first} bytes of keys were made, and ${total} announced`);
    return total;
  }

  private async serverHasKeys(target: string, signal?: AbortSignal): Promise<boolean> {
    const there = await call(target, { signal }, this.options, [200, 404]);
    await there.arrayBuffer();
    return there.status === 200;
  }

  /** A piece, again where the connection broke off. */
  private async sendPiece(
    target: string,
    piece: Blob,
    first: number,
    total: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const last = first + piece.size - 1;
    const range = `bytes ${first}-${last}/${total}`;
    for (let tries = 1; ; ++tries) {
      try {
        const headers = { "content-type": "application/octet-stream", "content-range": range };
        await call(target, { method: "PUT", headers, body: piece, signal }, this.options, [201, 202]);
        break;
      } catch (error) {
        const again = error instanceof ObscuraError && (error.code === "io" || error.status === 409);
        if (!again || tries === kTries) throw error;
        await pause(kPauseMs);
        throwIfStopped(signal);
        // The last piece may have arrived, and its answer not.
        if (last + 1 === total && (await this.serverHasKeys(target, signal))) break;
      }
    }
    this.options.progress?.("keys", last + 1, total);
  }

  private async ask(request: Request, signal?: AbortSignal): Promise<Uint8Array> {
    const bytes = request.bytes.length;
    const head = JSON.stringify({
      id: crypto.randomUUID?.() ?? "",
      parameters: { key_id: this.client.keyId },
      inputs: [
        { name: "encrypted_images", shape: [1], datatype: "BYTES", parameters: { binary_data_size: bytes + 4 } },
      ],
      outputs: [{ name: "encrypted_answer", parameters: { binary_data: true } }],
    });
    const prefix = new Uint8Array(4);
    new DataView(prefix.buffer).setUint32(0, bytes, true);
    const body = new Blob([head, prefix, request.bytes as Uint8Array<ArrayBuffer>]);
    request.bytes = new Uint8Array(0);
    this.options.progress?.("send", 0, bytes);
    const headers = { "content-type": "application/octet-stream", prefer: kPatience, [kHeadLength]: String(head.length) };
    const target = `${this.url}/v2/models/${encodeURIComponent(this.model)}/infer`;
    const told = await call(target, { method: "POST", headers, body, signal }, this.options, [200, 202]);
    this.options.progress?.("send", bytes, bytes);
    if (told.status === 200) return this.readAnswer(told);
    const job = told.headers.get("location") ?? "";
    if (!job.startsWith("/v2/jobs/")) throw new ObscuraError("bad_format", "the server made a job of no name");
    try {
      await this.follow(this.url + job, signal);
      return await this.readAnswer(await call(`${this.url + job}/result`, { signal }, this.options, [200]));
    } finally {
      // Fetched, or not wanted any more.
      void call(this.url + job, { method: "DELETE", keepalive: true }, this.options, []).catch(() => {});
    }
  }

  private async readAnswer(answer: Response): Promise<Uint8Array> {
    return tensorOf(new Uint8Array(await answer.arrayBuffer()), Number(answer.headers.get(kHeadLength) ?? 0));
  }

  /** Until the job has ended: its progress, from server-sent events. */
  private async follow(job: string, signal?: AbortSignal): Promise<void> {
    const events = await call(`${job}/events`, { signal }, this.options, [200]);
    const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const piece = await reader?.read().catch((error: unknown) => {
        throw failure(error, job);
      });
      if (!piece || piece.done) return;
      text += piece.value;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        if (!line.startsWith("data: ")) continue;
        const told = JSON.parse(line.slice(6)) as { work_done?: number; work_total?: number };
        if (told.work_total) this.options.progress?.("compute", told.work_done ?? 0, told.work_total);
      }
    }
  }
}

/** What became of a request that got no answer. */
function failure(error: unknown, url: string): ObscuraError {
  if (error instanceof ObscuraError) return error;
  if (error instanceof Error && error.name === "AbortError") return new ObscuraError("cancelled", "stopped");
  return new ObscuraError("io", `${new URL(url, globalThis.location?.href).host} does not answer: is the server running?`);
}

/** An answer of one of these statuses; of none named, any. @throws ObscuraError with what the server says */
async function call(
  url: string,
  init: RequestInit,
  options: RemoteOptions,
  expected: number[],
): Promise<Response> {
  const headers = new Headers(init.headers);
  if (options.token) headers.set("authorization", `Bearer ${options.token}`);
  let answer: Response;
  try {
    answer = await fetch(url, { ...init, headers, cache: "no-store", credentials: "omit" });
  } catch (error) {
    throw failure(error, url);
  }
  if (expected.length === 0 || expected.includes(answer.status)) return answer;
  const text = await answer.text().catch(() => "");
  let sentence = "it gave no reason";
  try {
    sentence = (JSON.parse(text) as { error?: string }).error ?? sentence;
  } catch {
    // No JSON: not of this server.
  }
  const code: Code =
    answer.status === 404 ? "missing_key" : answer.status === 429 ? "busy" : answer.status < 500 ? "wrong_params" : "io";
  throw new ObscuraError(code, `the server says ${answer.status}: ${sentence}`, answer.status);
}

// SPDX-License-Identifier: Apache-2.0
/** Keys, images in, labels out: without a network. What runs here is the library that the program `obscura` has. */
import { ObscuraError } from "./errors.js";
import { Module, type WasmSource } from "./module.js";

/** What a server says of one of its networks. */
export interface OfferFacts {
  network: string;
  /** Names the plan, in hexadecimal. */
  plan: string;
  /** Names all offers that the same keys serve. */
  keysName: string;
  channels: number;
  height: number;
  width: number;
  classes: number;
  /** None, or one a class. */
  classNames: string[];
  /** one label, several, a binary one, or plain values. */
  kind: "one" | "several" | "binary" | "values";
  /** Images that one batch of ciphertexts holds. */
  imagesAtOnce: number;
  /** The predicted standard deviation of a logit's error by encryption. */
  logitError: number;
  /** Evaluation keys, their bytes, the memory and about the seconds of one core that their making takes. */
  keys: number;
  keyBytes: number;
  keyMemory: number;
  keySeconds: number;
  /** Whether the network bootstraps: its keys are gigabytes. */
  bootstraps: boolean;
  /** Degree of the ring, and bits of the largest modulus. */
  degree: number;
  log2QP: number;
  /** Who signed the offer, in hexadecimal. */
  signer: string | null;
}

/** Of each image a row. */
export interface Answer {
  images: number;
  classes: number;
  logits: number[][];
  labels: number[][];
  probabilities: number[][];
}

/** The name of a class; its number where it has none. */
export function className(facts: OfferFacts, label: number): string {
  const names = facts.classNames;
  const at = facts.kind === "binary" && names.length === 1 ? label - 1 : label;
  return names[at] ?? String(label);
}

/** WebAssembly, loaded once and used by any number of offers and clients. */
export class Obscura {
  private constructor(readonly module: Module) {}

  /** @param wasm in place of the file beside this one: its bytes, or a compiled module */
  static async load(wasm?: WasmSource): Promise<Obscura> {
    return new Obscura(await Module.load(wasm));
  }

  /** The offer of a server. @throws ObscuraError "bad_format", "wrong_params": parameters below 128 bits of security */
  readOffer(bytes: Uint8Array): Offer {
    const { text, made } = this.module.withBytes(bytes, (at, size) => this.module.call("offer_read", at, size));
    return new Offer(this.module, made, JSON.parse(text) as OfferFacts);
  }
}

export class Offer {
  constructor(
    private readonly module: Module,
    private readonly at: number,
    readonly facts: OfferFacts,
  ) {}

  /** Numbers of one image, C*H*W. */
  get imageSize(): number {
    return this.facts.channels * this.facts.height * this.facts.width;
  }

  /** A fresh secret key. */
  generate(): Client {
    return new Client(this.module, this.module.call("client_generate", this.at).made, this);
  }

  /** The key that Client.secret gave. @throws ObscuraError "bad_format", "wrong_params": for other parameters */
  open(secret: Uint8Array): Client {
    const reply = this.module.withBytes(secret, (at, size) => this.module.call("client_load", this.at, at, size));
    return new Client(this.module, reply.made, this);
  }

  free(): void {
    this.module.free("offer", this.at);
  }
}

/** Encrypted images, for the server, and what tells their answer from others. */
export interface Request {
  bytes: Uint8Array;
  sent: number;
}

/** A secret key for one offer. free() at the end: nothing else overwrites it. */
export class Client {
  constructor(
    private readonly module: Module,
    private readonly at: number,
    readonly offer: Offer,
  ) {}

  /** The name under which a server keeps this key's evaluation keys. */
  get keyId(): string {
    return (JSON.parse(this.module.call("client_describe", this.at).text) as { key: string }).key;
  }

  /** The secret key's file, as `obscura keygen` writes it. Whoever has it decrypts everything. */
  secret(): Uint8Array {
    return this.module.call("client_secret", this.at).bytes;
  }

  /** The file of evaluation keys, for the server, piece by piece as it is made: facts.keyBytes in all. */
  *keys(): Generator<Uint8Array, void, void> {
    yield* this.keysAs((piece) => piece.slice());
  }

  /** The same, each piece as what `take` makes of it: it is WebAssembly's memory, and only as long as `take` runs. */
  *keysAs<T>(take: (piece: Uint8Array<ArrayBuffer>) => T): Generator<T, void, void> {
    for (;;) {
      const piece = this.module.read("client_next_key", [this.at], ({ bytes }) =>
        bytes.length === 0 ? undefined : { taken: take(bytes as Uint8Array<ArrayBuffer>) },
      );
      if (!piece) return;
      yield piece.taken;
    }
  }

  /**
   * @param images of C*H*W values in units of pixel / 255, 0 to 1, one after the other
   * @throws ObscuraError "wrong_params": no image, or not whole images
   */
  encrypt(images: Float32Array): Request {
    const bytes = new Uint8Array(images.buffer, images.byteOffset, images.byteLength);
    const reply = this.module.withBytes(bytes, (at) => this.module.call("client_encrypt", this.at, at, images.length));
    return { bytes: reply.bytes, sent: reply.made };
  }

  /**
   * The server's answer to a request, which ends with it; without one, to any that this key made.
   * @throws ObscuraError "bad_format"; "wrong_params": made for another plan, key or request, or values that overflowed
   */
  decrypt(answer: Uint8Array, request?: Request): Answer {
    try {
      const { text } = this.module.withBytes(answer, (at, size) =>
        this.module.call("client_decrypt", this.at, request?.sent ?? 0, at, size),
      );
      return JSON.parse(text) as Answer;
    } finally {
      if (request) this.forget(request);
    }
  }

  /** The end of a request that gets no answer. */
  forget(request: Request): void {
    if (request.sent === 0) return;
    this.module.free("sent", request.sent);
    request.sent = 0;
  }

  free(): void {
    this.module.free("client", this.at);
  }
}

/** @throws ObscuraError "infeasible" where an offer's keys are too large for a tab */
export function refuseLargeKeys(facts: OfferFacts, allowed: number): void {
  if (facts.keyBytes <= allowed) return;
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  throw new ObscuraError(
    "infeasible",
    `${facts.network} asks for ${megabytes(facts.keyBytes)} of keys, which take ${megabytes(facts.keyMemory)} of memory ` +
      `and about ${facts.keySeconds.toFixed(0)} s or more to make; ${megabytes(allowed)} are allowed here: ` +
      `use the program (obscura classify --server), or a smaller network`,
  );
}

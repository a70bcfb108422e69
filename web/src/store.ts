// SPDX-License-Identifier: Apache-2.0
/** Where secret keys stay between visits. They go nowhere else. */
import { ObscuraError } from "./errors.js";

export interface SecretStore {
  /** Of OfferFacts.keysName. */
  get(name: string): Promise<Uint8Array | undefined>;
  put(name: string, secret: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
}

/** Gone with the page, or the process. */
export class MemoryStore implements SecretStore {
  private readonly secrets = new Map<string, Uint8Array>();
  async get(name: string): Promise<Uint8Array | undefined> {
    return this.secrets.get(name)?.slice();
  }
  async put(name: string, secret: Uint8Array): Promise<void> {
    this.secrets.set(name, secret.slice());
  }
  async remove(name: string): Promise<void> {
    this.secrets.get(name)?.fill(0);
    this.secrets.delete(name);
  }
}

const kStore = "secrets";

function settle<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () =>
      reject(new ObscuraError("io", `the browser's storage: ${request.error?.message ?? "no reason given"}`));
  });
}

/**
 * IndexedDB of the page's origin: readable by its scripts and by who has the browser's profile, as it is put there
 * (SealedStore).
 */
export class IndexedDbStore implements SecretStore {
  private database: Promise<IDBDatabase> | undefined;
  constructor(private readonly name = "obscura") {}

  async get(name: string): Promise<Uint8Array | undefined> {
    return (await this.use("readonly", (store) => store.get(name))) as Uint8Array | undefined;
  }
  async put(name: string, secret: Uint8Array): Promise<void> {
    await this.use("readwrite", (store) => store.put(secret, name));
  }
  async remove(name: string): Promise<void> {
    await this.use("readwrite", (store) => store.delete(name));
  }

  private async use<T>(mode: IDBTransactionMode, body: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    this.database ??= this.open();
    return settle(body((await this.database).transaction(kStore, mode).objectStore(kStore)));
  }
  private open(): Promise<IDBDatabase> {
    const request = indexedDB.open(this.name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(kStore);
    return settle(request);
  }
}

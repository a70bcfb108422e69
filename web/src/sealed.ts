// SPDX-License-Identifier: Apache-2.0
/** Secret keys under a passphrase: PBKDF2 of SHA-256, then AES-256-GCM, both of the browser (WebCrypto). */
import { ObscuraError } from "./errors.js";
import type { SecretStore } from "./store.js";

const kMagic = new TextEncoder().encode("OBSCURA-SEALED-1");
const kSaltBytes = 16;
const kNonceBytes = 12;
/** OWASP's figure of 2023 for PBKDF2 with SHA-256. */
const kIterations = 600_000;

/**
 * What another store keeps, sealed: a text, 16 bytes of salt, 12 of nonce, then the encrypted key with its tag, which the
 * key's name is bound to. Without a passphrase it keeps keys as they are; one that is found so is sealed as soon as a
 * passphrase is given.
 */
export class SealedStore implements SecretStore {
  constructor(
    private readonly inner: SecretStore,
    private readonly passphrase?: string,
  ) {}

  /** @throws ObscuraError "sealed": no passphrase, or another one than it was sealed under */
  async get(name: string): Promise<Uint8Array | undefined> {
    const kept = await this.inner.get(name);
    if (!kept) return undefined;
    if (!isSealed(kept)) {
      if (this.passphrase) await this.put(name, kept);
      return kept;
    }
    if (!this.passphrase) throw new ObscuraError("sealed", "Your secret key here is sealed: give its passphrase.");
    const salt = owned(kept.subarray(kMagic.length, kMagic.length + kSaltBytes));
    const nonce = owned(kept.subarray(kMagic.length + kSaltBytes).subarray(0, kNonceBytes));
    const body = owned(kept.subarray(kMagic.length + kSaltBytes + kNonceBytes));
    const key = await keyOf(this.passphrase, salt);
    try {
      return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce, additionalData: bound(name) }, key, body));
    } catch {
      throw new ObscuraError("sealed", "This passphrase does not open your secret key here: give the one that sealed it.");
    }
  }

  async put(name: string, secret: Uint8Array): Promise<void> {
    if (!this.passphrase) return this.inner.put(name, secret);
    const salt = crypto.getRandomValues(new Uint8Array(kSaltBytes));
    const nonce = crypto.getRandomValues(new Uint8Array(kNonceBytes));
    const key = await keyOf(this.passphrase, salt);
    const plain = owned(secret);
    const body = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: bound(name) }, key, plain);
    plain.fill(0);
    const sealed = new Uint8Array(kMagic.length + kSaltBytes + kNonceBytes + body.byteLength);
    sealed.set(kMagic);
    sealed.set(salt, kMagic.length);
    sealed.set(nonce, kMagic.length + kSaltBytes);
    sealed.set(new Uint8Array(body), kMagic.length + kSaltBytes + kNonceBytes);
    await this.inner.put(name, sealed);
  }

  async remove(name: string): Promise<void> {
    await this.inner.remove(name);
  }
}

function isSealed(kept: Uint8Array): boolean {
  return kept.length > kMagic.length && kMagic.every((byte, k) => kept[k] === byte);
}

/** A copy in memory of its own, as WebCrypto's types want it. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

function bound(name: string): Uint8Array<ArrayBuffer> {
  return owned(new TextEncoder().encode(name));
}

async function keyOf(passphrase: string, salt: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  const bytes = owned(new TextEncoder().encode(passphrase.normalize("NFC")));
  const base = await crypto.subtle.importKey("raw", bytes, "PBKDF2", false, ["deriveKey"]);
  bytes.fill(0);
  return crypto.subtle.deriveKey({ name: "PBKDF2", hash: "SHA-256", salt, iterations: kIterations }, base,
    { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

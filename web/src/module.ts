// SPDX-License-Identifier: Apache-2.0
/** The functions of src/web/web.cpp: WebAssembly, its memory, and the replies that every call gives. */
import { ObscuraError, type Code } from "./errors.js";

type Pointer = number;

interface Exports {
  HEAPU8: Uint8Array;
  _malloc(size: number): Pointer;
  _free(at: Pointer): void;
  [name: `_obscura_${string}`]: (...args: number[]) => number;
}

/** What a call gave: bytes are copies that outlive it. */
interface Reply {
  text: string;
  bytes: Uint8Array;
  made: Pointer;
}

/** Where obscura.wasm is had from: beside this file, unless its bytes or a compiled module are given. */
export type WasmSource = BufferSource | WebAssembly.Module | undefined;

async function compile(source: WasmSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  if (source) return WebAssembly.compile(source);
  const url = new URL("./obscura.wasm", import.meta.url);
  if (url.protocol === "file:") {
    // Node.js; the name keeps bundlers from looking for it.
    const files = "node:fs/promises";
    const { readFile } = await import(/* @vite-ignore */ files);
    return WebAssembly.compile(await readFile(url));
  }
  const answer = await fetch(url);
  if (!answer.ok) throw new ObscuraError("io", `${url.pathname}: ${answer.status}`, answer.status);
  return WebAssembly.compile(await answer.arrayBuffer());
}

export class Module {
  private constructor(private readonly exports: Exports) {}

  static async load(source?: WasmSource): Promise<Module> {
    const compiled = await compile(source);
    const { default: instantiate } = await import("./obscura.mjs");
    const exports = await instantiate({
      instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) {
        void WebAssembly.instantiate(compiled, imports).then(done);
        return {};
      },
    });
    return new Module(exports as Exports);
  }

  /** Bytes that WebAssembly's memory takes now. */
  get memoryBytes(): number {
    return this.exports.HEAPU8.byteLength;
  }

  /** Calls obscura_NAME, whose reply is read and freed. @throws ObscuraError */
  call(name: string, ...args: number[]): Reply {
    return this.read(name, args, ({ text, bytes, made }) => ({ text, bytes: bytes.slice(), made }));
  }

  /** The same without a copy: what `take` is given is WebAssembly's memory, and only as long as it runs. */
  read<T>(name: string, args: number[], take: (reply: Reply) => T): T {
    const reply = this.function(name)(...args);
    try {
      const code = this.text(this.function("reply_code")(reply));
      const text = this.text(this.function("reply_text")(reply));
      if (code !== "") throw new ObscuraError(code as Code, text);
      const at = this.function("reply_bytes")(reply);
      const bytes = this.exports.HEAPU8.subarray(at, at + this.function("reply_size")(reply));
      return take({ text, bytes, made: this.function("reply_made")(reply) });
    } finally {
      this.function("reply_free")(reply);
    }
  }

  free(name: "offer" | "client" | "sent", at: Pointer): void {
    this.function(`${name}_free`)(at);
  }

  /** `body` with the bytes in WebAssembly's memory, where they are overwritten before they go. */
  withBytes<T>(bytes: Uint8Array, body: (at: Pointer, size: number) => T): T {
    const at = this.exports._malloc(bytes.length);
    if (at === 0) throw new ObscuraError("infeasible", "the browser gave no more memory");
    this.exports.HEAPU8.set(bytes, at);
    try {
      return body(at, bytes.length);
    } finally {
      this.exports.HEAPU8.fill(0, at, at + bytes.length);
      this.exports._free(at);
    }
  }

  /** Text that a zero ends. */
  private text(at: Pointer): string {
    const memory = this.exports.HEAPU8;
    return new TextDecoder().decode(memory.subarray(at, memory.indexOf(0, at)));
  }

  private function(name: string): (...args: number[]) => number {
    const found = this.exports[`_obscura_${name}`];
    if (!found) throw new ObscuraError("internal", `obscura.wasm has no function ${name}: it is of another version`);
    return found;
  }
}

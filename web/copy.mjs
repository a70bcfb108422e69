// SPDX-License-Identifier: Apache-2.0
// Puts what CMake made (cmake --preset wasm) beside what tsc made.
import { copyFileSync, existsSync } from "node:fs";

const built = new URL("../build/wasm/", import.meta.url);
for (const name of ["obscura.mjs", "obscura.wasm"]) {
  const from = new URL(name, built);
  if (!existsSync(from)) {
    console.error(`copy: ${from.pathname} is not there: cmake --preset wasm && cmake --build --preset wasm`);
    process.exit(1);
  }
  copyFileSync(from, new URL(`dist/${name}`, import.meta.url));
}

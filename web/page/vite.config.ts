// SPDX-License-Identifier: Apache-2.0
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  worker: { format: "es" },
  build: {
    outDir: "../dist-page",
    emptyOutDir: true,
    target: "es2022",
    // Nothing inline: the page's policy has no 'unsafe-inline', and data: is for images alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
});

// SPDX-License-Identifier: Apache-2.0
// What tests in Chromium share: a server with the page, a browser, and pictures of what it shows.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of plans that is gone at the end, and servers of it. */
export class World {
  constructor(source, data, build, shots) {
    Object.assign(this, { source, data, build, shots });
    this.folder = mkdtempSync(join(tmpdir(), "obscura-page-"));
    mkdirSync(join(this.folder, "plans"));
    if (shots) mkdirSync(shots, { recursive: true });
  }
  obscura(...args) {
    const env = { ...process.env, OBSCURA_DATA: this.data };
    return execFileSync(join(this.build, "obscura"), args, { encoding: "utf8", env });
  }
  /** models/NAME.onnx for one image at a time. */
  compile(name, dataset) {
    const plan = join(this.folder, "plans", `${name}.plan`);
    this.obscura("compile", join(this.source, "models", `${name}.onnx`), "--batch", "1", "--calibrate", dataset, "-o", plan);
  }
  /** Serves the plans, and the page where there are pictures of it; resolves to its address when it listens. */
  async serve(port = 0) {
    const args = ["serve", join(this.folder, "plans"), "--port", String(port)];
    if (this.shots) args.push("--page", join(this.source, "web/dist-page"));
    this.server = spawn(join(this.build, "obscura-server"), args, { stdio: ["ignore", "pipe", "ignore"] });
    let said = "";
    return new Promise((resolve, reject) => {
      this.server.once("exit", () => reject(new Error(`the server ended: ${said}`)));
      this.server.stdout.on("data", (piece) => {
        said += piece;
        const address = /http:\/\/127\.0\.0\.1:\d+/.exec(said);
        if (address) resolve(address[0]);
      });
    });
  }
  async stopServer(signal = "SIGTERM") {
    const server = this.server;
    if (!server || server.exitCode !== null) return;
    server.removeAllListeners("exit");
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill(signal);
    await ended;
  }
  async browse() {
    const executablePath = "/usr/bin/chromium"; // which run.sh has looked for
    const { chromium } = createRequire(join(this.source, "web/package.json"))("playwright-core");
    this.browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
    return this.browser;
  }
  /** Most memory that a tab's process takes of its own while `body` runs, in MB: with its worker and WebAssembly. */
  async memoryWhile(body) {
    const session = await this.browser.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const tabs = processInfo.filter((one) => one.type === "renderer").map((one) => one.id);
    let most = 0;
    const sample = () => {
      for (const tab of tabs) {
        try {
          const kilobytes = /RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${tab}/status`, "utf8"));
          most = Math.max(most, Number(kilobytes[1]) / 1000);
        } catch {
          // The tab is gone.
        }
      }
    };
    sample();
    const timer = setInterval(sample, 50);
    try {
      await body();
    } finally {
      sample();
      clearInterval(timer);
    }
    return most;
  }
  async shot(page, name) {
    await page.screenshot({ path: join(this.shots, `${name}.png`), fullPage: true });
  }
  /** Pixels of an image of MNIST's test set, in rows. */
  digit(image) {
    const all = readFileSync(join(this.data, "mnist", "t10k-images-idx3-ubyte"));
    return all.subarray(16 + 784 * image, 16 + 784 * (image + 1));
  }
  async end() {
    await this.browser?.close();
    await this.stopServer();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What the page complains of: errors of its scripts, and what its policy refused. */
export function complaintsOf(page) {
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/Failed to load resource/.test(message.text())) complaints.push(message.text());
  });
  return complaints;
}

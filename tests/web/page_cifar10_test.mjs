// SPDX-License-Identifier: Apache-2.0
// The page in Chromium on CIFAR-10: 284 MB of keys, and colour pictures, whose labels are the unencrypted network's.
//   node page_cifar10_test.mjs SOURCE DATA BUILD
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";

import { complaintsOf, World } from "./browser.mjs";

const [source, data, build] = process.argv.slice(2);
const kSheet = join(data, "cifar10", "test_batch.png"); // a row of 1024 pixels for each picture
const kPictures = 3;
if (!existsSync(kSheet)) {
  console.log(`skipped: no CIFAR-10 in ${data}: obscura data fetch cifar10`);
  process.exit(77);
}

/** The first pictures of the sheet as files that a person would choose. */
async function picturesOf(page) {
  await page.route("**/sheet.png", (route) => route.fulfill({ path: kSheet }));
  const encoded = await page.evaluate(async (count) => {
    const sheet = await (await fetch("/sheet.png")).blob();
    const out = [];
    for (let k = 0; k < count; ++k) {
      const row = await createImageBitmap(sheet, 0, k, 1024, 1);
      const canvas = document.createElement("canvas");
      canvas.width = canvas.height = 32;
      for (let y = 0; y < 32; ++y) canvas.getContext("2d").drawImage(row, 32 * y, 0, 32, 1, 0, y, 32, 1);
      out.push(canvas.toDataURL("image/png").split(",")[1]);
    }
    return out;
  }, kPictures);
  return encoded.map((base64, k) => ({ name: `${k}.png`, mimeType: "image/png", buffer: Buffer.from(base64, "base64") }));
}

const world = new World(source, data, build, join(build, "web-shots"));
try {
  await world.browse();
  world.compile("cifar10-p1", "cifar10");
  const model = join(source, "models", "cifar10-p1.onnx");
  const told = world.obscura("evaluate", model, "--dataset", "cifar10", "--limit", String(kPictures), "--backend", "float", "--predictions", "--json");
  const names = "airplane automobile bird cat deer dog frog horse ship truck".split(" ");
  const expected = JSON.parse(told.trim().split("\n").pop()).labels.map((label) => names[label]);
  const url = await world.serve();
  const page = await world.browser.newPage();
  const complaints = complaintsOf(page);
  await page.goto(url);
  const files = await picturesOf(page);
  await page.goto("about:blank");
  const classify = async (chosen) => {
    await page.locator("#files").setInputFiles(chosen);
    await page.locator("#go").click();
    await page.locator("#status", { hasText: "Label:" }).or(page.locator("#error:not(:empty)")).first().waitFor({ timeout: 300000 });
    assert.equal(await page.locator("#error").textContent(), "");
    return /Label: (.*) \(/.exec(await page.locator("#status").textContent())[1].split("; ");
  };
  const start = performance.now();
  const memory = await world.memoryWhile(async () => {
    await page.goto(url);
    await page.locator("#facts", { hasText: "cifar10-p1" }).waitFor();
    assert.deepEqual(await classify(files.slice(0, 1)), expected.slice(0, 1));
  });
  console.log(`from an empty tab to the first label: ${((performance.now() - start) / 1000).toFixed(1)} s, ${memory.toFixed(0)} MB of memory`);
  console.log(`steps: ${(await page.locator("#steps tbody").innerText()).replace(/\s+/g, " ")}`);
  const again = performance.now();
  assert.deepEqual(await classify(files), expected);
  console.log(`${kPictures} later labels: ${((performance.now() - again) / 1000).toFixed(1)} s`);
  await world.shot(page, "cifar10");
  assert.deepEqual(complaints, []);
} finally {
  await world.end();
}

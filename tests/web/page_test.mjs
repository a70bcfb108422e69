// SPDX-License-Identifier: Apache-2.0
// The page in Chromium, on MNIST: from an empty tab to a label, drawn and dropped, by keyboard and on a phone's width; a
// server that goes away, a key that is not the answer's, a quota that is full. Pictures of it are the test's output.
//   node page_test.mjs SOURCE DATA BUILD
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { complaintsOf, World } from "./browser.mjs";

const [source, data, build] = process.argv.slice(2);
const world = new World(source, data, build, join(build, "web-shots"));

/** A picture of a digit as a file that a person would choose. */
async function pictureOf(page, image) {
  const pixels = [...world.digit(image)];
  const base64 = await page.evaluate((values) => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 28;
    const pixels = new ImageData(28, 28);
    values.forEach((value, i) => pixels.data.set([value, value, value, 255], 4 * i));
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return canvas.toDataURL("image/png").split(",")[1];
  }, pixels);
  return { name: `digit-${image}.png`, mimeType: "image/png", buffer: Buffer.from(base64, "base64") };
}

const ready = (page) => page.locator("#facts", { hasText: "mnist-square" }).waitFor();
/** The label that the page says, after a click on Classify. */
async function classify(page) {
  await page.locator("#go").click();
  await page.locator("#status", { hasText: "Label:" }).or(page.locator("#error:not(:empty)")).first().waitFor();
  assert.equal(await page.locator("#error").textContent(), "");
  return /Label: (\S+)/.exec(await page.locator("#status").textContent())[1];
}
const seconds = (start) => (performance.now() - start) / 1000;

async function firstLabels(url) {
  const page = await world.browser.newPage();
  const complaints = complaintsOf(page);
  const outside = [];
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) outside.push(request.url());
  });
  const file = await pictureOf(page, 0);
  await page.goto("about:blank");
  const start = performance.now();
  const memory = await world.memoryWhile(async () => {
    await page.goto(url);
    await ready(page);
    await page.locator("#files").setInputFiles(file);
    assert.equal(await classify(page), "7");
  });
  console.log(`from an empty tab to the first label: ${seconds(start).toFixed(2)} s, ${memory.toFixed(0)} MB of memory`);
  console.log(`steps: ${(await page.locator("#steps tbody").innerText()).replace(/\s+/g, " ")}`);
  await world.shot(page, "first-label");
  for (const [image, label] of [[1, "2"], [2, "1"], [3, "0"]]) {
    await page.locator("#files").setInputFiles(await pictureOf(page, image));
    const again = performance.now();
    assert.equal(await classify(page), label);
    console.log(`a later label: ${seconds(again).toFixed(2)} s`);
  }
  assert.deepEqual(complaints, [], "errors of the page");
  assert.deepEqual(outside, [], "requests to others");
  return page;
}

async function sharedByKeyboard(page) {
  await page.locator("#files").setInputFiles([]);
  await page.locator("#pad").focus();
  for (const key of [" ", ...Array(18).fill("ArrowDown")]) await page.keyboard.press(key);
  await page.locator("#pad").press("Tab"); // Clear
  await page.keyboard.press("Tab"); // files
  await page.keyboard.press("Tab"); // Classify
  assert.equal(await page.evaluate(() => document.activeElement.id), "go");
  await page.keyboard.press("Enter");
  await page.locator("#status", { hasText: "Label: 1" }).waitFor();
}

async function drawnOnAPhone(url) {
  const context = await world.browser.newContext({ viewport: { width: 360, height: 740 }, hasTouch: true });
  const page = await context.newPage();
  await page.goto(url);
  await ready(page);
  const box = await page.locator("#pad").boundingBox();
  const at = (x, y) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(0.5, 0.15));
  await page.mouse.down();
  await page.mouse.move(...at(0.5, 0.85), { steps: 8 });
  await page.mouse.up();
  assert.equal(await classify(page), "1");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(wide <= 360, `the page is ${wide} wide on a phone of 360`);
  await world.shot(page, "phone");
  await context.close();
}

async function serverThatGoesAway(page, url) {
  await world.stopServer("SIGKILL");
  await page.locator("#go").click();
  await page.locator("#error", { hasText: "does not answer" }).waitFor();
  await world.shot(page, "no-server");
  await world.serve(Number(new URL(url).port));
  assert.equal(await classify(page), "1"); // what was drawn by keyboard
}

/** Answers to another request are refused, and a key that nobody has any more is made again. */
async function wrongAnswer(page) {
  let kept;
  await page.route("**/infer", async (route) => {
    const answer = await route.fetch();
    kept ??= await answer.body();
    await route.fulfill({ response: answer, body: kept });
  });
  assert.equal(await classify(page), "1");
  await page.locator("#go").click();
  await page.locator("#error", { hasText: /request/ }).waitFor();
  await page.unroute("**/infer");
  await page.locator("#forget").click();
  await page.locator("#status", { hasText: "gone" }).waitFor();
  assert.equal(await classify(page), "1");
}

/** What a passphrase seals is there at the next visit, for who has it. */
async function passphrase(page) {
  await page.locator("#passphrase").fill("correct horse");
  await page.locator("#passphrase").press("Tab");
  await page.locator("#facts", { hasText: "has a secret key" }).waitFor();
  await page.reload();
  await page.locator("#error", { hasText: "sealed" }).waitFor();
  await world.shot(page, "sealed");
  await page.keyboard.type("correct horse"); // the field has the focus
  await page.keyboard.press("Tab");
  await page.locator("#facts", { hasText: "has a secret key" }).waitFor();
  await page.locator("#files").setInputFiles(await pictureOf(page, 1));
  assert.equal(await classify(page), "2");
  assert.match(await page.locator("#steps tbody").innerText(), /the server has them/);
}

async function fullQuota(page, url) {
  await world.stopServer();
  writeFileSync(join(world.folder, "plans", "server.toml"), "[tenants]\nkeys_gb = 0.02\n");
  await world.serve(Number(new URL(url).port));
  await page.locator("#forget").click();
  await page.locator("#status", { hasText: "gone" }).waitFor();
  await page.locator("#go").click();
  await page.locator("#error", { hasText: "over the quota" }).waitFor();
  await world.shot(page, "full-quota");
}

try {
  await world.browse();
  world.compile("mnist-square", "mnist");
  const url = await world.serve();
  const page = await firstLabels(url);
  await sharedByKeyboard(page);
  await drawnOnAPhone(url);
  await serverThatGoesAway(page, url);
  await wrongAnswer(page);
  await passphrase(page);
  await fullQuota(page, url);
  console.log(`pictures: ${world.shots}`);
} finally {
  await world.end();
}

// SPDX-License-Identifier: Apache-2.0
/** The page: an image in, a label out, and what each step took. */
import { className, ObscuraError, WorkerClient, type Classified, type OfferFacts, type Phase } from "../dist/index.js";
import { Pad } from "./pad.js";
import { fromDrawing, fromPicture, show, showBytes } from "./pictures.js";
import { Steps, bytesText } from "./steps.js";

/** Of evaluation keys: beyond it a tab is the wrong place. */
const kMaxKeyBytes = 600_000_000;

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no ${id}`);
  return found as T;
}

const model = element<HTMLSelectElement>("model");
const token = element<HTMLInputElement>("token");
const passphrase = element<HTMLInputElement>("passphrase");
const go = element<HTMLButtonElement>("go");
const stop = element<HTMLButtonElement>("stop");
const status = element("status");
const errorLine = element("error");
const steps = new Steps(element<HTMLTableElement>("steps"));

let client = new WorkerClient();
let facts: OfferFacts | undefined;
let files: ImageBitmap[] = [];
let stopper: AbortController | undefined;

const pad = new Pad(element<HTMLCanvasElement>("pad"), () => update());

function say(text: string): void {
  if (status.textContent !== text) status.textContent = text;
}

function fail(error: unknown): void {
  const known = error instanceof ObscuraError ? error : new ObscuraError("internal", String(error));
  say("");
  errorLine.textContent = known.code === "cancelled" ? "Stopped. Nothing of it stays on the server." : known.message;
  if (known.status === 401) {
    element("token-row").hidden = false;
    token.focus();
  }
  if (known.code === "sealed") passphrase.focus();
}

/** The images that would be classified; none: there are none. */
function images(): Float32Array[] {
  if (!facts) return [];
  const size = facts;
  if (files.length > 0) return files.map((file) => fromPicture(file, size));
  const drawn = size.channels === 1 ? fromDrawing(pad.canvas, size) : null;
  return drawn ? [drawn] : [];
}

function update(): void {
  go.disabled = !facts || stopper !== undefined || (files.length === 0 && !(facts.channels === 1));
}

function tell(phase: Phase, done: number, total: number): void {
  steps.progress(phase, done, total);
  const what: Record<Phase, string> = {
    offer: "Fetching the offer",
    keys: "Making and sending keys",
    encrypt: "Encrypting",
    send: "Sending ciphertext",
    compute: "The server computes on ciphertext",
    decrypt: "Decrypting",
  };
  if (stopper) say(`${what[phase]}…`);
}

async function connect(): Promise<void> {
  facts = undefined;
  errorLine.textContent = "";
  steps.clear();
  update();
  const start = performance.now();
  try {
    const connected = await client.connect(location.origin, model.value, {
      token: token.value || undefined,
      maxKeyBytes: kMaxKeyBytes,
      passphrase: passphrase.value || undefined,
      progress: tell,
    });
    facts = connected.facts;
    steps.done("offer", "", performance.now() - start);
    element("drawing").hidden = facts.channels !== 1;
    element("facts").textContent =
      `${facts.network}: ${facts.width} × ${facts.height} ${facts.channels === 1 ? "grey" : "colour"} images, ` +
      `${facts.classes} classes; ring of degree ${facts.degree}, modulus of ${facts.log2QP} bits (128-bit security); ` +
      `${facts.keys} keys of ${bytesText(facts.keyBytes)} once` +
      (connected.madeKey ? "." : ", for which this browser has a secret key.");
    showChosen();
  } catch (error) {
    element("facts").textContent = "";
    fail(error);
  }
  update();
}

async function classify(): Promise<void> {
  const all = images();
  if (!facts) return;
  if (all.length === 0) {
    fail(new ObscuraError("wrong_params", "Nothing is drawn and no image is chosen yet."));
    return;
  }
  errorLine.textContent = "";
  say("Starting…");
  element("answer").hidden = true;
  stopper = new AbortController();
  stop.disabled = false;
  update();
  steps.begin();
  const values = new Float32Array(all.length * all[0]!.length);
  all.forEach((one, k) => values.set(one, k * one.length));
  try {
    const start = performance.now();
    const classified = await client.classify(values, stopper.signal);
    showAnswer(classified, all, facts, performance.now() - start);
  } catch (error) {
    fail(error);
  }
  stopper = undefined;
  stop.disabled = true;
  update();
}

function showAnswer(classified: Classified, all: Float32Array[], of: OfferFacts, milliseconds: number): void {
  const trace = classified.trace;
  steps.done("keys", trace.keyBytes > 0 ? bytesText(trace.keyBytes) : "the server has them", trace.keys);
  steps.done("encrypt", bytesText(trace.requestBytes), trace.encrypt);
  steps.done("send", bytesText(trace.requestBytes), undefined);
  steps.done("compute", bytesText(trace.answerBytes), trace.server);
  steps.done("decrypt", "", trace.decrypt);
  element("answers").replaceChildren(...classified.labels.map((labels, k) => answerOf(classified, labels, k, of)));
  show(element<HTMLCanvasElement>("mine"), all[0]!, of);
  showBytes(element<HTMLCanvasElement>("seen"), trace.seen);
  element("seen-bytes").textContent = bytesText(trace.requestBytes);
  element("revealed").textContent =
    `The server saw which model was asked, ${all.length} ${all.length === 1 ? "image" : "images"} as ` +
    `${bytesText(trace.requestBytes)} of ciphertext, when, and your evaluation keys, which cannot decrypt. It saw no pixel, ` +
    `no logit, no label and no secret key: that is in this browser's storage and nowhere else.`;
  element("answer").hidden = false;
  const names = classified.labels.map((labels) => labels.map((label) => className(of, label)).join(", ") || "none");
  say(`Label: ${names.join("; ")} (${(milliseconds / 1000).toFixed(2)} s)`);
}

function answerOf(classified: Classified, labels: number[], image: number, of: OfferFacts): HTMLElement {
  const out = document.createElement("div");
  const label = document.createElement("p");
  label.className = "label";
  label.textContent = labels.map((one) => className(of, one)).join(", ") || "no label";
  out.append(label);
  const table = document.createElement("table");
  table.createCaption().textContent = classified.images > 1 ? `Image ${image + 1}` : "How likely each class is";
  const row = classified.probabilities[image]!;
  const order = row.map((_, k) => k).sort((a, b) => row[b]! - row[a]!);
  for (const k of order.slice(0, 5)) {
    const line = table.insertRow();
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = className(of, of.kind === "binary" ? 1 : k);
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.value = row[k]!;
    bar.setAttribute("aria-hidden", "true");
    line.append(name);
    line.insertCell().append(bar);
    line.insertCell().textContent = `${(100 * row[k]!).toFixed(1)} %`;
  }
  out.append(table);
  return out;
}

function showChosen(): void {
  const size = facts;
  element("chosen").replaceChildren(
    ...files.map((file, k) => {
      const item = document.createElement("li");
      const canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `image ${k + 1}`);
      canvas.className = "pixels";
      if (size) show(canvas, fromPicture(file, size), size);
      item.append(canvas);
      return item;
    }),
  );
}

async function choose(list: FileList | null | undefined): Promise<void> {
  errorLine.textContent = "";
  try {
    files = await Promise.all([...(list ?? [])].map((file) => createImageBitmap(file)));
  } catch {
    files = [];
    fail(new ObscuraError("bad_format", "One of these files is no picture that this browser reads."));
  }
  showChosen();
  update();
}

async function forget(): Promise<void> {
  stopper?.abort();
  errorLine.textContent = "";
  facts = undefined; // nothing is classified meanwhile
  update();
  try {
    await client.forget();
    say("Your key is gone, here and on the server. What was encrypted under it can be read by nobody now.");
  } catch (error) {
    fail(error);
  }
  await connect();
}

async function start(): Promise<void> {
  const drop = element("drop");
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    void choose(event.dataTransfer?.files);
  });
  element<HTMLInputElement>("files").addEventListener("change", (event) =>
    void choose((event.target as HTMLInputElement).files),
  );
  element("clear").addEventListener("click", () => pad.clear());
  go.addEventListener("click", () => void classify());
  stop.addEventListener("click", () => stopper?.abort());
  element("forget").addEventListener("click", () => void forget());
  model.addEventListener("change", () => void connect());
  token.addEventListener("change", () => void connect());
  passphrase.addEventListener("change", () => void connect());
  try {
    const told = await fetch("models.json");
    for (const name of (await told.json()) as string[]) model.add(new Option(name));
  } catch {
    fail(new ObscuraError("io", "The server does not answer: is it running?"));
    return;
  }
  const asked = new URLSearchParams(location.search).get("model");
  if (asked && [...model.options].some((option) => option.value === asked)) model.value = asked;
  await connect();
}

void start();

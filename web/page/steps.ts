// SPDX-License-Identifier: Apache-2.0
/** The table of steps: a bar, a size and a time each. */
import type { Phase } from "../dist/index.js";

const kNames: [Phase, string][] = [
  ["offer", "Offer"],
  ["keys", "Keys, made here and sent"],
  ["encrypt", "Encrypt here"],
  ["send", "Send ciphertext"],
  ["compute", "Server computes"],
  ["decrypt", "Decrypt here"],
];

/** 186.7 kB */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let at = 0;
  for (; bytes >= 1000 && at + 1 < units.length; ++at) bytes /= 1000;
  return `${bytes.toFixed(at === 0 ? 0 : 1)} ${units[at]}`;
}

export class Steps {
  private readonly rows = new Map<Phase, { bar: HTMLProgressElement; size: HTMLElement; time: HTMLElement }>();

  constructor(table: HTMLTableElement) {
    const body = table.tBodies[0]!;
    for (const [phase, name] of kNames) {
      const row = body.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      const bar = document.createElement("progress");
      bar.max = 1;
      bar.value = 0;
      bar.setAttribute("aria-label", name);
      row.append(head);
      row.insertCell().append(bar);
      this.rows.set(phase, { bar, size: row.insertCell(), time: row.insertCell() });
    }
  }

  clear(): void {
    for (const [phase] of kNames) this.set(phase, 0, "", "");
  }

  /** All but the offer, which stays. */
  begin(): void {
    for (const [phase] of kNames.slice(1)) this.set(phase, 0, "", "");
  }

  progress(phase: Phase, done: number, total: number): void {
    const row = this.rows.get(phase);
    if (!row) return;
    row.bar.value = total > 0 ? done / total : 0;
    if (phase === "keys" && total > 0) row.size.textContent = `${bytesText(done)} of ${bytesText(total)}`;
  }

  done(phase: Phase, size: string, milliseconds: number | undefined): void {
    const time = milliseconds === undefined ? "" : `${(milliseconds / 1000).toFixed(milliseconds < 100 ? 3 : 2)} s`;
    this.set(phase, 1, size, time);
  }

  private set(phase: Phase, value: number, size: string, time: string): void {
    const row = this.rows.get(phase);
    if (!row) return;
    row.bar.value = value;
    row.size.textContent = size;
    row.time.textContent = time;
  }
}

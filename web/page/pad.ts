// SPDX-License-Identifier: Apache-2.0
/** A square to draw in: with a pointer, or with arrow keys and space. */

const kPen = 22;
const kStep = 8;

export class Pad {
  private readonly ink: CanvasRenderingContext2D;
  private last: [number, number] | undefined;
  private pen: [number, number];
  private drawing = false;

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly changed: () => void,
  ) {
    const ink = canvas.getContext("2d", { willReadFrequently: true });
    if (!ink) throw new Error("this browser has no canvas");
    this.ink = ink;
    this.pen = [canvas.width / 2, canvas.height / 4];
    this.clear();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.last = this.at(event);
      this.lineTo(this.last);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.last) this.lineTo(this.at(event));
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (this.last = undefined));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  clear(): void {
    this.ink.fillStyle = "#000";
    this.ink.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.drawing = false;
    this.changed();
  }

  private at(event: PointerEvent): [number, number] {
    const scale = this.canvas.width / this.canvas.clientWidth;
    return [event.offsetX * scale, event.offsetY * scale];
  }

  private lineTo(to: [number, number]): void {
    const from = this.last ?? to;
    this.ink.strokeStyle = "#fff";
    this.ink.lineWidth = kPen;
    this.ink.lineCap = "round";
    this.ink.beginPath();
    this.ink.moveTo(...from);
    this.ink.lineTo(to[0] + 0.01, to[1]);
    this.ink.stroke();
    this.last = to;
    this.changed();
  }

  /** Space puts the pen down and lifts it; arrows move it. */
  private key(event: KeyboardEvent): void {
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-kStep, 0],
      ArrowRight: [kStep, 0],
      ArrowUp: [0, -kStep],
      ArrowDown: [0, kStep],
    };
    const move = moves[event.key];
    if (event.key === "Delete" || event.key === "Backspace") this.clear();
    else if (event.key === " ") this.drawing = !this.drawing;
    else if (!move) return;
    event.preventDefault();
    const inside = (x: number): number => Math.min(Math.max(x, 0), this.canvas.width);
    const from = this.pen;
    this.pen = [inside(from[0] + (move?.[0] ?? 0)), inside(from[1] + (move?.[1] ?? 0))];
    if (this.drawing) {
      this.last = from;
      this.lineTo(this.pen);
      this.last = undefined;
    }
  }
}

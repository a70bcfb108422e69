// SPDX-License-Identifier: Apache-2.0
/** From what a person draws or drops to what a network takes: C*H*W values, 0 to 1. */

export interface Size {
  channels: number;
  height: number;
  width: number;
}

function context(canvas: HTMLCanvasElement | OffscreenCanvas) {
  const found = canvas.getContext("2d", { willReadFrequently: true });
  if (!found) throw new Error("this browser has no canvas");
  return found as CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;
}

/** Planes of values; one channel is the luminance. */
function planes(pixels: ImageData, channels: number): Float32Array {
  const plane = pixels.width * pixels.height;
  const out = new Float32Array(channels * plane);
  for (let i = 0; i < plane; ++i) {
    const [r, g, b] = [pixels.data[4 * i]!, pixels.data[4 * i + 1]!, pixels.data[4 * i + 2]!];
    if (channels === 1) {
      out[i] = Math.round(0.299 * r + 0.587 * g + 0.114 * b) / 255;
    } else {
      out.set([r / 255], i);
      out.set([g / 255], plane + i);
      out.set([b / 255], 2 * plane + i);
    }
  }
  return out;
}

/** A picture's middle, as large as fits, in the network's size. */
export function fromPicture(picture: ImageBitmap, size: Size): Float32Array {
  const canvas = new OffscreenCanvas(size.width, size.height);
  const to = context(canvas);
  const scale = Math.max(size.width / picture.width, size.height / picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  to.imageSmoothingQuality = "high";
  to.drawImage(picture, (size.width - width) / 2, (size.height - height) / 2, width, height);
  return planes(to.getImageData(0, 0, size.width, size.height), size.channels);
}

/** White strokes on black as MNIST has them: in a box of 20/28, its centre of mass in the middle; null: nothing drawn. */
export function fromDrawing(pad: HTMLCanvasElement, size: Size): Float32Array | null {
  const drawn = context(pad).getImageData(0, 0, pad.width, pad.height);
  let [left, right, top, bottom] = [pad.width, -1, pad.height, -1];
  let [mass, sumX, sumY] = [0, 0, 0];
  for (let y = 0; y < pad.height; ++y) {
    for (let x = 0; x < pad.width; ++x) {
      const ink = drawn.data[4 * (y * pad.width + x)]!;
      if (ink === 0) continue;
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
      mass += ink;
      sumX += ink * x;
      sumY += ink * y;
    }
  }
  if (mass === 0) return null;
  const box = Math.max(right - left, bottom - top) + 1;
  const scale = ((20 / 28) * Math.min(size.width, size.height)) / box;
  const canvas = new OffscreenCanvas(size.width, size.height);
  const to = context(canvas);
  to.imageSmoothingQuality = "high";
  to.setTransform(scale, 0, 0, scale, size.width / 2 - (sumX / mass) * scale, size.height / 2 - (sumY / mass) * scale);
  to.drawImage(pad, 0, 0);
  return planes(to.getImageData(0, 0, size.width, size.height), size.channels);
}

/** Shows values of a network's size. */
export function show(canvas: HTMLCanvasElement, values: Float32Array, size: Size): void {
  canvas.width = size.width;
  canvas.height = size.height;
  const plane = size.width * size.height;
  const pixels = new ImageData(size.width, size.height);
  for (let i = 0; i < plane; ++i) {
    for (let c = 0; c < 3; ++c) pixels.data[4 * i + c] = 255 * values[(size.channels === 1 ? 0 : c) * plane + i]!;
    pixels.data[4 * i + 3] = 255;
  }
  context(canvas).putImageData(pixels, 0, 0);
}

/** Shows bytes as grey dots. */
export function showBytes(canvas: HTMLCanvasElement, bytes: Uint8Array): void {
  const pixels = new ImageData(canvas.width, canvas.height);
  for (let i = 0; i < canvas.width * canvas.height; ++i) pixels.data.set([bytes[i] ?? 0, bytes[i] ?? 0, bytes[i] ?? 0, 255], 4 * i);
  context(canvas).putImageData(pixels, 0, 0);
}

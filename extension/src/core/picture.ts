/** Pictures as rows of RGB bytes, and the few things that are done to them before a model sees them. */

import type { Box, View } from './geometry';

/** RGB, three bytes a pixel, rows from the top. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** The RGB of what a canvas gives; its alpha is dropped. */
export function fromRgba(rgba: Uint8ClampedArray, width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4) {
    data[to++] = rgba[from]!;
    data[to++] = rgba[from + 1]!;
    data[to++] = rgba[from + 2]!;
  }
  return { width, height, data };
}

/** The part of a box that lies inside the picture; width or height may be 0. */
export function visible(picture: Picture, box: Box): Picture {
  const left = clip(box.left, picture.width);
  const right = clip(box.right, picture.width);
  const top = clip(box.top, picture.height);
  const bottom = clip(box.bottom, picture.height);
  const width = right - left;
  const data = new Uint8Array(width * (bottom - top) * 3);
  for (let y = top; y < bottom; y++) {
    const row = (y * picture.width + left) * 3;
    data.set(picture.data.subarray(row, row + width * 3), (y - top) * width * 3);
  }
  return { width, height: bottom - top, data };
}

/** A copy of the pixels of a box; what lies outside the picture has `padValue` (0 to 255). */
export function cut(picture: Picture, box: Box, padValue: number): Picture {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  const data = new Uint8Array(width * height * 3).fill(padValue);
  const inside = visible(picture, box);
  const left = Math.max(box.left, 0) - box.left;
  const top = Math.max(box.top, 0) - box.top;
  for (let y = 0; y < inside.height; y++) {
    const row = inside.data.subarray(y * inside.width * 3, (y + 1) * inside.width * 3);
    data.set(row, ((top + y) * width + left) * 3);
  }
  return { width, height, data };
}

/**
 * A view as (size, size), black outside the frame: bilinear, corner on corner (output pixel i reads
 * frame position i * side / size), as MediaPipe's image-to-tensor step and `sample_view` in Python.
 */
export function sampleView(picture: Picture, view: View, size: number): Picture {
  const data = new Uint8Array(size * size * 3);
  const step = view.side / size;
  const columns = taps(view.left, step, size);
  const rows = taps(view.top, step, size);
  for (let y = 0; y < size; y++) {
    const { at: top, part: down } = rows[y]!;
    for (let x = 0; x < size; x++) {
      const { at: left, part: right } = columns[x]!;
      for (let channel = 0; channel < 3; channel++) {
        const upper = mix(
          pixel(picture, left, top, channel),
          pixel(picture, left + 1, top, channel),
          right,
        );
        const lower = mix(
          pixel(picture, left, top + 1, channel),
          pixel(picture, left + 1, top + 1, channel),
          right,
        );
        data[(y * size + x) * 3 + channel] = roundHalfEven(mix(upper, lower, down));
      }
    }
  }
  return { width: size, height: size, data };
}

/** The picture, its longer side at most `longest` pixels (area averaging), and the factor applied. */
export function shrinkTo(picture: Picture, longest: number): { picture: Picture; factor: number } {
  const factor = longest / Math.max(picture.width, picture.height);
  if (factor >= 1) return { picture, factor: 1 };
  const width = Math.max(1, roundHalfEven(picture.width * factor));
  const height = Math.max(1, roundHalfEven(picture.height * factor));
  return { picture: resizeArea(picture, width, height), factor };
}

/** Resize as OpenCV's INTER_AREA: averages when both sides shrink, else its kind of bilinear. */
export function resizeArea(picture: Picture, width: number, height: number): Picture {
  const data = resizeChannels(picture.data, picture.width, picture.height, 3, width, height);
  return { width, height, data };
}

/** {@link resizeArea} of interleaved bytes with any number of channels. */
export function resizeChannels(
  from: Uint8Array,
  fromWidth: number,
  fromHeight: number,
  channels: number,
  width: number,
  height: number,
): Uint8Array {
  if (fromWidth === 2 * width && fromHeight === 2 * height)
    return halve(from, width, height, channels);
  const shrinks = fromWidth >= width && fromHeight >= height;
  const across = shrinks ? cover(fromWidth, width) : stretch(fromWidth, width);
  const down = shrinks ? cover(fromHeight, height) : stretch(fromHeight, height);
  // Sums in single precision, in OpenCV's order, so that averages round alike.
  const rows = new Float32Array(fromHeight * width * channels);
  for (let y = 0; y < fromHeight; y++) {
    for (let x = 0; x < width; x++) {
      for (const [at, weight] of across[x]!) {
        for (let c = 0; c < channels; c++) {
          rows[(y * width + x) * channels + c]! +=
            from[(y * fromWidth + at) * channels + c]! * weight;
        }
      }
    }
  }
  const out = new Uint8Array(width * height * channels);
  const line = width * channels;
  const sum = new Float32Array(line);
  for (let y = 0; y < height; y++) {
    sum.fill(0);
    for (const [at, weight] of down[y]!) {
      for (let i = 0; i < line; i++) sum[i]! += rows[at * line + i]! * weight;
    }
    for (let i = 0; i < line; i++) out[y * line + i] = roundHalfEven(sum[i]!);
  }
  return out;
}

export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const part = value - floor;
  if (part !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The mean of each two by two pixels, a half rounded up: OpenCV's own path for this case. */
function halve(from: Uint8Array, width: number, height: number, channels: number): Uint8Array {
  const out = new Uint8Array(width * height * channels);
  const line = 2 * width * channels;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        const at = 2 * y * line + 2 * x * channels + c;
        const below = at + line;
        const sum = from[at]! + from[at + channels]! + from[below]! + from[below + channels]!;
        out[(y * width + x) * channels + c] = (sum + 2) >> 2;
      }
    }
  }
  return out;
}

type Weights = readonly (readonly [at: number, weight: number])[];

/** A share of a pixel smaller than this is left out, as in OpenCV. */
const LEAST_SHARE = 1e-3;

/** Which pixels each new one averages, and by what share. */
function cover(from: number, to: number): Weights[] {
  const scale = 1 / (to / from);
  return Array.from({ length: to }, (_, i) => {
    const start = i * scale;
    const end = start + scale;
    const cell = Math.min(scale, from - start);
    const last = Math.min(Math.floor(end), from - 1);
    const first = Math.min(Math.ceil(start), last);
    const weights: [number, number][] = [];
    if (first - start > LEAST_SHARE) weights.push([first - 1, Math.fround((first - start) / cell)]);
    for (let at = first; at < last; at++) weights.push([at, Math.fround(1 / cell)]);
    if (end - last > LEAST_SHARE) {
      weights.push([last, Math.fround(Math.min(end - last, 1, cell) / cell)]);
    }
    return weights;
  });
}

/** Which two pixels each new one mixes when a side grows. */
function stretch(from: number, to: number): Weights[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    let at = Math.floor(i * scale);
    let part = i + 1 - (at + 1) / scale;
    part = part <= 0 ? 0 : part - Math.floor(part);
    if (at >= from - 1) {
      at = from - 1;
      part = 0;
    }
    return part === 0
      ? [[at, 1]]
      : [
          [at, 1 - part],
          [at + 1, part],
        ];
  });
}

/** Where each output pixel reads, in single precision as OpenCV has it. */
function taps(start: number, step: number, size: number): { at: number; part: number }[] {
  return Array.from({ length: size }, (_, i) => {
    const position = Math.fround(Math.fround(start) + i * Math.fround(step));
    const at = Math.floor(position);
    return { at, part: position - at };
  });
}

/** Between two values, in single precision. */
function mix(from: number, to: number, part: number): number {
  return Math.fround(from + part * Math.fround(to - from));
}

function pixel(picture: Picture, x: number, y: number, channel: number): number {
  if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) return 0;
  return picture.data[(y * picture.width + x) * 3 + channel]!;
}

function clip(position: number, size: number): number {
  return Math.min(Math.max(position, 0), size);
}

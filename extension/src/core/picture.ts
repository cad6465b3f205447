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
  const line = size * 3;
  // A row of the frame is stretched once however many rows of the view lie at it.
  let [upperAt, lowerAt] = [NaN, NaN];
  let [upper, lower] = [new Float32Array(line), new Float32Array(line)];
  for (let y = 0; y < size; y++) {
    const top = rows.at[y]!;
    if (top === lowerAt) {
      [upper, lower] = [lower, upper];
      [upperAt, lowerAt] = [lowerAt, NaN];
    }
    if (top !== upperAt) sampleRow(picture, top, columns, upper);
    if (top + 1 !== lowerAt) sampleRow(picture, top + 1, columns, lower);
    [upperAt, lowerAt] = [top, top + 1];
    const down = rows.part[y]!;
    for (let i = 0, to = y * line; i < line; i++, to++) {
      const value = Math.fround(upper[i]! + down * Math.fround(lower[i]! - upper[i]!));
      data[to] = value + HALF_EVEN - HALF_EVEN;
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
  const line = width * channels;
  const rows = new Float32Array(fromHeight * line);
  for (let y = 0; y < fromHeight; y++) {
    for (let x = 0, tap = 0; x < width; x++) {
      const to = y * line + x * channels;
      for (; tap < across.ends[x]!; tap++) {
        const weight = across.weights[tap]!;
        const at = (y * fromWidth + across.at[tap]!) * channels;
        for (let c = 0; c < channels; c++) rows[to + c]! += from[at + c]! * weight;
      }
    }
  }
  const out = new Uint8Array(line * height);
  const sum = new Float32Array(line);
  for (let y = 0, tap = 0; y < height; y++) {
    sum.fill(0);
    for (; tap < down.ends[y]!; tap++) {
      const weight = down.weights[tap]!;
      const at = down.at[tap]! * line;
      for (let i = 0; i < line; i++) sum[i]! += rows[at + i]! * weight;
    }
    for (let i = 0; i < line; i++) out[y * line + i] = sum[i]! + HALF_EVEN - HALF_EVEN;
  }
  return out;
}

/**
 * Added and taken away again it leaves a number rounded to a whole one, halves to the even one: 1.5
 * times 2 to the power of 52, next to which double precision has no room for fractions.
 */
const HALF_EVEN = 6755399441055744;

/** For magnitudes below 2 to the power of 51. */
export function roundHalfEven(value: number): number {
  return value + HALF_EVEN - HALF_EVEN;
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

/** Which pixels each new one averages, and by what share: those up to `ends` of each, in turn. */
interface Weights {
  readonly ends: Int32Array;
  readonly at: Int32Array;
  readonly weights: Float64Array;
}

function weigh(to: number, of: (i: number) => [at: number, weight: number][]): Weights {
  const shares = Array.from({ length: to }, (_, i) => of(i));
  let end = 0;
  return {
    ends: Int32Array.from(shares, (taps) => (end += taps.length)),
    at: Int32Array.from(shares.flat(), ([at]) => at),
    weights: Float64Array.from(shares.flat(), ([, weight]) => weight),
  };
}

/** A share of a pixel smaller than this is left out, as in OpenCV. */
const LEAST_SHARE = 1e-3;

function cover(from: number, to: number): Weights {
  const scale = 1 / (to / from);
  return weigh(to, (i) => {
    const start = i * scale;
    const end = start + scale;
    const cell = Math.min(scale, from - start);
    const last = Math.min(Math.floor(end), from - 1);
    const first = Math.min(Math.ceil(start), last);
    const taps: [number, number][] = [];
    if (first - start > LEAST_SHARE) taps.push([first - 1, Math.fround((first - start) / cell)]);
    for (let at = first; at < last; at++) taps.push([at, Math.fround(1 / cell)]);
    if (end - last > LEAST_SHARE) {
      taps.push([last, Math.fround(Math.min(end - last, 1, cell) / cell)]);
    }
    return taps;
  });
}

/** For a side that grows: two pixels each. */
function stretch(from: number, to: number): Weights {
  const scale = from / to;
  return weigh(to, (i) => {
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

/** Where each output pixel reads: between a pixel and the next, `part` of the way. */
interface Taps {
  readonly at: Int32Array;
  readonly part: Float64Array;
}

/** In single precision, as OpenCV has it. */
function taps(start: number, step: number, size: number): Taps {
  const [at, part] = [new Int32Array(size), new Float64Array(size)];
  for (let i = 0; i < size; i++) {
    const position = Math.fround(Math.fround(start) + i * Math.fround(step));
    at[i] = Math.floor(position);
    part[i] = position - at[i]!;
  }
  return { at, part };
}

/** A row of the frame as a view has it, in single precision; black outside the frame. */
function sampleRow({ width, height, data }: Picture, y: number, columns: Taps, out: Float32Array) {
  if (y < 0 || y >= height) {
    out.fill(0);
    return;
  }
  const row = y * width;
  for (let x = 0, to = 0; x < columns.at.length; x++, to += 3) {
    const left = columns.at[x]!;
    const part = columns.part[x]!;
    const [hasLeft, hasRight] = [left >= 0 && left < width, left >= -1 && left + 1 < width];
    const at = (row + left) * 3;
    for (let c = 0; c < 3; c++) {
      const from = hasLeft ? data[at + c]! : 0;
      const next = hasRight ? data[at + 3 + c]! : 0;
      out[to + c] = from + part * (next - from);
    }
  }
}

function clip(position: number, size: number): number {
  return Math.min(Math.max(position, 0), size);
}

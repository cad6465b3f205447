/**
 * Pictures as PNG (ISO/IEC 15948), byte for byte what the pixels are: a canvas may change them, by
 * colour management or against fingerprinting.
 */

import type { Picture } from '../core/picture';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const BYTES_PER_PIXEL = 3;
/** The filter by which all rows are told: a mean of the pixels before and above. */
const PAETH = 4;

export async function encodePng(picture: Picture): Promise<Uint8Array<ArrayBuffer>> {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, picture.width);
  header.setUint32(4, picture.height);
  header.setUint8(8, 8); // bits a channel
  header.setUint8(9, 2); // RGB
  const parts = [
    Uint8Array.from(SIGNATURE),
    chunk('IHDR', new Uint8Array(header.buffer)),
    chunk('IDAT', await deflated(filtered(picture))),
    chunk('IEND', new Uint8Array()),
  ];
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** Each row as what is left when it is foretold from the one above, behind the filter's number. */
function filtered({ width, height, data }: Picture): Uint8Array<ArrayBuffer> {
  const line = width * BYTES_PER_PIXEL;
  const out = new Uint8Array((line + 1) * height);
  for (let y = 0, to = 0; y < height; y++) {
    out[to++] = PAETH;
    for (let i = 0, at = y * line; i < line; i++, at++) {
      const first = i < BYTES_PER_PIXEL;
      const before = first ? 0 : data[at - BYTES_PER_PIXEL]!;
      const above = y === 0 ? 0 : data[at - line]!;
      const corner = first || y === 0 ? 0 : data[at - line - BYTES_PER_PIXEL]!;
      out[to++] = data[at]! - foretold(before, above, corner);
    }
  }
  return out;
}

/** Paeth's predictor: the neighbour nearest to before + above - corner. */
function foretold(before: number, above: number, corner: number): number {
  const toBefore = Math.abs(above - corner);
  const toAbove = Math.abs(before - corner);
  const toCorner = Math.abs(before + above - 2 * corner);
  if (toBefore <= toAbove && toBefore <= toCorner) return before;
  return toAbove <= toCorner ? above : corner;
}

async function deflated(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([data]).stream().pipeThrough(new CompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function chunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, checksum(bytes.subarray(4, data.length + 8)));
  return bytes;
}

const REMAINDERS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

/** CRC-32 as PNG and zip have it. */
function checksum(bytes: Uint8Array): number {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = REMAINDERS[(rest ^ byte) & 0xff]! ^ (rest >>> 8);
  return (rest ^ 0xffffffff) >>> 0;
}

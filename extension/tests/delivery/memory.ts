/** A shelf in memory, and bundles to put on it. */

import type { Bytes } from '../../src/delivery/bytes';
import { sha256 } from '../../src/delivery/bytes';
import type { SignedManifest, WebManifest } from '../../src/delivery/manifest';
import type { Shelf } from '../../src/delivery/shelf';

export class MemoryShelf implements Shelf {
  readonly files = new Map<string, Bytes>();

  read(folder: string, name: string): Promise<Bytes | null> {
    return Promise.resolve(this.files.get(`${folder}/${name}`) ?? null);
  }

  write(folder: string, name: string, content: Bytes): Promise<void> {
    this.files.set(`${folder}/${name}`, content.slice());
    return Promise.resolve();
  }

  folders(): Promise<string[]> {
    return Promise.resolve([...new Set([...this.files.keys()].map((path) => path.split('/')[0]!))]);
  }

  remove(folder: string): Promise<void> {
    for (const path of [...this.files.keys()]) {
      if (path.startsWith(`${folder}/`)) this.files.delete(path);
    }
    return Promise.resolve();
  }
}

export interface MadeBundle {
  readonly signed: SignedManifest;
  readonly manifest: WebManifest;
  readonly files: Map<string, Bytes>;
}

/** A bundle of a version whose graphs are a few bytes. */
export async function makeBundle(version: string, card: object = {}): Promise<MadeBundle> {
  const told = {
    schema: 'dfedge.card/1',
    kind: 'deepfake_detector',
    name: 'made',
    version,
    files: [
      { name: 'model.onnx', role: 'model' },
      { name: 'preprocess.onnx', role: 'preprocess' },
    ],
    ...card,
  };
  const files = new Map(
    [
      ['card.json', JSON.stringify(told)],
      ['model.onnx', `model ${version}`],
      ['preprocess.onnx', 'preprocess'],
    ].map(([name, text]) => [name!, new TextEncoder().encode(text)]),
  );
  const entries = await Promise.all(
    [...files].map(async ([name, content]) => ({
      name,
      sha256: await sha256(content),
      size_bytes: content.length,
    })),
  );
  const manifest: WebManifest = {
    schema: 'dfedge.web-bundle/1',
    name: 'made',
    version,
    files: entries,
    self_test: { logit: 1 },
  };
  return { signed: { manifest: JSON.stringify(manifest), signature: '' }, manifest, files };
}

/** Which of the models that are kept runs, whatever happens to them. */

import { describe, expect, test } from 'vitest';
import { RejectedError } from '../../src/delivery/rejecting';
import { type BundleBytes, ModelStore } from '../../src/delivery/store';
import { makeBundle, MemoryShelf } from './memory';

const SHIPPED = '0.1.0';

/** Whoever opens a bundle and finds nothing wrong with it. */
const version = (bundle: BundleBytes): Promise<string> => Promise.resolve(bundle.manifest.version);

async function storeWith(
  ...versions: string[]
): Promise<{ store: ModelStore; shelf: MemoryShelf }> {
  const shelf = new MemoryShelf();
  const store = new ModelStore(shelf);
  for (const one of versions) {
    const { signed, files } = await makeBundle(one);
    await store.offer(signed, files);
    await store.open(SHIPPED, version);
  }
  return { store, shelf };
}

async function damage(shelf: MemoryShelf, version: string): Promise<void> {
  const { signed } = await makeBundle(version);
  const isTheirs = (content: Uint8Array): boolean =>
    new TextDecoder().decode(content) === JSON.stringify(signed);
  const [path] = [...shelf.files].find(([, content]) => isTheirs(content))!;
  shelf.files.set(path.replace('signed.json', 'file-model.onnx'), new Uint8Array(3));
}

describe('a new model', () => {
  test('runs once it was tried, and from then on', async () => {
    const { store } = await storeWith('0.2.0');
    expect(await store.open(SHIPPED, version)).toBe('0.2.0');
    expect(await store.rejected()).toBeNull();
  });

  test('that fails its try leaves the one before, and the reason', async () => {
    const { store, shelf } = await storeWith('0.2.0');
    const { signed, files } = await makeBundle('0.3.0');
    await store.offer(signed, files);
    const used = await store.open(SHIPPED, (bundle) => {
      if (bundle.manifest.version === '0.3.0') throw new RejectedError('self_test', 'made');
      return version(bundle);
    });
    expect([used, await store.rejected()]).toEqual(['0.2.0', 'self_test']);
    expect(await shelf.folders()).toHaveLength(2);
  });

  test('that the browser dies of is not tried again', async () => {
    const { store, shelf } = await storeWith('0.2.0');
    const { signed, files } = await makeBundle('0.3.0');
    await store.offer(signed, files);
    const opened: string[] = [];
    void store.open(SHIPPED, (bundle) => {
      opened.push(bundle.manifest.version);
      return new Promise(() => undefined);
    });
    while (opened.length === 0) await new Promise((later) => setTimeout(later));
    const reborn = new ModelStore(shelf);
    expect(await reborn.open(SHIPPED, version)).toBe('0.2.0');
    expect(await reborn.rejected()).toBe('broken');
  });

  test('with the card of another model is none', async () => {
    for (const card of [{ kind: 'face_detector' }, { name: 'other' }, { files: [] }]) {
      const { store } = await storeWith();
      const { signed, files } = await makeBundle('0.2.0', card);
      await store.offer(signed, files);
      expect(await store.open(SHIPPED, version)).toBeNull();
      expect(await store.rejected()).toBe('unfit');
    }
  });
});

describe('a model that is kept', () => {
  test('gives way to the one before when it was damaged, and that to the one that ships', async () => {
    const { store, shelf } = await storeWith('0.2.0', '0.3.0');
    await damage(shelf, '0.3.0');
    expect(await store.open(SHIPPED, version)).toBe('0.2.0');
    await damage(shelf, '0.2.0');
    expect(await store.open(SHIPPED, version)).toBeNull();
    expect(await store.rejected()).toBe('damaged');
    expect(await shelf.folders()).toEqual(['state']);
  });

  test('gives way to one that ships and is not older, without a reproach', async () => {
    const { store, shelf } = await storeWith('0.2.0');
    expect(await store.open('0.2.0', version)).toBeNull();
    expect(await store.rejected()).toBeNull();
    expect(await shelf.folders()).toEqual(['state']);
  });

  test('is kept with the one before it, and no other', async () => {
    const { shelf } = await storeWith('0.2.0', '0.3.0', '0.4.0');
    expect(await shelf.folders()).toHaveLength(3);
  });

  test('goes when it is no longer trusted', async () => {
    const { store } = await storeWith('0.2.0', '0.3.0');
    expect(await store.retain(() => Promise.resolve(true))).toBe(false);
    const only2 = (signed: { manifest: string }): Promise<boolean> =>
      Promise.resolve(signed.manifest.includes('"0.2.0"'));
    expect(await store.retain(only2)).toBe(true);
    expect(await store.open(SHIPPED, version)).toBe('0.2.0');
    expect(await store.retain(() => Promise.resolve(false))).toBe(true);
    expect(await store.open(SHIPPED, version)).toBeNull();
  });
});

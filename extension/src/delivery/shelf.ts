/** Files by folder and name that outlast the browser: the extension's own storage (OPFS). */

import type { Bytes } from './bytes';

export interface Shelf {
  /** Null where there is no such file. */
  read(folder: string, name: string): Promise<Bytes | null>;
  /** Whole or not at all. */
  write(folder: string, name: string, content: Bytes): Promise<void>;
  folders(): Promise<string[]>;
  remove(folder: string): Promise<void>;
}

const ROOT = 'models';

/** Throws, whatever is asked of it, where the browser keeps nothing (private windows of Firefox). */
export const originShelf: Shelf = {
  async read(folder, name) {
    try {
      const place = await (await root()).getDirectoryHandle(folder);
      const file = await (await place.getFileHandle(name)).getFile();
      return new Uint8Array(await file.arrayBuffer());
    } catch (error) {
      if (error instanceof DOMException && error.name === 'NotFoundError') return null;
      throw error;
    }
  },
  async write(folder, name, content) {
    const place = await (await root()).getDirectoryHandle(folder, { create: true });
    // What is written takes the file's place when it is closed, and not before.
    const file = await (await place.getFileHandle(name, { create: true })).createWritable();
    await file.write(content);
    await file.close();
  },
  async folders() {
    const names: string[] = [];
    for await (const [name, handle] of (await root()).entries()) {
      if (handle.kind === 'directory') names.push(name);
    }
    return names;
  },
  async remove(folder) {
    await (await root()).removeEntry(folder, { recursive: true });
  },
};

async function root(): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
}

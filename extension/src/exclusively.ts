/**
 * One at a time, over all contexts of the extension: background, popup and options change what is
 * kept, and each change is a reading and a writing.
 */
export async function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  return await navigator.locks.request(name, work);
}

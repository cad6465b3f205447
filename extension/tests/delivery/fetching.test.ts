/** What comes from a server is bounded, and checked before anything uses it. */

import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { sha256 } from '../../src/delivery/bytes';
import { BundleServer } from '../../src/delivery/fetching';
import type { WebFile } from '../../src/delivery/manifest';

const NEVER = new AbortController().signal;
const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server of the test's, and how it is asked. */
async function answering(listener: RequestListener, signal = NEVER): Promise<BundleServer> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address() as AddressInfo;
  return new BundleServer({ url: `http://127.0.0.1:${port}`, key: 'dfe_key' }, signal);
}

async function named(content: Uint8Array<ArrayBuffer>): Promise<WebFile> {
  return { name: 'model.onnx', sha256: await sha256(content), size_bytes: content.length };
}

const ignore = (): void => undefined;

test('a file comes with the key, and its progress is told', async () => {
  const content = new Uint8Array(300_000).fill(7);
  const asked: (string | undefined)[] = [];
  const server = await answering((request, response) => {
    asked.push(request.url, request.headers.authorization);
    response.end(content);
  });
  let came = 0;
  const file = await server.file(await named(content), (bytes) => (came += bytes));
  expect([file.length, came]).toEqual([300_000, 300_000]);
  expect(asked).toEqual(['/v1/web-bundle/files/model.onnx', 'Bearer dfe_key']);
});

test('a file without an end is given up at the size that was signed', async () => {
  let sent = 0;
  const server = await answering((_, response) => {
    const pour = (): void => {
      while (!response.destroyed && response.write(new Uint8Array(65_536))) sent += 65_536;
    };
    response.on('drain', pour);
    pour();
  });
  const file = await named(new Uint8Array(1000));
  await expect(server.file(file, ignore)).rejects.toMatchObject({ why: 'damaged' });
  expect(sent).toBeLessThan(64 * 1024 ** 2);
});

test('a file that is shorter, another, or not there is refused', async () => {
  const file = await named(new Uint8Array(1000));
  for (const [status, content] of [
    [200, new Uint8Array(999)],
    [200, new Uint8Array(1000).fill(1)],
    [404, new Uint8Array(0)],
  ] as const) {
    const server = await answering((_, response) => response.writeHead(status).end(content));
    await expect(server.file(file, ignore)).rejects.toMatchObject({ why: 'damaged' });
  }
});

test('no offer is no fault; an answer of something else is the server failing', async () => {
  const none = await answering((_, response) => response.writeHead(404).end());
  expect(await none.offered()).toBeNull();
  for (const text of ['', '[]', 'null', '<html>', '{"manifest": 1, "signature": ""}']) {
    const odd = await answering((_, response) => response.end(text));
    await expect(odd.offered()).rejects.toMatchObject({ problem: { code: 'server_failed' } });
  }
  const endless = await answering((_, response) => response.end(' '.repeat(200_000)));
  await expect(endless.offered()).rejects.toMatchObject({ problem: { code: 'server_failed' } });
});

test('refusals and redirections are told as problems', async () => {
  for (const [status, code] of [
    [401, 'key_refused'],
    [403, 'key_refused'],
    [302, 'server_refused'],
    [500, 'server_failed'],
    [503, 'server_busy'],
  ] as const) {
    const headers = { Location: 'http://127.0.0.1:1/' };
    const server = await answering((_, response) => response.writeHead(status, headers).end());
    await expect(server.offered()).rejects.toMatchObject({ problem: { code } });
  }
});

test('nothing is asked unencrypted of another machine', () => {
  const access = { url: 'http://dfedge.example.org', key: 'dfe_key' };
  expect(() => new BundleServer(access, NEVER)).toThrow('unencrypted');
});

test('who waits no longer ends it', async () => {
  const waiting = new AbortController();
  const server = await answering((_, response) => {
    response.write('{');
    waiting.abort();
  }, waiting.signal);
  await expect(server.offered()).rejects.toMatchObject({ problem: { code: 'cancelled' } });
});

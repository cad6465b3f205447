/** What is fetched is fetched from a real server, as by a stranger, and only so much of it. */

import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fetchUpTo } from '../../src/hard/fetching';

let server: Server;
let url: string;
let asked: IncomingHttpHeaders | undefined;

beforeAll(async () => {
  server = createServer((request, response) => {
    asked = request.headers;
    response.statusCode = request.url === '/gone' ? 404 : 200;
    response.setHeader('Content-Type', 'image/png');
    // In parts, so that the length is not known before.
    response.write(Buffer.alloc(600));
    response.end(Buffer.alloc(400));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

const never = new AbortController().signal;

test('all of it comes, with its type, and no cookie goes', async () => {
  const data = await fetchUpTo(1000, url, never);
  expect(data.size).toBe(1000);
  expect(data.type).toBe('image/png');
  expect(asked).not.toHaveProperty('cookie');
  expect(asked).not.toHaveProperty('referer');
});

test('a byte more than is allowed is refused', async () => {
  await expect(fetchUpTo(999, url, never)).rejects.toMatchObject({
    problem: { code: 'unreadable' },
  });
});

test('what is not there cannot be read', async () => {
  await expect(fetchUpTo(1000, `${url}/gone`, never)).rejects.toMatchObject({
    problem: { code: 'unreadable' },
  });
});

test('whoever asks for it no longer is told that it was cancelled', async () => {
  await expect(fetchUpTo(1000, url, AbortSignal.abort())).rejects.toMatchObject({
    problem: { code: 'cancelled' },
  });
});

/** Whom a manifest is believed, and what is none. */

import { generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import { isNewer, readManifest, verified } from '../../src/delivery/manifest';
import { sha256 } from '../../src/delivery/bytes';
import { trialPicture } from '../../src/delivery/selftest';
import { makeBundle } from './memory';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
/** The 32 bytes at the end of its DER form. */
const key = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('base64');

test('a manifest is read when it bears the signature of the key', async () => {
  const { signed, manifest } = await makeBundle('1.2.3');
  const signature = sign(null, Buffer.from(signed.manifest), privateKey).toString('base64');
  expect(await verified({ ...signed, signature }, key)).toEqual(manifest);
  expect(await verified({ ...signed, signature }, ` ${key}\n`)).toEqual(manifest);
  for (const other of [
    { manifest: `${signed.manifest} `, signature },
    { ...signed, signature: signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')) },
    { ...signed, signature: '' },
    { ...signed, signature: 'no base64 at all' },
  ]) {
    await expect(verified(other, key)).rejects.toMatchObject({ why: 'signature' });
  }
  await expect(verified({ ...signed, signature }, 'AAAA')).rejects.toMatchObject({ why: 'key' });
  await expect(verified({ ...signed, signature }, '?')).rejects.toMatchObject({ why: 'key' });
});

test('what is no manifest is not taken for one, signed or not', async () => {
  const { manifest } = await makeBundle('1.2.3');
  const [file] = manifest.files;
  for (const change of [
    { schema: 'dfedge.web-bundle/2' },
    { name: '../made' },
    { version: '1.2' },
    { files: [] },
    { files: [file, file] },
    { files: Array.from({ length: 9 }, (_, at) => ({ ...file, name: `file${at}` })) },
    { files: [{ ...file, name: 'folder/card.json' }] },
    { files: [{ ...file, sha256: 'ABC' }] },
    { files: [{ ...file, size_bytes: 0 }] },
    { files: [{ ...file, size_bytes: 33 * 1024 ** 2 }] },
    { self_test: {} },
    { self_test: undefined },
  ]) {
    expect(() => readManifest(JSON.stringify({ ...manifest, ...change }))).toThrow('unfit');
  }
  for (const text of ['', 'null', '[]', '{}']) expect(() => readManifest(text)).toThrow('unfit');
});

test('versions are compared part by part, as numbers', () => {
  expect(isNewer('0.10.0', '0.9.9')).toBe(true);
  expect(isNewer('1.0.0', '0.99.99')).toBe(true);
  expect(isNewer('0.1.1', '0.1.0')).toBe(true);
  for (const older of ['0.1.0', '0.0.9', '0.1.00']) expect(isNewer(older, '0.1.0')).toBe(false);
});

test('the picture of the self-test is that of the signing side', async () => {
  const { data } = trialPicture();
  expect(await sha256(new Uint8Array(data))).toBe(
    '385b75d65c17646e916c635264feec23d923d7eaeec67103810bd541f3d0e8d4',
  );
});

/** What the commands of the manifest do. */

import { fakeBrowser } from './browser';
import { beforeEach, expect, test, vi } from 'vitest';
import { obey } from '../../src/background/asked';
import { keepReport } from '../../src/reports';
import { currentSettings } from '../../src/settings';

const TAB = { id: 7, url: 'https://video.example/watch' } as Parameters<typeof obey>[1];

const told = vi.spyOn(fakeBrowser.tabs, 'sendMessage');

beforeEach(() => {
  fakeBrowser.reset();
  told.mockReset().mockResolvedValue(undefined);
});

test('"check" asks all frames of the tab to look now', async () => {
  await obey('check', TAB);
  expect(told.mock.calls).toEqual([[7, { type: 'check', source: null }, {}]]);
});

test('"reveal" asks the frame of the most suspicious video to show its panel', async () => {
  await report('a', 1, 0.2);
  await report('b', 2, 0.9);
  await obey('reveal', TAB);
  expect(told.mock.calls).toEqual([[7, { type: 'reveal', source: 'b' }, { frameId: 2 }]]);
});

test('"reveal" does nothing where there is no video', async () => {
  await obey('reveal', TAB);
  expect(told).not.toHaveBeenCalled();
});

test('"toggle_site" switches the site of the tab off, and on again', async () => {
  await obey('toggle_site', TAB);
  expect((await currentSettings()).sitesOff).toEqual(['video.example']);
  await obey('toggle_site', TAB);
  expect((await currentSettings()).sitesOff).toEqual([]);
});

async function report(source: string, frameId: number, fakeProbability: number): Promise<void> {
  await keepReport(
    { tabId: 7, frameId, documentId: undefined },
    {
      source,
      title: '',
      page: '',
      saying: 'unsure',
      fakeProbability,
      problem: null,
      reasons: [],
      ptsSeconds: 0,
      thumbnail: null,
      escalationId: null,
    },
    new Date(0),
  );
}

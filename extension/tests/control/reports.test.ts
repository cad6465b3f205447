/** What is known of the videos of a tab, while its documents come and go. */

import { fakeBrowser } from './browser';
import { beforeEach, expect, test } from 'vitest';
import { shownOf } from '../../src/background/action';
import type { KeptReport, VideoReport } from '../../src/messages';
import {
  dropReport,
  forgetTab,
  keepReport,
  MOST_VIDEOS,
  mostSuspicious,
  openDocument,
  reportsOf,
} from '../../src/reports';

const TAB = 7;
const NOW = new Date('2026-01-02T03:04:05Z');
const top = { tabId: TAB, frameId: 0, documentId: 'top' };
const frame = { tabId: TAB, frameId: 3, documentId: 'frame' };

beforeEach(() => {
  fakeBrowser.reset();
});

test('a video is known by what was said of it last, in its place', async () => {
  await keepReport(top, reportOn('a', 'looking'), NOW);
  await keepReport(frame, reportOn('b', 'real'), NOW);
  await keepReport(top, reportOn('a', 'suspicious'), NOW);
  const { videos } = await reportsOf(TAB).getValue();
  expect(videos.map(({ source, saying, frameId, at }) => [source, saying, frameId, at])).toEqual([
    ['a', 'suspicious', 0, '2026-01-02T03:04:05.000Z'],
    ['b', 'real', 3, '2026-01-02T03:04:05.000Z'],
  ]);
});

test('reports of many frames at the same time are all kept', async () => {
  const sources = ['a', 'b', 'c', 'd'];
  await Promise.all(sources.map((source) => keepReport(frame, reportOn(source, 'real'), NOW)));
  expect(await known()).toEqual(sources);
});

test('of more than many videos the last are known', async () => {
  for (let i = 0; i < MOST_VIDEOS + 2; i++) {
    await keepReport(top, reportOn(`v${i}`, 'real'), NOW);
  }
  expect((await known())[0]).toBe('v2');
  expect((await known()).length).toBe(MOST_VIDEOS);
});

test('a video that is gone is not known any more', async () => {
  await keepReport(top, reportOn('a', 'real'), NOW);
  await dropReport(TAB, { source: 'a' });
  expect(await known()).toEqual([]);
});

test('with a new top document all of the tab is over', async () => {
  await openDocument(top);
  await keepReport(top, reportOn('a', 'real'), NOW);
  await keepReport(frame, reportOn('b', 'real'), NOW);
  await openDocument({ ...top, documentId: 'next' });
  expect(await known()).toEqual([]);
});

test('with a new document in a frame only that frame is over', async () => {
  await openDocument(top);
  await keepReport(top, reportOn('a', 'real'), NOW);
  await keepReport(frame, reportOn('b', 'real'), NOW);
  await openDocument({ ...frame, documentId: 'next' });
  expect(await known()).toEqual(['a']);
});

test('a document that asks again loses nothing', async () => {
  await openDocument(top);
  await keepReport(top, reportOn('a', 'real'), NOW);
  await keepReport(frame, reportOn('b', 'real'), NOW);
  await openDocument(top);
  await openDocument(frame);
  expect(await known()).toEqual(['a', 'b']);
});

test('where the browser names no documents, each that asks is a new one', async () => {
  const nameless = { ...frame, documentId: undefined };
  await keepReport(nameless, reportOn('a', 'real'), NOW);
  await openDocument(nameless);
  expect(await known()).toEqual([]);
});

test('nothing is left of a tab that is closed, though its page says a last word', async () => {
  await keepReport(top, reportOn('a', 'real'), NOW);
  await forgetTab(TAB);
  await dropReport(TAB, { source: 'a' });
  expect(await fakeBrowser.storage.session.get()).toEqual({});
});

test.each(['https://tracker.example/pixel', `data:image/jpeg;base64,${'A'.repeat(70_000)}`])(
  'a thumbnail that is no small picture of ours is none (%#)',
  async (thumbnail) => {
    const { videos } = await keepReport(top, { ...reportOn('a', 'real'), thumbnail }, NOW);
    expect(videos[0]?.thumbnail).toBe(null);
  },
);

test('the most suspicious video is the one to look at first', () => {
  const videos = [
    kept('a', 'real', 0.1),
    kept('b', 'suspicious', 0.8),
    kept('c', 'suspicious', 0.9),
  ];
  expect(mostSuspicious(videos)?.source).toBe('c');
  expect(mostSuspicious([])).toBe(undefined);
});

test('the button counts what is suspicious, and else tells that something is unsure', () => {
  const text = (...videos: KeptReport[]): string => shownOf(videos).text;
  expect(text()).toBe('');
  expect(text(kept('a', 'real'), kept('b', 'unsure'))).toBe('?');
  expect(text(kept('a', 'leaning'))).toBe('?');
  expect(text(kept('a', 'suspicious'), kept('b', 'unsure'), kept('c', 'suspicious'))).toBe('2');
});

async function known(): Promise<string[]> {
  return (await reportsOf(TAB).getValue()).videos.map(({ source }) => source);
}

function reportOn(
  source: string,
  saying: VideoReport['saying'],
  fakeProbability = 0.5,
): VideoReport {
  return {
    source,
    title: 'A page',
    page: 'https://example.com/watch',
    saying,
    fakeProbability,
    problem: null,
    reasons: [],
    ptsSeconds: 1,
    thumbnail: null,
    escalationId: null,
  };
}

function kept(...[source, saying, probability]: Parameters<typeof reportOn>): KeptReport {
  return { ...reportOn(source, saying, probability), at: NOW.toISOString(), frameId: 0 };
}

/** The history: what is kept of what was said, how much of it, and how it leaves. */

import { fakeBrowser } from './browser';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  eraseHistory,
  historyAsCsv,
  historyAsJson,
  type HistoryEntry,
  historyItem,
  MOST_ENTRIES,
  noteMistake,
  recordReport,
} from '../../src/history';
import type { VideoReport } from '../../src/messages';

const FIRST = new Date('2026-01-02T03:04:05Z');
const LATER = new Date('2026-01-02T04:00:00Z');

beforeEach(() => {
  fakeBrowser.reset();
});

describe('kept', () => {
  test('what is said last of a video, with the time when it was first seen', async () => {
    await recordReport(report, false, FIRST);
    await recordReport({ ...report, saying: 'real', fakeProbability: 0.1 }, false, LATER);
    expect(await historyItem.getValue()).toEqual([
      { ...entry, saying: 'real', fakeProbability: 0.1 },
    ]);
  });

  test('no picture', async () => {
    await recordReport({ ...report, thumbnail: 'data:image/jpeg;base64,AAAA' }, false, FIRST);
    expect(JSON.stringify(await historyItem.getValue())).not.toContain('data:image');
  });

  test.each(['looking', 'waiting', 'no_face', 'cannot_check'] as const)(
    'nothing of a video of which "%s" is said',
    async (saying) => {
      await recordReport({ ...report, saying }, false, FIRST);
      expect(await historyItem.getValue()).toEqual([]);
    },
  );

  test.each([true, undefined])('nothing of a private window (%s)', async (incognito) => {
    await recordReport(report, incognito, FIRST);
    expect(await fakeBrowser.storage.local.get()).toEqual({});
  });

  test('no more than the newest', async () => {
    const old = Array.from({ length: MOST_ENTRIES }, (_, i) => ({ ...entry, source: `v${i}` }));
    await historyItem.setValue(old);
    await recordReport(report, false, LATER);
    const entries = await historyItem.getValue();
    expect(entries.length).toBe(MOST_ENTRIES);
    expect([entries[0]?.source, entries.at(-1)?.source]).toEqual(['v1', report.source]);
  });

  test('a mistake that the user tells stays when the video is judged on', async () => {
    await recordReport(report, false, FIRST);
    await noteMistake(report.source, 'false_alarm', 'I was there');
    await recordReport({ ...report, escalationId: 'e1' }, false, LATER);
    const [kept] = await historyItem.getValue();
    expect(kept).toEqual({
      ...entry,
      escalationId: 'e1',
      mistake: 'false_alarm',
      note: 'I was there',
    });
  });
});

describe('erased', () => {
  test('one', async () => {
    await historyItem.setValue([entry, { ...entry, source: 'other' }]);
    await eraseHistory(entry.source);
    expect((await historyItem.getValue()).map(({ source }) => source)).toEqual(['other']);
  });

  test('all', async () => {
    await historyItem.setValue([entry, { ...entry, source: 'other' }]);
    await eraseHistory();
    expect(await historyItem.getValue()).toEqual([]);
  });
});

describe('exported', () => {
  test('as JSON it is what is kept', () => {
    expect(JSON.parse(historyAsJson([entry]))).toEqual([entry]);
  });

  test('as CSV it has a row for each, quoted where that is needed', () => {
    const title = 'He said "no",\nthen left';
    expect(historyAsCsv([{ ...entry, title }])).toBe(
      'at,title,page,saying,fakeProbability,reasons,ptsSeconds,escalationId,mistake,note\r\n' +
        '2026-01-02T03:04:05.000Z,"He said ""no"",\nthen left",https://example.com/watch,' +
        'suspicious,0.9,score_above_fake_threshold too_few_frames,1.5,,,\r\n',
    );
  });

  test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\tx'])(
    'a title that a spreadsheet would run is text: %j',
    (title) => {
      expect(historyAsCsv([{ ...entry, title }])).toContain(`,'${title},`);
    },
  );
});

const report: VideoReport = {
  source: 'video',
  title: 'A page',
  page: 'https://example.com/watch',
  saying: 'suspicious',
  fakeProbability: 0.9,
  problem: null,
  reasons: ['score_above_fake_threshold', 'too_few_frames'],
  ptsSeconds: 1.5,
  thumbnail: null,
  escalationId: null,
};

const entry: HistoryEntry = {
  source: 'video',
  at: FIRST.toISOString(),
  title: 'A page',
  page: 'https://example.com/watch',
  saying: 'suspicious',
  fakeProbability: 0.9,
  reasons: ['score_above_fake_threshold', 'too_few_frames'],
  ptsSeconds: 1.5,
  escalationId: null,
  mistake: null,
  note: '',
};

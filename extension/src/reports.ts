/** What is said of the videos of each tab: in memory, until the tab or the browser is closed. */

import { storage, type WxtStorageItem } from 'wxt/utils/storage';
import { exclusively } from './exclusively';
import type { KeptReport, Source, VideoReport } from './messages';
import type { Saying } from './page/saying';

/** Videos of a tab that are remembered; of more, those that came last. */
export const MOST_VIDEOS = 60;
/** A small JPEG as a data URL; what is longer is none. */
const LONGEST_THUMBNAIL = 64 * 1024;

/** Which document of which frame of a tab reports. */
export interface Reporter {
  readonly tabId: number;
  readonly frameId: number;
  /** Undefined where the browser does not tell. */
  readonly documentId: string | undefined;
}

interface Kept extends KeptReport {
  readonly documentId?: string | undefined;
}

export interface TabReports {
  /** Of the top frame. */
  readonly documentId?: string | undefined;
  readonly videos: readonly Kept[];
}

const NONE: TabReports = { videos: [] };

/** What is known of a tab. */
export function reportsOf(tabId: number): WxtStorageItem<TabReports, Record<string, unknown>> {
  return storage.defineItem<TabReports>(`session:tab${tabId}`, { fallback: NONE });
}

export function keepReport(by: Reporter, report: VideoReport, now: Date): Promise<TabReports> {
  const { frameId, documentId } = by;
  const { thumbnail } = report;
  const shown = thumbnail?.startsWith('data:image/') && thumbnail.length <= LONGEST_THUMBNAIL;
  const kept: Kept = {
    ...report,
    thumbnail: shown === true ? thumbnail : null,
    at: now.toISOString(),
    frameId,
    documentId,
  };
  return change(by.tabId, (tab) => {
    const known = tab.videos.some(({ source }) => source === report.source);
    const videos = known
      ? tab.videos.map((video) => (video.source === report.source ? kept : video))
      : [...tab.videos, kept].slice(-MOST_VIDEOS);
    return { ...tab, videos };
  });
}

export function dropReport(tabId: number, { source }: Source): Promise<TabReports> {
  return change(tabId, (tab) => {
    const videos = tab.videos.filter((video) => video.source !== source);
    return videos.length === tab.videos.length ? tab : { ...tab, videos };
  });
}

/**
 * A document asks for the first time: what the one before it in its frame reported is over, and
 * with a new top document all of the tab. Pages do not always get to say that they go.
 */
export function openDocument(by: Reporter): Promise<TabReports> {
  const { tabId, frameId, documentId } = by;
  return change(tabId, (tab) => {
    if (frameId === 0) {
      const same = documentId !== undefined && documentId === tab.documentId;
      return same ? tab : { documentId, videos: [] };
    }
    const isOver = (video: Kept): boolean =>
      video.frameId === frameId && (documentId === undefined || video.documentId !== documentId);
    return { ...tab, videos: tab.videos.filter((video) => !isOver(video)) };
  });
}

export async function forgetTab(tabId: number): Promise<void> {
  await exclusively('reports', () => reportsOf(tabId).removeValue());
}

const RANK: Record<Saying, number> = {
  suspicious: 7,
  leaning: 6,
  unsure: 5,
  real: 4,
  no_face: 3,
  cannot_check: 2,
  looking: 1,
  waiting: 0,
};

/** The video to look at first; undefined where there is none. */
export function mostSuspicious(videos: readonly KeptReport[]): KeptReport | undefined {
  return [...videos].sort(
    (one, other) =>
      RANK[other.saying] - RANK[one.saying] ||
      (other.fakeProbability ?? 0) - (one.fakeProbability ?? 0),
  )[0];
}

function change(tabId: number, changed: (tab: TabReports) => TabReports): Promise<TabReports> {
  return exclusively('reports', async () => {
    const item = reportsOf(tabId);
    const before = await item.getValue();
    const after = changed(before);
    if (after !== before) await item.setValue(after);
    return after;
  });
}

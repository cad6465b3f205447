/**
 * What was said of which video: on this device alone, never of private windows, until the user
 * erases it or newer ones take its place.
 */

import { storage } from 'wxt/utils/storage';
import { exclusively } from './exclusively';
import type { Mistake, VideoReport } from './messages';
import type { Saying } from './page/saying';
import type { Reason } from './types/verdict';

/** Of more, the newest. */
export const MOST_ENTRIES = 1000;

export interface HistoryEntry {
  /** The video, of one visit of its page. */
  readonly source: string;
  /** When something was first said of it: ISO 8601. */
  readonly at: string;
  readonly title: string;
  /** The page's address without query and fragment. */
  readonly page: string;
  readonly saying: Saying;
  readonly fakeProbability: number | null;
  readonly reasons: readonly Reason[];
  readonly ptsSeconds: number;
  readonly escalationId: string | null;
  /** What the user says is wrong of it. */
  readonly mistake: Mistake | null;
  readonly note: string;
}

/** From old to new. */
export const historyItem = storage.defineItem<readonly HistoryEntry[]>('local:history', {
  fallback: [],
});

/** What a verdict says; that none was possible is not worth keeping. */
const WORTH_KEEPING: ReadonlySet<Saying> = new Set(['suspicious', 'leaning', 'unsure', 'real']);

/**
 * Keep what is said of a video, in place of what was said of it before; nothing of a private window,
 * and nothing where it is not known whether it is one.
 */
export async function recordReport(
  report: VideoReport,
  incognito: boolean | undefined,
  now: Date,
): Promise<void> {
  if (incognito !== false || !WORTH_KEEPING.has(report.saying)) return;
  await change((entries) => {
    const known = entries.find(({ source }) => source === report.source);
    const { source, title, page, saying, fakeProbability, reasons, ptsSeconds } = report;
    const entry: HistoryEntry = {
      source,
      at: known?.at ?? now.toISOString(),
      title,
      page,
      saying,
      fakeProbability,
      reasons,
      ptsSeconds,
      escalationId: report.escalationId ?? known?.escalationId ?? null,
      mistake: known?.mistake ?? null,
      note: known?.note ?? '',
    };
    if (known !== undefined) return entries.map((other) => (other === known ? entry : other));
    return [...entries, entry].slice(-MOST_ENTRIES);
  });
}

/** Keep that the user holds an entry to be wrong. */
export async function noteMistake(source: string, mistake: Mistake, note: string): Promise<void> {
  await change((entries) =>
    entries.map((entry) => (entry.source === source ? { ...entry, mistake, note } : entry)),
  );
}

/** Erase one entry, or all. */
export async function eraseHistory(source?: string): Promise<void> {
  await change((entries) =>
    source === undefined ? [] : entries.filter((entry) => entry.source !== source),
  );
}

export function historyAsJson(entries: readonly HistoryEntry[]): string {
  return `${JSON.stringify(entries, null, 2)}\n`;
}

const COLUMNS = [
  'at',
  'title',
  'page',
  'saying',
  'fakeProbability',
  'reasons',
  'ptsSeconds',
  'escalationId',
  'mistake',
  'note',
] as const satisfies readonly (keyof HistoryEntry)[];

/** RFC 4180. */
export function historyAsCsv(entries: readonly HistoryEntry[]): string {
  const rows = entries.map((entry) => COLUMNS.map((column) => cell(entry[column])));
  return [COLUMNS, ...rows].map((row) => `${row.join(',')}\r\n`).join('');
}

function cell(value: HistoryEntry[(typeof COLUMNS)[number]]): string {
  if (typeof value === 'number') return String(value);
  const text = Array.isArray(value) ? value.join(' ') : ((value as string | null) ?? '');
  // A page chose its title; a spreadsheet would run one that begins as a formula does.
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

async function change(
  changed: (entries: readonly HistoryEntry[]) => readonly HistoryEntry[],
): Promise<void> {
  await exclusively('history', async () => {
    await historyItem.setValue(changed(await historyItem.getValue()));
  });
}

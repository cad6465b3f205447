/** Tells the background what is said of a video, whenever that changes. */

import type { JudgeLink } from '../judge/link';
import { askBackground } from '../keeping';
import type { SeenFace, VideoReport } from '../messages';

/** All of a report but what is the same for all, or takes time. */
export type Report = Omit<VideoReport, 'title' | 'page' | 'thumbnail'>;

const QUALITY = 0.7;

export class Reporting {
  readonly #link: JudgeLink;
  #told = '';

  constructor(link: JudgeLink) {
    this.#link = link;
  }

  /** What is said now; nothing is told twice. */
  async tell(report: Report): Promise<void> {
    const { source, saying, problem, escalationId } = report;
    const key = [source, saying, problem, escalationId].join(' ');
    if (key === this.#told) return;
    this.#told = key;
    const thumbnail = report.fakeProbability === null ? null : await this.#thumbnail(source);
    if (key !== this.#told) return; // something else is said by now
    await tell('report', {
      ...report,
      title: document.title,
      page: address(location),
      thumbnail,
    });
  }

  /** The video is there no more. */
  async gone(source: string): Promise<void> {
    this.#told = '';
    await tell('gone', { source });
  }

  /** The face with the highest score that counts, as a data URL. */
  async #thumbnail(source: string): Promise<string | null> {
    try {
      const faces = await this.#link.ask('faces', { source });
      const face = faces.toSorted(bySuspicion)[0];
      return face === undefined ? null : await asDataUrl(face);
    } catch {
      return null; // it is known no more
    }
  }
}

/** What the background does not hear it is told again when the next thing is said. */
async function tell(...[what, request]: Parameters<typeof askBackground>): Promise<void> {
  try {
    await askBackground(what, request);
  } catch {
    return;
  }
}

function bySuspicion(a: SeenFace, b: SeenFace): number {
  return Number(b.usable) - Number(a.usable) || b.fakeProbability - a.fakeProbability;
}

async function asDataUrl({ width, height, rgba }: SeenFace): Promise<string> {
  const canvas = new OffscreenCanvas(width, height);
  const pixels = new ImageData(new Uint8ClampedArray(rgba), width, height);
  canvas.getContext('2d')?.putImageData(pixels, 0, 0);
  const blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: QUALITY });
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => {
      resolve(reader.result as string);
    };
    reader.onerror = () => {
      reject(reader.error ?? new Error('unreadable'));
    };
    reader.readAsDataURL(blob);
  });
}

/** Without query and fragment; what a page has written itself, as in a sandboxed frame, has none. */
function address({ origin, pathname, protocol }: Location): string {
  return origin === 'null' ? protocol : `${origin}${pathname}`;
}

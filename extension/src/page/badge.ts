/** The badge on a video: a button of ours above the page, in a closed shadow root. */

import { word } from '../words';
import style from './badge.css?inline';
import { make, makeHost, raise } from './dom';
import { type Corner, cornersToTry, inCorner, isFree, type Rect, seenPart } from './placing';
import type { Saying } from './saying';

/** In the badge's circle, so that colour is not all that tells sayings apart. */
export const GLYPHS: Record<Saying, string> = {
  waiting: '▸',
  looking: '…',
  suspicious: '!',
  leaning: '?',
  unsure: '?',
  real: '○',
  no_face: '–',
  cannot_check: '×',
};

interface Size {
  readonly width: number;
  readonly height: number;
}

export class Badge {
  readonly #video: HTMLVideoElement;
  readonly #host: HTMLElement;
  readonly #button = make('button', {
    type: 'button',
    popover: 'manual',
    'aria-haspopup': 'dialog',
    'aria-expanded': 'false',
  });
  readonly #glyph = make('i', { 'aria-hidden': 'true' });
  readonly #text = make('span');
  readonly #told = make('div', { role: 'status' });
  #shown = false;
  #inView = false;
  #corner: Corner | undefined;
  /** Of the badge with its words, and without; undefined: they have changed. */
  #sizes: { readonly full: Size; readonly compact: Size } | undefined;

  /** Nothing is seen of it before it is shown. */
  constructor(video: HTMLVideoElement, clicked: () => void) {
    this.#video = video;
    const { host, root } = makeHost('dfedge-badge', style);
    this.#host = host;
    this.#button.append(this.#glyph, this.#text);
    this.#button.addEventListener('click', clicked);
    root.append(this.#told, this.#button);
    document.addEventListener('fullscreenchange', this.#raise);
  }

  /** Say it; `shown`: whether one sees it. Screen readers are told once of what is settled. */
  say(saying: Saying, shown: boolean): void {
    const words = word(`badge_${saying}`);
    // Not on the host, whose attributes the page's scripts can read.
    if (this.#button.dataset['saying'] !== saying) {
      this.#button.dataset['saying'] = saying;
      this.#text.textContent = words;
      this.#glyph.textContent = GLYPHS[saying];
      const label = word(saying === 'waiting' ? 'badge_label_waiting' : 'badge_label', words);
      this.#button.setAttribute('aria-label', label);
      this.#sizes = undefined;
    }
    const settled = saying !== 'waiting' && saying !== 'looking';
    const told = shown && settled ? word('badge_told', words) : '';
    if (this.#told.textContent !== told) this.#told.textContent = told;
    this.#shown = shown;
    this.place(true);
  }

  /** The video came into view, or left it. */
  see(inView: boolean): void {
    this.#inView = inView;
    this.place(true);
  }

  /** Lie where the video lies; `settled`: look whether the place is still free. */
  place(settled: boolean): void {
    if (!this.#host.isConnected) document.documentElement.append(this.#host);
    if (!this.#shown || !this.#inView) {
      if (this.#button.matches(':popover-open')) this.#button.hidePopover();
      return;
    }
    if (!this.#button.matches(':popover-open')) this.#button.showPopover();
    const seen = seenPart(this.#video.getBoundingClientRect(), {
      width: document.documentElement.clientWidth,
      height: innerHeight,
    });
    const place = seen && (settled ? this.#choose(seen) : this.#keep(seen));
    this.#button.hidden = place === undefined;
    if (place === undefined) return;
    this.#button.style.left = `${place.left}px`;
    this.#button.style.top = `${place.top}px`;
  }

  /** Whether its panel is open. */
  expanded(open: boolean): void {
    this.#button.setAttribute('aria-expanded', String(open));
  }

  focus(): void {
    this.#button.focus({ preventScroll: true });
  }

  remove(): void {
    document.removeEventListener('fullscreenchange', this.#raise);
    this.#host.remove();
  }

  /** What is in full screen lies above what was shown before it. */
  readonly #raise = (): void => {
    if (this.#button.matches(':popover-open')) raise(this.#button);
    this.place(true);
  };

  /** The first place that is free, without words where there is none for them. */
  #choose(seen: Rect): Rect | undefined {
    const { full, compact } = (this.#sizes ??= this.#measure());
    for (const size of [full, compact]) {
      for (const corner of cornersToTry(this.#video.controls, this.#corner)) {
        const place = inCorner(seen, size, corner);
        if (place === undefined || !isFree(place, this.#video, this.#host)) continue;
        this.#corner = corner;
        this.#button.classList.toggle('compact', size === compact);
        return place;
      }
    }
    this.#corner = undefined;
    return undefined;
  }

  /** The same corner, as it is now. */
  #keep(seen: Rect): Rect | undefined {
    if (this.#corner === undefined || this.#sizes === undefined) return undefined;
    const isCompact = this.#button.classList.contains('compact');
    return inCorner(seen, isCompact ? this.#sizes.compact : this.#sizes.full, this.#corner);
  }

  #measure(): { full: Size; compact: Size } {
    this.#button.hidden = false;
    const measure = (isCompact: boolean): Size => {
      this.#button.classList.toggle('compact', isCompact);
      const { offsetWidth: width, offsetHeight: height } = this.#button;
      return { width, height };
    };
    return { compact: measure(true), full: measure(false) };
  }
}

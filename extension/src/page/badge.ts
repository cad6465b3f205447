/** The badge on a video: an element of ours above the page, in a closed shadow root. */

import { type Saying, WORDS } from './saying';

const STYLE = `
  :host { all: initial; }
  p {
    position: fixed; z-index: 2147483647; margin: 0; padding: 2px 8px; border-radius: 4px;
    font: 12px/18px system-ui, sans-serif; color: #fff; background: #444c; pointer-events: none;
  }
  p[data-saying='suspicious'] { background: #b3261e; }
  p[data-saying='real'] { background: #1b6e3c; }
  p[data-saying='unsure'] { background: #7a5200; }
`;
const MARGIN = 8;

export class Badge {
  readonly #video: HTMLVideoElement;
  readonly #host = document.createElement('dfedge-badge');
  readonly #text = document.createElement('p');
  #frame = 0;

  constructor(video: HTMLVideoElement) {
    this.#video = video;
    const root = this.#host.attachShadow({ mode: 'closed' });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    this.#text.setAttribute('role', 'status');
    root.append(this.#text);
    // Beside the body, so that nothing that the page made is changed.
    document.documentElement.append(this.#host);
    this.say('looking');
    this.#follow();
  }

  /** Show what is said; screen readers are told when it changes. */
  say(saying: Saying, probability?: number): void {
    const percent = probability === undefined ? '' : ` (${Math.round(probability * 100)}%)`;
    const text = `dfedge: ${WORDS[saying]}${saying === 'suspicious' ? percent : ''}`;
    if (this.#text.textContent !== text) this.#text.textContent = text;
    this.#text.dataset['saying'] = saying;
    this.#host.dataset['saying'] = saying;
  }

  /** Take it away. */
  remove(): void {
    cancelAnimationFrame(this.#frame);
    this.#host.remove();
  }

  #follow(): void {
    const { left, top, bottom } = this.#video.getBoundingClientRect();
    const seen = bottom > 0 && top < innerHeight;
    this.#text.style.display = seen ? '' : 'none';
    this.#text.style.left = `${Math.max(left, 0) + MARGIN}px`;
    this.#text.style.top = `${Math.max(top, 0) + MARGIN}px`;
    this.#frame = requestAnimationFrame(() => {
      this.#follow();
    });
  }
}

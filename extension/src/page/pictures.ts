/** Pictures of a page, each judged once when someone asks for it by its menu. */

import { draw, PICTURE_SIDE } from '../hard/drawing';
import type { JudgeLink } from '../judge/link';
import type { Looked } from '../messages';
import { ProblemError } from '../problems';
import type { PageSettings } from '../settings';
import { SecondOpinion } from './opinion';
import { Panel, type Shown } from './panel';
import { sayingOf } from './saying';

/** In a frame of a page: knows which picture the menu was opened on. */
export class Pictures {
  readonly #link: JudgeLink;
  readonly #settings: () => PageSettings;
  readonly #stopping = new AbortController();
  #clicked: WeakRef<Element> | undefined;

  constructor(link: JudgeLink, settings: () => PageSettings) {
    this.#link = link;
    this.#settings = settings;
    const note = (event: Event): void => {
      const [target] = event.composedPath();
      if (target instanceof Element) this.#clicked = new WeakRef(target);
    };
    addEventListener('contextmenu', note, { capture: true, signal: this.#stopping.signal });
  }

  /** Judge the picture at an address, and show what is found beside it. */
  async judge(url: string): Promise<void> {
    const link = this.#link;
    const source = crypto.randomUUID();
    const picture = this.#find(url);
    const opinion = new SecondOpinion(link, { source });
    const { server } = this.#settings();
    const shown = { verdict: null, timeline: [], problem: null, offers: [], server } as const;
    const panel = new Panel(
      {
        source,
        what: 'picture',
        anchor: picture ?? document.documentElement,
        link,
        opinion,
        take: () => undefined,
        closed: () => {
          link.ask('forget', { source }).catch(() => undefined);
        },
      },
      { ...shown, saying: 'looking' },
    );
    panel.show({ ...shown, ...(await this.#look(source, url, picture)) });
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #look(
    source: string,
    url: string,
    picture: HTMLImageElement | undefined,
  ): Promise<Pick<Shown, 'saying'> & Partial<Shown>> {
    try {
      const pixels = await readable(picture);
      const { verdict }: Looked =
        pixels === undefined
          ? await this.#link.ask('picture', { source, url })
          : await this.#link.ask('look', { source, ptsSeconds: 0, index: 0, ...pixels });
      const { thresholds } = await this.#link.ask('models', {});
      return { saying: sayingOf(verdict, this.#settings().sensitivity, thresholds), verdict };
    } catch (error) {
      return { saying: 'cannot_check', problem: ProblemError.of(error).problem.code };
    }
  }

  /** The picture that was clicked, or else one that shows what lies at the address. */
  #find(url: string): HTMLImageElement | undefined {
    const shows = (element: Element | undefined): element is HTMLImageElement =>
      element instanceof HTMLImageElement && element.currentSrc === url;
    const clicked = this.#clicked?.deref();
    if (shows(clicked)) return clicked;
    return [...document.images].find(shows);
  }
}

/** The pixels of a picture that the page may read: those need not be loaded again. */
async function readable(picture: HTMLImageElement | undefined) {
  if (picture === undefined) return undefined;
  try {
    await picture.decode();
    const { naturalWidth: width, naturalHeight: height } = picture;
    return draw(picture, { left: 0, top: 0, width, height }, PICTURE_SIDE);
  } catch (error) {
    if (error instanceof DOMException) return undefined;
    throw error;
  }
}

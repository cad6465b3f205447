/** The panel beside a video or picture: what is said of it, why, and what can be done. */

import type { JudgeLink } from '../judge/link';
import type { ModelsState } from '../judge/models';
import { askBackground } from '../keeping';
import type { Source } from '../messages';
import type { ProblemCode } from '../problems';
import type { TimelinePoint, Verdict } from '../types/verdict';
import { language, word } from '../words';
import { button, make, makeHost } from './dom';
import type { SecondOpinion } from './opinion';
import style from './panel.css?inline';
import { FacesPart } from './panel_faces';
import { SaidPart } from './panel_said';
import { ServerPart } from './panel_server';
import { TimelinePart } from './panel_timeline';
import { besides } from './placing';
import type { Saying } from './saying';

/** What can be done about a video that is not checked: now, from a copy, by what the tab shows. */
export type Offer = 'check' | 'load_again' | 'capture';

/** What is known at one time. */
export interface Shown {
  readonly saying: Saying;
  /** Of this device; null while there is none. */
  readonly verdict: Verdict | null;
  /** Scores over the time that was watched; empty for pictures. */
  readonly timeline: readonly TimelinePoint[];
  /** Why it cannot be checked. */
  readonly problem: ProblemCode | null;
  readonly offers: readonly Offer[];
  /** The host of the user's server; null where nothing may be sent. */
  readonly server: string | null;
}

/** What a panel is about. */
export interface Subject extends Source {
  readonly what: 'video' | 'picture';
  /** The element that it opens beside. */
  readonly anchor: Element;
  readonly link: JudgeLink;
  readonly opinion: SecondOpinion;
  /** The user takes an offer. */
  take(offer: Offer): void;
  /** The panel was closed, by whomever: the place for the focus to go back. */
  closed(): void;
}

/** A part of the panel, below one another. */
export interface Part {
  readonly element: HTMLElement;
  /** Show what is known, and of the models what is known of them; null: nothing yet. */
  show(shown: Shown, models: ModelsState | null): void;
}

const WIDTH = 348;

/** Open from its making on; at most one is open in a page. */
export class Panel {
  static #open: Panel | undefined;

  readonly #subject: Subject;
  readonly #host: HTMLElement;
  readonly #element: HTMLElement;
  readonly #parts: readonly Part[];
  readonly #ended = new AbortController();
  #shown: Shown;
  #models: ModelsState | null = null;

  constructor(subject: Subject, shown: Shown) {
    Panel.#open?.close();
    Panel.#open = this;
    this.#subject = subject;
    this.#shown = shown;
    const { host, root } = makeHost('dfedge-panel', style);
    this.#host = host;
    const said = new SaidPart(subject);
    this.#parts = [
      said,
      ...(subject.what === 'video' ? [new TimelinePart()] : []),
      new FacesPart(subject),
      { element: meaning(), show: () => undefined },
      new ServerPart(subject, this.#ended.signal),
      new FootPart(),
    ];
    this.#element = make(
      'section',
      {
        class: 'panel',
        role: 'dialog',
        popover: 'manual',
        'aria-labelledby': 'said',
        lang: language(),
      },
      make('header', {}, said.mark, said.heading, this.#closeButton()),
      ...this.#parts.map((part) => part.element),
    );
    root.append(this.#element);
    this.#listen();
    this.show(shown);
    this.#element.showPopover();
    this.#place();
    said.heading.focus({ preventScroll: true });
    void this.#stay();
    void this.#learn();
  }

  /** Show what is known now. */
  show(shown: Shown): void {
    this.#shown = shown;
    for (const part of this.#parts) part.show(shown, this.#models);
  }

  close(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    if (Panel.#open === this) Panel.#open = undefined;
    this.#host.remove();
    this.#subject.closed();
  }

  #closeButton(): HTMLButtonElement {
    const close = button('×', () => {
      this.close();
    });
    close.classList.add('close');
    close.setAttribute('aria-label', word('panel_close'));
    return close;
  }

  #listen(): void {
    const { signal } = this.#ended;
    const place = (): void => {
      this.#place();
    };
    this.#element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.close();
    });
    addEventListener('resize', place, { signal });
    // Beside what is in full screen nothing can be clicked, so it could not be closed any more.
    const close = (): void => {
      if (document.fullscreenElement !== null) this.close();
    };
    document.addEventListener('fullscreenchange', close, { signal });
    // A page that is left may be kept whole, in case someone comes back.
    addEventListener(
      'pagehide',
      () => {
        this.close();
      },
      { signal },
    );
    const sizes = new ResizeObserver(place);
    sizes.observe(this.#element);
    signal.addEventListener('abort', () => {
      sizes.disconnect();
    });
  }

  #place(): void {
    const view = { width: document.documentElement.clientWidth, height: innerHeight };
    const { style } = this.#element;
    style.width = `${Math.min(WIDTH, view.width - 16)}px`;
    style.maxHeight = `${view.height - 16}px`;
    const { offsetWidth: width, offsetHeight: height } = this.#element;
    const place = besides(this.#subject.anchor.getBoundingClientRect(), { width, height }, view);
    style.left = `${place.left}px`;
    style.top = `${place.top}px`;
  }

  /** What was seen is not forgotten while it may be asked about, however long the video rests. */
  async #stay(): Promise<void> {
    try {
      await this.#subject.link.ask('stay', {}, { signal: this.#ended.signal });
    } catch {
      return; // it was closed, or there is no judge
    }
  }

  async #learn(): Promise<void> {
    try {
      this.#models = await this.#subject.link.ask('models', {});
    } catch {
      return; // thresholds and the models' names are not told then
    }
    if (!this.#ended.signal.aborted) this.show(this.#shown);
  }
}

/** What a verdict does not mean. */
function meaning(): HTMLElement {
  return make(
    'section',
    {},
    make('h3', {}, word('panel_meaning')),
    make(
      'ul',
      {},
      make('li', {}, word('panel_meaning_hint')),
      make('li', {}, word('panel_meaning_misses')),
      make('li', {}, word('panel_meaning_scope')),
    ),
  );
}

/** Which model looked, and the way to the options. */
class FootPart implements Part {
  readonly element = make('footer');
  readonly #model = make('p', { class: 'quiet' });

  constructor() {
    const options = button(word('panel_options'), () => {
      void askBackground('options', {});
    });
    this.element.append(this.#model, make('div', { class: 'row' }, options));
  }

  show(_: Shown, models: ModelsState | null): void {
    const edge = models?.models.find(({ role }) => role === 'edge');
    const words =
      edge === undefined
        ? word('panel_on_device')
        : word('panel_on_device_by', `${edge.name} ${edge.version}`);
    if (this.#model.textContent !== words) this.#model.textContent = words;
  }
}

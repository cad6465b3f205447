/** The part of the panel with the scores over time. */

import type { ModelsState } from '../judge/models';
import type { TimelinePoint } from '../types/verdict';
import { word } from '../words';
import { HEIGHT, path, WIDTH, widthSeconds } from './chart';
import { make } from './dom';
import { clock, score } from './numbers';
import type { Part, Shown } from './panel';

const SVG = 'http://www.w3.org/2000/svg';

export class TimelinePart implements Part {
  readonly element = make('section', { hidden: '' }, make('h3', {}, word('panel_timeline')));
  readonly #chart = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img' });
  readonly #scores = svg('path', { class: 'scores' });
  readonly #from = make('span');
  readonly #to = make('span');

  constructor() {
    const third = HEIGHT / 3;
    for (const [zone, words, y] of [
      ['fake', word('badge_suspicious'), 0],
      ['unsure', word('badge_unsure'), third],
      ['real', word('badge_real'), 2 * third],
    ] as const) {
      const label = svg('text', { x: '4', y: String(y + 11) });
      label.textContent = words;
      this.#chart.append(
        svg('rect', {
          class: `zone-${zone}`,
          y: String(y),
          width: String(WIDTH),
          height: String(third),
        }),
        label,
      );
    }
    for (const y of [third, 2 * third]) {
      this.#chart.append(
        svg('line', { class: 'threshold', x2: String(WIDTH), y1: String(y), y2: String(y) }),
      );
    }
    this.#chart.append(this.#scores);
    const times = make(
      'div',
      { class: 'times quiet', 'aria-hidden': 'true' },
      this.#from,
      this.#to,
    );
    this.element.append(this.#chart, times);
  }

  show({ timeline }: Shown, models: ModelsState | null): void {
    const first = timeline[0];
    const last = timeline.at(-1);
    this.element.hidden = models === null || first === undefined || last === undefined;
    if (models === null || first === undefined || last === undefined) return;
    this.#scores.setAttribute('d', path(timeline, models.thresholds));
    this.#from.textContent = clock(first.pts_seconds);
    this.#to.textContent = clock(first.pts_seconds + widthSeconds(first, last));
    this.#chart.setAttribute('aria-label', inWords(timeline, first, last));
  }
}

function inWords(
  timeline: readonly TimelinePoint[],
  first: TimelinePoint,
  last: TimelinePoint,
): string {
  const from = clock(first.pts_seconds);
  const to = clock(last.pts_seconds);
  const highest = timeline.reduce((a, b) =>
    (b.fake_probability ?? -1) > (a.fake_probability ?? -1) ? b : a,
  );
  if (highest.fake_probability === null) return word('panel_timeline_empty', from, to);
  const { fake_probability: value, pts_seconds: at } = highest;
  return word('panel_timeline_label', from, to, score(value), clock(at));
}

function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>>,
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

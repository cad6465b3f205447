/** The part of the panel with the scores over time. */

import type { ModelsState } from '../judge/models';
import type { TimelinePoint } from '../types/verdict';
import { word } from '../words';
import { make } from './dom';
import { clock, score } from './numbers';
import type { Part, Shown } from './panel';
import type { Thresholds } from './saying';

const WIDTH = 314;
const HEIGHT = 78;
/** Seconds that the whole width stands for at least. */
const LEAST_SECONDS = 10;
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
    this.#to.textContent = clock(end(first, last));
    this.#chart.setAttribute('aria-label', inWords(timeline, first, last));
  }
}

/**
 * The way of a pen over the scores, lifted where no face was seen. Each of the three zones takes a
 * third of the height, since the upper one often holds only a few hundredths.
 */
export function path(timeline: readonly TimelinePoint[], thresholds: Thresholds): string {
  const first = timeline[0]!;
  const seconds = end(first, timeline.at(-1)!) - first.pts_seconds;
  let drawn = '';
  let down = false;
  for (const { pts_seconds: at, fake_probability: probability } of timeline) {
    if (probability === null) {
      down = false;
      continue;
    }
    const x = (((at - first.pts_seconds) / seconds) * WIDTH).toFixed(1);
    const y = ((1 - zoned(probability, thresholds)) * HEIGHT).toFixed(1);
    // A lone point is drawn as one, by a line to itself.
    drawn += down ? `L${x} ${y}` : `M${x} ${y}L${x} ${y}`;
    down = true;
  }
  return drawn;
}

/** 0 to 1: up to the lower threshold a third, up to the upper one two. */
function zoned(probability: number, { real, fake }: Thresholds): number {
  if (probability <= real) return probability / real / 3;
  if (probability < fake) return (1 + (probability - real) / (fake - real)) / 3;
  return (2 + (probability - fake) / (1 - fake)) / 3;
}

function end(first: TimelinePoint, last: TimelinePoint): number {
  return Math.max(last.pts_seconds, first.pts_seconds + LEAST_SECONDS);
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

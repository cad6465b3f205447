/** The part of the panel with what is said of a video, why, and what can be done about it. */

import type { ModelsState } from '../judge/models';
import { problemWords, reasonWords, sayingWords, word } from '../words';
import { GLYPHS } from './badge';
import { button, make } from './dom';
import { score } from './numbers';
import type { Offer, Part, Shown, Subject } from './panel';

export class SaidPart implements Part {
  readonly mark = make('span', { class: 'mark', 'aria-hidden': 'true' });
  readonly heading = make('h2', { id: 'said', tabindex: '-1' });
  readonly element = make('section');
  readonly #subject: Subject;
  #key = '';

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  show(shown: Shown, models: ModelsState | null): void {
    const words = sayingWords(shown.saying);
    if (this.heading.textContent !== words) this.heading.textContent = words;
    this.mark.textContent = GLYPHS[shown.saying];
    this.mark.dataset['saying'] = shown.saying;
    const lines = why(shown, models);
    // Made anew only when it is another, so that the focus stays on a button.
    const key = JSON.stringify([lines, shown.offers]);
    if (key === this.#key) return;
    this.#key = key;
    this.element.replaceChildren(
      ...lines.map((line) => make('p', {}, line)),
      ...shown.offers.map((offer) => this.#offer(offer)),
    );
  }

  #offer(offer: Offer): HTMLElement {
    // Only a click in the popup lets the browser capture a tab.
    if (offer === 'capture') return make('p', {}, word('panel_offer_capture'));
    const take = button(
      word(`panel_offer_${offer}`),
      () => {
        this.#subject.take(offer);
      },
      'main',
    );
    const row = make('div', { class: 'row' }, take);
    if (offer === 'load_again') row.append(make('p', { class: 'quiet' }, word('panel_load_again')));
    return row;
  }
}

/** Sentences on the score, its reasons, and what stands in the way. */
function why({ saying, verdict, problem }: Shown, models: ModelsState | null): string[] {
  if (problem !== null) return [problemWords(problem)];
  if (verdict === null || saying === 'waiting' || saying === 'looking') return [];
  const lines = verdict.reasons.map(reasonWords);
  if (verdict.fake_probability !== null && models !== null) {
    const { fake, real } = models.thresholds;
    lines.push(word('panel_score', score(verdict.fake_probability), score(fake), score(real)));
  }
  if (saying === 'real') lines.push(word('panel_not_proven'));
  return lines;
}

/** One video of the tab in the popup. */

import type { KeptReport } from '../../messages';
import type { PageSettings } from '../../settings';
import { button, element } from '../../ui/elements';
import { mediaTime, percent } from '../../ui/format';
import { problemWords, reasonWords, sayingWords, word } from '../../words';

/** What can be done with a video; each is given where the video is. */
export interface VideoDeeds {
  reveal(video: KeptReport): Promise<void>;
  check(video: KeptReport): Promise<void>;
  capture(video: KeptReport): Promise<void>;
  askServer(video: KeptReport): Promise<void>;
}

/** Stays the same element when what is said changes, so that the focus stays where it is. */
export class VideoRow {
  readonly item = element('li');
  readonly #picture = element('img', { alt: '', hidden: true });
  readonly #said = element('p', { className: 'said' });
  readonly #why = element('p', { className: 'faint' });
  readonly #reveal: HTMLButtonElement;
  readonly #check: HTMLButtonElement;
  readonly #capture: HTMLButtonElement;
  readonly #askServer: HTMLButtonElement;
  #video: KeptReport;

  constructor(video: KeptReport, settings: PageSettings, deeds: VideoDeeds) {
    this.#video = video;
    this.#reveal = button(word('popup_show'), () => deeds.reveal(this.#video));
    this.#check = button(word('popup_check'), () => deeds.check(this.#video));
    this.#capture = button(word('popup_capture'), () => deeds.capture(this.#video));
    this.#askServer = button(word('popup_ask_server'), () => deeds.askServer(this.#video));
    this.#askServer.title = settings.server ?? '';
    const buttons = element('div', { className: 'buttons' });
    buttons.append(this.#reveal, this.#check, this.#capture, this.#askServer);
    const picture = element('div', { className: 'picture' }, this.#picture);
    this.item.append(picture, element('div', {}, this.#said, this.#why, buttons));
    this.show(video, settings);
  }

  show(video: KeptReport, settings: PageSettings): void {
    this.#video = video;
    const { saying, fakeProbability, thumbnail, problem } = video;
    this.#picture.hidden = thumbnail === null;
    if (thumbnail !== null) this.#picture.src = thumbnail;
    this.#said.dataset['saying'] = saying;
    const isScored = saying === 'suspicious' || saying === 'leaning';
    const score = isScored && fakeProbability !== null ? ` (${percent(fakeProbability)})` : '';
    const said = saying === 'waiting' ? word('popup_waiting') : sayingWords(saying);
    this.#said.textContent = said + score;
    this.#why.textContent = why(video);
    this.#check.hidden = saying !== 'waiting';
    this.#capture.hidden = !canBeCaptured(video);
    this.#askServer.hidden = settings.server === null || !isJudged(video) || problem !== null;
    const name = `${said}, ${video.title}`;
    for (const each of [this.#reveal, this.#check, this.#capture, this.#askServer]) {
      each.ariaLabel = `${each.textContent}: ${name}`;
    }
  }
}

function why({ saying, problem, reasons, ptsSeconds }: KeptReport): string {
  if (problem !== null) return problemWords(problem);
  if (saying === 'looking' || saying === 'waiting') return '';
  const when = word('popup_at', mediaTime(ptsSeconds));
  return [...reasons.map(reasonWords), when].join(' ');
}

function isJudged({ saying }: KeptReport): boolean {
  return !['looking', 'waiting', 'no_face', 'cannot_check'].includes(saying);
}

/** DRM would be captured as black; where a frame of another site lies is known by trying. */
function canBeCaptured({ problem }: KeptReport): boolean {
  const helps = problem === 'cross_origin' || problem === 'unreadable';
  return !import.meta.env.FIREFOX && helps;
}

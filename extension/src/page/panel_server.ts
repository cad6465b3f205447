/** The part of the panel where the user's server is asked, and where mistakes are reported to it. */

import type { SendingProgress, Sent } from '../escalation/sending';
import type { Mistake } from '../messages';
import { ProblemError } from '../problems';
import type { Verdict } from '../types/verdict';
import { problemWords, word } from '../words';
import { button, make } from './dom';
import { score } from './numbers';
import type { OpinionState } from './opinion';
import type { Part, Shown, Subject } from './panel';
import { sayingOf } from './saying';

const MISTAKES: readonly Mistake[] = [
  'false_alarm',
  'missed_fake',
  'wrong_person',
  'should_be_uncertain',
  'face_missed',
  'no_real_face',
];

export class ServerPart implements Part {
  readonly element = make('section');
  readonly #heading = make('h3', { tabindex: '-1' }, word('panel_server'));
  readonly #body = make('div');
  readonly #status = make('p', { role: 'status' });
  readonly #bar = make('progress');
  readonly #subject: Subject;
  #key = '';
  #server: string | null = null;
  #hasFaces = false;

  /** Follows what becomes of the opinion until `signal` is aborted. */
  constructor(subject: Subject, signal: AbortSignal) {
    this.#subject = subject;
    this.element.append(this.#heading, this.#body);
    const ended = subject.opinion.listen(() => {
      this.#update();
    });
    signal.addEventListener('abort', ended);
  }

  show({ server, verdict }: Shown): void {
    this.#server = server;
    this.#hasFaces = verdict !== null && verdict.tracks.length > 0;
    this.#update();
  }

  #update(): void {
    const { state } = this.#subject.opinion;
    // Made anew only when it is another, so that focus and what was typed stay.
    const key = `${state.is} ${this.#server ?? ''} ${this.#hasFaces}`;
    if (key !== this.#key) {
      const focused = this.#body.contains((this.element.getRootNode() as ShadowRoot).activeElement);
      this.#key = key;
      this.#body.replaceChildren(...this.#parts(state));
      if (focused) this.#heading.focus({ preventScroll: true });
    }
    if (state.is === 'asked') this.#progress(state.progress);
  }

  #parts(state: OpinionState): HTMLElement[] {
    const server = this.#server;
    if (state.is === 'had') return [...opinions(state.sent), this.#mistake()];
    if (server === null) return [make('p', { class: 'quiet' }, word('panel_no_server'))];
    if (state.is === 'asked') {
      const cancel = button(word('panel_cancel'), () => {
        this.#subject.opinion.cancel();
      });
      return [this.#status, this.#bar, make('div', { class: 'row' }, cancel)];
    }
    const ask = button(
      word(state.is === 'failed' ? 'panel_ask_again' : 'panel_ask'),
      () => {
        void this.#subject.opinion.ask();
      },
      'main',
    );
    ask.disabled = !this.#hasFaces;
    const failed =
      state.is === 'failed' ? [make('p', { role: 'alert' }, problemWords(state.problem))] : [];
    return [
      ...failed,
      make('p', { class: 'quiet' }, word('panel_what_is_sent', server)),
      make('div', { class: 'row' }, ask),
      make('p', { class: 'quiet' }, word('panel_mistake_how')),
    ];
  }

  #progress(progress: SendingProgress | null): void {
    const words = word(`panel_stage_${progress?.stage ?? 'sending'}`);
    if (this.#status.textContent !== words) this.#status.textContent = words;
    this.#bar.setAttribute('aria-label', words);
    if (progress?.total == null) {
      this.#bar.removeAttribute('value');
      return;
    }
    this.#bar.max = Math.max(1, progress.total);
    this.#bar.value = progress.done;
  }

  #mistake(): HTMLElement {
    const kind = make(
      'select',
      { 'aria-label': word('panel_mistake_kind') },
      ...MISTAKES.map((mistake) =>
        make('option', { value: mistake }, word(`panel_mistake_${mistake}`)),
      ),
    );
    const note = make('textarea', { 'aria-label': word('panel_mistake_note'), maxlength: '2000' });
    note.placeholder = word('panel_mistake_note');
    const result = make('p', { role: 'status' });
    const send = button(word('panel_mistake_send'), () => {
      send.disabled = true;
      void this.#report(kind.value as Mistake, note.value).then((words) => {
        result.textContent = words;
        send.disabled = false;
      });
    });
    return make(
      'details',
      {},
      make('summary', {}, word('panel_mistake')),
      kind,
      note,
      make('div', { class: 'row' }, send),
      result,
    );
  }

  async #report(mistake: Mistake, note: string): Promise<string> {
    try {
      await this.#subject.opinion.report(mistake, note);
      return word('panel_mistake_sent');
    } catch (error) {
      return problemWords(ProblemError.of(error).problem.code);
    }
  }
}

/** What the server says, and what was asked of each model. */
function opinions({ verdict, thresholds, notes, reviewUrl }: Sent): HTMLElement[] {
  const saying = sayingOf(verdict, 'standard', null);
  const lines = verdict.opinions.map(({ model, tier, label, fake_probability }) => {
    const said = word(
      `badge_${sayingOf({ label, fake_probability, reasons: [] }, 'standard', null)}`,
    );
    const where = word(tier === 'edge' ? 'panel_by_device' : 'panel_by_server');
    const value = fake_probability === null ? '' : ` (${score(fake_probability)})`;
    return make('li', {}, `${where}, ${model}: ${said}${value}`);
  });
  const page = make('a', { href: reviewUrl, target: '_blank', rel: 'noreferrer' });
  page.textContent = word('panel_review');
  return [
    make(
      'p',
      { role: 'status' },
      `${word('panel_together')} `,
      make('strong', { 'data-saying': saying }, word(`badge_${saying}`)),
    ),
    ...scored(verdict, thresholds),
    make('ul', {}, ...lines),
    ...notes.map((note) => make('p', { class: 'quiet' }, note)),
    make('p', {}, page),
  ];
}

/** The score of both together, against the server's thresholds: those that count now. */
function scored({ fake_probability }: Verdict, thresholds: Sent['thresholds']): HTMLElement[] {
  if (fake_probability === null || thresholds === null) return [];
  const { fake, real } = thresholds;
  const words = word('panel_score', score(fake_probability), score(fake), score(real));
  return [make('p', {}, words)];
}

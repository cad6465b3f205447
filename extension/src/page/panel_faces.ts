/** The part of the panel with the faces that were looked at, by person. */

import type { SeenFace } from '../messages';
import type { TrackVerdict } from '../types/verdict';
import { word } from '../words';
import { make } from './dom';
import { clock, score } from './numbers';
import type { Part, Shown, Subject } from './panel';
import { sayingOf } from './saying';

/** Milliseconds after which faces are asked for anew, while others are seen. */
const ASK_EVERY = 3000;
const MOST_PERSONS = 8;

export class FacesPart implements Part {
  readonly element = make('section', { class: 'faces', hidden: '' });
  readonly #subject: Subject;
  readonly #list = make('div');
  #asked = -Infinity;

  constructor(subject: Subject) {
    this.#subject = subject;
    this.element.append(make('h3', {}, word('panel_faces')), this.#list);
  }

  show({ verdict }: Shown): void {
    if (verdict === null || performance.now() - this.#asked < ASK_EVERY) return;
    this.#asked = performance.now();
    void this.#ask(verdict.tracks);
  }

  async #ask(tracks: readonly TrackVerdict[]): Promise<void> {
    const { link, source } = this.#subject;
    let faces: readonly SeenFace[];
    try {
      faces = await link.ask('faces', { source });
    } catch {
      return; // the judge knows it no more: what is shown stays
    }
    const persons = tracks
      .map((track) => ({ track, seen: faces.filter((face) => face.trackId === track.track_id) }))
      .filter(({ seen }) => seen.length > 0)
      .sort((a, b) => b.track.fake_probability - a.track.fake_probability)
      .slice(0, MOST_PERSONS);
    this.element.hidden = persons.length === 0;
    this.#list.replaceChildren(...persons.map(({ track, seen }) => person(track, seen)));
  }
}

function person(track: TrackVerdict, seen: readonly SeenFace[]): HTMLElement {
  const saying = sayingOf(track, 'standard', null);
  return make(
    'div',
    {},
    make(
      'p',
      {},
      `${word('panel_person', track.track_id + 1)}: `,
      make('strong', { 'data-saying': saying }, word(`badge_${saying}`)),
      ` (${score(track.fake_probability)}; ${word('panel_usable_frames', track.usable_frames)})`,
    ),
    make('div', { class: 'row' }, ...seen.map(picture)),
  );
}

function picture({ width, height, rgba, ...face }: SeenFace): HTMLCanvasElement {
  const label = word(
    face.usable ? 'panel_face' : 'panel_face_unusable',
    clock(face.ptsSeconds),
    score(face.fakeProbability),
  );
  const canvas = make('canvas', { role: 'img', 'aria-label': label, title: label });
  canvas.width = width;
  canvas.height = height;
  canvas.classList.toggle('unusable', !face.usable);
  // A copy: what comes over a port may lie in memory that is shared with nobody, or with somebody.
  canvas.getContext('2d')?.putImageData(new ImageData(new Uint8ClampedArray(rgba), width), 0, 0);
  return canvas;
}

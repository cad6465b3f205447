/**
 * What the parts of the extension say to each other.
 *
 * {@link Judging}: pages, popup and options ask the judge's host over a port (link.ts, host.ts).
 * {@link Looking}: the host asks its worker, where the models are.
 * {@link Keeping}: everything else asks the background, by runtime messages.
 * {@link Telling}: the background and the popup tell the content scripts of a tab.
 */

import type { ModelSource } from './delivery/source';
import type { Material, SendingProgress, Sent, ServerAccess } from './escalation/sending';
import type { ModelsState } from './judge/models';
import type { Saying } from './page/saying';
import type { ProblemCode } from './problems';
import type { PageSettings } from './settings';
import type { Reason, Verdict } from './types/verdict';

/** RGBA pixels, 4 bytes each, row by row from the top. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8ClampedArray;
}

/** A video, unique over all tabs. */
export interface Source {
  readonly source: string;
}

/** A frame of a video that plays. */
export interface Frame extends Source, Pixels {
  readonly ptsSeconds: number;
  readonly index: number;
}

export interface Looked {
  readonly verdict: Verdict;
  /** Milliseconds that the models and all around them took. */
  readonly milliseconds: number;
}

/** A face that was looked at, as small as it is shown. */
export interface SeenFace extends Pixels {
  readonly trackId: number;
  readonly ptsSeconds: number;
  readonly fakeProbability: number;
  /** Whether it counts. */
  readonly usable: boolean;
}

/** Where a video lies in its tab: CSS pixels of the top window's viewport. */
export interface Place {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly viewportWidth: number;
  readonly viewportHeight: number;
}

/** What went wrong when a person said so of a verdict. */
export type Mistake =
  | 'false_alarm'
  | 'missed_fake'
  | 'wrong_person'
  | 'should_be_uncertain'
  | 'face_missed'
  | 'no_real_face';

/** To the judge's host. */
export interface Judging {
  look: { request: Frame; answer: Looked; progress: never };
  forget: { request: Source; answer: null; progress: never };
  /** The faces that a verdict rests on, by person and time, at most six of each. */
  faces: { request: Source; answer: readonly SeenFace[]; progress: never };
  /** Forget nothing for want of something to do, until whoever asks gives it up. */
  stay: { request: object; answer: null; progress: never };
  /** Judge a picture by its address, because someone asked for it. */
  picture: { request: Source & { readonly url: string }; answer: Looked; progress: never };
  /**
   * Judge the frame of a video at a time, from a copy of it that the host loads itself, because its
   * site does not let the page read it.
   */
  follow: {
    request: Source & { readonly url: string; readonly ptsSeconds: number; readonly index: number };
    answer: Looked;
    progress: never;
  };
  /** Judge what is seen of a video in its tab; `streamId` with the first frame of a source. */
  capture: {
    request: Source & {
      readonly streamId?: string;
      readonly place: Place;
      readonly ptsSeconds: number;
      readonly index: number;
    };
    answer: Looked;
    progress: never;
  };
  /**
   * Ask the user's server for a second opinion on a video: faces are sent, and nothing that says
   * which page they are of. `unasked`: nobody clicked for it.
   */
  escalate: {
    request: Source & { readonly unasked: boolean };
    answer: Sent;
    progress: SendingProgress;
  };
  /** Tell the server that a verdict on an escalated video is wrong. */
  feedback: {
    request: { readonly escalationId: string; readonly mistake: Mistake; readonly note: string };
    answer: null;
    progress: never;
  };
  /** Which models run, on what. */
  models: { request: object; answer: ModelsState; progress: never };
  /** Fetch the server's newer model, if there is one, check it, and use it. */
  update_models: {
    request: object;
    answer: ModelsState;
    progress: { readonly done: number; readonly total: number };
  };
}

/** To the worker with the models. */
export interface Looking {
  look: { request: Frame; answer: Looked; progress: never };
  forget: { request: Source; answer: null; progress: never };
  faces: { request: Source; answer: readonly SeenFace[]; progress: never };
  /** What a submission to a server is made of: see escalation/sending.ts. */
  crops: {
    request: Source;
    answer: Material;
    progress: never;
  };
  models: { request: object; answer: ModelsState; progress: never };
}

/** What is known of a video in a tab. */
export interface VideoReport extends Source {
  /** The page's title. */
  readonly title: string;
  /** The page's address without query and fragment. */
  readonly page: string;
  readonly saying: Saying;
  readonly fakeProbability: number | null;
  /** Why it cannot be checked. */
  readonly problem: ProblemCode | null;
  readonly reasons: readonly Reason[];
  /** Where in the video it was said. */
  readonly ptsSeconds: number;
  /** Of the face with the highest score: a data URL of a small JPEG. */
  readonly thumbnail: string | null;
  readonly escalationId: string | null;
}

/** A report, and when it was made (ISO 8601) in which frame of the tab. */
export interface KeptReport extends VideoReport {
  readonly at: string;
  readonly frameId: number;
}

/** To the background. */
export interface Keeping {
  /** See that a judge is there: answered when it is. */
  wake: { request: object; answer: null; progress: never };
  page_settings: { request: object; answer: PageSettings; progress: never };
  /** What is said of a video has changed. */
  report: { request: VideoReport; answer: null; progress: never };
  gone: { request: Source; answer: null; progress: never };
  /** The server and its key, for the host alone; null without consent. */
  server: { request: object; answer: ServerAccess | null; progress: never };
  /** See that copies of videos are loaded without cookies: answered when it is so. */
  drop_cookies: { request: object; answer: null; progress: never };
  /** Where newer models come from, for the host alone. */
  model_source: { request: object; answer: ModelSource; progress: never };
  options: { request: object; answer: null; progress: never };
}

/** To the content scripts of a tab. */
export interface Telling {
  settings: PageSettings;
  /** Bring a video into view and open its panel. */
  reveal: Source;
  /** Open a video's panel as for `reveal`, and ask the user's server about it: the user said so. */
  ask_server: Source;
  /** Check all videos of the tab now, or one: for those that start on a click. */
  check: { readonly source: string | null };
  /** Judge a video by what the tab shows of it. */
  capture: Source & { readonly streamId: string };
  /** Judge a picture of the page. */
  picture: { readonly url: string };
}

export type TellingMessage = {
  [K in keyof Telling]: { readonly type: K } & Telling[K];
}[keyof Telling];

/** One video of a page: looked at, judged, and said of what the judge says. */

import type { JudgeLink } from '../judge/link';
import type { Looked } from '../messages';
import { type Problem, ProblemError } from '../problems';
import type { PageSettings } from '../settings';
import { Badge } from './badge';
import { CaptureLooker } from './capture';
import { canFollow, FollowLooker } from './follow';
import type { Follower } from './follower';
import { mayPass, offersAt } from './ladder';
import { CanvasLooker, type Looker } from './lookers';
import { SecondOpinion } from './opinion';
import { Pace, type Power } from './pace';
import { type Offer, Panel, type Shown } from './panel';
import { Reporting } from './reporting';
import { Sampler } from './sampler';
import {
  isShown,
  isTooEarly,
  type Saying,
  sayingOf,
  SteadySaying,
  type Thresholds,
} from './saying';
import { Timeline } from './timeline';

/** Looks that fail in a row before it is said: the judge may only be starting anew. */
const FAILURES = 3;
/** After that it is left alone for so long. */
const TRY_AGAIN_MILLISECONDS = 30_000;
/** Looks before the server is asked unasked: what the device says has then had time to change. */
const LOOKS_BEFORE_ASKING = 16;

/** What all videos of a page share. */
export interface Page {
  readonly link: JudgeLink;
  readonly follower: Follower;
  readonly power: () => Power;
  settings(): PageSettings;
  /** Of the model that runs; null as long as they are not known. */
  thresholds(): Thresholds | null;
}

export class WatchedVideo {
  readonly #video: HTMLVideoElement;
  readonly #page: Page;
  readonly #badge: Badge;
  readonly #pace: Pace;
  readonly #sampler: Sampler;
  readonly #reporting: Reporting;
  readonly #timeline = new Timeline();
  readonly #ended = new AbortController();
  #panel: Panel | undefined;
  #inView = false;
  /** Whether someone asked for it, in the mode that waits for that. */
  #asked = false;
  #source = crypto.randomUUID();
  #opinion!: SecondOpinion;
  #looker!: Looker;
  #steady = new SteadySaying();
  #saying: Saying = 'waiting';
  #looked: Looked | null = null;
  #looks = 0;
  #failures = 0;
  #problem: Problem | null = null;

  constructor(video: HTMLVideoElement, page: Page) {
    this.#video = video;
    this.#page = page;
    this.#reporting = new Reporting(page.link);
    this.#badge = new Badge(video, () => {
      this.#clicked();
    });
    this.#pace = new Pace(page.power);
    this.#sampler = new Sampler(video, this.#pace, (at) => this.#look(at));
    this.#begin();
    page.follower.follow(video, {
      moved: (settled) => {
        this.#badge.place(settled);
      },
      seen: (inView) => {
        this.#inView = inView;
        this.#badge.see(inView);
        this.#wakeOrSleep();
      },
    });
    const { signal } = this.#ended;
    document.addEventListener('visibilitychange', this.#wakeOrSleep, { signal });
    video.addEventListener(
      'emptied',
      () => {
        this.#another();
      },
      { signal },
    );
    this.#say();
  }

  get source(): string {
    return this.#source;
  }

  /** The settings, or the model's thresholds, are others. */
  changed(): void {
    this.#wakeOrSleep();
    this.#say();
  }

  /** The user wants it checked, whatever the mode, playing or not. */
  check(): void {
    this.#asked = true;
    this.#wakeOrSleep();
    const { paused, readyState, currentTime } = this.#video;
    if (paused && readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) {
      void this.#sampler.now(currentTime);
    }
    this.#say();
  }

  /** Bring it into view, out of full screen where no panel can be used, and open its panel. */
  async reveal(): Promise<void> {
    if (document.fullscreenElement !== null) await document.exitFullscreen();
    this.#video.scrollIntoView({ block: 'center', behavior: 'instant' });
    this.#open();
  }

  /** Open its panel, and ask the user's server. */
  async askServer(): Promise<void> {
    await this.reveal();
    void this.#opinion.ask();
  }

  /** Look at what the tab shows of it. */
  capture(streamId: string): void {
    const { link } = this.#page;
    this.#lookWith(new CaptureLooker({ source: this.#source, link }, streamId));
    this.check();
  }

  /** It is gone, or nothing is checked any more. */
  stop(): void {
    this.#ended.abort();
    this.#sampler.sleep();
    this.#page.follower.leave(this.#video);
    this.#panel?.close();
    this.#badge.remove();
    this.#end();
  }

  /** From the first frame of a media on. */
  #begin(): void {
    const { link } = this.#page;
    this.#looker = new CanvasLooker({ source: this.#source, link });
    this.#opinion = new SecondOpinion(link, { source: this.#source });
    this.#opinion.listen(() => {
      this.#say();
    });
  }

  #end(): void {
    this.#opinion.cancel();
    this.#looker.stop();
    void this.#page.link.ask('forget', { source: this.#source }).catch(() => undefined);
    void this.#reporting.gone(this.#source);
  }

  /** The element plays another media: what was seen does not speak of it. */
  #another(): void {
    this.#panel?.close();
    if (this.#looks > 0 || this.#problem !== null) {
      this.#end();
      this.#source = crypto.randomUUID();
      this.#begin();
    }
    this.#steady = new SteadySaying();
    this.#looked = null;
    this.#looks = 0;
    this.#failures = 0;
    this.#problem = null;
    this.#timeline.clear();
    this.#saying = 'waiting';
    this.#wakeOrSleep();
    this.#say();
  }

  /** Begin again, in this way. */
  #lookWith(looker: Looker): void {
    if (looker !== this.#looker) this.#looker.stop();
    this.#looker = looker;
    this.#problem = null;
    this.#failures = 0;
    this.#steady = new SteadySaying();
    this.#wakeOrSleep();
    this.#say('looking');
  }

  readonly #wakeOrSleep = (): void => {
    const { active, mode } = this.#page.settings();
    const wanted = active && (mode === 'automatic' || this.#asked);
    const awake = wanted && this.#inView && !document.hidden && this.#problem === null;
    if (awake) this.#sampler.wake();
    else this.#sampler.sleep();
  };

  async #look(ptsSeconds: number): Promise<void> {
    const { videoWidth, videoHeight } = this.#video;
    if (videoWidth === 0 || videoHeight === 0) return;
    const source = this.#source;
    const looker = this.#looker;
    if (this.#saying === 'waiting') this.#say('looking');
    try {
      const looked = await looker.look(this.#video, ptsSeconds, this.#looks++);
      if (source === this.#source && looker === this.#looker) this.#judged(looked, ptsSeconds);
    } catch (error) {
      if (source === this.#source && looker === this.#looker) this.#failed(ProblemError.of(error));
    }
  }

  #judged(looked: Looked, ptsSeconds: number): void {
    this.#failures = 0;
    this.#looked = looked;
    const { verdict } = looked;
    const point = verdict.timeline.at(-1) ?? { pts_seconds: ptsSeconds, fake_probability: null };
    this.#timeline.add(point, !Number.isFinite(this.#video.duration));
    const now = performance.now() / 1000;
    const saying = isTooEarly(verdict) ? null : this.#comesTo(looked);
    const said = this.#steady.after(saying, now);
    this.#pace.steadySince(this.#steady.steadySince);
    this.#say(said);
    this.#askUnasked();
  }

  #comesTo({ verdict }: Looked): Saying {
    return sayingOf(verdict, this.#page.settings().sensitivity, this.#page.thresholds());
  }

  #failed({ problem }: ProblemError): void {
    if (this.#ended.signal.aborted || problem.code === 'cancelled') return;
    const again = problem.code === 'cross_origin' && this.#looker instanceof CanvasLooker;
    if (again && this.#page.settings().loadAgain && canFollow(this.#video)) {
      this.#lookWith(new FollowLooker({ source: this.#source, link: this.#page.link }));
      return;
    }
    if (problem.code === 'unknown_source') return; // black so far, or not its turn
    // What may pass is tried again, a few times.
    if (mayPass(problem.code)) {
      if (++this.#failures < FAILURES) return;
      setTimeout(() => {
        this.#tryAgain(problem);
      }, TRY_AGAIN_MILLISECONDS);
    }
    this.#problem = problem;
    this.#wakeOrSleep();
    this.#say('cannot_check');
  }

  /** Unless something else has happened to it since. */
  #tryAgain(problem: Problem): void {
    if (this.#ended.signal.aborted || this.#problem !== problem) return;
    this.#problem = null;
    this.#failures = 0;
    this.#wakeOrSleep();
  }

  /** A server that the user lets be asked without a click, when the device stays unsure. */
  #askUnasked(): void {
    const { server, escalateUnasked } = this.#page.settings();
    const isUnsure = this.#saying === 'unsure' || this.#saying === 'leaning';
    if (!escalateUnasked || server === null || !isUnsure) return;
    if (this.#looks < LOOKS_BEFORE_ASKING || this.#opinion.state.is !== 'not_asked') return;
    void this.#opinion.ask(true);
  }

  /** Say it on the badge, in the panel, and to the background. */
  #say(saying = this.#saying): void {
    if (this.#ended.signal.aborted) return;
    this.#saying = saying;
    const { active, mode, sensitivity } = this.#page.settings();
    const said = this.#said();
    const waits = said === 'waiting' && mode === 'on_click';
    const shown = waits || this.#panel !== undefined || this.#asked || isShown(said, sensitivity);
    this.#badge.say(said, active && shown);
    this.#panel?.show(this.#shown());
    const { state } = this.#opinion;
    const verdict = state.is === 'had' ? state.sent.verdict : this.#looked?.verdict;
    void this.#reporting.tell({
      source: this.#source,
      saying: said,
      fakeProbability: verdict?.fake_probability ?? null,
      problem: this.#problem?.code ?? null,
      reasons: verdict?.reasons ?? [],
      ptsSeconds: this.#video.currentTime,
      escalationId: state.is === 'had' ? state.sent.escalationId : null,
    });
  }

  /** What is said: the server's word joined with the device's, unless that now suspects it. */
  #said(): Saying {
    const { state } = this.#opinion;
    if (state.is !== 'had' || this.#saying === 'suspicious') return this.#saying;
    return sayingOf(state.sent.verdict, this.#page.settings().sensitivity, null);
  }

  #shown(): Shown {
    return {
      saying: this.#said(),
      verdict: this.#looked?.verdict ?? null,
      timeline: this.#timeline.points(),
      problem: this.#problem?.code ?? null,
      offers: this.#offers(),
      server: this.#page.settings().server,
    };
  }

  #offers(): Offer[] {
    return offersAt({
      problem: this.#problem?.code ?? null,
      waits: this.#saying === 'waiting',
      direct: this.#looker instanceof CanvasLooker,
      hasAddress: canFollow(this.#video),
    });
  }

  #takeOffer(offer: Offer): void {
    const sight = { source: this.#source, link: this.#page.link };
    this.#lookWith(offer === 'load_again' ? new FollowLooker(sight) : this.#looker);
    this.check();
  }

  #clicked(): void {
    if (this.#panel !== undefined) {
      this.#panel.close();
      return;
    }
    if (this.#saying === 'waiting') this.check();
    else this.#open();
  }

  #open(): void {
    if (this.#panel !== undefined) return;
    this.#panel = new Panel(
      {
        source: this.#source,
        what: 'video',
        anchor: this.#video,
        link: this.#page.link,
        opinion: this.#opinion,
        take: (offer) => {
          this.#takeOffer(offer);
        },
        closed: () => {
          this.#panel = undefined;
          this.#badge.expanded(false);
          this.#say();
          this.#badge.focus();
        },
      },
      this.#shown(),
    );
    this.#badge.expanded(true);
    this.#say();
  }
}

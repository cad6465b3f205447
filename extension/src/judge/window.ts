/** What is known of one video: the frames of the last while, and the faces in them. */

import { buildVerdict, FramePipeline, type FrameRecord } from '../core/pipeline';
import { fromRgba } from '../core/picture';
import { FaceCrops, type Sendable } from '../escalation/crops';
import type { Frame, SeenFace } from '../messages';
import { ProblemError } from '../problems';
import type { Verdict } from '../types/verdict';
import { SeenFaces } from './faces';
import type { Opened } from './models';

/** Frames a verdict speaks of: at two a second, half a minute. */
const FRAMES = 60;

/**
 * The longest that the search for small faces rests in a video that shows none, in seconds: each is
 * some eight times the work of a frame with a face.
 */
const REST_SECONDS = 8;

/**
 * A rolling window over a video that plays: the frames that were looked at last, whether it plays on,
 * is wound back or plays in a loop.
 */
export class Window {
  readonly #opened: Opened;
  readonly #pipeline: FramePipeline;
  /** In the order in which they were looked at. */
  #records: readonly FrameRecord[] = [];
  readonly #faces = new SeenFaces();
  readonly #crops = new FaceCrops();
  #said: Verdict | undefined;

  constructor(opened: Opened) {
    this.#opened = opened;
    this.#pipeline = new FramePipeline(opened.models, REST_SECONDS);
  }

  /** Take in the next frame. */
  async look({ rgba, width, height, ptsSeconds, index }: Frame): Promise<void> {
    const picture = fromRgba(rgba, width, height);
    const record = await this.#pipeline.look(picture, ptsSeconds, index);
    const others = this.#records.filter((other) => other.ptsSeconds !== record.ptsSeconds);
    this.#records = [...others, record].slice(-FRAMES);
    const since = Math.min(...this.#records.map((kept) => kept.ptsSeconds));
    this.#faces.add(picture, record, since);
    this.#crops.add(picture, record, new Set(this.#records.map((kept) => kept.ptsSeconds)));
  }

  /** What is said of all its frames; the last one had a size and took some time. */
  verdict(last: Pick<Frame, 'width' | 'height'>, milliseconds: number, version: string): Verdict {
    const { models, infos } = this.#opened;
    const source = {
      name: 'video',
      kind: 'stream' as const,
      width: last.width,
      height: last.height,
      duration_seconds: null,
      sampling: 'live',
    };
    const seconds = milliseconds / 1000;
    const timing = {
      total_seconds: seconds,
      decode_seconds: 0,
      faces_seconds: 0,
      classify_seconds: seconds,
    };
    const records = this.#records.toSorted((a, b) => a.ptsSeconds - b.ptsSeconds);
    this.#said = buildVerdict(records, source, models.card, infos, timing, version);
    return this.#said;
  }

  /** The faces that the verdict rests on, by person and time. */
  faces(): SeenFace[] {
    return this.#faces.list();
  }

  /** Pictures of the faces, for a server that may be asked. */
  get crops(): FaceCrops {
    return this.#crops;
  }

  /** The verdict that was given last, and the pictures of the faces in it. */
  sendable(): Omit<Sendable, 'source'> {
    if (this.#said === undefined) throw new ProblemError('unknown_source', 'nothing was seen yet');
    const suspicious = this.#said.tracks.toSorted(
      (a, b) => b.fake_probability - a.fake_probability,
    );
    return {
      verdict: this.#said,
      framesSampled: this.#said.source.frames_sampled,
      crops: this.#crops.of(suspicious.map((track) => track.track_id)),
    };
  }
}

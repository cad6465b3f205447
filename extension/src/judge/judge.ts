/** Verdicts on videos as they play: one pipeline and one rolling window a video. */

import { buildVerdict, FramePipeline, type FrameRecord } from '../core/pipeline';
import { fromRgba } from '../core/picture';
import type { Material } from '../escalation/sending';
import type { Frame, Looked, SeenFace } from '../messages';
import { ProblemError } from '../problems';
import type { ModelsState, Opened } from './models';

/** Frames a verdict speaks of: at two a second, half a minute. */
const WINDOW_FRAMES = 60;

interface Watched {
  readonly pipeline: FramePipeline;
  records: FrameRecord[];
}

export class Judge {
  readonly #opened: Opened;
  readonly #version: string;
  readonly #watched = new Map<string, Watched>();

  constructor(opened: Opened, version: string) {
    this.#opened = opened;
    this.#version = version;
  }

  /** Look at a frame, and judge the window that ends with it. */
  async look(message: Frame): Promise<Looked> {
    const started = performance.now();
    const { models, infos } = this.#opened;
    const watched = this.#watched.get(message.source) ?? this.#start(message.source);
    const last = watched.records.at(-1);
    if (last !== undefined && message.ptsSeconds < last.ptsSeconds) {
      watched.records = []; // it was wound back, or plays from the start again
    }
    const picture = fromRgba(message.rgba, message.width, message.height);
    const record = await watched.pipeline.look(picture, message.ptsSeconds, message.index);
    watched.records = [...watched.records, record].slice(-WINDOW_FRAMES);
    const milliseconds = performance.now() - started;
    const verdict = buildVerdict(
      watched.records,
      {
        name: 'video',
        kind: 'stream',
        width: message.width,
        height: message.height,
        duration_seconds: null,
        sampling: 'live',
      },
      models.card,
      infos,
      {
        total_seconds: milliseconds / 1000,
        decode_seconds: 0,
        faces_seconds: 0,
        classify_seconds: milliseconds / 1000,
      },
      this.#version,
    );
    return { verdict, milliseconds };
  }

  /** Let go of a video. */
  forget(source: string): null {
    this.#watched.delete(source);
    return null;
  }

  /** The faces that the verdict on a video rests on. */
  faces(source: string): readonly SeenFace[] {
    if (!this.#watched.has(source)) throw new ProblemError('unknown_source', source);
    return [];
  }

  /** What a submission of a video to a server is made of. */
  crops(source: string): Material {
    throw new ProblemError('unknown_source', source);
  }

  /** Which models run. */
  models(): ModelsState {
    return this.#opened.state;
  }

  #start(source: string): Watched {
    const watched = { pipeline: new FramePipeline(this.#opened.models), records: [] };
    this.#watched.set(source, watched);
    return watched;
  }
}

/** What tabs show, while someone wants a video judged by it. */

import type { Pixels, Place } from '../messages';
import { ProblemError } from '../problems';
import { type Blackness, blacknessOf, NOTHING_SEEN } from './blackness';
import { draw, FRAME_SIDE } from './drawing';
import { Held } from './held';
import { regionOf } from './place';

const MOST = 4;
const IDLE_SECONDS = 60;
const LONGEST_SIDE = 1920;
/** More than frames are judged, so that the one that is seen is not old. */
const FRAMES_PER_SECOND = 10;

export interface CaptureOrder {
  readonly source: string;
  readonly streamId?: string;
  readonly place: Place;
  readonly ptsSeconds: number;
}

export class Captures {
  readonly #held = new Held<View>(MOST, IDLE_SECONDS);
  readonly #byStream = new Map<string, TabStream>();

  /**
   * What is seen of a video in its tab now.
   *
   * @throws ProblemError `capture_refused` when the tab is not captured, or not any more;
   *   `protected` when all that comes is black; `unknown_source` while it cannot be said yet.
   */
  async frame({ source, streamId, place, ptsSeconds }: CaptureOrder): Promise<Pixels> {
    let view = this.#held.get(source);
    if (streamId !== undefined && view?.stream.id !== streamId) {
      view = new View(this.#stream(streamId, place));
      this.#held.put(source, view);
    }
    if (view === undefined) throw new ProblemError('capture_refused', 'no capture any more');
    try {
      return await view.see(place, ptsSeconds);
    } catch (error) {
      if (view.stream.ended) this.#held.release(source);
      throw error;
    }
  }

  forget(source: string): void {
    this.#held.release(source);
  }

  /** One for all videos of a tab: the browser gives a tab away once. */
  #stream(id: string, place: Place): TabStream {
    let stream = this.#byStream.get(id);
    if (stream === undefined) {
      stream = new TabStream(id, place, () => this.#byStream.delete(id));
      this.#byStream.set(id, stream);
    }
    return stream;
  }
}

/** One video's part of a tab. */
class View {
  readonly stream: TabStream;
  #blackness: Blackness = NOTHING_SEEN;

  constructor(stream: TabStream) {
    this.stream = stream;
    stream.used++;
  }

  async see(place: Place, ptsSeconds: number): Promise<Pixels> {
    const video = await this.stream.picture();
    const region = regionOf(place, video.videoWidth, video.videoHeight);
    if (region === null) throw new ProblemError('place_unknown', 'nothing of it is in view');
    const pixels = draw(video, region, FRAME_SIDE);
    this.#blackness = blacknessOf(pixels, ptsSeconds, this.#blackness);
    if (this.#blackness.is === 'always') throw new ProblemError('protected', 'all is black');
    if (this.#blackness.is === 'so_far') throw new ProblemError('unknown_source', 'black so far');
    return pixels;
  }

  release(): void {
    this.stream.used--;
    if (this.stream.used === 0) this.stream.end();
  }
}

/** The picture of a tab, as its own element that is in no document. */
class TabStream {
  readonly id: string;
  /** How many videos are judged by it. */
  used = 0;
  ended = false;
  readonly #video = document.createElement('video');
  readonly #gone: () => void;
  readonly #opening: Promise<void>;
  #tracks: readonly MediaStreamTrack[] = [];

  constructor(id: string, place: Place, gone: () => void) {
    this.id = id;
    this.#gone = gone;
    this.#opening = this.#open(place);
    // Whoever asks for the picture is told.
    this.#opening.catch(() => {
      this.end();
    });
  }

  async picture(): Promise<HTMLVideoElement> {
    await this.#opening;
    if (this.ended) throw new ProblemError('capture_refused', 'the capture has ended');
    return this.#video;
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    for (const track of this.#tracks) track.stop();
    this.#video.srcObject = null;
    this.#gone();
  }

  async #open({ viewportWidth, viewportHeight }: Place): Promise<void> {
    const factor = Math.min(1, LONGEST_SIDE / Math.max(viewportWidth, viewportHeight));
    const width = Math.round(viewportWidth * factor);
    const height = Math.round(viewportHeight * factor);
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        // Chromium's own way to open what chrome.tabCapture gives; no standard has one.
        video: {
          mandatory: {
            chromeMediaSource: 'tab',
            chromeMediaSourceId: this.id,
            minWidth: width,
            maxWidth: width,
            minHeight: height,
            maxHeight: height,
            maxFrameRate: FRAMES_PER_SECOND,
          },
        } as MediaTrackConstraints,
      });
    } catch (error) {
      throw new ProblemError('capture_refused', String(error));
    }
    this.#tracks = stream.getTracks();
    if (this.ended) {
      for (const track of this.#tracks) track.stop();
      return;
    }
    for (const track of this.#tracks) {
      track.addEventListener('ended', () => {
        this.end();
      });
    }
    this.#video.muted = true;
    this.#video.srcObject = stream;
    await this.#video.play();
  }
}

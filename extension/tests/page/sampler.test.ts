/** When a video is looked at. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Pace } from '../../src/page/pace';
import { type Played, Sampler } from '../../src/page/sampler';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('one frame is asked for when a look is due, and not every one that is shown', async () => {
  const { video, looks, sampler } = made();
  sampler.wake();
  await vi.advanceTimersByTimeAsync(2000);
  expect(looks).toEqual([0]); // a frame that never came is not looked at
  for (const at of [1, 2, 3]) {
    video.show(at);
    await vi.advanceTimersByTimeAsync(500);
  }
  expect(looks).toEqual([0, 1, 2, 3]);
  expect(video.asked).toBe(5);
});

test('the next waits until the one before is done', async () => {
  let done: () => void = () => undefined;
  const { video, looks, sampler } = made(() => new Promise<void>((resolve) => (done = resolve)));
  sampler.wake();
  await vi.advanceTimersByTimeAsync(3000);
  video.show(1);
  expect(looks).toEqual([0]);
  done();
  await vi.advanceTimersByTimeAsync(600);
  video.show(2);
  expect(looks).toEqual([0, 2]);
});

test('nothing is looked at while it sleeps', async () => {
  const { video, looks, sampler } = made();
  sampler.wake();
  await vi.advanceTimersByTimeAsync(10);
  sampler.sleep();
  video.show(1);
  await vi.advanceTimersByTimeAsync(5000);
  expect(looks).toEqual([0]);
  sampler.wake();
  await vi.advanceTimersByTimeAsync(10);
  video.show(6);
  expect(looks).toEqual([0, 6]);
});

test('what is paused is looked at when someone asks', async () => {
  const { looks, sampler } = made();
  await sampler.now(4.5);
  expect(looks).toEqual([4.5]);
});

/** A video whose first frame is shown at once, and others when a test says so. */
class MadeVideo implements Played {
  asked = 0;
  #waiting: VideoFrameRequestCallback | undefined;

  show(mediaTime: number): void {
    const called = this.#waiting;
    this.#waiting = undefined;
    called?.(performance.now(), { mediaTime } as VideoFrameCallbackMetadata);
  }

  requestVideoFrameCallback(callback: VideoFrameRequestCallback): number {
    this.#waiting = callback;
    this.asked++;
    if (this.asked === 1) this.show(0);
    return this.asked;
  }

  cancelVideoFrameCallback(): void {
    this.#waiting = undefined;
  }

  getVideoPlaybackQuality(): VideoPlaybackQuality {
    return { droppedVideoFrames: 0, totalVideoFrames: 0 } as VideoPlaybackQuality;
  }
}

/** A video, and a sampler that notes what it looks at. */
function made(work: () => Promise<void> = () => Promise.resolve()) {
  const video = new MadeVideo();
  const looks: number[] = [];
  const pace = new Pace(() => ({ onBattery: false, level: 1 }));
  const sampler = new Sampler(video, pace, (at) => {
    looks.push(at);
    return work();
  });
  return { video, looks, sampler };
}

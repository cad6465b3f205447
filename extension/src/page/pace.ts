/** How often a video is looked at. */

/** Seconds between two looks when nothing speaks for fewer. */
export const USUAL_SECONDS = 0.5;
/** When what is said has been the same for a while, and nothing speaks for another. */
const CALM_SECONDS = 1;
const CALM_AFTER_SECONDS = 5;
const ON_BATTERY_SECONDS = 1;
const ON_LOW_BATTERY_SECONDS = 2;
const LOW_BATTERY = 0.2;
const LONGEST_SECONDS = 10;
/** Of the frames between two looks; more that were dropped say that the machine is busy. */
const DROPPED_SHARE = 0.1;
const MOST_LOAD = 4;
/** Times the judge takes for an answer: half of its time is left to others and to itself. */
const ANSWER_TIMES = 2;

/** What the device runs on, as far as the browser says. */
export interface Power {
  readonly onBattery: boolean;
  /** 0 to 1. */
  readonly level: number;
}

/** Frames of a video since it was loaded. */
export interface FrameCounts {
  readonly dropped: number;
  readonly total: number;
}

export class Pace {
  readonly #power: () => Power;
  readonly #answers: number[] = [];
  #answered = 0;
  #load = 1;
  #counts: FrameCounts = { dropped: 0, total: 0 };
  #steadySince = Infinity;

  constructor(power: () => Power) {
    this.#power = power;
  }

  /** The judge has answered. The very first answer does not count: it waits for the models. */
  answered(seconds: number): void {
    if (this.#answered++ === 0) return;
    this.#answers.push(seconds);
    if (this.#answers.length > 5) this.#answers.shift();
  }

  /** So many frames were shown and dropped until now. */
  shown(counts: FrameCounts): void {
    const total = counts.total - this.#counts.total;
    const dropped = counts.dropped - this.#counts.dropped;
    this.#counts = counts;
    if (total <= 0) return; // another media, or nothing new
    const factor = dropped / total > DROPPED_SHARE ? 1.5 : 0.8;
    this.#load = Math.min(MOST_LOAD, Math.max(1, this.#load * factor));
  }

  /** Since when the same is said, on the clock of {@link interval}; Infinity: it is not steady. */
  steadySince(seconds: number): void {
    this.#steadySince = seconds;
  }

  /** Seconds from one look to the next. */
  interval(nowSeconds: number): number {
    const { onBattery, level } = this.#power();
    const calm = nowSeconds - this.#steadySince >= CALM_AFTER_SECONDS;
    const least = Math.max(
      USUAL_SECONDS,
      calm ? CALM_SECONDS : 0,
      onBattery ? (level <= LOW_BATTERY ? ON_LOW_BATTERY_SECONDS : ON_BATTERY_SECONDS) : 0,
      ANSWER_TIMES * median(this.#answers),
    );
    return Math.min(LONGEST_SECONDS, least * this.#load);
  }
}

interface BatteryManager {
  readonly charging: boolean;
  readonly level: number;
}

/** What the device runs on; mains where the browser does not say. */
export function watchPower(): () => Power {
  let battery: BatteryManager = { charging: true, level: 1 };
  const { getBattery } = navigator as { getBattery?: () => Promise<BatteryManager> };
  getBattery?.call(navigator).then(
    (found) => (battery = found),
    () => undefined, // the page's policy forbids it
  );
  return () => ({ onBattery: !battery.charging, level: battery.level });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

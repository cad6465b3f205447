/** Scores and times as people read them. */

import { language } from '../words';

/** A P(fake) as a number of 100, to a tenth. */
export function score(probability: number): string {
  const digits = { maximumFractionDigits: 1 };
  return new Intl.NumberFormat(language(), digits).format(100 * probability);
}

/** Minutes and seconds, hours where there are any: 1:02:03. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(whole % 60)}`
    : `${minutes}:${two(whole % 60)}`;
}

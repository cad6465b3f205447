/** The words of the extension, in the browser's language: public/_locales has them. */

import { browser } from 'wxt/browser';
import type english from '../public/_locales/en/messages.json';
import type { Rejection } from './delivery/rejecting';
import type { Saying } from './page/saying';
import type { ProblemCode } from './problems';
import type { Reason } from './types/verdict';

export type WordKey = keyof typeof english;

/** The words of a key, with values in the places of $1, $2 and so on. */
export function word(key: WordKey, ...values: readonly (string | number)[]): string {
  // Its type would come from files that a build makes.
  const i18n = browser.i18n as unknown as { getMessage(key: string, values: string[]): string };
  return i18n.getMessage(key, values.map(String));
}

export function sayingWords(saying: Saying): string {
  return word(`saying_${saying}`);
}

export function reasonWords(reason: Reason): string {
  return word(`reason_${reason}`);
}

export function problemWords(code: ProblemCode): string {
  return word(`problem_${code}`);
}

/** Why a model from the server is not used. */
export function rejectionWords(why: Rejection): string {
  return word(`rejected_${why}`);
}

/** The language that the words are in, for dates, numbers and the `lang` of elements. */
export function language(): string {
  return word('ext_language');
}

/**
 * Give the elements below a root their words: the text of `data-word`, and of `data-label` what
 * screen readers and tooltips say.
 */
export function fillWords(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLElement>('[data-word]')) {
    element.textContent = word(element.dataset['word'] as WordKey);
  }
  for (const element of root.querySelectorAll<HTMLElement>('[data-label]')) {
    const label = word(element.dataset['label'] as WordKey);
    element.ariaLabel = label;
    element.title = label;
  }
}

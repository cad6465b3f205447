/** What a server says, made fit to be shown. */

/** Letters of a sentence that are shown. */
const LONGEST = 300;

/** On one line, without characters that cannot be seen or that turn the direction of others. */
export function shown(text: string): string {
  return text
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
    .slice(0, LONGEST);
}

export function isPrintable(text: string): boolean {
  return !/[\p{C}\p{Z}]/u.test(text.replaceAll(' ', ''));
}

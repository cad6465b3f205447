/** Where on a video a badge may lie: in a corner, never above anything that can be clicked. */

/** CSS pixels of the viewport. */
export interface Rect {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export type Corner = 'top_left' | 'top_right' | 'bottom_left' | 'bottom_right';

const MARGIN = 8;
const TOP: readonly Corner[] = ['top_left', 'top_right'];
const BOTTOM: readonly Corner[] = ['bottom_left', 'bottom_right'];

/** What is seen of a rectangle; undefined when nothing is. */
export function seenPart(rect: Rect, view: { width: number; height: number }): Rect | undefined {
  const left = Math.max(rect.left, 0);
  const top = Math.max(rect.top, 0);
  const width = Math.min(rect.left + rect.width, view.width) - left;
  const height = Math.min(rect.top + rect.height, view.height) - top;
  return width > 0 && height > 0 ? { left, top, width, height } : undefined;
}

/** Where a badge of a size lies in a corner of what is seen of a video; undefined: too large. */
export function inCorner(
  seen: Rect,
  size: { width: number; height: number },
  corner: Corner,
): Rect | undefined {
  const { width, height } = size;
  if (width + 2 * MARGIN > seen.width || height + 2 * MARGIN > seen.height) return undefined;
  const right = corner.endsWith('right');
  const bottom = corner.startsWith('bottom');
  return {
    left: right ? seen.left + seen.width - MARGIN - width : seen.left + MARGIN,
    top: bottom ? seen.top + seen.height - MARGIN - height : seen.top + MARGIN,
    width,
    height,
  };
}

/** Where something of a size lies beside an anchor: right of it, left, or else above its right. */
export function besides(
  anchor: Rect,
  size: { width: number; height: number },
  view: { width: number; height: number },
): { left: number; top: number } {
  const right = anchor.left + anchor.width + MARGIN;
  const left = anchor.left - MARGIN - size.width;
  const fits = (x: number): boolean => x >= MARGIN && x + size.width + MARGIN <= view.width;
  const inside = anchor.left + anchor.width - size.width - MARGIN;
  const x = [right, left].find(fits) ?? inside;
  const within = (value: number, length: number, whole: number): number =>
    Math.max(MARGIN, Math.min(value, whole - length - MARGIN));
  return {
    left: within(x, size.width, view.width),
    top: within(anchor.top, size.height, view.height),
  };
}

/** The corners to try, the one that is held first; the browser's own controls lie at the bottom. */
export function cornersToTry(controls: boolean, held: Corner | undefined): Corner[] {
  const all = controls ? TOP : [...TOP, ...BOTTOM];
  return held !== undefined && all.includes(held)
    ? [held, ...all.filter((corner) => corner !== held)]
    : [...all];
}

const CLICKABLE =
  'a[href], button, input, select, textarea, summary, label, [role=button], [role=link], ' +
  '[role=slider], [role=menuitem], [onclick], [contenteditable=""], [contenteditable=true]';
/** Something clickable that takes this share of the video is the player itself. */
const PLAYER_SHARE = 0.5;
/** What reaches this much farther than the video, in shares of it, lies above the whole page. */
const BEYOND_SHARE = 0.25;

/** Whether a badge at a place would cover nothing but the video and its player. */
export function isFree(place: Rect, video: HTMLVideoElement, own: Element): boolean {
  const { left, top, width, height } = place;
  const points = [
    [left, top],
    [left + width - 1, top],
    [left, top + height - 1],
    [left + width - 1, top + height - 1],
    [left + width / 2, top + height / 2],
  ] as const;
  return points.every(([x, y]) => isFreeAt(x, y, video, own));
}

function isFreeAt(x: number, y: number, video: HTMLVideoElement, own: Element): boolean {
  const whole = video.getBoundingClientRect();
  for (const element of elementsAt(x, y)) {
    if (element === own || element.localName.startsWith('dfedge-')) continue;
    if (element === video || holds(element, video)) return true;
    const rect = element.getBoundingClientRect();
    if (reachesBeyond(rect, whole)) return false;
    const share = (rect.width * rect.height) / (whole.width * whole.height);
    if (share < PLAYER_SHARE && isClickable(element)) return false;
  }
  return false; // the video is cut off here
}

/** All elements at a point, the topmost first; those in open shadow roots before their hosts. */
function* elementsAt(
  x: number,
  y: number,
  root: Document | ShadowRoot = document,
): Generator<Element> {
  for (const element of root.elementsFromPoint(x, y)) {
    // The elements of a shadow root's host come again when the root is asked.
    if (root instanceof ShadowRoot && element.getRootNode() !== root) continue;
    if (element.shadowRoot !== null) yield* elementsAt(x, y, element.shadowRoot);
    yield element;
  }
}

function isClickable(element: Element): boolean {
  return (
    element.matches(CLICKABLE) ||
    element.closest('a[href], button') !== null ||
    getComputedStyle(element).cursor === 'pointer'
  );
}

function reachesBeyond(rect: DOMRect, whole: DOMRect): boolean {
  const across = whole.width * BEYOND_SHARE;
  const down = whole.height * BEYOND_SHARE;
  return (
    rect.left < whole.left - across ||
    rect.right > whole.right + across ||
    rect.top < whole.top - down ||
    rect.bottom > whole.bottom + down
  );
}

/** Whether an element is above the video in the page's tree, shadow roots passed through. */
function holds(element: Element, video: HTMLVideoElement): boolean {
  let node: Node | null = video;
  while (node !== null) {
    if (node === element) return true;
    node = node instanceof ShadowRoot ? node.host : node.parentNode;
  }
  return false;
}

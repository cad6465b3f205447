/** Elements of ours in a page: made without markup, apart from the page's own. */

/** An element with attributes and children. */
export function make<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A button that does something. */
export function button(words: string, pressed: () => void, kind = ''): HTMLButtonElement {
  const made = make('button', { type: 'button', class: kind }, words);
  made.addEventListener('click', pressed);
  return made;
}

/**
 * An element beside the body, so that nothing that the page made is changed, with a shadow root
 * that the page's scripts and styles do not reach. What is done in it is not told to the page.
 */
export function makeHost(name: string, style: string): { host: HTMLElement; root: ShadowRoot } {
  const host = document.createElement(name);
  const root = host.attachShadow({ mode: 'closed' });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(style);
  root.adoptedStyleSheets = [sheet];
  for (const type of KEPT) {
    host.addEventListener(type, (event) => {
      event.stopPropagation();
    });
  }
  document.documentElement.append(host);
  return { host, root };
}

const KEPT = [
  ...['click', 'dblclick', 'auxclick', 'contextmenu', 'mousedown', 'mouseup', 'wheel'],
  ...['pointerdown', 'pointerup', 'touchstart', 'touchend'],
  ...['keydown', 'keyup', 'keypress', 'beforeinput', 'input', 'change'],
];

/** Show an element above all others of the page, those in full screen included. */
export function raise(element: HTMLElement): void {
  const focused = (element.getRootNode() as ShadowRoot).activeElement as HTMLElement | null;
  if (element.matches(':popover-open')) element.hidePopover();
  element.showPopover();
  focused?.focus({ preventScroll: true });
}

/** Elements of our own pages. */

/** A new element with fields and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  fields: Partial<HTMLElementTagNameMap[K]> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = Object.assign(document.createElement(tag), fields);
  made.append(...children);
  return made;
}

/** A button that does something when it is pressed; it cannot be pressed again meanwhile. */
export function button(label: string, pressed: () => unknown): HTMLButtonElement {
  const made = element('button', { type: 'button' }, label);
  onPress(made, pressed);
  return made;
}

/** What a button of the page does; it cannot be pressed again meanwhile. */
export function onPress(pressable: HTMLButtonElement, pressed: () => unknown): void {
  pressable.addEventListener('click', () => {
    void (async () => {
      pressable.disabled = true;
      try {
        await pressed();
      } finally {
        pressable.disabled = false;
      }
    })();
  });
}

/** An element that the page has. */
export function byId<E extends HTMLElement>(id: string, kind: new () => E): E {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} "${id}"`);
  return found;
}

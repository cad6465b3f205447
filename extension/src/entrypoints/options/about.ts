/** Keys, and which version this is. */

import { browser } from 'wxt/browser';
import { byId, element, onPress } from '../../ui/elements';
import { word } from '../../words';

export async function aboutPart(): Promise<void> {
  byId('version', HTMLElement).textContent = word(
    'options_version',
    browser.runtime.getManifest().version,
  );
  onPress(byId('change-keys', HTMLButtonElement), changeKeys);
  const commands = await browser.commands.getAll();
  const rows = commands.flatMap(({ name, description, shortcut }) => {
    const label = name === '_execute_action' ? word('options_key_popup') : (description ?? '');
    const keys = shortcut === undefined || shortcut === '' ? word('options_no_key') : shortcut;
    return [element('dt', {}, label), element('dd', {}, element('kbd', {}, keys))];
  });
  byId('keys', HTMLElement).replaceChildren(...rows);
}

/** Where the browser lets the user change them. */
async function changeKeys(): Promise<void> {
  // Firefox has a call for it, Chromium an address.
  const { openShortcutSettings } = browser.commands as {
    openShortcutSettings?: () => Promise<void>;
  };
  if (openShortcutSettings !== undefined) await openShortcutSettings();
  else await browser.tabs.create({ url: 'chrome://extensions/shortcuts' });
}

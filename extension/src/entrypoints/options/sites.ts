/** Sites where nothing is checked. */

import { changeSettings, siteOf, withSite } from '../../settings';
import { button, byId, element } from '../../ui/elements';
import { word } from '../../words';
import type { ShowPart } from './main';

export function sitesPart(): ShowPart {
  const typed = byId('new-site', HTMLInputElement);
  const said = byId('site-said', HTMLOutputElement);
  byId('add-site', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault();
    const site = siteOf(typed.value);
    said.textContent = site === null ? word('options_no_site') : '';
    if (site === null) return;
    typed.value = '';
    void changeSettings(({ sitesOff }) => ({ sitesOff: withSite(sitesOff, site, false) }));
  });
  const list = byId('sites', HTMLUListElement);
  return ({ sitesOff }) => {
    const hadFocus = list.contains(document.activeElement);
    list.replaceChildren(...sitesOff.map(row));
    if (hadFocus) typed.focus(); // what had it is gone
  };
}

function row(site: string): HTMLLIElement {
  const remove = button(word('options_remove_site'), () =>
    changeSettings(({ sitesOff }) => ({ sitesOff: sitesOff.filter((other) => other !== site) })),
  );
  remove.ariaLabel = `${word('options_remove_site')}: ${site}`;
  return element('li', {}, site, remove);
}

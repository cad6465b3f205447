/** What was said before: shown, exported, erased, and contradicted. */

import {
  eraseHistory,
  historyAsCsv,
  historyAsJson,
  type HistoryEntry,
  historyItem,
  noteMistake,
} from '../../history';
import type { JudgeLink } from '../../judge/link';
import type { Mistake } from '../../messages';
import { ProblemError } from '../../problems';
import { changeSettings } from '../../settings';
import { button, byId, element, onPress } from '../../ui/elements';
import { dateTime, mediaTime, percent } from '../../ui/format';
import { fillWords, problemWords, reasonWords, sayingWords, word } from '../../words';
import type { ShowPart } from './main';

/** Entries on the page; exports have all. */
const MOST_SHOWN = 100;

export function historyPart(link: JudgeLink): ShowPart {
  const kept = byId('history-kept', HTMLInputElement);
  kept.addEventListener('change', () => {
    void changeSettings(() => ({ history: kept.checked }));
  });
  onPress(byId('erase', HTMLButtonElement), async () => {
    if (confirm(word('options_erase_sure'))) await eraseHistory();
  });
  onPress(byId('export-json', HTMLButtonElement), async () => {
    save('dfedge-history.json', 'application/json', historyAsJson(await historyItem.getValue()));
  });
  onPress(byId('export-csv', HTMLButtonElement), async () => {
    save('dfedge-history.csv', 'text/csv', historyAsCsv(await historyItem.getValue()));
  });
  const show = (entries: readonly HistoryEntry[]): void => {
    showEntries(entries, link);
  };
  void historyItem.getValue().then(show);
  historyItem.watch(show);
  return ({ history }) => {
    kept.checked = history;
  };
}

function showEntries(entries: readonly HistoryEntry[], link: JudgeLink): void {
  const newest = entries.slice(-MOST_SHOWN).reverse();
  // One that is being contradicted stays as it is.
  const list = byId('history', HTMLUListElement);
  const open = list.querySelector('form')?.closest('li') ?? null;
  const hadFocus = list.contains(document.activeElement);
  list.replaceChildren(
    ...newest.map((entry) =>
      open?.dataset['source'] === entry.source ? open : entryRow(entry, link),
    ),
  );
  if (hadFocus && !list.contains(document.activeElement)) {
    byId('erase', HTMLButtonElement).focus(); // what had it is gone
  }
  byId('history-said', HTMLOutputElement).textContent = word(
    'options_history_shown',
    newest.length,
    entries.length,
  );
}

function entryRow(entry: HistoryEntry, link: JudgeLink): HTMLLIElement {
  const { source, at, title, page, saying, fakeProbability, reasons, ptsSeconds, mistake } = entry;
  const score = fakeProbability === null ? '' : ` (${percent(fakeProbability)})`;
  const said = element('p', { className: 'said' }, sayingWords(saying) + score);
  said.dataset['saying'] = saying;
  const why = [...reasons.map(reasonWords), word('popup_at', mediaTime(ptsSeconds))].join(' ');
  const wrong = button(word('options_wrong'), () => {
    wrong.hidden = true;
    const form = mistakeForm(entry, link);
    item.append(form);
    form.querySelector('select')?.focus();
  });
  const erase = button(word('options_erase_one'), () => eraseHistory(source));
  for (const each of [wrong, erase]) each.ariaLabel = `${each.textContent}: ${title}`;
  const buttons = element('p', { className: 'row' }, wrong, erase);
  if (mistake !== null) {
    const contradicted = word('options_contradicted', word(`panel_mistake_${mistake}`));
    buttons.prepend(element('span', {}, contradicted));
  }
  const item = element(
    'li',
    {},
    said,
    element('p', {}, title),
    element('p', { className: 'faint' }, `${page} · ${dateTime(at)}`),
    element('p', { className: 'faint' }, why),
    buttons,
  );
  item.dataset['source'] = source;
  return item;
}

/** To say what is wrong of an entry: kept here, and sent only where the faces had been sent. */
function mistakeForm(entry: HistoryEntry, link: JudgeLink): HTMLElement {
  const template = byId('mistake', HTMLTemplateElement);
  const form = template.content.firstElementChild!.cloneNode(true) as HTMLFormElement;
  fillWords(form);
  const { escalationId } = entry;
  form.querySelector('.where')!.textContent = word(
    escalationId === null ? 'options_mistake_kept' : 'options_mistake_sent',
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const told = new FormData(form);
    const mistake = told.get('mistake') as Mistake;
    const note = told.get('note') as string;
    void (async () => {
      try {
        if (escalationId !== null) await link.ask('feedback', { escalationId, mistake, note });
        form.remove();
        await noteMistake(entry.source, mistake, note);
      } catch (error) {
        form.querySelector('output')!.textContent = problemWords(
          ProblemError.of(error).problem.code,
        );
      }
    })();
  });
  return form;
}

function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  element('a', { href: url, download: name }).click();
  setTimeout(() => {
    URL.revokeObjectURL(url);
  }, 60_000);
}

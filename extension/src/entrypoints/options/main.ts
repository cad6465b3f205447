/** The options: every part of the page shows what is kept, and keeps what is changed at once. */

import { JudgeLink } from '../../judge/link';
import { currentSettings, type Settings, watchSettings } from '../../settings';
import { fillWords, language, word } from '../../words';
import { aboutPart } from './about';
import { checkingPart } from './checking';
import { historyPart } from './history';
import { modelsPart } from './models';
import { serverPart } from './server';
import { sitesPart } from './sites';

/** Shows a part of the page anew. */
export type ShowPart = (settings: Settings) => void;

void main();

async function main(): Promise<void> {
  document.documentElement.lang = language();
  document.title = word('options_title');
  fillWords(document);
  const link = new JudgeLink();
  const parts: readonly ShowPart[] = [
    checkingPart(),
    sitesPart(),
    serverPart(),
    modelsPart(link),
    historyPart(link),
  ];
  const show = (settings: Settings): void => {
    for (const part of parts) part(settings);
  };
  show(await currentSettings());
  watchSettings(show);
  await aboutPart();
}

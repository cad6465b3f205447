/** What the extension promises, in the words of docs/privacy.md. */

import { fillWords, language, word } from '../../words';

document.documentElement.lang = language();
document.title = word('privacy_title');
fillWords(document);

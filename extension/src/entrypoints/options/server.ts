/** The user's server: where it is, whether it answers, and whether faces may be sent to it. */

import { exchange } from '../../escalation/exchange';
import { isConfidential } from '../../escalation/server';
import type { ServerAccess } from '../../escalation/sending';
import { shown } from '../../escalation/text';
import { ProblemError } from '../../problems';
import { changeSettings, currentSettings, serverKeyItem } from '../../settings';
import { byId, onPress } from '../../ui/elements';
import { dateTime } from '../../ui/format';
import { problemWords, word } from '../../words';
import type { ShowPart } from './main';

const PATIENCE_MILLISECONDS = 10_000;

export function serverPart(): ShowPart {
  const url = byId('server-url', HTMLInputElement);
  const key = byId('server-key', HTMLInputElement);
  const said = byId('server-said', HTMLOutputElement);
  const form = byId('server', HTMLFormElement);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    said.classList.remove('bad');
    said.textContent = word('options_server_testing');
    void keepServer(url.value, key.value).then(
      (models) => {
        said.textContent = word('options_server_answers', models);
      },
      (error: unknown) => {
        said.classList.add('bad');
        said.textContent = wordsOf(error);
      },
    );
  });
  onPress(byId('server-remove', HTMLButtonElement), async () => {
    await serverKeyItem.setValue('');
    await changeSettings(() => ({ serverUrl: '', consentedAt: null, escalateUnasked: false }));
    [url.value, key.value, said.textContent] = ['', '', ''];
  });
  void serverKeyItem.getValue().then((kept) => {
    key.value = kept;
  });
  const showConsent = consentPart();
  let before: string | undefined;
  return (settings) => {
    // What is being typed stays when something else is changed.
    if (settings.serverUrl !== before) url.value = before = settings.serverUrl;
    byId('server-remove', HTMLElement).hidden = settings.serverUrl === '';
    showConsent(settings);
  };
}

function consentPart(): ShowPart {
  const consented = byId('consented', HTMLInputElement);
  const unasked = byId('unasked', HTMLInputElement);
  consented.addEventListener('change', () => {
    const consentedAt = consented.checked ? new Date().toISOString() : null;
    void changeSettings((settings) => ({
      consentedAt: settings.serverUrl === '' ? null : consentedAt,
      escalateUnasked: settings.escalateUnasked && consentedAt !== null,
    }));
  });
  unasked.addEventListener('change', () => {
    void changeSettings(({ consentedAt }) => ({
      escalateUnasked: unasked.checked && consentedAt !== null,
    }));
  });
  return ({ serverUrl, consentedAt, escalateUnasked }) => {
    byId('consent', HTMLElement).hidden = serverUrl === '';
    const host = URL.parse(serverUrl)?.host ?? '';
    byId('consent-what', HTMLElement).textContent = word('options_consent_what', host);
    byId('consented-at', HTMLElement).textContent =
      consentedAt === null ? '' : word('options_consented_at', dateTime(consentedAt));
    consented.checked = consentedAt !== null;
    unasked.checked = escalateUnasked;
    unasked.disabled = consentedAt === null;
  };
}

/** Not an address that key and faces may be sent to. */
class AddressError extends Error {}

/**
 * Keep a server that answers; for another one than before the user has to agree anew.
 *
 * @returns the names of its models.
 * @throws AddressError, ProblemError the server is not kept.
 */
async function keepServer(typedUrl: string, typedKey: string): Promise<string> {
  const url = URL.parse(typedUrl.trim());
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new AddressError(word('options_server_no_url'));
  }
  if (!isConfidential(url.href)) throw new AddressError(word('options_server_not_https'));
  const access = {
    url: (url.origin + url.pathname).replace(/\/+$/, ''),
    key: typedKey.trim(),
  };
  const models = await modelsOf(access);
  const before = await currentSettings();
  if (before.serverUrl !== access.url) {
    // First of all no consent, so that no face goes to a server that nobody agreed to.
    await changeSettings(() => ({ consentedAt: null, escalateUnasked: false }));
  }
  await serverKeyItem.setValue(access.key);
  await changeSettings(() => ({ serverUrl: access.url }));
  return models;
}

async function modelsOf(access: ServerAccess): Promise<string> {
  const answer = await exchange(access, {
    method: 'GET',
    path: '/v1/models',
    signal: new AbortController().signal,
    deadline: performance.now() + PATIENCE_MILLISECONDS,
  });
  const { models } = (answer ?? {}) as { models?: unknown };
  if (!Array.isArray(models)) throw new ProblemError('server_failed', 'it tells no models');
  const names = models.map((model: { name?: unknown } | null) => model?.name);
  const told = names.filter((name) => typeof name === 'string').map(shown);
  return told.length === 0 ? word('options_server_no_models') : told.join(', ');
}

function wordsOf(error: unknown): string {
  if (error instanceof AddressError) return error.message;
  return problemWords(ProblemError.of(error).problem.code);
}

/** Which models run, and fetching newer ones. */

import type { JudgeLink } from '../../judge/link';
import type { ModelsState } from '../../judge/models';
import { ProblemError } from '../../problems';
import { changeSettings } from '../../settings';
import { byId, element, onPress } from '../../ui/elements';
import { percent } from '../../ui/format';
import { problemWords, rejectionWords, word } from '../../words';
import type { ShowPart } from './main';

/** Bytes of an Ed25519 public key. */
const KEY_BYTES = 32;

export function modelsPart(link: JudgeLink): ShowPart {
  const said = byId('models-said', HTMLElement);
  const told = byId('update-said', HTMLOutputElement);
  said.textContent = word('options_models_opening');
  void link.ask('models', {}).then(showModels, (error: unknown) => {
    said.textContent = wordsOf(error);
  });
  const update = byId('update', HTMLButtonElement);
  onPress(update, async () => {
    told.textContent = '';
    try {
      const state = await link.ask(
        'update_models',
        {},
        {
          progress: ({ done, total }) => {
            told.textContent = total > 0 ? percent(done / total) : '';
          },
        },
      );
      showModels(state);
      // Why it is not the newest is said beside the model.
      told.textContent = state.rejected === null ? word('options_updated') : '';
    } catch (error) {
      told.textContent = wordsOf(error);
    }
  });
  const key = keyField(() => {
    // Without a key nothing is asked of the server: what the key had signed is let go.
    void link.ask('update_models', {}).then(showModels, () => undefined);
  });
  return ({ serverUrl, modelKey }) => {
    if (document.activeElement !== key) key.value = modelKey;
    update.hidden = serverUrl === '' || modelKey === '';
  };
}

function keyField(taken: () => void): HTMLInputElement {
  const key = byId('model-key', HTMLInputElement);
  key.addEventListener('change', () => {
    const modelKey = key.value.trim();
    const isKey = modelKey === '' || isPublicKey(modelKey);
    key.setCustomValidity(isKey ? '' : word('options_model_key_wrong'));
    key.reportValidity();
    if (!isKey) return;
    void changeSettings(() => ({ modelKey })).then(() => {
      if (modelKey === '') taken();
    });
  });
  return key;
}

function isPublicKey(base64: string): boolean {
  try {
    return atob(base64).length === KEY_BYTES;
  } catch {
    return false;
  }
}

function showModels(state: ModelsState): void {
  const { backend, models, delivered, rejected, thresholds, speed } = state;
  const whence = word(delivered ? 'options_models_delivered' : 'options_models_shipped');
  const where = word(backend === 'webgpu' ? 'options_models_webgpu' : 'options_models_wasm');
  const from = word('options_thresholds', percent(thresholds.real), percent(thresholds.fake));
  const refused = rejected === null ? '' : rejectionWords(rejected);
  const pace =
    speed === null
      ? ''
      : word('options_speed', speed.median.toFixed(0), speed.p95.toFixed(0), `${speed.frames}`);
  const said = [where, whence, from, pace, refused].filter((words) => words !== '');
  byId('models-said', HTMLElement).textContent = said.join(' ');
  byId('models', HTMLUListElement).replaceChildren(
    ...models.map(({ name, version, sha256 }) =>
      element('li', {}, `${name} ${version} `, element('code', {}, sha256.slice(0, 16))),
    ),
  );
}

function wordsOf(error: unknown): string {
  return problemWords(ProblemError.of(error).problem.code);
}

/** What is checked, when, and how readily something is said. */

import { changeSettings, type Mode, type Sensitivity } from '../../settings';
import { byId } from '../../ui/elements';
import type { ShowPart } from './main';

export function checkingPart(): ShowPart {
  const enabled = byId('enabled', HTMLInputElement);
  const mode = byId('mode', HTMLSelectElement);
  const sensitivity = byId('sensitivity', HTMLSelectElement);
  const loadAgain = byId('load-again', HTMLInputElement);
  const keep = (): void => {
    void changeSettings(() => ({
      enabled: enabled.checked,
      mode: mode.value as Mode,
      sensitivity: sensitivity.value as Sensitivity,
      loadAgain: loadAgain.checked,
    }));
  };
  for (const control of [enabled, mode, sensitivity, loadAgain]) {
    control.addEventListener('change', keep);
  }
  return (settings) => {
    enabled.checked = settings.enabled;
    mode.value = settings.mode;
    sensitivity.value = settings.sensitivity;
    loadAgain.checked = settings.loadAgain;
  };
}

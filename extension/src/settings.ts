/** What the user has chosen, where it is kept, and what pages are told of it. */

import { storage } from 'wxt/utils/storage';

export type Mode = 'automatic' | 'on_click';

/** low: only what looks manipulated is said; high: it is also said when an unsure one leans there. */
export type Sensitivity = 'low' | 'standard' | 'high';

export interface Settings {
  readonly enabled: boolean;
  /** Hosts where nothing is checked, and all below them. */
  readonly sitesOff: readonly string[];
  readonly mode: Mode;
  readonly sensitivity: Sensitivity;
  /** Load videos that the page may not read a second time, without cookies, unasked. */
  readonly loadAgain: boolean;
  readonly history: boolean;
  /** Without a slash at its end; empty while there is none. */
  readonly serverUrl: string;
  /** When the user agreed that faces are sent to `serverUrl`: ISO 8601. */
  readonly consentedAt: string | null;
  /** Send what the device is unsure of without being asked. */
  readonly escalateUnasked: boolean;
  /** Ed25519 public key (base64) that signs newer models; empty: none are fetched. */
  readonly modelKey: string;
}

export const DEFAULTS: Settings = {
  enabled: true,
  sitesOff: [],
  mode: 'automatic',
  sensitivity: 'standard',
  loadAgain: false,
  history: true,
  serverUrl: '',
  consentedAt: null,
  escalateUnasked: false,
  modelKey: '',
};

export const settingsItem = storage.defineItem<Settings>('local:settings', { fallback: DEFAULTS });

/** The server's key: apart, since pages' scripts are told settings but never this. */
export const serverKeyItem = storage.defineItem<string>('local:serverKey', { fallback: '' });

/** What the content scripts of a page need to know. */
export interface PageSettings {
  /** Whether anything is checked on this page. */
  readonly active: boolean;
  readonly mode: Mode;
  readonly sensitivity: Sensitivity;
  readonly loadAgain: boolean;
  /** The host of the user's server, where faces may be sent; null: nothing can be sent. */
  readonly server: string | null;
  readonly escalateUnasked: boolean;
}

/** What a page on a host is told. */
export function pageSettings(settings: Settings, host: string): PageSettings {
  const { enabled, sitesOff, mode, sensitivity, loadAgain, serverUrl, consentedAt } = settings;
  const off = sitesOff.some((site) => host === site || host.endsWith(`.${site}`));
  return {
    active: enabled && !off,
    mode,
    sensitivity,
    loadAgain,
    server: serverUrl !== '' && consentedAt !== null ? new URL(serverUrl).host : null,
    escalateUnasked: settings.escalateUnasked,
  };
}

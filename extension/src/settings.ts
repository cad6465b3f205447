/** What the user has chosen, where it is kept, and what pages are told of it. */

import { storage } from 'wxt/utils/storage';
import { exclusively } from './exclusively';

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

/** As kept, which may lack what a newer version asks: {@link currentSettings} is whole. */
const settingsItem = storage.defineItem<Partial<Settings>>('local:settings', {
  fallback: {},
});

/** The server's key: apart, since pages' scripts are told settings but never this. */
export const serverKeyItem = storage.defineItem<string>('local:serverKey', { fallback: '' });

export async function currentSettings(): Promise<Settings> {
  return { ...DEFAULTS, ...(await settingsItem.getValue()) };
}

/** Change some of them; `change` is given those that hold. */
export async function changeSettings(
  change: (settings: Settings) => Partial<Settings>,
): Promise<void> {
  await exclusively('settings', async () => {
    const settings = await currentSettings();
    await settingsItem.setValue({ ...settings, ...change(settings) });
  });
}

/** Be told of them whenever they change. */
export function watchSettings(changed: (settings: Settings) => void): void {
  settingsItem.watch((kept) => {
    changed({ ...DEFAULTS, ...kept });
  });
}

/** The host of an address or of what someone typed as a site; null where there is none. */
export function siteOf(address: string): string | null {
  const text = address.trim();
  const url = URL.parse(
    /^[a-z][a-z0-9+.-]*:/i.test(text) && !isPort(text) ? text : `http://${text}`,
  );
  if (url === null || !['http:', 'https:'].includes(url.protocol)) return null;
  return url.hostname.replace(/\.$/, '') || null;
}

/** Whether something like `localhost:8000`, which is no scheme. */
function isPort(text: string): boolean {
  return /^[^/]+:\d+(\/|$)/.test(text);
}

export function isSiteOff({ sitesOff }: Pick<Settings, 'sitesOff'>, host: string): boolean {
  return sitesOff.some((site) => covers(site, host));
}

/** The sites that are off when a host is to be on or off. */
export function withSite(sitesOff: readonly string[], host: string, on: boolean): string[] {
  if (on) return sitesOff.filter((site) => !covers(site, host));
  return [...sitesOff.filter((site) => site !== host), host].sort();
}

function covers(site: string, host: string): boolean {
  return host === site || host.endsWith(`.${site}`);
}

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
  const { enabled, mode, sensitivity, loadAgain, serverUrl, consentedAt } = settings;
  return {
    active: enabled && !isSiteOff(settings, host),
    mode,
    sensitivity,
    loadAgain,
    server: serverUrl !== '' && consentedAt !== null ? new URL(serverUrl).host : null,
    escalateUnasked: settings.escalateUnasked,
  };
}

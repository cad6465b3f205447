/** What the user chose is kept whole, and pages are told no more of it than they need. */

import { fakeBrowser } from './browser';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  changeSettings,
  currentSettings,
  DEFAULTS,
  isSiteOff,
  pageSettings,
  siteOf,
  withSite,
} from '../../src/settings';

beforeEach(() => {
  fakeBrowser.reset();
});

describe('kept', () => {
  test('at first they are the defaults', async () => {
    expect(await currentSettings()).toEqual(DEFAULTS);
  });

  test('what an older version did not keep is the default', async () => {
    await fakeBrowser.storage.local.set({ settings: { enabled: false } });
    expect(await currentSettings()).toEqual({ ...DEFAULTS, enabled: false });
  });

  test('changes at the same time all stay', async () => {
    const sites = ['a.example', 'b.example', 'c.example'];
    await Promise.all(
      sites.map((site) =>
        changeSettings(({ sitesOff }) => ({ sitesOff: withSite(sitesOff, site, false) })),
      ),
    );
    expect((await currentSettings()).sitesOff).toEqual(sites);
  });
});

describe('sites', () => {
  test.each([
    ['https://www.Example.com/watch?v=1', 'www.example.com'],
    ['example.com', 'example.com'],
    [' localhost:8000 ', 'localhost'],
    ['http://[::1]:80/', '[::1]'],
    ['münchen.example', 'xn--mnchen-3ya.example'],
    ['example.com.', 'example.com'],
    ['file:///home/clip.html', null],
    ['chrome://extensions', null],
    ['about:blank', null],
    ['', null],
    ['a b', null],
  ])('of %j is %j', (address, site) => {
    expect(siteOf(address)).toBe(site);
  });

  test('a site covers what is below it, and nothing that only ends alike', () => {
    const off = { sitesOff: ['example.com'] };
    const hosts = ['example.com', 'video.example.com', 'notexample.com', 'com'];
    expect(hosts.map((host) => isSiteOff(off, host))).toEqual([true, true, false, false]);
  });

  test('a host is on when no site that covers it is off', () => {
    const sitesOff = ['example.com', 'news.example'];
    expect(withSite(sitesOff, 'video.example.com', true)).toEqual(['news.example']);
  });

  test('a host is off once', () => {
    expect(withSite(['b.example'], 'b.example', false)).toEqual(['b.example']);
  });
});

describe('of a page', () => {
  test('nothing is checked where it is switched off, here or everywhere', () => {
    const active = (enabled: boolean, host: string): boolean =>
      pageSettings({ ...DEFAULTS, enabled, sitesOff: ['example.com'] }, host).active;
    expect([active(true, 'a.example'), active(true, 'example.com')]).toEqual([true, false]);
    expect(active(false, 'a.example')).toBe(false);
  });

  test('there is no server without consent, and with it no more than its host', () => {
    const settings = { ...DEFAULTS, serverUrl: 'https://dfedge.example:8443/api' };
    expect(pageSettings(settings, 'a.example').server).toBe(null);
    const agreed = pageSettings({ ...settings, consentedAt: '2026-01-01T00:00:00Z' }, 'a.example');
    expect(agreed.server).toBe('dfedge.example:8443');
    expect(Object.keys(agreed).sort()).toEqual(
      ['active', 'mode', 'sensitivity', 'loadAgain', 'server', 'escalateUnasked'].sort(),
    );
  });
});

/** The server's verdict beside the device's: who may say what. */

import { expect, test } from 'vitest';
import { joined, told } from '../../src/escalation/fusing';
import type { Verdict } from '../../src/types/verdict';
import { judged, verdict } from './made';

test('the label is the server’s, and what the device knows is told by the device', () => {
  const device = verdict({ source: { ...verdict().source, problems: ['ends early'] } });
  const lie = { model: 'edge-one', tier: 'edge', label: 'REAL', fake_probability: 0 } as const;
  const server = judged({
    source: { ...device.source, name: 'another', width: 1 },
    opinions: [lie, ...judged().opinions.slice(1)],
    timing: { total_seconds: 0, decode_seconds: 0, faces_seconds: 0, classify_seconds: 0 },
  });
  const fused = joined(device, server, 3.5);
  expect([fused.label, fused.fake_probability]).toEqual(['FAKE', 0.9]);
  expect(fused.source).toEqual(device.source);
  expect(fused.opinions).toEqual([device.opinions[0], judged().opinions[1]]);
  expect(fused.models.map(({ role }) => role)).toEqual(['edge', 'heavy']);
  expect(fused.timing).toEqual({ ...device.timing, total_seconds: 3.5 });
  expect(fused.dfedge_version).toBe(device.dfedge_version);
  expect(fused.reasons).toEqual(['score_in_unsure_band', 'partly_unreadable']);
});

const track = judged().tracks[0]!;
const opinion = judged().opinions[1]!;

test.each<[string, Partial<Verdict>]>([
  ['no opinion of its own', { opinions: verdict().opinions }],
  ['more than 64 opinions', { opinions: Array.from({ length: 65 }, () => opinion) }],
  ['names that cannot be shown', { opinions: [{ ...opinion, model: 'a\x1b[2J' }] }],
  [
    'names that cannot be shown',
    { models: [{ name: 'm', version: '1'.repeat(201), sha256: '', role: 'heavy' }] },
  ],
  ['times that cannot be', { timeline: [{ pts_seconds: 1e9, fake_probability: null }] }],
  ['people nobody saw', { tracks: [{ ...track, observations: [] }] }],
  ['people nobody saw', { tracks: [{ ...track, label: 'NO_FACE' }] }],
])('refused for %s', (said, changes) => {
  expect(() => joined(verdict(), judged(changes), 1)).toThrow(said);
});

test('a server is told no name and no words about the video', () => {
  const device = verdict({ source: { ...verdict().source, name: 'secret', problems: ['words'] } });
  expect(JSON.stringify(told(device))).not.toMatch(/secret|words/);
});

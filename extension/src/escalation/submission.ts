/** What is sent of a video: the form that the server takes, its manifest first. */

import { told } from './fusing';
import type { Material, SentCrop } from './sending';

/** The server numbers people up to here; a stream that plays for a day has had more. */
const TRACKS = 10_000;

export function submissionOf({ crops, verdict, framesSampled }: Material): FormData {
  const parts = crops.map((crop, number) => ({
    crop,
    name: `crop-${String(number).padStart(3, '0')}`,
  }));
  const manifest = {
    schema: 'dfedge.escalation/1',
    kind: 'crops',
    device_verdict: told(verdict),
    crops: parts.map(({ crop, name }) => described(crop, name)),
    frames_sampled: framesSampled,
  };
  const form = new FormData();
  form.append('manifest', new Blob([JSON.stringify(manifest)], { type: 'application/json' }));
  for (const { crop, name } of parts) {
    form.append(name, new Blob([crop.png], { type: 'image/png' }), `${name}.png`);
  }
  return form;
}

function described(crop: SentCrop, part: string): object {
  return {
    part,
    track_id: crop.trackId % TRACKS,
    frame_index: crop.frameIndex,
    pts_seconds: crop.ptsSeconds,
    frame_width: crop.frameWidth,
    frame_height: crop.frameHeight,
    left: crop.left,
    top: crop.top,
    box: crop.box,
    detection_score: crop.detectionScore,
  };
}

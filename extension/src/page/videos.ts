/** The videos of a page, as they come and go, in open shadow roots too. */

/** A video narrower or lower than this is no one's to look at: an ornament, or not yet laid out. */
const LEAST_PIXELS = 100;
const LOOK_EVERY_MILLISECONDS = 1000;

/**
 * Tell of each video that appears, and of each that is gone. Polls once a second: observers would
 * have to be put on every shadow root, and cost more on a busy page.
 */
export function watchVideos(
  appeared: (video: HTMLVideoElement) => void,
  gone: (video: HTMLVideoElement) => void,
): () => void {
  const known = new Set<HTMLVideoElement>();
  const look = (): void => {
    const present = new Set([...videosIn(document)].filter(isLarge));
    for (const video of present) {
      if (known.has(video)) continue;
      known.add(video);
      appeared(video);
    }
    for (const video of known) {
      if (video.isConnected) continue;
      known.delete(video);
      gone(video);
    }
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MILLISECONDS);
  return () => {
    clearInterval(timer);
  };
}

/** All videos below a root, shadow roots that are open included. */
export function* videosIn(root: Document | ShadowRoot): Generator<HTMLVideoElement> {
  yield* root.querySelectorAll('video');
  for (const element of root.querySelectorAll('*')) {
    if (element.shadowRoot !== null) yield* videosIn(element.shadowRoot);
  }
}

function isLarge(video: HTMLVideoElement): boolean {
  return video.clientWidth >= LEAST_PIXELS && video.clientHeight >= LEAST_PIXELS;
}

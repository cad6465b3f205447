/** The videos of a page, as they come and go, in shadow roots that are open too. */

/** A video narrower or lower than this is no one's to look at: an ornament, or not yet laid out. */
const LEAST_PIXELS = 100;
const LOOK_EVERY_MILLISECONDS = 1000;
/** Looks between two searches of the whole page for shadow roots, which cost the most. */
const SEARCH_EVERY = 3;

/**
 * Tell of each video that appears, and of each that is gone. Looks once a second while the page is
 * seen: observers would have to be put on every shadow root, and cost more on a busy page.
 */
export function watchVideos(
  appeared: (video: HTMLVideoElement) => void,
  gone: (video: HTMLVideoElement) => void,
): () => void {
  const known = new Set<HTMLVideoElement>();
  let roots: (Document | ShadowRoot)[] = [];
  let looks = 0;
  const look = (): void => {
    if (document.hidden) return;
    if (looks++ % SEARCH_EVERY === 0) roots = [...rootsIn(document)];
    for (const video of known) {
      if (video.isConnected) continue;
      known.delete(video);
      gone(video);
    }
    for (const video of roots.flatMap((root) => [...root.querySelectorAll('video')])) {
      if (known.has(video) || !video.isConnected || !isLarge(video)) continue;
      known.add(video);
      appeared(video);
    }
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MILLISECONDS);
  return () => {
    clearInterval(timer);
  };
}

/** A root and all open shadow roots below it. */
function* rootsIn(root: Document | ShadowRoot): Generator<Document | ShadowRoot> {
  yield root;
  for (const { shadowRoot } of root.querySelectorAll('*')) {
    if (shadowRoot !== null) yield* rootsIn(shadowRoot);
  }
}

function isLarge(video: HTMLVideoElement): boolean {
  return video.clientWidth >= LEAST_PIXELS && video.clientHeight >= LEAST_PIXELS;
}

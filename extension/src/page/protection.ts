/** Whether a video is copy-protected. */

/**
 * Whether keys of a DRM system are set. Of such a video Chromium draws nothing, without an error: a
 * canvas stays black, and black has no face in it, which must not be said of the video.
 */
export function isProtected(video: HTMLVideoElement): boolean {
  // Pages without TLS have no DRM, and no such property.
  const { mediaKeys } = video as { readonly mediaKeys?: MediaKeys | null };
  return mediaKeys != null;
}

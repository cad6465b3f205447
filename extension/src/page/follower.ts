/** Where videos lie, as pages scroll and change: one watch for all of a page. */

export interface Followed {
  /** The video may lie elsewhere; `settled`: nothing moves, there is time to look closely. */
  moved(settled: boolean): void;
  /** The video came into view, or left it. */
  seen(inView: boolean): void;
}

/** Milliseconds between two looks for what no event tells of: animations, new elements. */
const LOOK_EVERY = 500;
/** Players show their controls when the pointer moves. */
const POINTER_EVERY = 200;

/**
 * Watches by events and twice a second: asking in every frame of the page would cost it more than
 * all else that is done here.
 */
export class Follower {
  readonly #followed = new Map<Element, Followed>();
  readonly #inView = new Set<Element>();
  readonly #views: IntersectionObserver;
  readonly #sizes: ResizeObserver;
  readonly #ended = new AbortController();
  #frame = 0;
  #pointed = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor() {
    this.#views = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) this.#saw(target, isIntersecting);
    });
    this.#sizes = new ResizeObserver(() => {
      this.#soon();
    });
    const options = { capture: true, passive: true, signal: this.#ended.signal };
    addEventListener('scroll', this.#soon, options);
    addEventListener('resize', this.#soon, options);
    addEventListener('pointermove', this.#pointer, options);
  }

  follow(element: Element, followed: Followed): void {
    this.#followed.set(element, followed);
    this.#views.observe(element);
    this.#sizes.observe(element);
  }

  leave(element: Element): void {
    this.#saw(element, false);
    this.#followed.delete(element);
    this.#views.unobserve(element);
    this.#sizes.unobserve(element);
  }

  stop(): void {
    this.#ended.abort();
    this.#views.disconnect();
    this.#sizes.disconnect();
    cancelAnimationFrame(this.#frame);
    clearInterval(this.#timer);
  }

  #saw(element: Element, inView: boolean): void {
    if (this.#inView.has(element) === inView) return;
    if (inView) this.#inView.add(element);
    else this.#inView.delete(element);
    this.#followed.get(element)?.seen(inView);
    if (this.#inView.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else {
      this.#timer ??= setInterval(() => {
        if (!document.hidden) this.#tell(true);
      }, LOOK_EVERY);
    }
  }

  readonly #soon = (): void => {
    if (this.#inView.size === 0) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      this.#tell(false);
    });
  };

  readonly #pointer = (event: PointerEvent): void => {
    if (event.timeStamp - this.#pointed < POINTER_EVERY) return;
    this.#pointed = event.timeStamp;
    // After the page has shown what it shows when the pointer moves.
    if (this.#inView.size === 0) return;
    setTimeout(() => {
      this.#tell(true);
    }, POINTER_EVERY / 2);
  };

  #tell(settled: boolean): void {
    for (const element of this.#inView) this.#followed.get(element)?.moved(settled);
  }
}

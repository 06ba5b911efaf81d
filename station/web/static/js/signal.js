// Who wants to know is told: the smallest possible event source.

/** @template T */
export class Signal {
  /** @type {Set<(value: T) => void>} */
  #listeners = new Set();

  /**
   * Hear of every `emit` from now on.
   * @param {(value: T) => void} listener
   * @returns {() => void} ends that
   */
  on(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param {T} value */
  emit(value) {
    for (const listener of [...this.#listeners]) listener(value);
  }
}

/**
 * Run `work` once before the next repaint, however often the returned function is called until then.
 * A hidden page paints never: then `work` runs as soon as the page is seen again.
 * @param {() => void} work
 * @returns {() => void}
 */
export function beforePaint(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

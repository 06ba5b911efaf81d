// The live stream (server-sent events), which mends itself: whoever listens is told when it is broken and when it is back.

import { Signal } from "./signal.js";

export const TOPICS = ["state", "frame", "fact", "refused", "command"];
const FIRST_RETRY_MS = 400;
const LAST_RETRY_MS = 5000;

/** @typedef {"connecting" | "open" | "broken"} StreamState */

export class Stream {
  /**
   * @param {string} base prefix of the control surface
   * @param {string[]} [topics]
   */
  constructor(base, topics = TOPICS) {
    this.base = base;
    this.topics = topics;
    /** @type {StreamState} */
    this.state = "connecting";
    /** @type {Signal<StreamState>} */
    this.changed = new Signal();
    /** @type {Signal<{topic: string, data: any}>} */
    this.events = new Signal();
    /** @type {EventSource | null} */
    this.source = null;
    this.wait = FIRST_RETRY_MS;
    this.timer = 0;
    // A page that was left may be kept for the back button, with its stream; browsers open only six connections to a host.
    window.addEventListener("pagehide", () => this.close());
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) this.open();
    });
  }

  open() {
    clearTimeout(this.timer);
    this.source?.close();
    const source = new EventSource(`${this.base}/events?topics=${this.topics.join(",")}`);
    this.source = source;
    source.onopen = () => {
      this.wait = FIRST_RETRY_MS;
      this.#become("open");
    };
    // The browser's own retry is slow, and gives up after an HTTP error: ours does neither.
    source.onerror = () => {
      source.close();
      this.#become("broken");
      this.timer = window.setTimeout(() => this.open(), this.wait);
      this.wait = Math.min(LAST_RETRY_MS, this.wait * 1.7);
    };
    for (const topic of [...this.topics, "gap"]) {
      source.addEventListener(topic, (event) => this.#heard(topic, event.data));
    }
  }

  /** Try at once: somebody is looking. */
  hurry() {
    if (this.state === "broken") {
      this.wait = FIRST_RETRY_MS;
      this.open();
    }
  }

  close() {
    clearTimeout(this.timer);
    this.source?.close();
  }

  /** @param {StreamState} state */
  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.changed.emit(state);
  }

  /**
   * @param {string} topic
   * @param {string} text
   */
  #heard(topic, text) {
    let data;
    try {
      data = JSON.parse(text);
    } catch {
      console.warn("an event that is no JSON was left out", topic);
      return;
    }
    this.events.emit({ topic, data });
  }
}

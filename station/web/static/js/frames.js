// The conversation as data: a bounded list of frames, linked CALL to answer, and a filter that keeps up with it.

import { Signal } from "./signal.js";

/** @typedef {import("./types.js").Frame} Frame */

export const KEPT = 100_000;
const DROPPED_AT_ONCE = 10_000;

/**
 * What the reader wants to see. Empty means everything.
 * @typedef {{
 *   direction: string, type: string, action: string, evse: string, transaction: string, text: string, problems: boolean,
 * }} FrameFilter
 */

/** @returns {FrameFilter} */
export function everything() {
  return { direction: "", type: "", action: "", evse: "", transaction: "", text: "", problems: false };
}

/**
 * A frame somebody should look at: not valid, or an error.
 * @param {Frame} frame
 */
export function isProblem(frame) {
  return frame.verdict !== "ok" || frame.type === "CALLERROR" || frame.type === "CALLRESULTERROR" || frame.type === "?";
}

/**
 * @param {FrameFilter} filter
 * @returns {(frame: Frame) => boolean}
 */
export function matcher(filter) {
  const action = filter.action.trim().toLowerCase();
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return (frame) => {
    if (filter.direction && frame.direction !== filter.direction) return false;
    if (filter.type && frame.type !== filter.type) return false;
    if (action && !(frame.action ?? "").toLowerCase().includes(action)) return false;
    if (filter.evse && String(frame.evse ?? "") !== filter.evse) return false;
    if (filter.transaction && frame.transaction !== filter.transaction) return false;
    if (filter.problems && !isProblem(frame)) return false;
    if (words.length === 0) return true;
    const text = `${frame.action ?? ""} ${frame.text}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
}

/** All frames that are kept, and those that pass the filter, both oldest first. */
export class FrameLog {
  constructor() {
    /** @type {Frame[]} */
    this.all = [];
    /** @type {Frame[]} */
    this.shown = [];
    /** @type {Map<number, number>} number of a CALL -> number of its answer */
    this.answers = new Map();
    /** @type {Map<string, number>} */
    this.actions = new Map();
    /** @type {Set<string>} */
    this.transactions = new Set();
    /** Whether the station has told which there are: no frames until then means nothing. */
    this.loaded = false;
    this.filter = everything();
    this.matches = matcher(this.filter);
    /** Frames came or went. @type {Signal<void>} */
    this.changed = new Signal();
  }

  /** The number of the newest frame; 0 without any. */
  get last() {
    return this.all.at(-1)?.n ?? 0;
  }

  /** @param {Frame[]} frames newer than `last`, oldest first */
  add(frames) {
    let last = this.last;
    for (const frame of frames) {
      if (frame.n <= last) continue; // told twice: by the stream and by a question
      last = frame.n;
      this.all.push(frame);
      this.#remember(frame);
      if (this.matches(frame)) this.shown.push(frame);
    }
    if (this.all.length > KEPT) this.#drop();
    this.changed.emit();
  }

  clear() {
    this.all = [];
    this.answers.clear();
    this.actions.clear();
    this.transactions.clear();
    this.refilter(this.filter);
  }

  /** How many there are, in words. */
  get counted() {
    const all = this.all.length;
    if (!this.loaded && all === 0) return "Loading…";
    const frames = all === 1 ? "frame" : "frames";
    return this.shown.length === all ? `${all} ${frames}` : `${this.shown.length} of ${all} ${frames}`;
  }

  /** @param {FrameFilter} filter */
  refilter(filter) {
    this.filter = filter;
    this.matches = matcher(filter);
    this.shown = this.all.filter(this.matches);
    this.changed.emit();
  }

  /**
   * The frame with this number, by bisection.
   * @param {number} n
   * @returns {Frame | undefined}
   */
  find(n) {
    const index = bisect(this.all, n);
    return this.all[index]?.n === n ? this.all[index] : undefined;
  }

  /**
   * The other half: the answer of a CALL, the CALL of an answer.
   * @param {Frame} frame
   */
  partner(frame) {
    const n = frame.answers ?? this.answers.get(frame.n);
    return n === undefined || n === null ? undefined : this.find(n);
  }

  /**
   * Where a frame stands among those shown; -1 when the filter hides it.
   * @param {number} n
   */
  shownIndex(n) {
    const index = bisect(this.shown, n);
    return this.shown[index]?.n === n ? index : -1;
  }

  /** @param {Frame} frame */
  #remember(frame) {
    if (frame.answers !== null && frame.answers !== undefined) this.answers.set(frame.answers, frame.n);
    if (frame.action) this.actions.set(frame.action, (this.actions.get(frame.action) ?? 0) + 1);
    if (frame.transaction) this.transactions.add(frame.transaction);
  }

  #drop() {
    const gone = this.all.splice(0, DROPPED_AT_ONCE);
    for (const frame of gone) this.answers.delete(frame.n);
    this.shown = this.all.filter(this.matches);
  }
}

/**
 * Index of the first frame whose number is not below `n`.
 * @param {Frame[]} frames
 * @param {number} n
 */
function bisect(frames, n) {
  let low = 0;
  let high = frames.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (frames[middle].n < n) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * As a file: one JSON object a line, as the station told it.
 * @param {Frame[]} frames
 */
export function jsonLines(frames) {
  return frames.map((frame) => `${JSON.stringify(frame)}\n`).join("");
}

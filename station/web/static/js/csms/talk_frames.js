// The conversation of all stations as data: the panel's list of frames, with a filter that knows stations.

import { FrameLog, everything, matcher } from "../frames.js";

/** @typedef {import("./csms_types.js").TalkFrame} TalkFrame */
/** @typedef {import("./csms_types.js").TalkFilter} TalkFilter */
/** @typedef {import("../frames.js").FrameFilter} FrameFilter */

/** @returns {TalkFilter} */
export function allTalk() {
  return { ...everything(), station: "" };
}

/**
 * The station of a frame; "" for one that has none.
 * @param {import("../types.js").Frame} frame
 */
export function stationOf(frame) {
  return /** @type {TalkFrame} */ (frame).station ?? "";
}

export class TalkFrames extends FrameLog {
  /** The number of the newest frame; -1 without any: a CSMS counts from 0. */
  get last() {
    return this.all.at(-1)?.n ?? -1;
  }

  /** @param {FrameFilter | TalkFilter} filter */
  refilter(filter) {
    const station = "station" in filter ? filter.station : "";
    const rest = matcher(filter);
    this.filter = filter;
    this.matches = (/** @type {import("../types.js").Frame} */ frame) => (station === "" || stationOf(frame) === station) && rest(frame);
    this.shown = this.all.filter(this.matches);
    this.changed.emit();
  }
}

/**
 * A row as the panel's parts want it: what a CSMS does not tell is null.
 * @param {TalkFrame} row
 * @returns {TalkFrame}
 */
export function asFrame(row) {
  return { ...row, evse: row.evse ?? null, transaction: row.transaction ?? null };
}

// Numbers and times as people read them. Times are station time, in UTC, from wall seconds.

/** A moment: wall seconds, or ISO 8601. @typedef {number | string | null | undefined} Moment */

/**
 * Wall seconds of a moment; null for none.
 * @param {Moment} moment
 */
export function wallOf(moment) {
  if (typeof moment !== "string") return moment ?? null;
  const ms = Date.parse(moment);
  return Number.isNaN(ms) ? null : ms / 1000;
}

/**
 * "09:41:07", or with milliseconds "09:41:07.250".
 * @param {Moment} wall
 * @param {boolean} [millis]
 */
export function clock(wall, millis = false) {
  const text = iso(wall);
  return text === "" ? "" : text.slice(11, millis ? 23 : 19);
}

/**
 * ISO 8601 with milliseconds; "" for no time, or one that no calendar knows.
 * @param {Moment} moment
 */
export function iso(moment) {
  const wall = wallOf(moment);
  if (wall === null || !Number.isFinite(wall) || Math.abs(wall) > 8.64e12) return "";
  return new Date(wall * 1000).toISOString();
}

/**
 * "2026-01-01 09:41:07".
 * @param {Moment} wall
 */
export function dateTime(wall) {
  return iso(wall).slice(0, 19).replace("T", " ");
}

/**
 * "42 s", "3 min 05 s", "2 h 07 min".
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (/** @type {number} */ n) => String(n).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} min`;
}

/**
 * A number with at most so many decimals; "–" for none.
 * @param {number | null | undefined} value
 * @param {number} [decimals]
 */
export function number(value, decimals = 1) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const text = value.toFixed(decimals);
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text;
}

/**
 * The shortest text of a number: "32", "13.5".
 * @param {number | null | undefined} value
 */
export function short(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  return String(Math.round(value * 100) / 100);
}

/**
 * "870 B", "1.2 KiB".
 * @param {number} bytes
 */
export function size(bytes) {
  return bytes < 1024 ? `${bytes} B` : `${(bytes / 1024).toFixed(1)} KiB`;
}

/**
 * "8 ms", "1.25 s".
 * @param {number | null | undefined} ms
 */
export function latency(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1) return "<1 ms";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/**
 * "SuspendedEVSE" as "Suspended EVSE"; "stop_reason" as "stop reason".
 * @param {string} word
 */
export function spaced(word) {
  return word.replaceAll("_", " ").replace(/([a-z])([A-Z])/g, "$1 $2");
}

/**
 * Any JSON value in one line.
 * @param {unknown} value
 */
export function oneLine(value) {
  if (typeof value === "string") return value;
  return value === undefined ? "" : JSON.stringify(value);
}

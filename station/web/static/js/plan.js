// Reading a plan (the composite schedule as the command `plan` tells it): its sources as bands, a moment of it, in words.

import { clock, duration, iso, short } from "./format.js";

/** @typedef {import("./types.js").Plan} Plan */
/** @typedef {import("./types.js").PlanPeriod} PlanPeriod */
/** @typedef {import("./types.js").PlanSource} PlanSource */
/** @typedef {import("./types.js").Schedule} Schedule */
/** @typedef {import("./svg.js").Run} Run */

/** What one source allows over time; where it binds. `fixed`: the hardware, at all times. @typedef {{key: string, name: string, fixed: boolean, runs: (Run & {binding: boolean})[]}} Band */

const TOLD_STEPS = 3;
/** IEC 61851-1: nothing is offered below this, the car is paused. */
const LEAST_A = 6;
/** The transaction's own limits first, the hardware last. */
const ORDER = ["PriorityCharging", "TxProfile", "TxDefaultProfile", "ChargingStationMaxProfile", "ChargingStationExternalConstraints", "LocalGeneration"];

/** @param {PlanSource} source */
export function keyOf(source) {
  return source.profile === null ? source.name : `${source.purpose}/${source.profile}`;
}

/**
 * @param {Plan} plan
 * @returns {Band[]}
 */
export function bands(plan) {
  /** @type {Map<string, Band & {rank: number}>} */
  const found = new Map();
  for (const { start, until, sources } of plan.periods) {
    for (const source of sources) {
      const key = keyOf(source);
      const band = found.get(key) ?? { key, name: source.name, fixed: source.purpose === null, runs: [], rank: rank(source) };
      found.set(key, band);
      const last = band.runs.at(-1);
      if (last?.until === start && last.value === source.limit && last.binding === source.binding) last.until = until;
      else band.runs.push({ from: start, until, value: source.limit, binding: source.binding });
    }
  }
  return [...found.values()].sort((one, other) => one.rank - other.rank);
}

/** @param {PlanSource} source */
function rank(source) {
  const place = source.purpose === null ? ORDER.length + 1 : ORDER.indexOf(source.purpose);
  return (place < 0 ? ORDER.length : place) * 10_000 - (source.stack_level ?? 0);
}

/**
 * The limit itself, of the first phase or of one of the others where they differ.
 * @param {Plan} plan
 * @param {"limit" | "l2" | "l3"} [of]
 * @returns {Run[]}
 */
export function limits(plan, of = "limit") {
  /** @type {Run[]} */
  const found = [];
  for (const period of plan.periods) {
    const last = found.at(-1);
    if (last !== undefined && last.value === period[of]) last.until = period.until;
    else found.push({ from: period.start, until: period.until, value: period[of] });
  }
  return found;
}

/**
 * @param {Plan} plan
 * @param {number} wall
 * @returns {PlanPeriod | undefined} none after its end
 */
export function periodAt(plan, wall) {
  const t = Math.max(0, wall - plan.start);
  return plan.periods.find(({ start, until }) => start <= t && t < until);
}

/**
 * The change that is in force at a moment: its number in the list.
 * @param {Plan} plan
 * @param {number} wall
 */
export function changeAt(plan, wall) {
  let found = 0;
  plan.changes.forEach(({ at }, index) => {
    if (at <= wall) found = index;
  });
  return found;
}

/**
 * "16 A", "11000 W", "no limit".
 * @param {number | null | undefined} limit
 * @param {string} unit
 */
export function rate(limit, unit) {
  return limit === null || limit === undefined ? "no limit" : `${short(limit)} ${unit}`;
}

/**
 * A limit with all that belongs to it: "16 / 16 / 10 A on 3 phases".
 * @param {Pick<PlanPeriod, "limit" | "phases"> & {l2?: number | null, l3?: number | null}} period
 * @param {string} unit
 */
export function limitWords(period, unit) {
  const { limit, l2, l3, phases } = period;
  const apart = [l2, l3].some((each) => each !== null && each !== undefined);
  const value = apart ? `${[limit, l2, l3].map((each) => short(each)).join(" / ")} ${unit}` : rate(limit, unit);
  return `${value}${limit !== null && phases !== null ? ` on ${phases} phase${phases === 1 ? "" : "s"}` : ""}`;
}

/** "TxDefaultProfile 1 (stack level 0)" without what few ask for. @param {string | null} cause */
export function shortCause(cause) {
  return (cause ?? "no profile").replace(/ \(stack level \d+\)$/, "");
}

/**
 * What a source that does not count at a moment allows when it does: "8 A from 22:00", "16 A until 14:00".
 * @param {Plan} plan
 * @param {Band} band
 * @param {number} wall
 */
export function elsewhere(plan, band, wall) {
  // The plan names the hardware only where it binds, but it is there all the time.
  if (band.fixed && band.runs[0] !== undefined) return rate(band.runs[0].value, plan.unit);
  const next = band.runs.find(({ from }) => plan.start + from > wall);
  if (next !== undefined) return `${rate(next.value, plan.unit)} from ${when(plan, plan.start + next.from)}`;
  const last = band.runs.at(-1);
  return last === undefined ? "–" : `${rate(last.value, plan.unit)} until ${when(plan, plan.start + last.until)}`;
}

/**
 * A planned limit, and what it comes to where nothing can be offered: "4 A (below 6 A: the car is paused)".
 * @param {Plan} plan
 * @param {number | null} limit
 */
export function offerWords(plan, limit) {
  const paused = plan.evse > 0 && plan.unit === "A" && limit !== null && limit > 0 && limit < LEAST_A;
  return `${rate(limit, plan.unit)}${paused ? ` (below ${LEAST_A} A: the car is paused)` : ""}`;
}

/**
 * What is in force and what comes next: "16 A until 14:00, then 8 A: TxDefaultProfile 3".
 * @param {Plan} plan
 * @param {number} wall
 */
export function nextWords(plan, wall) {
  const now = changeAt(plan, wall);
  const change = plan.changes[now];
  if (change === undefined) return "";
  const next = plan.changes.slice(now + 1).find(({ limit, phases }) => limit !== change.limit || phases !== change.phases);
  const here = offerWords(plan, change.limit);
  if (next === undefined) return `${here}, and no change in sight: ${shortCause(change.cause)}`;
  const phases = next.limit === change.limit ? ` on ${next.phases ?? "?"} phases` : "";
  return `${here} until ${when(plan, next.at, wall)}, then ${offerWords(plan, next.limit)}${phases}: ${shortCause(next.cause)}`;
}

// --- a schedule of a profile --------------------------------------------------------------------------------------------

/**
 * What a schedule allows over its time; one without an end goes on for as long as its last step began late, an hour at least.
 * @param {Schedule} schedule
 * @returns {import("./svg.js").Run[]}
 */
export function runsOf({ periods, duration: length }) {
  const last = periods.at(-1)?.start ?? 0;
  const end = length ?? last + Math.max(3600, last / Math.max(1, periods.length - 1));
  return periods.map(({ start, limit }, index) => ({ from: start, until: periods[index + 1]?.start ?? Math.max(start, end), value: limit }));
}

/** "16 A, after 1 h 00 min 8 A", "24 steps, 6 to 32 A". @param {Schedule} schedule */
export function stepWords({ periods, unit }) {
  if (periods.length > TOLD_STEPS) {
    const rates = periods.map(({ limit }) => limit).filter((limit) => limit !== null);
    return `${periods.length} steps, ${short(Math.min(...rates))} to ${short(Math.max(...rates))} ${unit}`;
  }
  const told = periods.map(({ start, limit, phases }) => {
    const on = phases === null ? "" : ` on ${phases} phase${phases === 1 ? "" : "s"}`;
    return `${start > 0 ? `after ${duration(start)} ` : ""}${rate(limit, unit)}${on}`;
  });
  return told.join(", ");
}

// --- the station's clock ------------------------------------------------------------------------------------------------

/** Seconds that its local time is ahead of UTC. @param {Plan} plan @param {number} wall */
export function offsetAt(plan, wall) {
  return plan.local.reduce((found, { at, offset_s }) => (at <= wall ? offset_s : found), plan.local[0]?.offset_s ?? 0);
}

/** "UTC", "UTC+01:00". @param {Plan} plan */
export function zoneName(plan) {
  const offset = offsetAt(plan, plan.start);
  if (offset === 0) return "UTC";
  const minutes = Math.abs(offset) / 60;
  const two = (/** @type {number} */ n) => String(Math.floor(n)).padStart(2, "0");
  return `UTC${offset < 0 ? "−" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
}

/**
 * A moment as people there say it: "21:13", with seconds where there are some, with the day when it is another one than today.
 * @param {Plan} plan
 * @param {number} wall
 * @param {number} [today]
 */
export function when(plan, wall, today = plan.start) {
  const local = wall + offsetAt(plan, wall);
  const time = clock(local).slice(0, Math.floor(local) % 60 === 0 ? 5 : 8);
  const now = today + offsetAt(plan, today);
  return iso(local).slice(0, 10) === iso(now).slice(0, 10) ? time : `${day(local)} ${time}`;
}

/** "Mon 23". @param {number} local wall seconds, local time already */
export function day(local) {
  const date = new Date(local * 1000);
  return `${["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][date.getUTCDay()]} ${date.getUTCDate()}`;
}

const TICKS = [300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 172_800, 604_800];

/**
 * Round moments along the plan, on the station's clock, at most so many.
 * @param {Plan} plan
 * @param {number} most
 * @returns {{at: number, label: string}[]} at: seconds since its start
 */
export function ticks(plan, most) {
  const step = TICKS.find((each) => plan.duration / each <= Math.max(1, most)) ?? 604_800;
  const found = [];
  const offset = offsetAt(plan, plan.start);
  for (let local = Math.ceil((plan.start + offset) / step) * step; local < plan.start + offset + plan.duration; local += step) {
    // A day with a change of the clock has its ticks where its clock says so.
    const at = local - offsetAt(plan, local - offset) - plan.start;
    if (at >= 0 && at <= plan.duration) found.push({ at, label: local % 86_400 === 0 ? day(local) : clock(local).slice(0, 5) });
  }
  return found;
}

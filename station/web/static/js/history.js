// What the plots show: samples of one EVSE over station time, thinned out when there are too many.

import { wallOf } from "./format.js";

/** @typedef {import("./types.js").Evse} Evse */

export const MOST = 6000;

/**
 * One moment. `t` is the station's monotonic time in s (it never jumps back), `wall` what its clock showed.
 * @typedef {{
 *   t: number, wall: number, power: number | null, current: number[], limit: number | null, energy: number | null,
 *   soc: number | null,
 * }} Sample
 */

export class History {
  constructor() {
    /** @type {Sample[]} */
    this.samples = [];
  }

  /** @param {Sample} sample */
  add(sample) {
    const last = this.samples.at(-1);
    if (last !== undefined && sample.t < last.t) this.samples = []; // another run of the station
    if (last !== undefined && sample.t === last.t) this.samples.pop();
    this.samples.push(sample);
    if (this.samples.length > MOST) this.#thin();
  }

  /** Put what was before in front; only what is older than everything known. @param {Sample[]} earlier oldest first */
  before(earlier) {
    const first = this.samples[0]?.t ?? Infinity;
    const older = earlier.filter((sample, index) => sample.t < first && (index === 0 || sample.t > earlier[index - 1].t));
    this.samples = [...older, ...this.samples];
  }

  /** The older half loses every second sample: hours stay visible, minutes stay sharp. */
  #thin() {
    const half = this.samples.length >> 1;
    this.samples = this.samples.filter((_, index) => index >= half || index % 2 === 0);
  }

  /**
   * Samples not older than `span` seconds (0: all), and one before them so that lines begin at the edge.
   * @param {number} span
   */
  recent(span) {
    const last = this.samples.at(-1);
    if (span === 0 || last === undefined) return this.samples;
    const first = this.samples.findIndex((sample) => sample.t >= last.t - span);
    return this.samples.slice(Math.max(0, first - 1));
  }
}

/**
 * What the events of a running transaction tell of the time before this page was opened.
 * @param {import("./types.js").TransactionFact[]} facts oldest first
 * @param {{mono: number, wall: number}} now
 * @returns {Sample[]}
 */
export function samplesOf(facts, now) {
  const rows = facts.flatMap((fact) => fact.samples);
  const first = facts.find((fact) => fact.register_wh !== null)?.register_wh ?? null;
  return rows.flatMap((row) => {
    const wall = wallOf(row.at);
    if (wall === null) return [];
    const of = (/** @type {string} */ measurand) => row.values.filter((value) => value.measurand === measurand);
    const one = (/** @type {string} */ measurand) => of(measurand).find((value) => value.phase === null)?.value ?? null;
    const register = one("Energy.Active.Import.Register");
    return {
      t: now.mono - (now.wall - wall),
      wall,
      power: one("Power.Active.Import"),
      current: of("Current.Import").filter((value) => /^L[123]$/.test(value.phase ?? "")).map((value) => value.value),
      limit: one("Current.Offered"),
      energy: register === null || first === null ? null : register - first,
      soc: one("SoC"),
    };
  });
}

/**
 * @param {Evse} evse
 * @param {{mono: number, wall: number}} station
 * @returns {Sample}
 */
export function sampleOf(evse, station) {
  const reading = evse.reading;
  return {
    t: station.mono,
    wall: station.wall,
    power: reading?.power_w ?? null,
    current: reading?.current_a ?? [],
    limit: evse.offered_a,
    energy: evse.transaction?.energy_wh ?? null,
    soc: reading?.soc_percent ?? soc(evse.car),
  };
}

/** @param {Record<string, unknown> | null} car */
function soc(car) {
  const value = car?.["soc_percent"];
  return typeof value === "number" ? value : null;
}

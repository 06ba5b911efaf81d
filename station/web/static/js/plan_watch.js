// Plans kept current: asked for when somebody looks, and again when the state says that they are others or their next change is past.

import { ApiError } from "./api.js";
import { words } from "./notify.js";
import { Signal } from "./signal.js";

/** @typedef {import("./types.js").Plan} Plan */
/** What somebody looks at. @typedef {{evses: number[], duration: number, unit: string, limits: boolean}} Asked */

const TICK_MS = 500;
const APART_MS = 1000;
const AFTER_TROUBLE_MS = 5000;
/** The window slides on after this part of it. */
const SLIDE = 48;

export class PlanWatch {
  /**
   * @param {import("./station.js").StationModel} station
   * @param {() => Asked | null} asked what is looked at now; null: nobody looks. `limits`: ask again when limits in force change
   */
  constructor(station, asked) {
    this.station = station;
    this.asked = asked;
    /** By EVSE; 0 is the grid connection. @type {Map<number, Plan>} */
    this.plans = new Map();
    /** Why there are none. */
    this.trouble = "";
    /** @type {Signal<void>} */
    this.changed = new Signal();
    this.wanted = "";
    this.known = "";
    this.loading = false;
    this.next = 0;
    /** Wall second from which on the plans are old. */
    this.until = 0;
    station.stateChanged.on(() => this.check());
    setInterval(() => this.check(), TICK_MS);
  }

  /** Ask when there is a reason to. */
  check() {
    if (this.loading || document.hidden) return;
    const asked = this.station.state?.station.running && this.station.stream.state === "open" ? this.asked() : null;
    if (asked === null) return;
    const wanted = JSON.stringify(asked);
    const known = this.#key(asked);
    const old = known !== this.known || this.station.now().wall >= this.until;
    if (wanted === this.wanted && (!old || performance.now() < this.next)) return;
    this.wanted = wanted;
    this.known = known;
    void this.#load(asked);
  }

  /** @param {Asked} asked */
  async #load(asked) {
    this.loading = true;
    const { duration, unit } = asked;
    try {
      /** @type {Plan[]} */
      const found = await Promise.all(asked.evses.map((evse) => this.station.api.look("plan", { evse, duration, unit })));
      this.plans = new Map(found.map((plan) => [plan.evse, plan]));
      this.trouble = "";
      this.until = Math.min(...found.map(stale));
      this.next = performance.now() + APART_MS;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.plans = new Map();
      this.trouble = words(error);
      this.until = 0;
      this.next = performance.now() + AFTER_TROUBLE_MS;
    } finally {
      this.loading = false;
    }
    this.changed.emit();
    this.check();
  }

  /**
   * What the plans are made of, as far as the state tells.
   * @param {Asked} asked
   */
  #key({ limits }) {
    const state = this.station.state;
    if (state === null) return "";
    const evses = state.evses.map((evse) => [evse.transaction?.id, limits ? [evse.offered_a, evse.cause, evse.cable_a] : null]);
    return JSON.stringify([state.station.boots, state.station.profiles_version, state.station.online, evses]);
  }
}

/** From when on a plan is old. @param {Plan} plan */
function stale(plan) {
  const first = plan.changes[1]?.at ?? Infinity;
  return Math.min(first, plan.start + plan.duration / SLIDE);
}

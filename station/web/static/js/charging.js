// Smart charging: each EVSE's plan, where it comes from and why; the charging profiles.

import { ApiError } from "./api.js";
import { byId, choice, fill, h, setText } from "./dom.js";
import { short } from "./format.js";
import { words } from "./notify.js";
import { changeAt, limitWords, limits, nextWords, periodAt, rate, shortCause, when, zoneName } from "./plan.js";
import { PlanPlot } from "./plan_plot.js";
import { PlanWatch } from "./plan_watch.js";
import { Profiles } from "./profiles.js";
import { Signal, beforePaint } from "./signal.js";
import { spark } from "./svg.js";
import { because } from "./tones.js";

/** @typedef {import("./station.js").StationModel} StationModel */
/** @typedef {import("./types.js").Plan} Plan */
/** @typedef {{element: HTMLButtonElement, limit: HTMLElement, spark: HTMLElement}} Tile */

const TICK_MS = 500;
const SPARK = 20;
/** EVSEs whose plans are shown beside each other; of the others the chosen one's only. */
const MOST_TILES = 8;
const MOST_ROWS = 200;
/** @type {[string, string][]} */
const SPANS = [["3600", "1 h"], ["28800", "8 h"], ["86400", "24 h"], ["604800", "7 days"]];

export class Charging {
  /**
   * @param {StationModel} station
   * @param {Signal<number>} chosen the EVSE that is looked at on the bench, told by either side
   */
  constructor(station, chosen) {
    this.station = station;
    this.evse = 1;
    this.visible = false;
    this.chosen = chosen;
    chosen.on((evse) => this.#show(evse));
    this.span = choice(SPANS, "86400", { "aria-label": "How far to look", on: { change: () => this.watch.check() } });
    this.unit = choice([["A", "A per phase"], ["W", "W in total"]], "A", { "aria-label": "Unit", on: { change: () => this.watch.check() } });
    this.zone = h("span", { class: "count" });
    this.watch = new PlanWatch(station, () => this.#asked());
    this.watch.changed.on(() => this.redraw());
    this.plot = new PlanPlot();
    this.plot.moved.on((wall) => this.#moment(wall, true));
    /** @type {Map<number, Tile>} */
    this.tiles = new Map();
    this.picker = h("div", { class: "plan-tiles", role: "group", "aria-label": "Whose plan" });
    this.force = h("b", { class: "force-limit" });
    this.cause = h("span", { class: "force-cause" });
    this.next = h("span", { class: "force-next" });
    this.moment = h("b", {});
    this.sentence = h("span", {});
    this.trouble = h("p", { class: "plan-trouble", role: "status", hidden: true });
    this.off = h("p", { class: "plan-off", role: "status", hidden: true }, "Smart charging is switched off (SmartChargingCtrlr.Enabled): these limit nothing.");
    this.why = h("tbody", {});
    this.more = h("p", { class: "dim", hidden: true });
    /** The rows of the sentences, in the order of the plan's changes. @type {HTMLElement[]} */
    this.rows = [];
    /** @type {Plan | undefined} */
    this.drawn = undefined;
    this.profilesKey = "";
    this.profiles = new Profiles(station, () => this.evse, () => this.watch.check());
    this.element = h("div", { class: "view charging-view" });
    fill(this.element, this.#bar(), h("div", { class: "charging-body" }, this.trouble, this.off, this.picker, this.#plan(), this.profiles.element));
    this.redraw = beforePaint(() => this.#draw());
    station.stateChanged.on(() => this.#heard());
    setInterval(() => this.#tick(), TICK_MS);
  }

  shown() {
    this.visible = true;
    this.#heard();
    this.watch.check();
    this.redraw();
  }

  hidden() {
    this.visible = false;
  }

  #bar() {
    const note = h("span", { class: "dim grow" }, "What the profiles and the hardware allow from now on, and why.");
    return h("div", { class: "filters" }, note, this.zone, this.span, this.unit);
  }

  #plan() {
    const readout = h("div", { class: "plan-readout" }, this.moment, " ", this.sentence);
    const table = h(
      "table",
      { class: "why-table" },
      h("caption", {}, "Why: every change of the limit or its cause"),
      h("thead", { class: "unseen" }, h("tr", {}, ["When and how much", "Why"].map((head) => h("th", { scope: "col" }, head)))),
      this.why,
    );
    return h(
      "div",
      { class: "plan-split" },
      h(
        "section",
        { class: "plan-side", "aria-label": "Composite schedule" },
        h("header", { class: "force" }, this.force, h("span", { class: "force-words" }, this.cause, this.next)),
        this.plot.element,
        readout,
      ),
      h("section", { class: "why-side", "aria-label": "Why", tabIndex: 0 }, table, this.more),
    );
  }

  /** @returns {import("./plan_watch.js").Asked | null} */
  #asked() {
    const known = this.station.state?.evses.map(({ evse }) => evse) ?? [];
    if (!this.visible || known.length === 0) return null;
    const evses = known.length > MOST_TILES ? known.filter((evse) => evse === this.evse) : known;
    return { evses: [0, ...evses], duration: Number(this.span.value), unit: this.unit.value, limits: true };
  }

  /** @param {number} evse */
  #show(evse) {
    if (evse === this.evse) return;
    this.evse = evse;
    this.plot.move(null);
    this.redraw();
    this.watch.check();
  }

  #heard() {
    if (!this.visible) return;
    this.#force();
    const station = this.station.state?.station;
    if (station === undefined || !station.running) return;
    const key = `${station.boots}/${station.profiles_version}`;
    if (key === this.profilesKey) return;
    this.profilesKey = key;
    void this.#loadProfiles();
  }

  async #loadProfiles() {
    try {
      const { enabled, profiles } = await this.station.api.look("profiles");
      this.off.hidden = enabled;
      this.profiles.show(profiles);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.profilesKey = "";
      this.#trouble(words(error));
    }
  }

  #tick() {
    if (this.visible && !document.hidden) this.plot.until(this.station.now().wall);
  }

  #draw() {
    this.#trouble(this.watch.trouble);
    this.#tiles();
    const plan = this.watch.plans.get(this.evse);
    if (plan !== this.drawn) {
      this.drawn = plan;
      this.plot.show(plan ?? null);
      this.#sentences(plan);
      setText(this.zone, plan === undefined ? "" : `Times: ${zoneName(plan)}`);
    }
    this.plot.until(this.station.now().wall);
    this.#force();
    this.#moment(this.plot.cursor, false);
  }

  /** @param {string} text */
  #trouble(text) {
    this.trouble.hidden = text === "";
    setText(this.trouble, text === "" ? "" : `There is no plan: ${text}`);
  }

  // --- parts --------------------------------------------------------------------------------------------------------------

  #tiles() {
    const evses = [0, ...(this.station.state?.evses.map(({ evse }) => evse) ?? [])];
    if (evses.length > 1 && evses.join() !== [...this.tiles.keys()].join()) {
      this.tiles = new Map(evses.map((evse) => [evse, this.#tile(evse)]));
      fill(this.picker, [...this.tiles.values()].map(({ element }) => element));
    }
    const now = this.station.now().wall;
    for (const [evse, tile] of this.tiles) {
      const plan = this.watch.plans.get(evse);
      tile.element.setAttribute("aria-pressed", String(evse === this.evse));
      tile.element.title = plan === undefined ? "" : nextWords(plan, now);
      setText(tile.limit, plan === undefined ? "" : rate(periodAt(plan, now)?.limit, plan.unit));
      tile.spark.replaceChildren(...(plan === undefined ? [] : [spark(limits(plan), SPARK)]));
    }
  }

  /**
   * @param {number} evse
   * @returns {Tile}
   */
  #tile(evse) {
    const limit = h("span", { class: "plan-tile-limit" });
    const picture = h("span", { class: "plan-tile-spark" });
    const name = h("span", { class: "plan-tile-name" }, evse === 0 ? "Grid connection" : `EVSE ${evse}`);
    const pick = () => {
      this.#show(evse);
      if (evse > 0) this.chosen.emit(evse);
    };
    const element = h("button", { type: "button", class: "plan-tile", data: { evse: String(evse) }, on: { click: pick } }, name, limit, picture);
    return { element, limit, spark: picture };
  }

  /** What is in force now: of an EVSE as the station tells it, whatever the profiles say. */
  #force() {
    const plan = this.watch.plans.get(this.evse);
    const now = this.station.now().wall;
    const evse = this.station.state?.evses.find((each) => each.evse === this.evse);
    const period = plan === undefined ? undefined : periodAt(plan, now);
    if (evse !== undefined) {
      setText(this.force, `${short(Math.round(evse.offered_a * 10) / 10)} A`);
      setText(this.cause, `In force: ${because(evse)}.`);
    } else if (this.evse > 0) {
      setText(this.cause, "Nobody tells what is in force; this is what was planned.");
    } else {
      setText(this.force, plan === undefined || period === undefined ? "–" : rate(period.limit, plan.unit));
      setText(this.cause, period === undefined ? "" : `Limit of the grid connection: ${shortCause(period.cause)}.`);
    }
    setText(this.next, plan === undefined ? "" : `Planned: ${nextWords(plan, now)}.`);
  }

  /** @param {Plan | undefined} plan */
  #sentences(plan) {
    const shown = plan?.changes.slice(0, MOST_ROWS) ?? [];
    this.rows = shown.map((change) => {
      const row = h(
        "tr",
        { class: "why-row", on: { click: () => this.plot.move(change.at) } },
        h("th", { class: "why-when", scope: "row" }, h("time", {}, plan === undefined ? "" : when(plan, change.at)), h("b", {}, rate(change.limit, change.unit))),
        h("td", { class: "why-text" }, change.sentence),
      );
      return row;
    });
    fill(this.why, this.rows);
    const left = (plan?.changes.length ?? 0) - shown.length;
    this.more.hidden = left <= 0;
    setText(this.more, `And ${left} more: choose a shorter time.`);
  }

  /**
   * @param {number | null} wall under the cursor; null: now
   * @param {boolean} aloud
   */
  #moment(wall, aloud) {
    const plan = this.drawn;
    const at = wall ?? this.station.now().wall;
    const index = plan === undefined ? -1 : changeAt(plan, at);
    this.rows.forEach((row, number) => row.classList.toggle("here", number === index));
    const change = plan?.changes[index];
    const period = plan === undefined ? undefined : periodAt(plan, at);
    if (plan === undefined || change === undefined || period === undefined) {
      setText(this.moment, "");
      setText(this.sentence, "");
      return;
    }
    setText(this.moment, `${wall === null ? "Now" : when(plan, Math.round(at))}: ${limitWords(period, plan.unit)}.`);
    setText(this.sentence, change.sentence);
    if (aloud && wall !== null && document.activeElement === this.plot.element) setText(byId("say"), `${this.moment.textContent} ${change.sentence}`);
  }
}

// The charging profiles that are installed: a table, cleared one by one or all at once, added by hand.

import { act } from "./actions.js";
import { dialog } from "./dialogs.js";
import { button, fill, h, setText } from "./dom.js";
import { dateTime, duration, spaced } from "./format.js";
import { openCommand } from "./palette.js";
import { runsOf, stepWords } from "./plan.js";
import { spark } from "./svg.js";

/** @typedef {import("./station.js").StationModel} StationModel */
/** @typedef {import("./types.js").Profile} Profile */

const HEADS = ["Id", "For", "Purpose", "Kind", "Steps", "Valid", "From", ""];
const SPARK = 20;
/** Who may set limits, as OCPP's ChargingLimitSource names them. @type {Record<string, string>} */
const SOURCES = { CSO: "CSMS or by hand", EMS: "energy management", SO: "system operator", Other: "other" };
const EXTERNAL = "ChargingStationExternalConstraints";

export class Profiles {
  /**
   * @param {StationModel} station
   * @param {() => number} evse for which a new one is meant at first
   * @param {() => void} changed something was added or cleared here
   */
  constructor(station, evse, changed) {
    this.station = station;
    this.evse = evse;
    this.changed = changed;
    /** @type {Profile[]} */
    this.profiles = [];
    this.title = h("h3", {}, "Profiles");
    this.clearAll = button("Clear all…", () => this.#clearAll(), { class: "btn small danger", disabled: true });
    this.body = h("tbody", {});
    this.none = h("p", { class: "dim profiles-none", hidden: true }, "No charging profiles: the hardware and the site limit alone.");
    this.table = h(
      "table",
      { class: "profile-table", "aria-label": "Charging profiles" },
      h("thead", {}, h("tr", {}, HEADS.map((head) => h("th", { scope: "col" }, head || h("span", { class: "unseen" }, "Clear"))))),
      this.body,
    );
    this.element = h(
      "section",
      { class: "profiles", "aria-label": "Charging profiles" },
      h("header", { class: "profiles-head" }, this.title, h("span", { class: "grow" }), button("Add a profile…", () => this.add(), { class: "btn small primary" }), this.clearAll),
      this.none,
      this.table,
    );
  }

  /** @param {Profile[]} profiles */
  show(profiles) {
    this.profiles = profiles;
    setText(this.title, profiles.length > 0 ? `Profiles: ${profiles.length}` : "Profiles");
    this.clearAll.disabled = !profiles.some(clearable);
    this.none.hidden = profiles.length > 0;
    this.table.hidden = profiles.length === 0;
    fill(this.body, profiles.map((profile) => this.#row(profile)));
  }

  add() {
    const command = this.station.commands.get("profile_add");
    if (command === undefined) return;
    const evse = this.evse();
    const purpose = evse === 0 ? "ChargingStationMaxProfile" : "TxDefaultProfile";
    const done = () => this.changed();
    const said = (/** @type {{id: number}} */ { id }) => `Profile ${id} is installed`;
    openCommand(this.station, command, { evse, purpose, unit: "A", start: "now" }, { title: "Add a charging profile", label: "Install", class: "profile-add", done, said });
  }

  /** @param {Profile} profile */
  #row(profile) {
    const first = profile.schedules[0];
    const more = profile.schedules.length > 1 ? ` (and ${profile.schedules.length - 1} more schedules)` : "";
    const clear = button("Clear", () => void this.#clear(profile), {
      class: "btn small", "aria-label": `Clear profile ${profile.id}`, disabled: !clearable(profile),
      title: clearable(profile) ? "" : "Limits of an energy management are not cleared by hand",
    });
    const steps = h("td", { class: "p-steps", data: { head: "Steps" } });
    if (first !== undefined) fill(steps, h("span", { class: "p-spark" }), h("span", {}, `${stepWords(first)}${more}`));
    if (first !== undefined) steps.firstElementChild?.append(spark(runsOf(first), SPARK));
    return h(
      "tr",
      { data: { profile: String(profile.id) } },
      cell("Id", String(profile.id)),
      cell("For", profile.evse === 0 ? "station" : `EVSE ${profile.evse}`, "p-nobreak"),
      cell("Purpose", `${profile.purpose.replace("ChargingStation", "Station")}, stack ${profile.stack_level}`),
      cell("Kind", kindWords(profile)),
      steps,
      cell("Valid", validWords(profile)),
      cell("From", `${SOURCES[profile.source] ?? profile.source}${profile.transaction === null ? "" : `, for transaction ${profile.transaction.slice(0, 8)}`}`),
      h("td", { class: "p-do" }, clear),
    );
  }

  /** @param {Profile} profile */
  async #clear(profile) {
    await act(this.station, "profile_clear", { id: profile.id }, `Profile ${profile.id} is cleared`);
    this.changed();
  }

  #clearAll() {
    const box = dialog("Clear all profiles?");
    const clear = async () => {
      box.close();
      await act(this.station, "profile_clear", {}, ({ cleared }) => `${many(cleared)} ${cleared === 1 ? "is" : "are"} cleared`);
      this.changed();
    };
    const count = this.profiles.filter(clearable).length;
    const go = count === 1 ? "goes, also if it is the CSMS's" : "go, those of the CSMS too";
    fill(
      box.body,
      h("p", {}, `${many(count)} ${go}. The CSMS is not told.`),
      h("div", { class: "row end" }, button("Keep them", () => box.close()), button("Clear all", () => void clear(), { class: "btn danger", autofocus: true })),
    );
    box.open();
  }
}

/** "1 profile", "3 profiles". @param {number} count */
function many(count) {
  return `${count} profile${count === 1 ? "" : "s"}`;
}

/** K10.FR.06: what an energy management limits stays. @param {Profile} profile */
function clearable(profile) {
  return profile.source === "CSO" && profile.purpose !== EXTERNAL;
}

/**
 * @param {string} head its column, shown beside it where there is no room for columns
 * @param {string} text
 * @param {string} [extra] class
 */
function cell(head, text, extra = "") {
  return h("td", { class: extra, data: { head } }, text);
}

/** @param {Profile} profile */
function kindWords({ kind, recurrency, schedules }) {
  const [first] = schedules;
  const from = first === undefined || first.start === null ? "" : ` from ${dateTime(first.start)}Z`;
  const length = first === undefined || first.duration === null ? "" : `, ${duration(first.duration)} long`;
  return `${recurrency === null ? spaced(kind) : `${spaced(kind)} ${recurrency.toLowerCase()}`}${from}${length}`;
}

/** @param {Profile} profile */
function validWords({ valid_from, valid_to }) {
  const parts = [valid_from === null ? "" : `from ${dateTime(valid_from)}Z`, valid_to === null ? "" : `until ${dateTime(valid_to)}Z`];
  return parts.filter(Boolean).join(" ") || "always";
}

// The filter of the conversation of all stations: station, message, direction, kind, any text, only problems.

import { button, choice, fill, freshId, h } from "../dom.js";
import { beforePaint } from "../signal.js";
import { allTalk } from "./talk_frames.js";

/** @typedef {import("./csms_types.js").TalkFilter} TalkFilter */

const MOST_STATIONS = 500;

/** The identities to choose from, the chosen one always among them. @param {string[]} ids @param {string} now */
export function fewStations(ids, now) {
  const few = ids.slice(0, MOST_STATIONS);
  return now !== "" && !few.includes(now) ? [now, ...few] : few;
}

export class TalkFilterBar {
  /** @param {import("./csms_model.js").CsmsModel} csms */
  constructor(csms) {
    this.csms = csms;
    const changed = () => this.#apply();
    const actions = freshId("actions");
    this.actionList = h("datalist", { id: actions });
    this.text = h("input", { type: "search", placeholder: "Any text  ( / )", "aria-label": "Text in the frame", class: "grow", on: { input: changed } });
    this.station = choice([["", "every station"]], "", { "aria-label": "Station", class: "w-station", name: "filter-station", on: { change: changed } });
    this.action = h("input", { type: "search", placeholder: "Message", "aria-label": "Message", list: actions, class: "w-action", on: { input: changed } });
    this.direction = choice([["", "both ways"], ["received", "← from stations"], ["sent", "→ to stations"]], "", { "aria-label": "Direction", on: { change: changed } });
    this.type = choice([["", "any kind"], "CALL", "CALLRESULT", "CALLERROR", ["?", "not OCPP"]], "", { "aria-label": "Kind of frame", on: { change: changed } });
    this.problems = h("input", { type: "checkbox", on: { change: changed } });
    this.reset = button("Clear filter", () => this.set(allTalk()), { class: "btn small quiet", hidden: true });
    this.element = h("div", { class: "filters", role: "search", "aria-label": "Filter the conversation" });
    fill(
      this.element,
      this.text, this.station, this.action, this.actionList, this.direction, this.type,
      h("label", { class: "check" }, this.problems, " problems only"), this.reset,
    );
    this.knownActions = 0;
    this.knownStations = "";
    csms.frames.changed.on(beforePaint(() => this.#actions()));
    csms.stateChanged.on((state) => this.#stations(state.stations.map((row) => row.id)));
  }

  /** @returns {TalkFilter} */
  get value() {
    return {
      ...allTalk(), text: this.text.value, station: this.station.value, action: this.action.value, direction: this.direction.value,
      type: this.type.value, problems: this.problems.checked,
    };
  }

  /** @param {Partial<TalkFilter>} wanted what is not named is cleared */
  set(wanted) {
    const filter = { ...allTalk(), ...wanted };
    this.#stations((this.csms.state?.stations ?? []).map((row) => row.id), filter.station);
    this.text.value = filter.text;
    this.station.value = filter.station;
    this.action.value = filter.action;
    this.direction.value = filter.direction;
    this.type.value = filter.type;
    this.problems.checked = filter.problems;
    this.#apply();
  }

  #apply() {
    const value = this.value;
    this.reset.hidden = JSON.stringify(value) === JSON.stringify(allTalk());
    this.csms.frames.refilter(value);
  }

  #actions() {
    const { actions } = this.csms.frames;
    if (actions.size === this.knownActions) return;
    this.knownActions = actions.size;
    fill(this.actionList, [...actions.keys()].sort().map((action) => h("option", { value: action })));
  }

  /**
   * @param {string[]} ids
   * @param {string} [now]
   */
  #stations(ids, now = this.station.value) {
    const few = fewStations(ids, now);
    const known = few.join("\n");
    if (known === this.knownStations) return;
    this.knownStations = known;
    fill(this.station, h("option", { value: "" }, "every station"), few.map((id) => h("option", { value: id }, id)));
    this.station.value = now;
  }
}

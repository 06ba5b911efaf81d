// The EVSEs at a glance: one tile each, the chosen one marked.

import { fill, h, setData, setText } from "./dom.js";
import { number, short, spaced } from "./format.js";
import { lampTone, phaseTone } from "./tones.js";

/** @typedef {import("./types.js").Evse} Evse */

class Tile {
  /**
   * @param {number} evse
   * @param {(evse: number) => void} choose
   */
  constructor(evse, choose) {
    this.lamp = h("i", { class: "lamp" });
    this.phase = h("b", { class: "tile-phase" });
    this.power = h("b", { class: "tile-power" });
    this.line = h("span", { class: "tile-line" });
    this.soc = h("i", { class: "soc-fill" });
    this.element = h(
      "button",
      { type: "button", class: "tile", role: "tab", on: { click: () => choose(evse) }, title: evse < 9 ? `EVSE ${evse} (key ${evse})` : `EVSE ${evse}` },
      h("span", { class: "tile-head" }, this.lamp, h("span", { class: "tile-name" }, `EVSE ${evse}`), this.power),
      h("span", { class: "soc-bar", "aria-hidden": "true" }, this.soc),
      h("span", { class: "tile-foot" }, this.phase, this.line),
    );
  }

  /**
   * @param {Evse} evse
   * @param {boolean} chosen
   */
  show(evse, chosen) {
    this.element.setAttribute("aria-selected", String(chosen));
    this.element.tabIndex = chosen ? 0 : -1;
    setData(this.lamp, "tone", lampTone(evse.lamp));
    setData(this.phase, "tone", phaseTone(evse.phase));
    setText(this.phase, spaced(evse.phase));
    setText(this.power, `${number((evse.reading?.power_w ?? 0) / 1000, 1)} kW`);
    const soc = evse.reading?.soc_percent ?? evse.car?.["soc_percent"];
    this.soc.style.width = `${typeof soc === "number" ? Math.max(0, Math.min(100, soc)) : 0}%`;
    setText(this.line, line(evse, soc));
  }
}

/**
 * @param {Evse} evse
 * @param {unknown} soc
 */
function line(evse, soc) {
  if (evse.faults.length > 0) return evse.faults.map(spaced).join(", ");
  const car = typeof soc === "number" ? `${number(soc, 0)} %` : "";
  const energy = evse.transaction === null ? "" : `${number(evse.transaction.energy_wh / 1000, 2)} kWh`;
  const parts = evse.car === null && evse.pilot === "A" ? ["no car"] : [car, energy, `${short(evse.offered_a)} A`];
  return parts.filter(Boolean).join(" · ");
}

export class EvseTiles {
  /** @param {(evse: number) => void} choose */
  constructor(choose) {
    this.choose = choose;
    /** @type {Map<number, Tile>} */
    this.tiles = new Map();
    this.element = h("div", { class: "tiles", role: "tablist", "aria-label": "EVSEs" });
    this.element.addEventListener("keydown", (event) => this.#key(event));
  }

  /**
   * @param {Evse[]} evses
   * @param {number} chosen
   */
  show(evses, chosen) {
    const numbers = evses.map((evse) => evse.evse);
    if (numbers.join() !== [...this.tiles.keys()].join()) {
      this.tiles = new Map(numbers.map((number) => [number, new Tile(number, this.choose)]));
      fill(this.element, [...this.tiles.values()].map((tile) => tile.element));
    }
    for (const evse of evses) this.tiles.get(evse.evse)?.show(evse, evse.evse === chosen);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = ["ArrowRight", "ArrowDown"].includes(event.key) ? 1 : ["ArrowLeft", "ArrowUp"].includes(event.key) ? -1 : 0;
    if (step === 0) return;
    const tiles = [...this.tiles.entries()];
    const now = tiles.findIndex(([, tile]) => tile.element === document.activeElement);
    const next = tiles[(now + step + tiles.length) % tiles.length];
    if (next === undefined) return;
    event.preventDefault();
    this.choose(next[0]);
    next[1].element.focus();
  }
}

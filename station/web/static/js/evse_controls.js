// What people do at an EVSE, one click each: cable, card, keypad, button, car, meter, faults.

import { act } from "./actions.js";
import { button, choice, freshId, h, labelled, setText } from "./dom.js";
import { dateTime, short, spaced } from "./format.js";
import { openKeypad } from "./keypad.js";
import { notify } from "./notify.js";
import { core } from "./schema_entry.js";

/** @typedef {import("./station.js").StationModel} StationModel */
/** @typedef {import("./types.js").Evse} Evse */

const TOKEN_KEY = "pilotwire.token";
const FIRST_TOKEN = "04A1B2C3";
const CABLES = ["13", "20", "32", "63"];

export class EvseControls {
  /** @param {StationModel} station */
  constructor(station) {
    this.station = station;
    this.evse = 1;
    /** @type {Evse | null} */
    this.now = null;
    this.cable = choice([["", "usual cable"], .../** @type {[string, string][]} */ (CABLES.map((a) => [a, `${a} A cable`]))], "", { "aria-label": "Cable rating" });
    this.token = h("input", {
      type: "text", value: localStorage.getItem(TOKEN_KEY) ?? FIRST_TOKEN, spellcheck: false, autocomplete: "off", "aria-label": "Token", class: "token",
    });
    this.kind = choice([], "", { "aria-label": "Token type" });
    this.carState = choice([["", "as it is"]], "");
    this.faultCode = choice([], "", { "aria-label": "Fault" });
    /** @type {HTMLButtonElement | null} */
    this.jam = null;
    this.shown = "";
    this.wishes = h("span", { class: "dim grow" });
    this.raised = h("div", { class: "chips", "aria-label": "Faults raised" });
    this.plugButton = button("Plug in", () => this.plug(), { class: "btn primary", title: "Plug a car in (p)" });
    this.unplugButton = button("Unplug", () => this.unplug(false), { title: "Unplug at the station (p)" });
    this.atCarButton = button("Unplug at car", () => this.unplug(true), { title: "Pull the cable out of the car (e)" });
    this.stopButton = button("Stop session", () => this.stop(), { title: "Stop this EVSE's transaction, as an operator would (x)" });
    const swipe = button("Swipe", () => this.swipe(), { class: "btn primary", title: "Swipe the card (s)" });
    this.token.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.swipe();
    });
    this.element = h(
      "section",
      { class: "controls", "aria-label": "Do" },
      row("Cable", this.cable, this.plugButton, this.unplugButton, this.atCarButton),
      row("Card", this.token, this.kind, swipe),
      row(
        "By hand",
        button("PIN…", () => openKeypad(this.station, this.evse), { title: "Type a PIN on the keypad" }),
        button("Button", () => this.press(), { title: "The start/stop button (b)" }),
        this.stopButton,
      ),
      this.#faultRow(),
      h("div", { class: "parts" }, this.#carPart(), this.#meterPart(), this.#driverPart()),
    );
    station.commandsChanged.on(() => this.#options());
  }

  /**
   * @param {Evse} evse
   * @param {string[]} ofStation faults of the station as a whole
   */
  show(evse, ofStation) {
    this.evse = evse.evse;
    const faults = `${evse.evse} ${evse.faults.join()} ${ofStation.join()}`;
    if (this.shown !== faults) this.#faults(evse.faults, ofStation);
    this.shown = faults;
    this.now = evse;
    setText(this.wishes, wishWords(evse.needs));
    if (this.jam) setText(this.jam, evse.lock === "Jammed" ? "Free the lock" : "Jam the lock");
    this.atCarButton.disabled = evse.car === null && evse.pilot === "A";
    this.stopButton.disabled = evse.transaction === null;
    this.plugButton.disabled = evse.car !== null;
    this.unplugButton.disabled = evse.car === null && evse.pilot === "A" && evse.cable_a === null;
  }

  plug() {
    const cable = this.cable.value === "" ? undefined : Number(this.cable.value);
    void act(this.station, "plug", { evse: this.evse, cable_a: cable }, `A car is plugged in at EVSE ${this.evse}`);
  }

  /** @param {boolean} atCar */
  unplug(atCar) {
    void act(this.station, "unplug", { evse: this.evse, at_car: atCar || undefined }, `Unplugged at EVSE ${this.evse}${atCar ? ", at the car" : ""}`);
  }

  swipe() {
    const token = this.token.value.trim();
    localStorage.setItem(TOKEN_KEY, token);
    void act(this.station, "swipe", { token, type: this.kind.value || undefined, evse: this.evse }, `Card ${token} swiped at EVSE ${this.evse}`);
  }

  press() {
    void act(this.station, "button", { evse: this.evse }, `Button pressed at EVSE ${this.evse}`);
  }

  stop() {
    const transaction = this.now?.transaction?.id;
    if (transaction === undefined) notify(`There is no session at EVSE ${this.evse}`, "warn");
    else void act(this.station, "stop_transaction", { transaction }, `The session at EVSE ${this.evse} is stopped`);
  }

  raiseOrClear() {
    const [first] = this.now?.faults ?? [];
    if (first === undefined) this.#raise();
    else void act(this.station, "clear", { code: first, evse: this.evse });
  }

  #raise() {
    void act(this.station, "fault", { code: this.faultCode.value, evse: this.evse }, `${spaced(this.faultCode.value)} raised at EVSE ${this.evse}`);
  }

  /** Choices come from the command table: a new fault or token type is in its list at once. */
  #options() {
    this.#fillChoice(this.kind, "swipe", "type");
    this.#fillChoice(this.faultCode, "fault", "code");
    this.#fillChoice(this.carState, "ev", "state", "as it is");
  }

  /**
   * @param {HTMLSelectElement} select
   * @param {string} command
   * @param {string} field
   * @param {string} [none] label of "leave it"
   */
  #fillChoice(select, command, field, none) {
    const schema = this.station.commands.get(command)?.parameters.properties?.[field];
    const bare = schema === undefined ? undefined : core(schema);
    const words = (bare?.enum ?? []).filter((word) => word !== null).map(String);
    const before = select.value;
    const options = words.map((word) => h("option", { value: word }, spaced(word)));
    if (none !== undefined) options.unshift(h("option", { value: "" }, none));
    select.replaceChildren(...options);
    const wanted = before || (typeof bare?.default === "string" ? bare.default : "");
    select.value = words.includes(wanted) || (none !== undefined && wanted === "") ? wanted : (words[0] ?? "");
  }

  #carPart() {
    const demandA = numberInput("A");
    const demandW = numberInput("W");
    const soc = numberInput("%");
    const apply = () =>
      void act(
        this.station,
        "ev",
        { evse: this.evse, state: this.carState.value || undefined, demand_a: value(demandA), demand_w: value(demandW), soc_percent: value(soc) },
        `The car at EVSE ${this.evse} is told`,
      );
    return part(
      "Car",
      h("div", { class: "grid4" }, labelled("State", this.carState), labelled("Demand, A", demandA), labelled("Demand, W", demandW), labelled("SoC, %", soc)),
      h("div", { class: "row end" }, button("Apply to the car", apply)),
    );
  }

  #meterPart() {
    const energy = numberInput("Wh");
    const voltage = numberInput("V");
    const power = numberInput("W");
    const celsius = numberInput("°C");
    const frozen = choice([["", "as it is"], ["true", "frozen"], ["false", "counting"]], "");
    const failing = choice([["", "as it is"], ["true", "silent"], ["false", "answering"]], "");
    const meter = () =>
      void act(this.station, "meter", {
        evse: this.evse, energy_wh: value(energy), voltage_v: value(voltage), power_w: value(power), frozen: flag(frozen), failing: flag(failing),
      });
    const heat = () => void act(this.station, "temperature", { evse: this.evse, celsius: value(celsius) });
    return part(
      "Meter and temperature",
      h(
        "div",
        { class: "grid4" },
        labelled("Register, Wh", energy), labelled("Voltage, V", voltage), labelled("Power, W", power),
        labelled("Register is", frozen), labelled("Meter is", failing), labelled("Temperature, °C", celsius),
      ),
      h("div", { class: "row end" }, button("Set the temperature", heat), button("Apply to the meter", meter)),
    );
  }

  /** What the driver wants of this session, for the sharing of the station's power. */
  #driverPart() {
    const departs = h("input", { type: "text", placeholder: "8 h", spellcheck: false, autocomplete: "off" });
    const energy = numberInput("kWh");
    const priority = numberInput("0 to 100");
    const say = () => {
      const kwh = value(energy);
      const wishes = { departs_in: departs.value.trim() || undefined, energy_wh: kwh === undefined ? undefined : kwh * 1000, priority: value(priority) };
      void act(this.station, "needs", { evse: this.evse, ...wishes }, `The driver at EVSE ${this.evse} has said so`);
    };
    const forget = () => void act(this.station, "needs", { evse: this.evse, clear: true }, `The wishes at EVSE ${this.evse} are forgotten`);
    return part(
      "Driver's wishes",
      h("div", { class: "grid4" }, labelled("Leaves in", departs), labelled("Energy, kWh", energy), labelled("Priority", priority)),
      h("div", { class: "row end" }, this.wishes, button("Forget", forget), button("Say so", say)),
    );
  }

  #faultRow() {
    const raise = button("Raise", () => this.#raise(), { class: "btn danger", title: "Raise this fault (f)" });
    this.jam = button("Jam the lock", () => void act(this.station, "jam", { evse: this.evse, jammed: this.now?.lock !== "Jammed" }));
    return row("Fault", this.faultCode, raise, this.jam, this.raised);
  }

  /**
   * @param {string[]} faults
   * @param {string[]} ofStation
   */
  #faults(faults, ofStation) {
    const chip = (/** @type {string} */ code, /** @type {number} */ evse, /** @type {string} */ name) => {
      const clear = () => void act(this.station, "clear", { code, evse });
      return button(`${name} ×`, clear, { class: "chip bad", "aria-label": `Clear ${name}`, title: evse === 0 ? "Clear this fault of the whole station" : "Clear this fault (f)" });
    };
    const here = faults.map((code) => chip(code, this.evse, spaced(code)));
    this.raised.replaceChildren(...here, ...ofStation.map((code) => chip(code, 0, `Station: ${spaced(code)}`)));
  }
}

/**
 * @param {string} name
 * @param {...HTMLElement} children
 */
function row(name, ...children) {
  const id = freshId("row");
  return h("div", { class: "row", role: "group", "aria-labelledby": id }, h("span", { class: "row-name", id }, name), children);
}

/** @param {Evse["needs"]} needs */
function wishWords(needs) {
  if (needs === null) return "Nothing said yet.";
  const energy = needs.energy_wh === null ? "" : `${short(needs.energy_wh / 1000)} kWh`;
  const departs = needs.departs === null ? "" : `by ${dateTime(needs.departs)}Z`;
  return `Wants ${[energy, departs, needs.priority === null ? "" : `priority ${needs.priority}`].filter(Boolean).join(", ")}`;
}

/**
 * @param {string} title
 * @param {...HTMLElement} children
 */
function part(title, ...children) {
  return h("details", { class: "part" }, h("summary", {}, title), children);
}

/** @param {string} unit */
function numberInput(unit) {
  return h("input", { type: "number", step: "any", inputMode: "decimal", placeholder: unit });
}

/** @param {HTMLInputElement} input */
function value(input) {
  return input.value === "" ? undefined : input.valueAsNumber;
}

/** @param {HTMLSelectElement} select */
function flag(select) {
  return select.value === "" ? undefined : select.value === "true";
}

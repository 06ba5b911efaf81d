// The top bar: who the station is, how it is connected, what time it is there and how fast time passes; power, network, restart.

import { act } from "./actions.js";
import { button, choice, h, setData, setText } from "./dom.js";
import { dateTime } from "./format.js";
import { beforePaint } from "./signal.js";
import { toggleTheme } from "./theme.js";
import { connection } from "./tones.js";

/** @typedef {import("./station.js").StationModel} StationModel */
/** @typedef {import("./types.js").State} State */

const TICK_MS = 200;
export const SPEEDS = ["1", "2", "5", "10", "30", "60", "300", "1800", "max"];

/** @typedef {{palette: () => void, help: () => void, records: () => void}} HeaderActions */

export class Header {
  /**
   * @param {StationModel} station
   * @param {HTMLElement} stations chooses among stations; empty while there is one
   * @param {HeaderActions} actions
   */
  constructor(station, stations, actions) {
    this.station = station;
    this.identity = h("strong", { class: "identity" });
    this.link = h("span", { class: "badge", id: "connection" });
    this.detail = h("span", { class: "head-detail" });
    this.time = h("time", { class: "head-time" });
    this.pauseButton = button("Pause", () => this.pause(), { class: "btn small", title: "Let time stand still, or go on (space)" });
    this.speed = choice(SPEEDS.map((speed) => [speed, speed === "max" ? "max" : `×${speed}`]), "10", {
      "aria-label": "Speed of simulated time",
      title: "How fast simulated time passes (+ and −)",
      on: { change: () => this.setSpeed(this.speed.value) },
    });
    this.network = button("Go offline", () => this.toggleNetwork(), { class: "btn small", title: "Pull or plug the network cable (o)" });
    this.power = button("Cut power", () => this.togglePower(), { class: "btn small danger", title: "Cut the power, or bring it back (c)" });
    this.restart = button("Restart", () => void act(station, "restart", {}), { class: "btn small", title: "Restart the station's program" });
    this.records = button("", actions.records, { class: "btn small quiet records", title: "Records that wait for the CSMS, and dead letters" });
    this.element = h(
      "header",
      { class: "top" },
      h("div", { class: "top-who" }, h("span", { class: "brand" }, "Pilotwire"), stations, this.identity, this.link, this.detail),
      h("div", { class: "top-time", role: "group", "aria-label": "Time" }, this.time, this.pauseButton, this.speed),
      h("div", { class: "top-power", role: "group", "aria-label": "Station" }, this.records, this.network, this.power, this.restart),
      h(
        "div",
        { class: "top-tools" },
        button("Commands", actions.palette, { class: "btn small", title: "Every command (Ctrl K)" }),
        button("◐", toggleTheme, { class: "icon", "aria-label": "Dark or light", title: "Dark or light (t)" }),
        button("?", actions.help, { class: "icon", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)" }),
      ),
    );
    this.redraw = beforePaint(() => this.#draw());
    station.stateChanged.on(() => this.redraw());
    setInterval(() => this.#tick(), TICK_MS);
  }

  #tick() {
    if (document.hidden || this.station.state === null) return;
    setText(this.time, `${dateTime(this.station.now().wall)}Z`);
  }

  pause() {
    const paused = this.station.state?.station.paused ?? false;
    void act(this.station, paused ? "resume" : "pause", {}, paused ? "Time goes on" : "Time stands still");
  }

  /** @param {string} speed */
  setSpeed(speed) {
    void act(this.station, "speed", { factor: speed === "max" ? "max" : Number(speed) }, `Speed ${speed}`);
  }

  /** @param {1 | -1} step faster or slower */
  stepSpeed(step) {
    const now = String(this.station.state?.station.speed ?? "10");
    const index = SPEEDS.indexOf(now);
    const next = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, (index < 0 ? SPEEDS.indexOf("10") : index) + step))];
    if (next !== now) this.setSpeed(next);
  }

  toggleNetwork() {
    const connected = this.station.state?.station.connected ?? true;
    void act(this.station, connected ? "offline" : "online", {}, connected ? "The network cable is out" : "The network cable is in");
  }

  togglePower() {
    const powered = this.station.state?.station.powered ?? true;
    void act(this.station, powered ? "power_cut" : "power_on", {}, powered ? "The power is cut" : "The power is back");
  }

  #draw() {
    const state = this.station.state;
    if (state === null) return;
    const { station } = state;
    const { text, tone } = connection(station);
    setText(this.identity, station.identity);
    setText(this.link, text);
    setData(this.link, "tone", tone);
    this.link.title = station.trouble ?? station.url ?? "";
    const profile = station.security_profile === null || station.security_profile === undefined ? "" : `security profile ${station.security_profile}`;
    setText(this.detail, station.trouble ?? [profile, `boot ${station.boots}`].filter(Boolean).join(" · "));
    this.detail.classList.toggle("bad", station.trouble !== null);
    this.#tick();
    setText(this.pauseButton, station.paused ? "Resume" : "Pause");
    this.pauseButton.setAttribute("aria-pressed", String(station.paused));
    this.#showSpeed(String(station.speed));
    setText(this.network, station.connected ? "Go offline" : "Go online");
    setText(this.power, station.powered ? "Cut power" : "Power on");
    setText(this.records, `${station.queue} waiting${station.dead > 0 ? ` · ${station.dead} dead` : ""}${station.save_failed ? " · cannot save" : ""}`);
    this.records.classList.toggle("bad", station.dead > 0 || station.save_failed);
    document.title = `${station.identity} · ${text}`;
  }

  /** @param {string} speed */
  #showSpeed(speed) {
    if (document.activeElement === this.speed || this.speed.value === speed) return;
    if (![...this.speed.options].some((option) => option.value === speed)) {
      this.speed.append(h("option", { value: speed }, speed === "0" ? "stopped" : `×${speed}`));
    }
    this.speed.value = speed;
  }
}

// The OCPP conversation: every frame with the CSMS, newest last, filtered, one of them open beside the list.

import { button, fill, h, setData, setText } from "./dom.js";
import { download } from "./download.js";
import { clock, latency } from "./format.js";
import { FrameDetail } from "./frame_detail.js";
import { FrameFilterBar } from "./frame_filter.js";
import { isProblem, jsonLines } from "./frames.js";
import { notify } from "./notify.js";
import { brief } from "./ocppj.js";
import { beforePaint } from "./signal.js";
import { VirtualList } from "./virtual_list.js";

/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./station.js").StationModel} StationModel */

const narrow = matchMedia("(max-width: 640px)");
const ROW = 25;
const NARROW_ROW = 46;
const NONE = "No frames. Plug in a car, or loosen the filter.";

export class Conversation {
  /**
   * @param {StationModel} station
   * @param {(given: {text?: string, action?: string, payload?: unknown}) => void} compose opens the expert's editor
   */
  constructor(station, compose) {
    this.station = station;
    this.frames = station.frames;
    this.filter = new FrameFilterBar(this.frames);
    this.detail = new FrameDetail(this.frames, {
      jump: (n) => this.jump(n),
      compose,
      transaction: (id) => this.filter.set({ transaction: id }),
      close: () => this.list.choose(-1),
    });
    this.list = new VirtualList({
      label: "OCPP frames",
      rowHeight: narrow.matches ? NARROW_ROW : ROW,
      make: makeRow,
      show: showRow,
      key: (/** @type {Frame} */ frame) => frame.n,
      chosen: (frame) => this.#open(frame),
    });
    this.list.canFollow = true;
    this.list.follow(true);
    this.count = h("span", { class: "count" });
    this.newest = button("↓ newest", () => this.list.follow(true), { class: "btn small", hidden: true });
    this.list.element.addEventListener("follow", () => this.#followed());
    const bar = h(
      "div",
      { class: "list-bar" },
      this.count,
      this.newest,
      h("span", { class: "grow" }),
      button("Export", () => this.export(), { class: "btn small", title: "What the filter shows, as JSON lines" }),
      button("Send… ", () => compose({}), { class: "btn small expert-btn", title: "Expert: send anything to the CSMS (e)" }),
    );
    const heads = ["time", "", "message", "EVSE", "content", "answer", ""].map((text) => h("span", {}, text));
    const head = h("div", { class: "frame-row frame-heads", "aria-hidden": "true" }, heads);
    const left = h("div", { class: "list-side" }, head, this.list.element);
    this.element = h("div", { class: "view conversation" }, this.filter.element, bar, h("div", { class: "split" }, left, this.detail.element));
    this.frames.changed.on(beforePaint(() => this.#draw()));
    narrow.addEventListener("change", () => this.list.setRowHeight(narrow.matches ? NARROW_ROW : ROW));
    station.stateChanged.on((state) => this.filter.showEvses(state.evses.map((evse) => evse.evse)));
    this.#draw();
  }

  focusFilter() {
    this.filter.text.focus();
    this.filter.text.select();
  }

  /** Show this frame, whatever the filter says. @param {number} n */
  jump(n) {
    if (this.frames.shownIndex(n) < 0) this.filter.set({});
    this.list.setItems(this.frames.shown);
    const index = this.frames.shownIndex(n);
    if (index < 0) notify("That frame is no longer kept", "error");
    else {
      this.list.follow(false);
      this.list.choose(index);
    }
  }

  export() {
    const { shown } = this.frames;
    const identity = this.station.state?.station.identity ?? "station";
    download(`${identity}-frames.jsonl`, jsonLines(shown), "application/jsonl");
    notify(`${shown.length} frames exported as JSON lines`);
  }

  /** @param {Frame} frame */
  #open(frame) {
    this.list.following = false;
    this.#followed();
    this.detail.show(frame);
  }

  #followed() {
    this.newest.hidden = this.list.following;
  }

  #draw() {
    setText(this.count, this.frames.counted);
    setText(this.list.note, this.frames.loaded ? NONE : "Loading…");
    this.list.setItems(this.frames.shown);
    this.detail.refresh();
  }
}

function makeRow() {
  const row = h("div", { class: "frame-row" });
  fill(row, ["f-time", "f-way", "f-action", "f-evse", "f-brief", "f-latency", "f-verdict"].map((name) => h("span", { class: name })));
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {Frame} frame
 */
function showRow(row, frame) {
  const cells = row.children;
  setData(row, "type", frame.type);
  setData(row, "problem", String(isProblem(frame)));
  setText(cells[0], clock(frame.wall, true));
  setText(cells[1], frame.direction === "sent" ? "→" : "←");
  setData(cells[1], "way", frame.direction);
  cells[1].setAttribute("aria-label", frame.direction);
  setText(cells[2], frame.action ?? (frame.type === "?" ? "not OCPP" : frame.type));
  setText(cells[3], frame.evse === null ? "" : String(frame.evse));
  setText(cells[4], frame.verdict === "ok" ? brief(frame) : [frame.verdict, brief(frame)].filter(Boolean).join(" · "));
  setText(cells[5], latency(frame.latency_ms));
  setText(cells[6], frame.verdict === "ok" ? "✓" : "✕");
  setData(cells[6], "ok", String(frame.verdict === "ok"));
  cells[6].setAttribute("aria-label", frame.verdict === "ok" ? "schema ok" : "schema complaint");
}

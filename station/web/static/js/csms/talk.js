// The conversation of all stations: every frame, newest last, filtered, one of them open beside the list.

import { button, fill, h, setData, setText } from "../dom.js";
import { download } from "../download.js";
import { clock, latency } from "../format.js";
import { FrameDetail } from "../frame_detail.js";
import { isProblem, jsonLines } from "../frames.js";
import { notify } from "../notify.js";
import { brief } from "../ocppj.js";
import { beforePaint } from "../signal.js";
import { VirtualList } from "../virtual_list.js";
import { TalkFilterBar } from "./talk_filter.js";
import { stationOf } from "./talk_frames.js";

/** @typedef {import("./csms_types.js").TalkFrame} TalkFrame */
/** @typedef {import("./csms_types.js").TalkFilter} TalkFilter */

const narrow = matchMedia("(max-width: 640px)");
const ROW = 25;
const NARROW_ROW = 46;
const NONE = "No frames. Connect a station, or loosen the filter.";

/** Something of a frame to send again. @typedef {{station: string, text?: string, action?: string, payload?: unknown}} Again */

export class Talk {
  /**
   * @param {import("./csms_model.js").CsmsModel} csms
   * @param {(again: Again) => void} compose
   */
  constructor(csms, compose) {
    this.csms = csms;
    this.frames = csms.frames;
    this.filter = new TalkFilterBar(csms);
    this.detail = new FrameDetail(this.frames, {
      jump: (n) => this.jump(n),
      compose: (given) => compose({ station: this.detail.frame ? stationOf(this.detail.frame) : "", ...given }),
      transaction: () => undefined,
      close: () => this.list.choose(-1),
      peer: stationOf,
    });
    this.list = new VirtualList({
      label: "OCPP frames",
      rowHeight: narrow.matches ? NARROW_ROW : ROW,
      make: makeRow,
      show: showRow,
      key: (/** @type {import("../types.js").Frame} */ frame) => frame.n,
      chosen: (frame) => this.#open(frame),
    });
    this.list.canFollow = true;
    this.list.follow(true);
    this.count = h("span", { class: "count" });
    this.newest = button("↓ newest", () => this.list.follow(true), { class: "btn small", hidden: true });
    this.list.element.addEventListener("follow", () => this.#followed());
    const only = button("Only the chosen station", () => this.#only(), { class: "btn small quiet" });
    const save = button("Export", () => this.export(), { class: "btn small", title: "What the filter shows, as JSON lines" });
    const bar = h("div", { class: "list-bar" }, this.count, this.newest, h("span", { class: "grow" }), only, save);
    const heads = ["time", "", "station", "message", "content", "answer", ""].map((text) => h("span", {}, text));
    const head = h("div", { class: "frame-row talk-row frame-heads", "aria-hidden": "true" }, heads);
    const left = h("div", { class: "list-side" }, head, this.list.element);
    this.element = h("div", { class: "view talk" }, this.filter.element, bar, h("div", { class: "split" }, left, this.detail.element));
    this.frames.changed.on(beforePaint(() => this.#draw()));
    narrow.addEventListener("change", () => this.list.setRowHeight(narrow.matches ? NARROW_ROW : ROW));
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
    download(`${this.filter.value.station || "csms"}-frames.jsonl`, jsonLines(shown), "application/jsonl");
    notify(`${shown.length} frames exported as JSON lines`);
  }

  #only() {
    this.filter.set({ ...this.filter.value, station: this.csms.chosen });
  }

  /** @param {import("../types.js").Frame} frame */
  #open(frame) {
    this.list.following = false;
    this.#followed();
    this.detail.show(frame);
    // The opened frame takes room from the list: the row must still be in sight.
    requestAnimationFrame(() => this.list.reveal(this.frames.shownIndex(frame.n)));
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
  const row = h("div", { class: "frame-row talk-row" });
  fill(row, ["f-time", "f-way", "f-station", "f-action", "f-brief", "f-latency", "f-verdict"].map((name) => h("span", { class: name })));
  return row;
}

/**
 * @param {HTMLElement} row
 * @param {import("../types.js").Frame} frame
 */
function showRow(row, frame) {
  const cells = row.children;
  const ok = frame.verdict === "ok";
  setData(row, "type", frame.type);
  setData(row, "problem", String(isProblem(frame)));
  setText(cells[0], clock(frame.wall, true));
  setText(cells[1], frame.direction === "sent" ? "→" : "←");
  setData(cells[1], "way", frame.direction);
  cells[1].setAttribute("aria-label", frame.direction === "sent" ? "to the station" : "from the station");
  setText(cells[2], stationOf(frame));
  setText(cells[3], frame.action ?? (frame.type === "?" ? "not OCPP" : frame.type));
  setText(cells[4], ok ? brief(frame) : [frame.verdict, brief(frame)].filter(Boolean).join(" · "));
  setText(cells[5], latency(frame.latency_ms));
  setText(cells[6], ok ? "✓" : "✕");
  setData(cells[6], "ok", String(ok));
  cells[6].setAttribute("aria-label", ok ? "schema ok" : "schema complaint");
}

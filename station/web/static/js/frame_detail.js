// One frame, opened: payload, what the schema says, how long the answer took, its other half, and what to do with it.

import { button, fill, h } from "./dom.js";
import { copy } from "./download.js";
import { clock, latency, size } from "./format.js";
import { jsonView } from "./json_view.js";
import { parsed, payload } from "./ocppj.js";

/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./frames.js").FrameLog} FrameLog */

/**
 * @typedef {{
 *   jump: (n: number) => void, compose: (given: {text?: string, action?: string, payload?: unknown}) => void,
 *   transaction: (id: string) => void, close: () => void, peer?: (frame: Frame) => string,
 * }} DetailActions
 */

export class FrameDetail {
  /**
   * @param {FrameLog} frames
   * @param {DetailActions} actions
   */
  constructor(frames, actions) {
    this.frames = frames;
    this.actions = actions;
    /** @type {Frame | null} */
    this.frame = null;
    this.partner = 0;
    this.element = h("aside", { class: "detail", "aria-label": "The chosen frame", hidden: true });
  }

  /** @param {Frame} frame */
  show(frame) {
    this.frame = frame;
    this.element.hidden = false;
    this.#draw();
  }

  hide() {
    this.frame = null;
    this.element.hidden = true;
    this.actions.close();
  }

  /** New frames came: the answer may be among them. */
  refresh() {
    if (this.frame !== null && (this.frames.partner(this.frame)?.n ?? 0) !== this.partner) this.#draw();
  }

  #draw() {
    const frame = this.frame;
    if (frame === null) return;
    const partner = this.frames.partner(frame);
    this.partner = partner?.n ?? 0;
    fill(
      this.element,
      this.#head(frame),
      h("p", { class: "detail-line" }, facts(frame)),
      frame.verdict === "ok" ? null : h("p", { class: "verdict" }, h("b", {}, "Schema: "), frame.verdict),
      this.#tools(frame),
      contents(frame),
      partner === undefined ? waiting(frame) : this.#other(partner),
    );
  }

  /** @param {Frame} frame */
  #head(frame) {
    const way = `${frame.direction === "sent" ? "→" : "←"} ${this.actions.peer?.(frame) ?? "CSMS"}`;
    return h(
      "header",
      { class: "detail-head" },
      h("h3", {}, `${frame.action ?? "Frame"}`),
      h("span", { class: "badge", data: { tone: frame.type === "CALLERROR" || frame.type === "?" ? "bad" : "off" } }, frame.type === "?" ? "not OCPP" : frame.type),
      h("span", { class: "dim" }, way),
      button("×", () => this.hide(), { class: "icon", "aria-label": "Close the frame" }),
    );
  }

  /** @param {Frame} frame */
  #tools(frame) {
    const call = frame.type === "CALL" && frame.direction === "sent";
    const again = call
      ? () => this.actions.compose({ action: frame.action ?? "", payload: payload(frame) })
      : () => this.actions.compose({ text: frame.text });
    const { transaction } = frame;
    return h(
      "div",
      { class: "row" },
      button("Copy", () => void copy(frame.text), { class: "btn small" }),
      button("Edit and resend…", again, { class: "btn small expert-btn", title: `Expert: change it and send it to the ${this.actions.peer ? "station" : "CSMS"}` }),
      transaction === null || transaction === undefined ? null : button("This transaction only", () => this.actions.transaction(transaction), { class: "btn small quiet" }),
    );
  }

  /** @param {Frame} partner */
  #other(partner) {
    const title = partner.type === "CALL" ? "The CALL" : partner.type === "CALLERROR" ? "The CALLERROR" : "The answer";
    return h(
      "section",
      { class: "partner" },
      h(
        "header",
        { class: "detail-head" },
        h("h3", {}, title),
        partner.latency_ms === null ? null : h("span", { class: "dim" }, `after ${latency(partner.latency_ms)}`),
        button("Go there", () => this.actions.jump(partner.n), { class: "btn small quiet" }),
      ),
      partner.verdict === "ok" ? null : h("p", { class: "verdict" }, h("b", {}, "Schema: "), partner.verdict),
      contents(partner),
    );
  }
}

/** @param {Frame} frame */
function waiting(frame) {
  return frame.type === "CALL" ? h("p", { class: "dim" }, "No answer yet.") : null;
}

/** @param {Frame} frame */
function contents(frame) {
  const value = payload(frame);
  if (value === undefined || (frame.type === "?" && parsed(frame) === undefined)) return h("pre", { class: "json raw", tabIndex: 0 }, frame.text);
  return jsonView(value);
}

/** @param {Frame} frame */
function facts(frame) {
  return [
    clock(frame.wall, true),
    size(frame.bytes),
    frame.latency_ms === null ? "" : `answered after ${latency(frame.latency_ms)}`,
    frame.verdict === "ok" ? "schema ok" : "",
    frame.evse === null ? "" : `EVSE ${frame.evse}`,
    frame.id === null ? "" : `id ${frame.id}`,
    `no. ${frame.n}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

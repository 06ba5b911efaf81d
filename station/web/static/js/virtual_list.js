// A list of any length with a constant number of DOM rows: only those in sight exist, and they are used again.

import { beforePaint } from "./signal.js";
import { h } from "./dom.js";

// Browsers lose precision, then give up, with elements of tens of millions of pixels: beyond this the scroll bar is scaled.
const TALLEST_PX = 8_000_000;
const OVERSCAN = 6;
const AT_END_PX = 4;

/**
 * @template T
 * @typedef {{
 *   label: string, rowHeight: number,
 *   make: () => HTMLElement, show: (row: HTMLElement, item: T, index: number) => void,
 *   key: (item: T) => string | number,
 *   chosen?: (item: T, index: number) => void, opened?: (item: T) => void, empty?: string,
 * }} ListOptions
 */

/** @template T */
export class VirtualList {
  /** @param {ListOptions<T>} options */
  constructor(options) {
    this.options = options;
    this.rowHeight = options.rowHeight;
    /** @type {readonly T[]} */
    this.items = [];
    /** @type {string | number | null} */
    this.chosenKey = null;
    /** Stay at the newest row, until somebody scrolls away from it. */
    this.following = false;
    /** @type {HTMLElement[]} */
    this.rows = [];
    this.spacer = h("div", { class: "vlist-spacer", role: "presentation" });
    this.note = h("p", { class: "vlist-empty", hidden: true }, options.empty ?? "Nothing here yet.");
    this.element = h(
      "div",
      { class: "vlist", role: "listbox", tabIndex: 0, "aria-label": options.label, on: { keydown: this.#key.bind(this) } },
      this.spacer,
      this.note,
    );
    this.refresh = beforePaint(() => this.#draw());
    this.element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(this.element);
  }

  /** @param {readonly T[]} items shown from now on; the same array grown is fine */
  setItems(items) {
    this.items = items;
    this.note.hidden = items.length > 0;
    this.refresh();
  }

  /** @param {number} px */
  setRowHeight(px) {
    if (px === this.rowHeight) return;
    const first = this.#first();
    this.rowHeight = px;
    this.#size();
    this.#scrollToOffset(first * px);
    this.refresh();
  }

  /** @param {boolean} on */
  follow(on) {
    this.following = on;
    if (on) this.refresh();
  }

  /**
   * @param {number} index -1: none
   * @param {boolean} [tell] call `chosen`
   */
  choose(index, tell = true) {
    const item = this.items[index];
    this.chosenKey = item === undefined ? null : this.options.key(item);
    if (item !== undefined) {
      this.reveal(index);
      if (tell) this.options.chosen?.(item, index);
    }
    this.refresh();
  }

  /** Scroll as little as needed. @param {number} index */
  reveal(index) {
    if (index < 0) return;
    const top = index * this.rowHeight;
    const seen = this.#offset();
    const height = this.element.clientHeight;
    if (top < seen) this.#scrollToOffset(top);
    else if (top + this.rowHeight > seen + height) this.#scrollToOffset(top + this.rowHeight - height);
  }

  get #total() {
    return this.items.length * this.rowHeight;
  }

  get #tall() {
    return Math.min(this.#total, TALLEST_PX);
  }

  /** How many pixels of the whole list lie above the window. */
  #offset() {
    const view = this.element.clientHeight;
    const room = this.#tall - view;
    if (room <= 0) return 0;
    return (Math.min(this.element.scrollTop, room) * (this.#total - view)) / room;
  }

  /** @param {number} offset */
  #scrollToOffset(offset) {
    const view = this.element.clientHeight;
    const room = this.#total - view;
    this.element.scrollTop = room <= 0 ? 0 : (Math.max(0, Math.min(offset, room)) * (this.#tall - view)) / room;
  }

  #first() {
    return Math.max(0, Math.floor(this.#offset() / this.rowHeight));
  }

  #size() {
    const px = `${this.#tall}px`;
    if (this.spacer.style.height !== px) this.spacer.style.height = px;
  }

  #scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.element;
    const atEnd = scrollTop + clientHeight >= scrollHeight - AT_END_PX;
    if (this.following !== atEnd && this.rows.length > 0) {
      this.following = atEnd && this.canFollow;
      this.element.dispatchEvent(new CustomEvent("follow", { detail: this.following }));
    }
    this.refresh();
  }

  /** Whether reaching the end means following; a list whose newest rows are at its top says no. */
  canFollow = false;

  #resized() {
    this.#size();
    if (this.following) this.element.scrollTop = this.element.scrollHeight;
    else if (this.#chosenSeen) this.reveal(this.items.findIndex((item) => this.options.key(item) === this.chosenKey));
    this.refresh();
  }

  #draw() {
    this.#size();
    if (this.following) this.element.scrollTop = this.element.scrollHeight;
    this.note.hidden = this.items.length > 0;
    const offset = this.#offset();
    const first = Math.max(0, Math.floor(offset / this.rowHeight) - OVERSCAN);
    const seen = Math.ceil(this.element.clientHeight / this.rowHeight) + 1 + 2 * OVERSCAN;
    const count = this.element.clientHeight === 0 ? 0 : Math.min(seen, this.items.length - first);
    // Where row `first` stands, when the scroll bar is scaled too.
    const top = this.element.scrollTop - (offset - first * this.rowHeight);
    this.#pool(Math.max(0, count));
    this.rows.forEach((row, slot) => this.#place(row, first + slot, top + slot * this.rowHeight));
    this.#announce();
  }

  /** @param {number} count */
  #pool(count) {
    while (this.rows.length > count) this.rows.pop()?.remove();
    while (this.rows.length < count) {
      const row = this.options.make();
      row.classList.add("vrow");
      row.setAttribute("role", "option");
      row.addEventListener("click", () => {
        this.element.focus({ preventScroll: true });
        this.choose(Number(row.dataset["index"]));
      });
      this.rows.push(row);
      this.spacer.append(row);
    }
  }

  /**
   * @param {HTMLElement} row
   * @param {number} index
   * @param {number} top
   */
  #place(row, index, top) {
    const item = this.items[index];
    if (item === undefined) return;
    row.style.transform = `translateY(${Math.round(top)}px)`;
    row.style.height = `${this.rowHeight}px`;
    row.dataset["index"] = String(index);
    row.id = `${this.#id}-${index}`;
    row.setAttribute("aria-posinset", String(index + 1));
    row.setAttribute("aria-setsize", String(this.items.length));
    row.setAttribute("aria-selected", String(this.options.key(item) === this.chosenKey));
    row.classList.toggle("odd", index % 2 === 1);
    this.options.show(row, item, index);
  }

  /** The chosen row was in sight when last drawn: a smaller window must not hide it. */
  #chosenSeen = false;

  #id = `list${Math.random().toString(36).slice(2, 8)}`;

  #announce() {
    const chosen = this.rows.find((row) => row.getAttribute("aria-selected") === "true");
    this.#chosenSeen = chosen !== undefined;
    if (chosen) this.element.setAttribute("aria-activedescendant", chosen.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight) - 1);
    const end = this.items.length - 1;
    const now = this.items.findIndex((item) => this.options.key(item) === this.chosenKey);
    /** @type {Record<string, number>} */
    const targets = {
      ArrowDown: now + 1,
      ArrowUp: now < 0 ? end : now - 1,
      PageDown: now + page,
      PageUp: now < 0 ? end : now - page,
      Home: 0,
      End: end,
    };
    const item = this.items[now];
    if (event.key === "Enter" && item !== undefined) this.options.opened?.(item);
    else if (event.key in targets && end >= 0 && !event.ctrlKey && !event.metaKey && !event.altKey) {
      this.choose(Math.max(0, Math.min(end, targets[event.key])));
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

// Who may charge and who may boot: tokens, answers to BootNotification, passwords.

import { act } from "../actions.js";
import { ApiError } from "../api.js";
import { button, choice, fill, h, labelled, setData, setText } from "../dom.js";
import { notify, words } from "../notify.js";
import { VirtualList } from "../virtual_list.js";

/** @typedef {import("./csms_types.js").TokenRow} TokenRow */

const STATUSES = ["Accepted", "Blocked", "Expired", "Invalid", "Unknown", "NoCredit", "ConcurrentTx"];
/** @type {[string, string[]][]} */
const BOOTS = [
  ["Accepted", ["Accepted"]],
  ["Pending once", ["Pending", "Accepted"]],
  ["Rejected once", ["Rejected", "Accepted"]],
  ["Pending, Rejected, then Accepted", ["Pending", "Rejected", "Accepted"]],
  ["Pending always", ["Pending"]],
  ["Rejected always", ["Rejected"]],
];

export class Access {
  /**
   * @param {import("./csms_model.js").CsmsModel} csms
   * @param {(tokens: string[]) => void} known hears which tokens are known
   */
  constructor(csms, known) {
    this.csms = csms;
    this.known = known;
    this.token = h("input", { type: "text", class: "token", placeholder: "04A1B2C3", spellcheck: false, autocomplete: "off", name: "token-value" });
    this.status = choice(STATUSES, "Accepted", { name: "token-status" });
    this.parent = h("input", { type: "text", class: "token", placeholder: "none", spellcheck: false, autocomplete: "off", name: "token-parent" });
    this.unknown = h("span", { class: "count" });
    this.list = new VirtualList({
      label: "Tokens", rowHeight: 34, make: () => this.#row(), show: showToken,
      key: (/** @type {TokenRow} */ row) => row.value,
      chosen: (row) => this.#pick(row),
      empty: "No token is known: nobody may charge.",
    });
    this.boots = h("span", { class: "boot-plan" });
    this.heartbeat = h("input", { type: "text", inputMode: "numeric", class: "w-number", name: "heartbeat" });
    this.retry = h("input", { type: "text", inputMode: "numeric", class: "w-number", name: "retry" });
    this.password = h("input", { type: "password", autocomplete: "new-password", name: "station-password" });
    this.passwordOf = h("span", { class: "mono" });
    this.element = h("div", { class: "view access" }, h("div", { class: "columns" }, this.#tokens(), h("div", { class: "column" }, this.#boot(), this.#secret())));
    csms.stateChanged.on(() => this.#draw());
    csms.chosenChanged.on(() => this.#draw());
    csms.commanded.on((name) => {
      if (name === "token" || name === "forget") void this.load();
    });
    csms.stream.changed.on((state) => {
      if (state === "open") void this.load();
    });
  }

  focusFilter() {
    this.token.focus();
  }

  async load() {
    try {
      const { tokens, unknown } = await this.csms.api.look("tokens");
      this.list.setItems(tokens);
      setText(this.unknown, `Any other: ${unknown}`);
      this.known(tokens.map((/** @type {TokenRow} */ row) => row.value));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notify(`tokens: ${words(error)}`, "error");
    }
  }

  #tokens() {
    const add = h("form", { class: "token-form", noValidate: true });
    add.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = this.token.value.trim();
      void act(this.csms, "token", { token, status: this.status.value, parent: this.parent.value.trim() || undefined }, `${token}: ${this.status.value}`);
    });
    fill(add, labelled("Card (idTag, idToken)", this.token), labelled("Status", this.status), labelled("Group", this.parent), h("button", { type: "submit", class: "btn primary", id: "token-add" }, "Add or change"));
    return h("section", { class: "column tokens", "aria-label": "Cards" }, h("div", { class: "list-bar" }, h("h3", {}, "Cards"), this.unknown), add, this.list.element);
  }

  #boot() {
    const chips = BOOTS.map(([name, statuses]) => button(name, () => this.#plan(statuses), { class: "chip", title: `BootNotification is answered ${statuses.join(", then ")}` }));
    const apply = button("Set intervals", () => this.#plan(this.csms.state?.csms.boots ?? ["Accepted"]), { class: "btn small" });
    return h(
      "section",
      { class: "box", "aria-label": "Boot answers" },
      h("h3", {}, "BootNotification is answered"),
      h("p", {}, this.boots),
      h("div", { class: "chips" }, chips),
      h("div", { class: "row" }, labelled("Heartbeat, s", this.heartbeat), labelled("Retry when not accepted, s", this.retry), apply),
      h("p", { class: "doc" }, "It counts from the station's next BootNotification: reset it, or let it send one with TriggerMessage."),
    );
  }

  #secret() {
    const set = h("form", { class: "row", noValidate: true });
    const say = (/** @type {string | undefined} */ password) => void act(this.csms, "password", { station: this.csms.chosen, password }, password ? "The password counts from the next connection on" : "It needs no password any more");
    set.addEventListener("submit", (event) => {
      event.preventDefault();
      say(this.password.value || undefined);
      this.password.value = "";
    });
    fill(set, labelled("Password", this.password), h("button", { type: "submit", class: "btn" }, "Set"), button("None needed", () => say(undefined), { class: "btn quiet" }));
    return h("section", { class: "box", "aria-label": "Password" }, h("h3", {}, "Basic auth password of ", this.passwordOf), set);
  }

  /** @param {string[]} statuses */
  #plan(statuses) {
    const seconds = (/** @type {HTMLInputElement} */ field) => (/^\d+$/.test(field.value.trim()) ? Number(field.value) : field.value.trim() || undefined);
    void act(this.csms, "boot", { statuses, heartbeat_s: seconds(this.heartbeat), retry_s: seconds(this.retry) }, `BootNotification: ${statuses.join(", then ")}`);
  }

  #draw() {
    const csms = this.csms.state?.csms;
    if (csms === undefined) return;
    fill(this.boots, csms.boots.flatMap((word, index) => [index > 0 ? " then " : "", h("span", { class: "badge", data: { tone: word === "Accepted" ? "good" : word === "Pending" ? "warn" : "bad" } }, word)]), " from now on");
    for (const [field, value] of /** @type {[HTMLInputElement, number][]} */ ([[this.heartbeat, csms.heartbeat_s], [this.retry, csms.retry_s]])) {
      if (document.activeElement !== field) field.value = String(value);
    }
    setText(this.passwordOf, this.csms.chosen || "a station");
  }

  /** @param {TokenRow} row */
  #pick(row) {
    this.token.value = row.value;
    this.status.value = row.status;
    this.parent.value = row.group ?? "";
  }

  #row() {
    const row = h("div", { class: "token-row" });
    const of = () => row.dataset["token"] ?? "";
    const press = (/** @type {string} */ name, /** @type {() => Record<string, unknown>} */ args, /** @type {() => string} */ said) => (/** @type {MouseEvent} */ event) => {
      event.stopPropagation();
      void act(this.csms, name, args(), said());
    };
    const turn = () => (row.dataset["status"] === "Accepted" ? "Blocked" : "Accepted");
    const keep = () => ({ token: of(), status: turn(), parent: row.dataset["group"] || undefined });
    fill(
      row,
      h("span", { class: "mono" }), h("span", { class: "badge" }), h("span", { class: "dim" }),
      button("", press("token", keep, () => `${of()}: ${turn()}`), { class: "btn small token-turn" }),
      button("Forget", press("forget", () => ({ token: of() }), () => `${of()} is forgotten`), { class: "btn small quiet" }),
    );
    return row;
  }
}

/**
 * @param {HTMLElement} row
 * @param {TokenRow} token
 */
function showToken(row, token) {
  const [value, status, group, turn, forget] = row.children;
  setData(row, "token", token.value);
  setData(row, "status", token.status);
  setData(row, "group", token.group ?? "");
  setText(value, token.value);
  setText(status, token.status);
  setData(status, "tone", token.status === "Accepted" ? "good" : "bad");
  setText(group, token.group === null ? "" : `group ${token.group}`);
  setText(turn, token.status === "Accepted" ? "Block" : "Accept");
  turn.setAttribute("aria-label", `${turn.textContent} ${token.value}`);
  forget.setAttribute("aria-label", `Forget ${token.value}`);
}

// The command palette: every command of the station's table, found by a few letters, with a form made from its schema.

import { ApiError } from "./api.js";
import { dialog } from "./dialogs.js";
import { button, fill, h, withCode } from "./dom.js";
import { FormError, SchemaForm } from "./form.js";
import { jsonView } from "./json_view.js";
import { notify, words } from "./notify.js";
import { StepsField } from "./steps_field.js";

/** @typedef {import("./types.js").Command} Command */
/** Whatever has a command table. @typedef {Pick<import("./station.js").StationModel, "api" | "commands">} StationModel */

const EXPERT = new Set(["send", "send_raw"]);
/** Fields with an editor of their own, by command. @type {Record<string, import("./form.js").Editors>} */
const EDITORS = { profile_add: { steps: (given) => new StepsField("steps", given) } };

/**
 * Commands that match what was typed, best first: a name that begins so, a name that has it, a description that has it.
 * @param {Command[]} commands
 * @param {string} typed
 */
export function search(commands, typed) {
  const text = typed.trim().toLowerCase();
  const rank = (/** @type {Command} */ command) => {
    const name = command.name.toLowerCase();
    const spoken = name.replaceAll("_", " ");
    if (name.startsWith(text) || spoken.startsWith(text)) return 0;
    if (name.includes(text) || spoken.includes(text)) return 1;
    return command.doc.toLowerCase().includes(text) ? 2 : 3;
  };
  return commands
    .map((command, index) => ({ command, rank: rank(command), index }))
    .filter((row) => row.rank < 3)
    .sort((one, other) => one.rank - other.rank || one.index - other.index)
    .map((row) => row.command);
}

/**
 * @param {StationModel} station
 * @param {() => number} chosenEvse fills the field `evse`
 */
export function openPalette(station, chosenEvse) {
  const box = dialog("Every command", { class: "palette" });
  const list = h("ul", { class: "palette-list" });
  const input = h("input", {
    type: "search",
    placeholder: "Type a few letters: fault, clock, reset…",
    "aria-label": "Find a command",
    autofocus: true,
  });
  const all = [...station.commands.values()];
  const show = () => fill(list, listed(search(all, input.value), input.value !== "", pick));
  const pick = (/** @type {Command} */ command) => {
    box.close();
    openCommand(station, command, { evse: chosenEvse() });
  };
  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => {
    const [best] = search(all, input.value);
    if (event.key === "Enter" && best !== undefined) {
      event.preventDefault();
      pick(best);
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      list.querySelector("button")?.focus();
    }
  });
  list.addEventListener("keydown", (event) => walk(event, list, input));
  show();
  fill(box.body, input, list);
  box.open();
}

/**
 * @param {Command[]} commands
 * @param {boolean} flat without group headings
 * @param {(command: Command) => void} pick
 */
function listed(commands, flat, pick) {
  /** @type {HTMLElement[]} */
  const rows = [];
  let group = "";
  if (commands.length === 0) rows.push(h("li", { class: "palette-group" }, "No such command."));
  for (const command of commands) {
    if (!flat && command.group !== group) rows.push(h("li", { class: "palette-group" }, command.group));
    group = command.group;
    const doc = command.doc.split("\n")[0];
    rows.push(
      h(
        "li",
        {},
        h(
          "button",
          { type: "button", class: "palette-row", on: { click: () => pick(command) } },
          h("b", {}, command.name),
          h("span", {}, withCode(doc ?? "")),
          EXPERT.has(command.name) ? h("em", { class: "expert-mark" }, "expert") : null,
        ),
      ),
    );
  }
  return rows;
}

/**
 * Arrow keys through the list.
 * @param {KeyboardEvent} event
 * @param {HTMLElement} list
 * @param {HTMLElement} input
 */
function walk(event, list, input) {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (step === 0) return;
  event.preventDefault();
  const buttons = [...list.querySelectorAll("button")];
  const index = buttons.findIndex((row) => row === document.activeElement) + step;
  if (index < 0) input.focus();
  else buttons[Math.min(index, buttons.length - 1)]?.focus();
}

/**
 * One command's form, and its result. `done`: close when it is carried out, and call this. `said`: what to say then.
 * @param {StationModel} station
 * @param {Command} command
 * @param {Record<string, unknown>} [given]
 * @param {{title?: string, label?: string, class?: string, done?: () => void, said?: (answer: any) => string}} [options]
 */
export function openCommand(station, command, given = {}, options = {}) {
  const box = dialog(options.title ?? command.name, { class: `command ${options.class ?? ""}` });
  const form = new SchemaForm(command.parameters, wanted(command, given), EDITORS[command.name]);
  const result = h("div", { class: "result", "aria-live": "polite" });
  const run = async () => {
    try {
      const answer = await station.api.act(command.name, form.read());
      fill(result, h("h3", {}, "Result"), jsonView(answer));
      if (!command.reads) notify(options.said?.(answer) ?? `${command.name}: done`);
      if (options.done !== undefined) {
        box.close();
        options.done();
      }
    } catch (error) {
      if (error instanceof FormError) return;
      if (!(error instanceof ApiError)) throw error;
      const shown = form.complain(error.problems.length > 0 ? error.problems : [{ field: "", problem: error.message }]);
      if (!shown) notify(`${command.name}: ${words(error)}`, "error");
    }
  };
  const sheet = h("form", { class: "sheet", noValidate: true }, form.element);
  sheet.addEventListener("submit", (event) => {
    event.preventDefault();
    void run();
  });
  sheet.append(h("div", { class: "row end" }, h("button", { type: "submit", class: "btn primary" }, options.label ?? (command.reads ? "Ask" : "Do it"))));
  fill(box.body, h("p", { class: "doc" }, withCode(command.doc)), expertStrip(command), sheet, result);
  fill(box.foot, button("All commands", () => { box.close(); openPalette(station, () => Number(given["evse"] ?? 1)); }, { class: "btn quiet" }));
  box.open();
  form.focus();
}

/** @param {Command} command */
function expertStrip(command) {
  if (!EXPERT.has(command.name)) return null;
  return h("p", { class: "expert" }, "Expert: this goes to the CSMS outside the station's own logic.");
}

/**
 * @param {Command} command
 * @param {Record<string, unknown>} given
 */
function wanted(command, given) {
  const known = command.parameters.properties ?? {};
  return Object.fromEntries(Object.entries(given).filter(([name]) => name in known));
}

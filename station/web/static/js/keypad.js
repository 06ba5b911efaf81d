// A keypad for PINs: mouse, touch and number keys. What was typed is shown as dots.

import { act } from "./actions.js";
import { dialog } from "./dialogs.js";
import { button, fill, h, setText } from "./dom.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "⌫", "0", "OK"];

/**
 * @param {import("./station.js").StationModel} station
 * @param {number} evse
 */
export function openKeypad(station, evse) {
  const box = dialog(`PIN at EVSE ${evse}`, { class: "keypad" });
  const dots = h("output", { class: "dots", "aria-label": "digits typed" });
  let typed = "";
  const press = (/** @type {string} */ key) => {
    if (key === "OK") {
      if (typed === "") return;
      box.close();
      void act(station, "pin", { digits: typed, evse }, `PIN typed at EVSE ${evse}`);
    } else typed = key === "⌫" ? typed.slice(0, -1) : typed + key;
    setText(dots, "•".repeat(typed.length) || " ");
  };
  const keys = KEYS.map((key) => button(key, () => press(key), { class: "key", "aria-label": key === "⌫" ? "Delete a digit" : key }));
  box.element.addEventListener("keydown", (event) => {
    const target = event.target instanceof HTMLButtonElement && event.key === "Enter";
    const key = event.key === "Backspace" ? "⌫" : event.key === "Enter" ? "OK" : event.key;
    if (target || !KEYS.includes(key)) return;
    event.preventDefault();
    press(key);
  });
  setText(dots, " ");
  fill(box.body, dots, h("div", { class: "keys" }, keys));
  box.open();
}

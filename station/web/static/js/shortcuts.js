// Keyboard shortcuts (those of the terminal screen, and some more), and the overlay that lists them.

import { dialog, dialogOpen } from "./dialogs.js";
import { button, fill, h } from "./dom.js";

/**
 * `key` as KeyboardEvent.key tells it; `shown` when that is no word for people.
 * @typedef {{key: string, shown?: string, text: string, does: () => void}} Shortcut
 */

/** @param {EventTarget | null} target */
function typing(target) {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

/** @param {Shortcut[]} shortcuts @param {() => void} palette opened by Ctrl+K, also while typing */
export function listen(shortcuts, palette) {
  const known = new Map(shortcuts.map((shortcut) => [shortcut.key, shortcut]));
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || dialogOpen()) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      palette();
      return;
    }
    if (event.key === "Escape" && typing(event.target)) /** @type {HTMLElement} */ (event.target).blur();
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    // Space presses the button that has the focus.
    if (event.key === " " && event.target instanceof HTMLElement && event.target.closest("button, summary, a")) return;
    const shortcut = known.get(event.key);
    if (shortcut === undefined) return;
    event.preventDefault();
    shortcut.does();
  });
}

/**
 * @param {Shortcut[]} shortcuts
 * @param {() => void} tour shows the first visit's strip again
 */
export function openHelp(shortcuts, tour) {
  const box = dialog("Keyboard", { class: "help" });
  /** @type {[string, string][]} */
  const rows = [["Ctrl K", "every command"], ...shortcuts.map((each) => /** @type {[string, string]} */ ([each.shown ?? each.key, each.text]))];
  rows.push(["↑ ↓ Enter", "through a list"], ["Esc", "close, or leave a field"]);
  const seen = rows.filter(([key], index) => rows.findIndex(([other]) => other === key) === index);
  fill(box.body, h("dl", { class: "keys-list" }, seen.map(([key, text]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)))));
  fill(box.foot, button("Show the first steps again", () => { box.close(); tour(); }, { class: "btn quiet" }));
  box.open();
}

// Dark or light: as the system says, until somebody chooses otherwise; the choice is remembered.

import { Signal } from "./signal.js";

export const KEY = "pilotwire.theme";
const light = matchMedia("(prefers-color-scheme: light)");

/** Colours are others from now on. @type {Signal<string>} */
export const themeChanged = new Signal();

/** @returns {"dark" | "light"} */
export function theme() {
  return document.documentElement.dataset["theme"] === "light" ? "light" : "dark";
}

/** @param {"dark" | "light"} wanted */
function use(wanted) {
  document.documentElement.dataset["theme"] = wanted;
  themeChanged.emit(wanted);
}

export function toggleTheme() {
  const wanted = theme() === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, wanted);
  use(wanted);
}

light.addEventListener("change", () => {
  if (localStorage.getItem(KEY) === null) use(light.matches ? "light" : "dark");
});

// Before anything is painted (a classic script in <head>): the theme that was chosen, or the system's.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("pilotwire.theme");
  } catch {
    // No storage allowed: the system's theme, then.
  }
  const system = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  document.documentElement.dataset["theme"] = chosen === "dark" || chosen === "light" ? chosen : system;
})();

// The page has lost the station's program: said at once, and mended by itself.

import { button, fill, h, setText } from "./dom.js";

/**
 * @param {import("./stream.js").Stream} stream
 * @returns {HTMLElement}
 */
export function connectionStrip(stream) {
  const text = h("span", {});
  const element = h("div", { class: "lost", role: "alert", hidden: true });
  fill(element, text, button("Try now", () => stream.hurry(), { class: "btn small" }));
  let since = 0;
  stream.changed.on((state) => {
    const broken = state === "broken";
    element.hidden = !broken;
    document.body.classList.toggle("stale", broken);
    if (broken && since === 0) since = Date.now();
    if (!broken) since = 0;
    setText(text, broken ? "Disconnected: the station's program does not answer. What you see is old; the page reconnects by itself." : "");
  });
  // Somebody looks again: no need to wait for the next attempt.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) stream.hurry();
  });
  window.addEventListener("online", () => stream.hurry());
  return element;
}

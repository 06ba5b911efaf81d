// The page has lost the station's program: said at once, and mended by itself.

import { button, fill, h, setText } from "./dom.js";

/**
 * @param {import("./stream.js").Stream} stream
 * @param {string} [who] does not answer
 * @returns {HTMLElement}
 */
export function connectionStrip(stream, who = "the station's program") {
  const text = h("span", {});
  const element = h("div", { class: "lost", role: "alert", hidden: true });
  fill(element, text, button("Try now", () => stream.hurry(), { class: "btn small" }));
  stream.changed.on((state) => {
    const broken = state === "broken";
    element.hidden = !broken;
    document.body.classList.toggle("stale", broken);
    setText(text, broken ? `Disconnected: ${who} does not answer. What you see is old; the page reconnects by itself.` : "");
    if (broken) void sayToken();
  });
  /** It answers, but not to us: it was started anew, with another token. */
  const sayToken = async () => {
    const asks = await fetch(`${stream.base}/commands`, { cache: "no-store" }).then((answer) => answer.status === 401, () => false);
    if (asks && stream.state === "broken") setText(text, `${who} asks for its token: load this page again.`.replace(/^t/, "T"));
  };
  // Somebody looks again: no need to wait for the next attempt.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) stream.hurry();
  });
  window.addEventListener("online", () => stream.hurry());
  return element;
}

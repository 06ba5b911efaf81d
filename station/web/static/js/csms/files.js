// Files that stations have uploaded here: logs, diagnostics.

import { ApiError } from "../api.js";
import { button, fill, h, setText } from "../dom.js";
import { copy } from "../download.js";
import { dateTime, size } from "../format.js";
import { notify, words } from "../notify.js";

/** @typedef {import("./csms_types.js").UploadRow} UploadRow */

export class Files {
  /**
   * @param {import("./csms_model.js").CsmsModel} csms
   * @param {(log: string, url: string) => void} ask opens GetLog for the chosen station
   */
  constructor(csms, ask) {
    this.csms = csms;
    this.visible = false;
    this.url = "";
    this.place = h("code", { class: "upload-url" });
    this.rows = h("ul", { class: "uploads", "aria-label": "Uploaded files" });
    const bar = h(
      "div",
      { class: "list-bar" },
      h("h3", {}, "Files that stations have uploaded"), h("span", { class: "grow" }),
      button("Ask for a log…", () => ask("DiagnosticsLog", this.url), { class: "btn small", title: "GetLog to the chosen station" }),
      button("Reload", () => void this.load(), { class: "btn small" }),
    );
    const where = h(
      "p",
      { class: "upload-where doc" },
      "GetLog with this remoteLocation brings a file here: ", this.place, " ",
      button("Copy", () => void copy(this.url), { class: "btn small quiet" }),
    );
    this.element = h("div", { class: "view files" }, bar, where, this.rows);
    let count = -1;
    csms.stateChanged.on(({ csms: own }) => {
      if (own.uploads !== count && this.visible) void this.load();
      count = own.uploads;
    });
    // One that replaces another does not change their number.
    csms.frames.changed.on(() => {
      const last = csms.frames.all.at(-1);
      if (this.visible && /^(Log|Diagnostics)StatusNotification$/.test(last?.action ?? "")) void this.load();
    });
  }

  shown() {
    this.visible = true;
    void this.load();
  }

  hidden() {
    this.visible = false;
  }

  async load() {
    try {
      const { uploads, url } = await this.csms.api.look("uploads");
      this.url = url;
      setText(this.place, url);
      fill(this.rows, uploads.length > 0 ? [...uploads].reverse().map(row) : h("li", { class: "vlist-empty" }, "No file yet. Ask a station for its log."));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notify(`uploads: ${words(error)}`, "error");
    }
  }
}

/** @param {UploadRow} file */
function row(file) {
  const link = h("a", { href: `/file/${encodeURIComponent(file.name)}`, download: file.name, class: "mono" }, file.name);
  return h("li", { class: "upload" }, link, h("span", { class: "dim" }, [file.station, size(file.bytes), dateTime(file.wall)].filter(Boolean).join(" · ")));
}

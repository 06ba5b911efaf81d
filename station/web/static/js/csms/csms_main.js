// The page of `station csms` is put together here: stations on the left, the views on the right, keys.

import { byId, fill, h } from "../dom.js";
import { connectionStrip } from "../connection_strip.js";
import { notify } from "../notify.js";
import { openPalette } from "../palette.js";
import { listen, openHelp } from "../shortcuts.js";
import { Tabs } from "../tabs.js";
import { toggleTheme } from "../theme.js";
import { Access } from "./access.js";
import { CsmsHeader } from "./csms_header.js";
import { CsmsModel } from "./csms_model.js";
import { Files } from "./files.js";
import { firstVisit, howToConnect } from "./first_visit.js";
import { freshNumber } from "./message_form.js";
import { QuickButtons } from "./quick.js";
import { Sender } from "./sender.js";
import { Sessions } from "./sessions.js";
import { StationCard } from "./station_card.js";
import { StationList } from "./station_list.js";
import { Talk } from "./talk.js";
import { Trouble } from "./trouble.js";

const csms = new CsmsModel();

const palette = () => openPalette(csms, () => 1);
const help = () => openHelp(shortcuts, first.show);
const compose = (/** @type {string} */ station, /** @type {string} */ action, /** @type {Record<string, unknown>} */ payload) => {
  tabs.use("send");
  void sender.compose(station, action, payload);
};

const talk = new Talk(csms, ({ station, text, action, payload }) => {
  if (action !== undefined) compose(station, action, /** @type {Record<string, unknown>} */ (payload ?? {}));
  else {
    csms.choose(station);
    tabs.use("trouble");
    trouble.showRaw(text ?? "");
  }
});
const sender = new Sender(csms);
const sessions = new Sessions(csms);
const quick = new QuickButtons(csms, compose);
const access = new Access(csms, (tokens) => quick.showTokens(tokens));
const trouble = new Trouble(csms);
const files = new Files(csms, (logType, remoteLocation) => compose(csms.chosen, "GetLog", { logType, requestId: freshNumber(), log: { remoteLocation } }));
const list = new StationList(csms);
const card = new StationCard(csms, {
  frames: (station) => {
    tabs.use("talk");
    talk.filter.set({ station });
  },
  sessions: (_station, transaction) => {
    tabs.use("sessions");
    if (transaction !== undefined) void sessions.reveal(transaction);
  },
});
const connect = howToConnect(csms);
const tabs = new Tabs([
  { name: "bench", title: "Stations", view: { element: byId("view-bench") }, phone: true },
  { name: "talk", title: "Conversation", short: "Frames", view: talk },
  { name: "send", title: "Send", view: sender },
  { name: "sessions", title: "Transactions", short: "Sessions", view: sessions },
  { name: "access", title: "Cards and boot", short: "Cards", view: access },
  { name: "trouble", title: "Trouble", view: trouble },
  { name: "files", title: "Files", view: files },
]);
const showConnect = () => {
  if (narrow.matches) tabs.use("bench");
  connect.open = true;
  connect.scrollIntoView({ block: "nearest" });
};
const header = new CsmsHeader(csms, { palette, help, trouble: () => tabs.use("trouble"), link: () => trouble.toggleLink() });
const first = firstVisit([
  { title: "Connect a station", text: "yours, anybody's, or one of ours.", label: "Address", does: showConnect },
  { title: "Watch", text: "every frame of every station.", label: "Conversation", does: () => tabs.use("talk") },
  { title: "Send", text: "any message, from a form.", label: "Send", does: () => tabs.use("send") },
  { title: "Misbehave", text: "late, never, garbage, Rejected, gone.", label: "Trouble", does: () => tabs.use("trouble") },
]);

/** @type {import("../shortcuts.js").Shortcut[]} */
const shortcuts = [
  { key: "j", shown: "j k", text: "next station, previous station", does: () => list.step(1) },
  { key: "k", shown: "j k", text: "next station, previous station", does: () => list.step(-1) },
  { key: "m", text: "send a message", does: () => { tabs.use("send"); sender.focusFilter(); } },
  { key: "f", text: "plan a fault", does: () => { tabs.use("trouble"); trouble.focusFilter(); } },
  { key: "o", text: "the CSMS vanishes, or is back", does: () => trouble.toggleLink() },
  { key: "/", text: "find in this view", does: () => tabs.view?.focusFilter?.() },
  { key: "[", shown: "[ ]", text: "previous view, next view", does: () => void tabs.step(-1) },
  { key: "]", shown: "[ ]", text: "previous view, next view", does: () => void tabs.step(1) },
  { key: "t", text: "dark or light", does: toggleTheme },
  { key: "?", text: "this overlay", does: help },
];

const narrow = matchMedia("(max-width: 900px)");
narrow.addEventListener("change", () => {
  if (!narrow.matches && tabs.current === "bench") tabs.use("talk");
});

byId("view-bench").append(h("div", { class: "bench-inner" }, connect, list.element, card.element, quick.element));
fill(byId("work"), tabs.nav, h("main", { class: "views", id: "views" }, [talk, sender, sessions, access, trouble, files].map((view) => view.element)));
fill(byId("top"), header.element, connectionStrip(csms.stream, "station csms"), first.element);
listen(shortcuts, palette);
csms.troubled.on((text) => notify(text, "error"));
tabs.use(narrow.matches ? "bench" : "talk");
csms.open();

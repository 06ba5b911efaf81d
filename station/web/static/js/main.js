// The page is put together here: one station, the bench on the left, the views on the right, keys.

import { ActivityView } from "./activity.js";
import { Bench } from "./bench.js";
import { Charging } from "./charging.js";
import { openComposer } from "./composer.js";
import { connectionStrip } from "./connection_strip.js";
import { Conversation } from "./conversation.js";
import { byId, fill, h } from "./dom.js";
import { Header } from "./header.js";
import { notify } from "./notify.js";
import { openPalette } from "./palette.js";
import { Records } from "./records.js";
import { Settings } from "./settings.js";
import { listen, openHelp } from "./shortcuts.js";
import { StationModel } from "./station.js";
import { STATIONS, chosen, picker } from "./stations.js";
import { Tabs } from "./tabs.js";
import { toggleTheme } from "./theme.js";
import { Transactions } from "./transactions.js";
import { welcome } from "./welcome.js";

const entry = chosen(STATIONS, location.hash);
const station = new StationModel(entry.base);

const palette = () => openPalette(station, () => bench.chosen);
const compose = (/** @type {{text?: string, action?: string, payload?: unknown}} */ given) => openComposer(station, given);
const help = () => openHelp(shortcuts, first.show);

const bench = new Bench(station, (transaction) => {
  tabs.use("transactions");
  void transactions.reveal(transaction);
});
const conversation = new Conversation(station, compose);
const transactions = new Transactions(station, (transaction) => {
  tabs.use("conversation");
  conversation.filter.set({ transaction });
});
const charging = new Charging(station, bench.looked);
const settings = new Settings(station);
const records = new Records(station);
const activity = new ActivityView(station);
const tabs = new Tabs([
  { name: "bench", title: "Bench", view: { element: byId("view-bench") }, phone: true },
  { name: "conversation", title: "Conversation", short: "Frames", view: conversation },
  { name: "transactions", title: "Transactions", short: "Sessions", view: transactions },
  { name: "charging", title: "Charging", short: "Plan", view: charging },
  { name: "settings", title: "Settings", view: settings },
  { name: "records", title: "Records", view: records },
  { name: "activity", title: "Activity", short: "Log", view: activity },
]);
const header = new Header(station, picker(STATIONS, entry), { palette, help, records: () => tabs.use("records") });
const first = welcome([
  { title: "Plug in a car", text: "and swipe a card: a session begins.", label: "Plug in", does: () => bench.controls.plug() },
  { title: "Watch", text: "power, limits, and every frame with the CSMS.", label: "Conversation", does: () => tabs.use("conversation") },
  { title: "Break something", text: "a fault, the network, the power, a malformed frame.", label: "Go offline", does: () => header.toggleNetwork() },
  { title: "Find the rest", text: "every command there is, by a few letters: Ctrl K.", label: "Commands", does: palette },
]);

/** @type {import("./shortcuts.js").Shortcut[]} */
const shortcuts = [
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((evse) => ({ key: String(evse), shown: "1–8", text: "choose an EVSE", does: () => bench.choose(evse) })),
  { key: "p", text: "plug in, or unplug", does: () => (bench.plugged ? bench.controls.unplug(false) : bench.controls.plug()) },
  { key: "e", text: "unplug at the car", does: () => bench.controls.unplug(true) },
  { key: "s", text: "swipe the card", does: () => bench.controls.swipe() },
  { key: "x", text: "stop the session", does: () => bench.controls.stop() },
  { key: "b", text: "press the start/stop button", does: () => bench.controls.press() },
  { key: "f", text: "raise a fault, or clear it", does: () => bench.controls.raiseOrClear() },
  { key: "o", text: "network out, or in again", does: () => header.toggleNetwork() },
  { key: "c", text: "cut the power, or bring it back", does: () => header.togglePower() },
  { key: " ", shown: "Space", text: "time stands still, or goes on", does: () => header.pause() },
  { key: "+", shown: "+ −", text: "faster, slower", does: () => header.stepSpeed(1) },
  { key: "-", shown: "+ −", text: "faster, slower", does: () => header.stepSpeed(-1) },
  { key: "/", text: "find in this view", does: () => tabs.view?.focusFilter?.() },
  { key: "m", text: "send a message to the CSMS (expert)", does: () => compose({}) },
  { key: "[", shown: "[ ]", text: "previous view, next view", does: () => void tabs.step(-1) },
  { key: "]", shown: "[ ]", text: "previous view, next view", does: () => void tabs.step(1) },
  { key: "t", text: "dark or light", does: toggleTheme },
  { key: "?", text: "this overlay", does: help },
];

const narrow = matchMedia("(max-width: 900px)");
narrow.addEventListener("change", () => {
  if (!narrow.matches && tabs.current === "bench") tabs.use("conversation");
});

byId("view-bench").append(bench.element);
fill(byId("work"), tabs.nav, h("main", { class: "views", id: "views" }, [conversation, transactions, charging, settings, records, activity].map((view) => view.element)));
fill(byId("top"), header.element, connectionStrip(station.stream), first.element);
listen(shortcuts, palette);
station.troubled.on((text) => notify(text, "error"));
station.happened.on(({ topic, event }) => {
  if (topic === "refused") notify(`EVSE ${String(event["evse"] ?? "?")} refused: ${String(event["reason"])}`, "warn");
});
tabs.use(narrow.matches ? "bench" : "conversation");
station.open();

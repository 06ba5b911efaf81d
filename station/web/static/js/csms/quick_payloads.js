// The usual messages, with the few fields that usually matter: what each is in OCPP 2.0.1 and in 1.6.

import { freshNumber } from "./message_form.js";

/** @typedef {Record<string, string>} Values */

/**
 * A field: words to choose from, or what is offered while typing ("tokens", "running": what the CSMS knows; "": nothing).
 * @typedef {{name: string, label: string, words?: string[], offer?: "tokens" | "running", value?: string, short?: boolean, optional?: boolean}} QuickField
 */

/**
 * `upload`: where the station may put a file. `edit`: too long for a line, it opens as a form.
 * @typedef {{
 *   label: string, action: string, fields: QuickField[], edit?: boolean, danger?: boolean,
 *   payload: (values: Values, upload: string) => Record<string, unknown>,
 * }} Quick
 */

const EVSE = { name: "evse", label: "EVSE", short: true, optional: true };
const CONNECTOR = { name: "connector", label: "Connector", short: true, value: "1" };
const TOKEN = { name: "token", label: "Card", offer: /** @type {const} */ ("tokens"), value: "04A1B2C3" };
const RUNNING = { name: "transaction", label: "Transaction", offer: /** @type {const} */ ("running") };
const AMPS = { name: "amps", label: "A", short: true, value: "16" };
const SPAN = [{ name: "duration", label: "Seconds", short: true, value: "86400" }, { name: "unit", label: "Unit", words: ["A", "W"] }];
/** The limit that the button "Default limit" has set. */
const OURS = "Default limit";
const TX_PURPOSES = ["TxDefaultProfile", "TxProfile"];
/** Plus the number of the EVSE: far from the ids that others give, so the button replaces its own limits only. */
const FIRST_ID = 9000;
const LOGS = ["DiagnosticsLog", "SecurityLog"];
const TRIGGERS = [
  "StatusNotification", "MeterValues", "TransactionEvent", "BootNotification", "Heartbeat", "LogStatusNotification",
  "FirmwareStatusNotification", "SignChargingStationCertificate", "SignV2GCertificate", "SignCombinedCertificate",
];
const TRIGGERS_16 = ["StatusNotification", "MeterValues", "BootNotification", "Heartbeat", "DiagnosticsStatusNotification", "FirmwareStatusNotification"];

/**
 * "OCPPCommCtrlr.HeartbeatInterval", "Component[instance].Variable[instance]"; several with commas.
 * @param {string} text
 * @returns {{component: Record<string, string>, variable: Record<string, string>}[]}
 */
export function variablesOf(text) {
  const named = (/** @type {string} */ part) => {
    const [, name, instance] = /^([^[\]]*)(?:\[([^\]]*)\])?$/.exec(part.trim()) ?? [null, part.trim(), undefined];
    return { name: name ?? "", ...(instance === undefined ? {} : { instance }) };
  };
  return text
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean)
    .map((one) => {
      const [, component, variable] = /^([^.[]*(?:\[[^\]]*\])?)\.(.*)$/.exec(one) ?? [null, one, ""];
      return { component: named(component ?? ""), variable: named(variable ?? "") };
    });
}

/** A number where there is one; what was typed where it is none, for the schema to complain of. @param {string} text */
function whole(text) {
  return /^-?\d+$/.test(text.trim()) ? Number(text) : text.trim();
}

/** @type {Quick[]} */
const QUICKS_201 = [
  { label: "Reset", action: "Reset", danger: true, fields: [{ name: "type", label: "Kind", words: ["OnIdle", "Immediate"] }, EVSE], payload: (v) => ({ type: v["type"], ...(v["evse"] ? { evseId: whole(v["evse"]) } : {}) }) },
  { label: "Trigger", action: "TriggerMessage", fields: [{ name: "message", label: "Message", words: TRIGGERS }, { ...EVSE, value: "1" }], payload: trigger },
  { label: "Start", action: "RequestStartTransaction", fields: [TOKEN, { ...EVSE, value: "1" }], payload: (v) => ({ idToken: { idToken: v["token"], type: "ISO14443" }, remoteStartId: freshNumber(), ...(v["evse"] ? { evseId: whole(v["evse"]) } : {}) }) },
  { label: "Stop", action: "RequestStopTransaction", fields: [RUNNING], payload: (v) => ({ transactionId: v["transaction"] }) },
  { label: "Unlock", action: "UnlockConnector", fields: [{ ...EVSE, optional: false, value: "1" }, CONNECTOR], payload: (v) => ({ evseId: whole(v["evse"] ?? ""), connectorId: whole(v["connector"] ?? "") }) },
  { label: "Availability", action: "ChangeAvailability", fields: [{ name: "to", label: "To", words: ["Inoperative", "Operative"] }, EVSE], payload: (v) => ({ operationalStatus: v["to"], ...(v["evse"] ? { evse: { id: whole(v["evse"]) } } : {}) }) },
  { label: "Read", action: "GetVariables", fields: [{ name: "variables", label: "Component.Variable", value: "OCPPCommCtrlr.HeartbeatInterval" }], payload: (v) => ({ getVariableData: variablesOf(v["variables"] ?? "") }) },
  { label: "Write", action: "SetVariables", fields: [{ name: "variable", label: "Component.Variable", value: "OCPPCommCtrlr.HeartbeatInterval" }, { name: "value", label: "Value", short: true }], payload: (v) => ({ setVariableData: variablesOf(v["variable"] ?? "").map((each) => ({ attributeValue: v["value"], ...each })) }) },
  { label: "Report", action: "GetBaseReport", fields: [{ name: "base", label: "Base", words: ["FullInventory", "ConfigurationInventory", "SummaryInventory"] }], payload: (v) => ({ requestId: freshNumber(), reportBase: v["base"] }) },
  { label: "Log", action: "GetLog", fields: [{ name: "type", label: "Log", words: LOGS }], payload: getLog },
  { label: "Certificate", action: "InstallCertificate", fields: [{ name: "type", label: "Kind", words: ["CSMSRootCertificate", "ManufacturerRootCertificate", "V2GRootCertificate", "MORootCertificate"] }], edit: true, payload: (v) => ({ certificateType: v["type"], certificate: "" }) },
  { label: "Default limit", action: "SetChargingProfile", fields: [{ ...EVSE, optional: false, value: "1" }, AMPS], payload: profile201 },
  { label: "Clear limits", action: "ClearChargingProfile", fields: [{ name: "which", label: "Which", words: [OURS, ...TX_PURPOSES, "ChargingStationMaxProfile"] }, { ...EVSE, value: "1" }], payload: clear201 },
  { label: "Composite schedule", action: "GetCompositeSchedule", fields: [{ ...EVSE, optional: false, value: "1" }, ...SPAN], payload: (v) => ({ evseId: whole(v["evse"] ?? ""), ...span(v) }) },
];

/** @type {Quick[]} */
const QUICKS_16 = [
  { label: "Reset", action: "Reset", danger: true, fields: [{ name: "type", label: "Kind", words: ["Soft", "Hard"] }], payload: (v) => ({ type: v["type"] }) },
  { label: "Trigger", action: "TriggerMessage", fields: [{ name: "message", label: "Message", words: TRIGGERS_16 }, { ...CONNECTOR, optional: true }], payload: (v) => ({ requestedMessage: v["message"], ...(v["connector"] ? { connectorId: whole(v["connector"]) } : {}) }) },
  { label: "Start", action: "RemoteStartTransaction", fields: [TOKEN, { ...CONNECTOR, optional: true }], payload: (v) => ({ idTag: v["token"], ...(v["connector"] ? { connectorId: whole(v["connector"]) } : {}) }) },
  { label: "Stop", action: "RemoteStopTransaction", fields: [RUNNING], payload: (v) => ({ transactionId: whole(v["transaction"] ?? "") }) },
  { label: "Unlock", action: "UnlockConnector", fields: [CONNECTOR], payload: (v) => ({ connectorId: whole(v["connector"] ?? "") }) },
  { label: "Availability", action: "ChangeAvailability", fields: [{ name: "to", label: "To", words: ["Inoperative", "Operative"] }, { ...CONNECTOR, value: "0" }], payload: (v) => ({ connectorId: whole(v["connector"] ?? "0"), type: v["to"] }) },
  { label: "Read", action: "GetConfiguration", fields: [{ name: "keys", label: "Keys, none for all", value: "HeartbeatInterval", optional: true }], payload: (v) => ({ ...(v["keys"] ? { key: v["keys"].split(",").map((key) => key.trim()).filter(Boolean) } : {}) }) },
  { label: "Write", action: "ChangeConfiguration", fields: [{ name: "key", label: "Key", value: "HeartbeatInterval" }, { name: "value", label: "Value", short: true }], payload: (v) => ({ key: v["key"], value: v["value"] }) },
  { label: "Log", action: "GetLog", fields: [{ name: "type", label: "Log", words: LOGS }], payload: getLog },
  { label: "Diagnostics", action: "GetDiagnostics", fields: [], payload: (_v, upload) => ({ location: upload }) },
  { label: "Certificate", action: "InstallCertificate", fields: [{ name: "type", label: "Kind", words: ["CentralSystemRootCertificate", "ManufacturerRootCertificate"] }], edit: true, payload: (v) => ({ certificateType: v["type"], certificate: "" }) },
  { label: "Default limit", action: "SetChargingProfile", fields: [CONNECTOR, AMPS], payload: profile16 },
  { label: "Clear limits", action: "ClearChargingProfile", fields: [{ name: "which", label: "Which", words: [OURS, ...TX_PURPOSES, "ChargePointMaxProfile"] }, { ...CONNECTOR, optional: true }], payload: clear16 },
  { label: "Composite schedule", action: "GetCompositeSchedule", fields: [CONNECTOR, ...SPAN], payload: (v) => ({ connectorId: whole(v["connector"] ?? ""), ...span(v) }) },
];

/** @param {string} version */
export function quicks(version) {
  return version === "1.6" ? QUICKS_16 : QUICKS_201;
}

/** @param {Values} values */
function trigger(values) {
  const message = values["message"];
  if (!values["evse"]) return { requestedMessage: message };
  const id = whole(values["evse"]);
  // F06.FR.12: a StatusNotification is of one connector.
  return { requestedMessage: message, evse: message === "StatusNotification" ? { id, connectorId: 1 } : { id } };
}

/**
 * @param {Values} values
 * @param {string} upload
 */
function getLog(values, upload) {
  return { logType: values["type"], requestId: freshNumber(), log: { remoteLocation: upload } };
}

/** The id of the default limit of an EVSE (a connector). @param {string} text */
function limitId(text) {
  const number = whole(text);
  return typeof number === "number" ? FIRST_ID + number : FIRST_ID;
}

/** @param {Values} values */
function profile201(values) {
  const evse = values["evse"] ?? "";
  const schedule = { id: limitId(evse), chargingRateUnit: "A", chargingSchedulePeriod: [{ startPeriod: 0, limit: Number(values["amps"]) }] };
  const profile = { id: limitId(evse), stackLevel: 0, chargingProfilePurpose: "TxDefaultProfile", chargingProfileKind: "Absolute", chargingSchedule: [{ ...schedule, startSchedule: new Date().toISOString() }] };
  return { evseId: whole(evse), chargingProfile: profile };
}

/** @param {Values} values */
function profile16(values) {
  const connector = values["connector"] ?? "";
  const schedule = { startSchedule: new Date().toISOString(), chargingRateUnit: "A", chargingSchedulePeriod: [{ startPeriod: 0, limit: Number(values["amps"]) }] };
  const profile = { chargingProfileId: limitId(connector), stackLevel: 0, chargingProfilePurpose: "TxDefaultProfile", chargingProfileKind: "Absolute", chargingSchedule: schedule };
  return { connectorId: whole(connector), csChargingProfiles: profile };
}

/** @param {Values} values */
function clear201(values) {
  const { which, evse = "" } = values;
  if (which === OURS) return { chargingProfileId: limitId(evse) };
  // A ChargingStationMaxProfile is of the station itself, whatever EVSE stands in the line.
  const place = evse === "" || !TX_PURPOSES.includes(which ?? "") ? {} : { evseId: whole(evse) };
  return { chargingProfileCriteria: { chargingProfilePurpose: which, ...place } };
}

/** @param {Values} values */
function clear16(values) {
  const { which, connector = "" } = values;
  if (which === OURS) return { id: limitId(connector) };
  const place = connector === "" || !TX_PURPOSES.includes(which ?? "") ? {} : { connectorId: whole(connector) };
  return { chargingProfilePurpose: which, ...place };
}

/** @param {Values} values */
function span(values) {
  return { duration: whole(values["duration"] ?? ""), chargingRateUnit: values["unit"] };
}

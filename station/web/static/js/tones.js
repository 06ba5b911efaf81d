// Words of the station to colours, and to sentences for people.

/** @typedef {"good" | "busy" | "wait" | "warn" | "bad" | "off"} Tone */

/** @type {Record<string, Tone>} */
const PHASES = {
  Available: "good",
  Preparing: "warn",
  Charging: "busy",
  SuspendedEV: "wait",
  SuspendedEVSE: "wait",
  Finishing: "warn",
  Reserved: "warn",
  Unavailable: "off",
  Faulted: "bad",
};

/** @type {Record<string, Tone>} */
const LAMPS = {
  Available: "good",
  Occupied: "warn",
  WaitingForAuthorization: "warn",
  Charging: "busy",
  Paused: "wait",
  Refused: "bad",
  Fault: "bad",
  Unavailable: "off",
};

/** IEC 61851-1 table A.1, in few words. @type {Record<string, string>} */
export const PILOT = {
  A: "no car",
  B: "car connected, not ready",
  C: "car takes energy",
  D: "car takes energy, wants ventilation",
  E: "pilot short circuit",
  F: "EVSE not available",
};

/** @param {string} phase @returns {Tone} */
export function phaseTone(phase) {
  return PHASES[phase] ?? "off";
}

/** @param {string} lamp @returns {Tone} */
export function lampTone(lamp) {
  return LAMPS[lamp] ?? "off";
}

/**
 * How the connection to the CSMS is, in a few words.
 * @param {import("./types.js").Station} station
 * @returns {{text: string, tone: Tone}}
 */
export function connection(station) {
  const version = station.version === null ? "" : `OCPP ${station.version} `;
  if (!station.powered) return { text: "No power", tone: "bad" };
  if (!station.running) return { text: "Not running", tone: "bad" };
  if (station.resetting) return { text: "Restarting", tone: "warn" };
  if (!station.connected) return { text: "Network unplugged", tone: "warn" };
  if (station.online) return { text: `${version}online`, tone: "good" };
  if (station.version !== null) return { text: `${version}${station.registration}`, tone: "warn" };
  return { text: "Connecting", tone: "warn" };
}

/**
 * Why the current is what it is, in a sentence.
 * @param {import("./types.js").Evse} evse
 */
export function because(evse) {
  if (evse.cause === "car") return `${amps(evse.offered_a)} offered; the car takes less`;
  return `${evse.offered_a > 0 ? amps(evse.offered_a) : "Nothing"} offered, because of: ${evse.cause}`;
}

/** @param {number} value */
function amps(value) {
  return `${Math.round(value * 10) / 10} A`;
}

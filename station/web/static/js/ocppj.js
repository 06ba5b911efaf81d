// OCPP-J frames as text: what stands in them, for people.

/** @typedef {import("./types.js").Frame} Frame */

const CALL_PAYLOAD = 3;
const BRIEF_LENGTH = 220;

/**
 * The JSON of a frame; undefined when it is none.
 * @param {Frame} frame
 * @returns {unknown}
 */
export function parsed(frame) {
  try {
    return JSON.parse(frame.text);
  } catch {
    return undefined;
  }
}

/**
 * The part that matters: payload of a CALL, SEND or CALLRESULT, code and words of an error, anything else whole.
 * @param {Frame} frame
 * @returns {unknown}
 */
export function payload(frame) {
  const array = parsed(frame);
  if (!Array.isArray(array)) return array;
  switch (frame.type) {
    case "CALL":
    case "SEND":
      return array[CALL_PAYLOAD];
    case "CALLRESULT":
      return array[2];
    case "CALLERROR":
    case "CALLRESULTERROR":
      return { errorCode: array[2], errorDescription: array[3], errorDetails: array[4] };
    default:
      return array;
  }
}

/** Leaves whose value speaks for itself: their names are left out. */
const PLAIN = new Set([
  "eventType", "triggerReason", "status", "connectorStatus", "reason", "chargingState", "stoppedReason", "type", "kind", "errorCode",
  "errorDescription", "requestedMessage", "messageTrigger", "operationalStatus", "attributeStatus", "idTag", "idToken", "measurand",
]);
/** Leaves that nobody reads in passing: the row has its own time, and ids are in the opened frame. */
const NOISE = new Set(["timestamp", "transactionId", "connectorId", "evseId", "id", "context", "format", "location", "numberOfPhasesUsed"]);

/** @type {WeakMap<Frame, string>} */
const briefs = new WeakMap();

/**
 * One line: what the payload says, without what every payload says.
 * @param {Frame} frame
 */
export function brief(frame) {
  const known = briefs.get(frame);
  if (known !== undefined) return known;
  const value = payload(frame);
  const text = value === undefined ? frame.text.slice(0, BRIEF_LENGTH) : leaves(value);
  briefs.set(frame, text);
  return text;
}

/**
 * What any payload says, in one line.
 * @param {unknown} value
 * @returns {string}
 */
export function leaves(value) {
  /** @type {string[]} */
  const parts = [];
  let length = 0;
  const walk = (/** @type {unknown} */ node, /** @type {string} */ name) => {
    if (length > BRIEF_LENGTH || node === "") return;
    if (Array.isArray(node)) {
      for (const item of node) walk(item, name);
    } else if (typeof node === "object" && node !== null) {
      if ("measurand" in node && "value" in node) {
        walk(sampled(node), "");
        return;
      }
      for (const [key, item] of Object.entries(node)) {
        if (!NOISE.has(key) || typeof item === "object") walk(item, key);
      }
    } else {
      const text = name === "seqNo" ? `#${String(node)}` : name === "" || PLAIN.has(name) ? String(node) : `${name} ${String(node)}`;
      length += text.length + 3;
      parts.push(text);
    }
  };
  walk(value, "");
  return parts.join(" · ").slice(0, BRIEF_LENGTH);
}

/**
 * A sampled value of either version: "Power.Active.Import 10891.6 W".
 * @param {Record<string, any>} sample
 */
function sampled(sample) {
  const unit = sample["unitOfMeasure"]?.["unit"] ?? sample["unit"];
  return [sample["measurand"], sample["phase"], sample["value"], unit].filter((part) => part !== undefined && part !== null).join(" ");
}

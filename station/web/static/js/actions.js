// Doing something from a button or a key: carry it out, say how it went. Every control of the panel goes through here.

import { notify, words } from "./notify.js";

/** Whatever has a command table. @typedef {Pick<import("./station.js").StationModel, "api">} StationModel */

/**
 * @param {StationModel} station
 * @param {string} name of a command
 * @param {Record<string, unknown>} args undefined values are left out
 * @param {string | ((result: any) => string)} [said] what to say when it went well; "" for nothing
 * @returns {Promise<any>} the result, undefined when it was refused
 */
export async function act(station, name, args, said) {
  const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== undefined));
  try {
    const result = await station.api.act(name, given);
    const told = typeof said === "function" ? said(result) : (said ?? sentence(name, given));
    if (told !== "") notify(told);
    return result ?? {};
  } catch (error) {
    notify(`${name}: ${words(error)}`, "error");
    return undefined;
  }
}

/**
 * @param {string} name
 * @param {Record<string, unknown>} args
 */
function sentence(name, args) {
  const secret = name === "pin";
  const parts = Object.entries(args)
    .filter(([key]) => !(secret && key === "digits"))
    .map(([key, value]) => `${key} ${typeof value === "object" ? JSON.stringify(value) : String(value)}`);
  return parts.length > 0 ? `${name}: ${parts.join(", ")}` : `${name}: done`;
}

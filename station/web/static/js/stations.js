// The stations this page can show. Today the server has one; a fleet's server tells more, and then there is a choice.

import { choice, fill, h } from "./dom.js";

/** One station: `base` is the prefix of its control surface. @typedef {{id: string, name: string, base: string}} StationEntry */

/** @type {StationEntry[]} */
export const STATIONS = [{ id: "only", name: "", base: "/api/v1" }];

/**
 * The station that the address names (#station=...), or the first.
 * @param {StationEntry[]} stations
 * @param {string} hash
 */
export function chosen(stations, hash) {
  const id = new URLSearchParams(hash.replace(/^#/, "")).get("station");
  return stations.find((station) => station.id === id) ?? stations[0];
}

/**
 * A choice among stations; nothing to see while there is one.
 * @param {StationEntry[]} stations
 * @param {StationEntry} now
 */
export function picker(stations, now) {
  const place = h("span", { class: "stations" });
  if (stations.length < 2) return place;
  const select = choice(stations.map((station) => /** @type {[string, string]} */ ([station.id, station.name])), now.id, {
    "aria-label": "Station",
    on: {
      change: () => {
        location.hash = `station=${encodeURIComponent(select.value)}`;
        location.reload();
      },
    },
  });
  fill(place, select);
  return place;
}

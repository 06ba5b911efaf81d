// What `station csms` tells, as JSDoc types. The contract is /openapi.json; nothing here runs.

/** @typedef {{evse: number, connector: number, status: string}} StatusRow */

/**
 * @typedef {{
 *   id: string, connected: boolean, version: string | null, registration: string, connections: number, boot: Record<string, any>,
 *   statuses: StatusRow[], transactions: number, running: string[], security_events: number, complaints: string[],
 * }} StationRow
 */

/** @typedef {{kind: string, action: string | null, station: string | null, times: number | null, detail: string}} FaultRow */

/** @typedef {{kind: string, station: string, action: string, wall: number}} StrikeRow */

/**
 * @typedef {{
 *   url: string, versions: string[], listening: boolean, tls: boolean, refuse_tls: boolean, no_subprotocol: boolean, boots: string[],
 *   heartbeat_s: number, retry_s: number, faults: FaultRow[], struck: StrikeRow[], uploads: number,
 * }} CsmsRow
 */

/** @typedef {{csms: CsmsRow, stations: StationRow[]}} CsmsState */

/** One frame of any station; seen from the CSMS. @typedef {import("../types.js").Frame & {station: string}} TalkFrame */

/** What the reader wants to see. @typedef {import("../frames.js").FrameFilter & {station: string}} TalkFilter */

/**
 * @typedef {{
 *   id: string, ended: boolean, events: Record<string, any>[], start: Record<string, any> | null, stops: Record<string, any>[],
 *   samples: Record<string, any>[],
 * }} SessionRow
 */

/** @typedef {{value: string, status: string, group: string | null}} TokenRow */

/** @typedef {{name: string, station: string, wall: number, bytes: number}} UploadRow */

/**
 * A CALL that this page has sent. `ms`: how long the answer took, as the page sees it. `failed`: why there is no answer.
 * @typedef {{
 *   n: number, at: number, station: string, action: string, payload: Record<string, unknown>, waiting: boolean, ms: number,
 *   answer: Record<string, any> | null, error: Record<string, any> | null, failed: string,
 * }} Asked
 */

export {};

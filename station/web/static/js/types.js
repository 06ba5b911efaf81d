// What the station tells, as JSDoc types. The contract is docs/panel.md and /openapi.json; nothing here runs.

/** @typedef {{field: string, problem: string}} Problem */

/**
 * JSON Schema, as far as the command table uses it.
 * @typedef {{
 *   type?: string | string[], title?: string, description?: string, enum?: unknown[], const?: unknown, default?: unknown,
 *   minimum?: number, maximum?: number, maxLength?: number, pattern?: string, format?: string, writeOnly?: boolean,
 *   properties?: Record<string, Schema>, required?: string[], items?: Schema, anyOf?: Schema[], oneOf?: Schema[],
 *   additionalProperties?: boolean | Schema, examples?: unknown[], maxItems?: number,
 *   definitions?: Record<string, Schema>, $ref?: string,
 * }} Schema
 */

/**
 * One row of the command table.
 * @typedef {{
 *   name: string, doc: string, group: string, reads: boolean, needs_bench: boolean, passes_time: boolean,
 *   parameters: Schema, returns?: Schema,
 * }} Command
 */

/** @typedef {{cause: string, current_a: number}} Limit */

/**
 * @typedef {{
 *   energy_import_wh: number, power_w: number | null, current_a: number[], voltage_v: number[],
 *   frequency_hz: number | null, soc_percent: number | null, temperature_c: number | null,
 * }} Reading
 */

/**
 * @typedef {{
 *   id: string, charging_state: string, started: string, energy_wh: number, token: string | null,
 *   remote_start_id: number | null, seq: number,
 * }} RunningTransaction
 */

/**
 * @typedef {{
 *   evse: number, connector: number, pilot: string, connector_state: string, phase: string, lock: string,
 *   relay_closed: boolean, permit: boolean, authorized: boolean, token: string | null, faults: string[],
 *   operative: boolean, cable_a: number | null, offered_a: number, cause: string, limits: Limit[], lamp: string,
 *   reading: Reading | null, transaction: RunningTransaction | null, car: Record<string, unknown> | null,
 * }} Evse
 */

/**
 * @typedef {{
 *   identity: string, version: string | null, versions: string[], online: boolean, connected: boolean,
 *   trouble: string | null, powered: boolean, running: boolean, boots: number, time: string, wall: number, mono: number,
 *   speed: number | "max", paused: boolean, registration: string, security_profile: number | null, url: string,
 *   queue: number, dead: number, save_failed: boolean, operative: boolean, resetting: boolean, faults: string[],
 *   seed: string | null,
 * }} Station
 */

/** @typedef {{station: Station, evses: Evse[]}} State */

/**
 * @typedef {{
 *   n: number, wall: number, direction: "sent" | "received", type: string, id: string | null, action: string | null,
 *   text: string, bytes: number, verdict: string, latency_ms: number | null, evse: number | null,
 *   transaction: string | null, answers: number | null,
 * }} Frame
 */

/**
 * @typedef {{
 *   id: string, evse: number | null, started: string | null, ended: string | null, stop_reason: string | null, energy_wh: number,
 *   token: string | null, events: number, delivered: number,
 * }} TransactionRow
 */

/**
 * @typedef {{
 *   seq: number, phase: string, trigger: string, at: string, charging_state: string | null, register_wh: number | null,
 *   offline: boolean, token: string | null, stop_reason: string | null, samples: SampleRow[], state: string,
 * }} TransactionFact
 */

/** @typedef {{at: string, context: string, values: {measurand: string, value: number, unit: string, phase: string | null}[]}} SampleRow */

/**
 * Something that happened, for the activity list.
 * @typedef {{at: number, topic: string, event: Record<string, unknown>}} Activity
 */

export {};

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

/** What the driver said; departs: wall seconds. @typedef {{departs: number | null, energy_wh: number | null, priority: number | null}} Needs */

/**
 * @typedef {{
 *   evse: number, connector: number, pilot: string, connector_state: string, phase: string, lock: string,
 *   relay_closed: boolean, permit: boolean, authorized: boolean, token: string | null, faults: string[],
 *   operative: boolean, cable_a: number | null, offered_a: number, cause: string, limits: Limit[], needs: Needs | null, lamp: string,
 *   reading: Reading | null, transaction: RunningTransaction | null, car: Record<string, unknown> | null,
 * }} Evse
 */

/**
 * @typedef {{
 *   identity: string, version: string | null, versions: string[], online: boolean, connected: boolean,
 *   trouble: string | null, powered: boolean, running: boolean, boots: number, time: string, wall: number, mono: number,
 *   speed: number | "max", paused: boolean, registration: string, security_profile: number | null, url: string,
 *   queue: number, dead: number, save_failed: boolean, operative: boolean, resetting: boolean, faults: string[],
 *   profiles: number, profiles_version: number, seed: string | null,
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
 * What one profile, or the hardware, allows: `limit` in the unit of the plan, `given` in its own.
 * @typedef {{
 *   name: string, purpose: string | null, profile: number | null, stack_level: number | null, limit: number | null,
 *   phases: number | null, given: number | null, given_unit: string, binding: boolean,
 * }} PlanSource
 */

/**
 * start, until: seconds since the plan's start. l2, l3: where phases differ.
 * @typedef {{
 *   start: number, until: number, limit: number | null, l2: number | null, l3: number | null, phases: number | null,
 *   cause: string | null, sources: PlanSource[],
 * }} PlanPeriod
 */

/**
 * at: wall seconds.
 * @typedef {{
 *   at: number, local: string, sentence: string, limit: number | null, unit: string, phases: number | null, cause: string | null,
 *   new_cause: boolean, sources: PlanSource[],
 * }} PlanChange
 */

/**
 * The composite schedule from `start` (wall seconds) on. local: seconds to add to UTC, from each wall second on.
 * enabled: without it no profile is in it.
 * @typedef {{
 *   enabled: boolean, evse: number, start: number, duration: number, unit: string, local: {at: number, offset_s: number}[],
 *   periods: PlanPeriod[], changes: PlanChange[],
 * }} Plan
 */

/** @typedef {{unit: string, start: number | null, duration: number | null, periods: {start: number, limit: number | null, phases: number | null}[]}} Schedule */

/**
 * An installed charging profile. Times are wall seconds.
 * @typedef {{
 *   id: number, evse: number, purpose: string, kind: string, recurrency: string | null, stack_level: number, valid_from: number | null,
 *   valid_to: number | null, transaction: string | null, source: string, schedules: Schedule[],
 * }} Profile
 */

/**
 * Something that happened, for the activity list.
 * @typedef {{at: number, topic: string, event: Record<string, unknown>}} Activity
 */

export {};

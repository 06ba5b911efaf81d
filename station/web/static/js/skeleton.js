// A payload to begin with, from a message's JSON Schema: what is required, with the first value that fits.

/** @typedef {import("./types.js").Schema} Schema */

const DEEPEST = 8;

/**
 * @param {Schema} schema
 * @param {Schema} [whole] where $ref looks
 * @param {number} [depth]
 * @returns {unknown}
 */
export function skeleton(schema, whole = schema, depth = 0) {
  const found = resolve(schema, whole);
  if (depth > DEEPEST) return null;
  if (found.enum) return found.enum[0];
  if (found.default !== undefined) return found.default;
  switch (found.type) {
    case "object": {
      const required = found.required ?? [];
      return Object.fromEntries(required.map((name) => [name, skeleton(found.properties?.[name] ?? {}, whole, depth + 1)]));
    }
    case "array":
      return found.items === undefined ? [] : [skeleton(found.items, whole, depth + 1)];
    case "integer":
    case "number":
      return found.minimum ?? 0;
    case "boolean":
      return false;
    case "string":
      return found.format === "date-time" ? "2026-01-01T00:00:00Z" : "";
    default:
      return null;
  }
}

/**
 * @param {Schema} schema
 * @param {Schema} whole
 * @returns {Schema}
 */
function resolve(schema, whole) {
  const name = /^#\/definitions\/(.+)$/.exec(schema.$ref ?? "")?.[1];
  return name === undefined ? schema : (whole.definitions?.[name] ?? {});
}

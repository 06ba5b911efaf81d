// How a value that a JSON Schema describes is typed into one field, and read back.

/** @typedef {import("./types.js").Schema} Schema */

/** @typedef {"choice" | "flag" | "number" | "list" | "loose" | "group" | "json" | "text"} Entry */

/**
 * The schema without "or null".
 * @param {Schema} schema
 * @returns {Schema}
 */
export function core(schema) {
  const options = alternatives(schema);
  if (options.length === 1) return { ...schema, anyOf: undefined, oneOf: undefined, ...options[0] };
  if (Array.isArray(schema.type)) {
    const types = schema.type.filter((type) => type !== "null");
    return types.length === 1 ? { ...schema, type: types[0] } : schema;
  }
  return schema;
}

/** @param {Schema} schema */
function alternatives(schema) {
  return (schema.anyOf ?? schema.oneOf ?? []).filter((option) => option.type !== "null");
}

/**
 * @param {Schema} schema
 * @returns {Entry}
 */
export function entry(schema) {
  const bare = core(schema);
  if (bare.enum) return "choice";
  switch (bare.type) {
    case "boolean":
      return "flag";
    case "integer":
    case "number":
      return "number";
    case "array":
      return ["string", "integer", "number"].includes(String(bare.items?.type)) ? "list" : "json";
    case "object":
      return Object.keys(bare.properties ?? {}).length > 0 ? "group" : "json";
    case "string":
      return "text";
    default:
      return alternatives(bare).every(isScalar) && alternatives(bare).length > 0 ? "loose" : "json";
  }
}

/** @param {Schema} schema */
function isScalar(schema) {
  return schema.enum !== undefined || ["string", "integer", "number", "boolean"].includes(String(schema.type));
}

/**
 * The value that a text stands for; undefined: left out. Throws a TypeError that completes the field's name.
 * @param {Schema} schema
 * @param {string} text
 * @returns {unknown}
 */
export function valueOf(schema, text) {
  const bare = core(schema);
  if (text.trim() === "") return undefined;
  switch (entry(schema)) {
    case "choice":
      return (bare.enum ?? []).find((option) => String(option) === text);
    case "flag":
      return text === "true";
    case "number":
      return numeric(text);
    case "list": {
      const items = text.split(/[,\n]/).map((item) => item.trim()).filter(Boolean);
      return bare.items?.type === "string" ? items : items.map(numeric);
    }
    case "loose":
      return Number.isFinite(Number(text)) ? Number(text) : text;
    case "json":
      return table(text);
    default:
      return text;
  }
}

/** @param {string} text */
function numeric(text) {
  const value = Number(text.replace(",", "."));
  if (!Number.isFinite(value)) throw new TypeError("must be a number");
  return value;
}

/**
 * JSON, or lines of `name = value` for a table.
 * @param {string} text
 */
function table(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
    const pairs = lines.map((line) => /^([^\s={}[\]"]+)\s*=\s*(.*)$/.exec(line));
    if (pairs.length > 0 && pairs.every((pair) => pair !== null)) return Object.fromEntries(pairs.map((pair) => [pair?.[1], pair?.[2]]));
    throw new TypeError(`must be JSON, or lines of name = value (${error instanceof Error ? error.message : "unreadable"})`);
  }
}

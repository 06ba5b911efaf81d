// The control surface over HTTP: look (reads) and act (does). Errors keep the fields that they name.

/** @typedef {import("./types.js").Problem} Problem */

/** The station refused, or could not be asked. `code` is its word for it ("invalid", "conflict"...) or "unreachable". */
export class ApiError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {Problem[]} [problems]
   */
  constructor(code, message, problems = []) {
    super(message);
    this.name = "ApiError";
    this.code = code;
    this.problems = problems;
  }
}

/** One station's control surface. `base` is its prefix: a fleet has one of these per station. */
export class Api {
  /** @param {string} [base] */
  constructor(base = "/api/v1") {
    this.base = base;
  }

  /**
   * Carry out a command.
   * @param {string} name
   * @param {Record<string, unknown>} [args]
   * @returns {Promise<any>} its result
   */
  async act(name, args = {}) {
    const body = JSON.stringify(args);
    const headers = { "Content-Type": "application/json", Accept: "application/json" };
    const answer = await this.#fetch(`/do/${encodeURIComponent(name)}`, { method: "POST", body, headers });
    return answer.result;
  }

  /**
   * Ask what changes nothing. Undefined and null arguments are left out.
   * @param {string} name
   * @param {Record<string, string | number | boolean | null | undefined>} [args]
   * @returns {Promise<any>}
   */
  async look(name, args = {}) {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(args)) {
      if (value !== undefined && value !== null && value !== "") query.set(key, String(value));
    }
    const tail = query.size > 0 ? `?${query}` : "";
    const answer = await this.#fetch(`/look/${encodeURIComponent(name)}${tail}`);
    return answer.result ?? answer;
  }

  /** @returns {Promise<import("./types.js").Command[]>} */
  async commands() {
    return (await this.#fetch("/commands")).commands;
  }

  /**
   * JSON Schema of a message's request; without an action: the names of all there are.
   * @param {string} version
   * @param {string} [action]
   * @returns {Promise<any>}
   */
  schema(version, action) {
    const tail = action === undefined ? "" : `/${encodeURIComponent(action)}`;
    return this.#fetch(`/schemas/${encodeURIComponent(version)}${tail}`);
  }

  /**
   * @param {string} path
   * @param {RequestInit} [options]
   * @returns {Promise<any>}
   */
  async #fetch(path, options = {}) {
    let response;
    try {
      response = await fetch(this.base + path, { credentials: "same-origin", cache: "no-store", ...options });
    } catch {
      throw new ApiError("unreachable", "the station's program cannot be reached; is it still running?");
    }
    const text = await response.text();
    /** @type {any} */
    let body = null;
    try {
      body = JSON.parse(text);
    } catch {
      throw new ApiError("unreadable", `answer ${response.status} is not JSON`);
    }
    if (response.ok) return body;
    throw new ApiError(body?.code ?? String(response.status), body?.error ?? `answer ${response.status}`, body?.problems ?? []);
  }
}

// The CSMS as the page knows it: its state, the conversation, the chosen station, and what this page has asked stations.

import { Api, ApiError } from "../api.js";
import { words } from "../notify.js";
import { Signal } from "../signal.js";
import { Stream } from "../stream.js";
import { TalkFrames, asFrame } from "./talk_frames.js";

/** @typedef {import("./csms_types.js").CsmsState} CsmsState */
/** @typedef {import("./csms_types.js").StationRow} StationRow */
/** @typedef {import("./csms_types.js").TalkFrame} TalkFrame */
/** @typedef {import("./csms_types.js").Asked} Asked */
/** @typedef {import("../types.js").Command} Command */
/** @typedef {import("../types.js").Schema} Schema */

const BASE = "/api/v1";
const TOPICS = ["state", "frame", "command"];
/** As many as the server keeps, and gives at once. */
const MOST_FRAMES = 5000;
const MOST_ASKED = 100;

export class CsmsModel {
  constructor() {
    this.api = new Api(BASE);
    this.stream = new Stream(BASE, TOPICS);
    this.frames = new TalkFrames();
    /** @type {CsmsState | null} */
    this.state = null;
    /** @type {Map<string, Command>} */
    this.commands = new Map();
    /** The chosen station's identity; "" for none. */
    this.chosen = "";
    /** @type {Asked[]} newest first */
    this.asked = [];
    /** @type {Map<string, Promise<any>>} */
    this.read = new Map();
    /** @type {TalkFrame[]} told by the stream while earlier ones are still being asked for */
    this.waiting = [];
    this.catching = false;
    /** @type {Signal<CsmsState>} */
    this.stateChanged = new Signal();
    /** Another station is chosen. @type {Signal<string>} */
    this.chosenChanged = new Signal();
    /** @type {Signal<void>} */
    this.askedChanged = new Signal();
    /** A command was carried out, by whomever. @type {Signal<string>} */
    this.commanded = new Signal();
    /** Something that a person should read. @type {Signal<string>} */
    this.troubled = new Signal();
    this.stream.changed.on((state) => {
      if (state === "open") void this.#catchUp();
    });
    this.stream.events.on(({ topic, data }) => this.#heard(topic, data));
  }

  open() {
    this.stream.open();
  }

  /** The chosen station. @returns {StationRow | undefined} */
  get station() {
    return this.state?.stations.find((row) => row.id === this.chosen);
  }

  /** @param {string} id */
  choose(id) {
    if (id === this.chosen) return;
    this.chosen = id;
    this.chosenChanged.emit(id);
  }

  /**
   * The messages that a CSMS sends in this version.
   * @param {string} version
   * @returns {Promise<string[]>}
   */
  async messages(version) {
    const answer = await this.#once(`messages ${version}`, () => this.api.look("messages", { version }));
    return answer.actions;
  }

  /**
   * @param {string} version
   * @param {string} action
   * @returns {Promise<Schema>}
   */
  schema(version, action) {
    return this.#once(`schema ${version} ${action}`, () => this.api.schema(version, action));
  }

  /**
   * Send a CALL; the answer is kept in `asked`, and whoever asked gets that row when it has come.
   * Throws ApiError when nothing was sent because something in it is wrong.
   * @param {string} station
   * @param {string} action
   * @param {Record<string, unknown>} payload
   * @param {{check?: boolean, within?: number}} [how]
   * @returns {Promise<Asked>}
   */
  async call(station, action, payload, how = {}) {
    /** @type {Asked} */
    const row = { n: (this.asked[0]?.n ?? 0) + 1, at: Date.now() / 1000, station, action, payload, waiting: true, ms: 0, answer: null, error: null, failed: "" };
    this.asked.unshift(row);
    this.asked.splice(MOST_ASKED);
    this.askedChanged.emit();
    const began = performance.now();
    try {
      const result = await this.api.act("call", { station, action, payload, ...how });
      row.answer = result.payload;
      row.error = result.error;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      row.failed = words(error);
      if (error.code === "invalid") {
        this.asked = this.asked.filter((other) => other !== row); // nothing was sent: the form says why
        throw error;
      }
    } finally {
      row.waiting = false;
      row.ms = performance.now() - began;
      this.askedChanged.emit();
    }
    return row;
  }

  /**
   * Ask once for what does not change; a failure is not remembered.
   * @param {string} key
   * @param {() => Promise<any>} ask
   */
  #once(key, ask) {
    let found = this.read.get(key);
    if (found === undefined) {
      found = ask();
      found.catch(() => this.read.delete(key));
      this.read.set(key, found);
    }
    return found;
  }

  /** Everything anew, after a first or a repeated connection: the program may be another one by now. */
  async #catchUp() {
    this.catching = true;
    try {
      const [commands, state] = await Promise.all([this.api.commands(), this.api.look("state")]);
      this.commands = new Map(commands.map((command) => [command.name, command]));
      this.#newState(state);
      await this.#catchUpFrames();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.troubled.emit(error.message);
    } finally {
      this.catching = false;
      this.frames.add(this.waiting.splice(0));
    }
  }

  async #catchUpFrames() {
    const known = this.frames.all.at(-1);
    let found = await this.#framesAfter(known === undefined ? -1 : known.n - 1);
    if (known !== undefined) {
      const [same] = found;
      const forgotten = same !== undefined && same.n > known.n;
      if (!forgotten && (same?.n !== known.n || same.wall !== known.wall || same.text !== known.text)) {
        this.frames.clear();
        found = await this.#framesAfter(-1);
      }
    }
    this.frames.loaded = true;
    this.frames.add(found);
  }

  /**
   * @param {number} after
   * @returns {Promise<TalkFrame[]>}
   */
  async #framesAfter(after) {
    const { frames } = await this.api.look("frames", { after, limit: MOST_FRAMES });
    return frames.map(asFrame);
  }

  /**
   * @param {string} topic
   * @param {any} data
   */
  #heard(topic, data) {
    if (topic === "state") this.#newState(data);
    else if (topic === "frame") this.#newFrame(asFrame(data));
    else if (topic === "command") this.commanded.emit(String(data.name));
    else if (topic === "gap") void this.#catchUp();
  }

  /** @param {TalkFrame} frame */
  #newFrame(frame) {
    if (this.catching) this.waiting.push(frame);
    else this.frames.add([frame]);
  }

  /** @param {CsmsState} state */
  #newState(state) {
    this.state = state;
    if (this.station === undefined) {
      const first = state.stations.find((row) => row.connected) ?? state.stations[0];
      if (first !== undefined) this.choose(first.id);
    }
    this.stateChanged.emit(state);
  }
}

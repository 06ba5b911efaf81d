// One station as the panel knows it: its state, conversation, history and activity, kept current by the stream.

import { Api, ApiError } from "./api.js";
import { wallOf } from "./format.js";
import { FrameLog } from "./frames.js";
import { History, sampleOf, samplesOf } from "./history.js";
import { Signal } from "./signal.js";
import { Stream } from "./stream.js";

/** @typedef {import("./types.js").State} State */
/** @typedef {import("./types.js").Command} Command */
/** @typedef {import("./types.js").Activity} Activity */
/** @typedef {import("./types.js").Frame} Frame */

const ACTIVITIES = 5000;
const PAGE = 2000;

export class StationModel {
  /** @param {string} base prefix of its control surface */
  constructor(base) {
    this.api = new Api(base);
    this.stream = new Stream(base);
    this.frames = new FrameLog();
    /** @type {State | null} */
    this.state = null;
    /** @type {Map<string, Command>} */
    this.commands = new Map();
    /** @type {Map<number, History>} */
    this.histories = new Map();
    /** @type {Activity[]} newest last */
    this.activity = [];
    /** @type {Frame[]} told by the stream while earlier ones are still being asked for */
    this.waiting = [];
    this.catching = false;
    /** When the state was told, by the browser's clock. */
    this.toldAt = 0;
    /** @type {Signal<State>} */
    this.stateChanged = new Signal();
    /** @type {Signal<void>} */
    this.commandsChanged = new Signal();
    /** @type {Signal<Activity>} */
    this.happened = new Signal();
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

  /**
   * Station time now: what was told last, gone on at its speed. With "max" nobody can tell in between.
   * @returns {{wall: number, mono: number}}
   */
  now() {
    const told = this.state?.station;
    if (told === undefined) return { wall: 0, mono: 0 };
    const runs = this.stream.state === "open" && !told.paused && typeof told.speed === "number";
    const since = runs ? ((performance.now() - this.toldAt) / 1000) * Number(told.speed) : 0;
    return { wall: told.wall + since, mono: told.mono + since };
  }

  /** @param {number} evse */
  history(evse) {
    let history = this.histories.get(evse);
    if (history === undefined) {
      history = new History();
      this.histories.set(evse, history);
    }
    return history;
  }

  /** Everything anew, after a first or a repeated connection: the program may be another one by now. */
  async #catchUp() {
    this.catching = true;
    try {
      const [commands, state] = await Promise.all([this.api.commands(), this.api.look("state")]);
      this.commands = new Map(commands.map((command) => [command.name, command]));
      this.commandsChanged.emit();
      this.#newState(state);
      await this.#catchUpFrames();
      await this.#catchUpHistory(state);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.troubled.emit(error.message);
    } finally {
      this.catching = false;
      this.frames.add(this.waiting.splice(0));
    }
  }

  /** Sessions that began before this page was opened. @param {State} state */
  async #catchUpHistory(state) {
    for (const { evse, transaction } of state.evses) {
      const history = this.history(evse);
      if (transaction === null || history.samples.length > 100) continue;
      const { facts } = await this.api.look("transaction", { id: transaction.id });
      history.before(samplesOf(facts, state.station));
    }
  }

  async #catchUpFrames() {
    const known = this.frames.all.at(-1);
    if (known !== undefined && !(await this.#continues(known))) this.frames.clear();
    for (;;) {
      const page = await this.#page(this.frames.last, PAGE);
      this.frames.loaded = true;
      this.frames.add(page);
      if (page.length < PAGE) return;
    }
  }

  /**
   * Whether it is still the same conversation: the last frame known is there, or has only been forgotten by now.
   * @param {Frame} known
   */
  async #continues(known) {
    const answer = await this.api.look("frames", { after: known.n - 1, limit: 1 });
    const [same] = answer.frames;
    if (same?.n === known.n) return same.text === known.text && same.wall === known.wall;
    return answer.oldest > known.n;
  }

  /**
   * @param {number} after
   * @param {number} limit
   * @returns {Promise<Frame[]>}
   */
  async #page(after, limit) {
    return (await this.api.look("frames", { after, limit })).frames;
  }

  /**
   * @param {string} topic
   * @param {any} data
   */
  #heard(topic, data) {
    if (topic === "state") this.#newState(data);
    else if (topic === "frame") this.#newFrame(data);
    else if (topic === "gap") void this.#catchUp();
    else this.#newActivity(topic, data);
  }

  /** @param {Frame} frame */
  #newFrame(frame) {
    if (this.catching) this.waiting.push(frame);
    else this.frames.add([frame]);
  }

  /** @param {State} state */
  #newState(state) {
    this.state = state;
    this.toldAt = performance.now();
    for (const evse of state.evses) this.history(evse.evse).add(sampleOf(evse, state.station));
    this.stateChanged.emit(state);
  }

  /**
   * @param {string} topic
   * @param {Record<string, unknown>} event
   */
  #newActivity(topic, event) {
    const at = wallOf(/** @type {import("./format.js").Moment} */ (event["at"] ?? event["wall"])) ?? this.now().wall;
    const activity = { at, topic, event };
    this.activity.push(activity);
    if (this.activity.length > ACTIVITIES) this.activity.splice(0, ACTIVITIES / 10);
    this.happened.emit(activity);
  }
}

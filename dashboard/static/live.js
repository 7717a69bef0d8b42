/**
 * The live connection: a WebSocket that comes back by itself, and polls while it is away.
 */

/**
 * @typedef {"connecting" | "live" | "reconnecting" | "polling"} Connection
 * @typedef {object} Handlers
 * @property {(message: any) => void} onMessage snapshot, change and refresh messages
 * @property {(state: Connection) => void} onState
 * @property {() => void} onPoll asked for every `pollSeconds` while there is no connection
 */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

/**
 * Wait before a new attempt: doubles from half a second to 30 s, and between half and all of that
 * at random, so that a thousand pages do not come back at the same moment.
 * @param {number} attempt from 0
 * @param {number} random 0..1
 */
export function backoff(attempt, random) {
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt) * (0.5 + random / 2);
}

export class LiveFeed {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #poll;
  #attempt = 0;
  #rig = "";
  /** What was heard last: after a lost connection the server tells what came since. */
  #heard = { after: "", epoch: "" };

  /**
   * @param {Handlers} handlers
   * @param {number} pollSeconds
   */
  constructor(handlers, pollSeconds) {
    this.handlers = handlers;
    this.pollSeconds = pollSeconds;
    window.addEventListener("online", () => this.#hurry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#hurry();
    });
    window.addEventListener("pagehide", () => this.#drop());
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) this.connect(this.#rig);
    });
  }

  /**
   * Connects, or connects anew for another rig.
   * @param {string} rig
   */
  connect(rig) {
    this.#rig = rig;
    this.#attempt = 0;
    this.#drop();
    this.#open();
  }

  #open() {
    clearTimeout(this.#retry);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const query = new URLSearchParams({
      ...(this.#rig && { rig: this.#rig }),
      ...(this.#heard.after && this.#heard),
    });
    const socket = new WebSocket(`${scheme}//${location.host}/ws/data?${query}`);
    this.#socket = socket;
    if (this.#attempt === 0) this.handlers.onState("connecting");
    socket.addEventListener("message", (event) => {
      if (socket === this.#socket) this.#receive(event.data);
    });
    socket.addEventListener("close", () => {
      if (socket === this.#socket) this.#lost();
    });
  }

  /** @param {string} data */
  #receive(data) {
    const message = JSON.parse(data);
    if (message.type === "snapshot") {
      this.#attempt = 0;
      clearInterval(this.#poll);
      this.#poll = undefined;
      this.handlers.onState("live");
    }
    this.#remember(message);
    this.handlers.onMessage(message);
  }

  /** @param {any} message */
  #remember({ type, sequence, epoch, resumed }) {
    if (epoch) this.#heard.epoch = epoch;
    // Behind one that resumes come the changes before it.
    if (sequence !== undefined && !(type === "snapshot" && resumed)) {
      this.#heard.after = String(sequence);
    }
  }

  #lost() {
    this.#socket = null;
    this.handlers.onState(this.#attempt < 2 ? "reconnecting" : "polling");
    this.#poll ??= setInterval(() => {
      if (document.hidden) return;
      this.handlers.onPoll();
      // What was missed until now has been asked for: to be told of it would count it twice.
      this.#heard.after = "";
    }, this.pollSeconds * 1000);
    this.#retry = setTimeout(() => this.#open(), backoff(this.#attempt, Math.random()));
    this.#attempt += 1;
  }

  /** Tries at once: the network is back, or someone looks at the page again. */
  #hurry() {
    if (this.#socket || !this.#poll) return;
    this.#open();
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#retry);
    socket?.close();
  }
}

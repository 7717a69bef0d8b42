/**
 * The address of the page: what is shown stands in it, and history goes back and forward in it.
 */

import { readQuery, writeQuery } from "./url.js";

/** Browsers refuse more than some hundred changes in half a minute: a movement writes seldom. */
const LEAST_PAUSE_MS = 500;

/** @typedef {import("./url.js").PageState} PageState */

export class Navigation {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  constructor() {
    this.page = readQuery(location.search);
    window.addEventListener("pagehide", () => this.#flush());
  }

  /** The page of the address: it was typed, or history went back or forward. */
  read() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.page = readQuery(location.search);
  }

  /**
   * @param {PageState} page
   * @param {"push" | "replace"} how `push` is a step that history can go back from
   */
  go(page, how) {
    if (how === "push") {
      this.#flush();
      this.page = page;
      history.pushState(null, "", this.#address());
      return;
    }
    this.page = page;
    this.#timer ??= setTimeout(() => this.#flush(), LEAST_PAUSE_MS);
  }

  #flush() {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    history.replaceState(null, "", this.#address());
  }

  #address() {
    return location.pathname + writeQuery(this.page);
  }
}

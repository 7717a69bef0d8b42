/**
 * Files are loaded here: chosen or dropped, sent, looked at, loaded, with what has become of them.
 */

import { ApiError, getJson } from "./api.js";
import { byId, element, fill, setText } from "./dom.js";
import { takeDrops } from "./drop.js";
import { formatNumber } from "./format.js";
import { isUnderWay, progressText, resultText, resultTitle } from "./jobs.js";
import { formatSize, previewParts } from "./preview.js";
import { proposal } from "./proposal.js";
import { rigChoice } from "./rig-choice.js";
import { postLoad } from "./send.js";
import { parseTime } from "./times.js";

/** After so long without a word of a job the server is asked. */
const SILENCE_MS = 1500;
const KINDS = ".csv,.txt,.tsv,.gz,.parquet";

/**
 * @typedef {import("./preview.js").Preview} Preview
 * @typedef {import("./jobs.js").Job} Job
 */

/**
 * @typedef {object} Page what the dialog needs to know of the page, and does to it
 * @property {() => string | null} rig that is shown
 * @property {() => string[]} rigs
 * @property {() => string} zone
 * @property {(rig: string, range: import("./range.js").Range | null) => void} show
 */

export class UploadDialog {
  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    /** @type {File[]} */
    this.waiting = [];
    /** What was sent last, to be sent again. @type {File | null} */
    this.file = null;
    /** @type {import("./send.js").Sending | null} */
    this.sending = null;
    /** @type {Preview | null} */
    this.preview = null;
    /** By which the server knows the file, once it has looked at it. @type {string | null} */
    this.upload = null;
    /** The rig as which it was looked at last. */
    this.rig = "";
    /** @type {Job | null} */
    this.job = null;
    this.heardAt = 0;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.watch = undefined;

    this.button = byId("load-file");
    this.title = element("h2", { id: "upload-title", tabindex: "-1" });
    this.state = element("p", { class: "upload-state", role: "status" });
    this.bar = element("progress", { "aria-labelledby": "upload-title" });
    this.problem = element("p", { class: "refusal upload-problem", role: "alert" });
    this.rigField = element("div", { class: "upload-rig" });
    this.body = element("div", { class: "upload-body" });
    this.actions = element("div", { class: "panel-actions" });
    const form = element(
      "form",
      { method: "dialog", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
      this.title,
      this.state,
      this.bar,
      this.problem,
      this.rigField,
      this.body,
      this.actions,
    );
    this.dialog = element("dialog", { id: "upload", "aria-labelledby": "upload-title" }, form);
    this.input = element("input", { type: "file", accept: KINDS, multiple: true, hidden: true });
    const hint = element(
      "div",
      { class: "drop-hint", hidden: true, "aria-hidden": "true" },
      element("p", {}, "Drop it, and see what is in it before it is loaded"),
    );
    document.body.append(this.dialog, this.input, hint);

    this.button.addEventListener("click", () => this.choose());
    this.input.addEventListener("change", () => {
      this.take([...(this.input.files ?? [])]);
      // The same file can be chosen once more.
      this.input.value = "";
    });
    this.dialog.addEventListener("close", () => this.#closed());
    // The page's keys are not for what is behind the dialog.
    this.dialog.addEventListener("keydown", (event) => event.stopPropagation());
    takeDrops(hint, (files) => this.take(files));
  }

  /** Lets somebody choose a file; shows how far the load is that runs. */
  choose() {
    if (this.dialog.open) return;
    if (this.job && isUnderWay(this.job)) this.dialog.showModal();
    else this.input.click();
  }

  /** One file after the other is looked at. @param {File[]} files */
  take(files) {
    this.waiting.push(...files);
    if (!this.dialog.open && !(this.job && isUnderWay(this.job))) this.#next();
  }

  /** What the live connection tells of a job, ours or of somebody else. @param {any} message */
  hear(message) {
    if (message.type === "load" && message.job === this.job?.job) this.#follow(message);
  }

  #next() {
    const file = this.waiting.shift();
    if (file) this.#send(file);
  }

  /**
   * @param {File} file
   * @param {string | null} rig that it belongs to
   */
  async #send(file, rig = this.page.rig()) {
    this.file = file;
    this.job = null;
    this.preview = null;
    this.upload = null;
    this.#show(`Load ${file.name}`, `Sending ${formatSize(file.size)}`, 0, [this.#cancel()]);
    if (!this.dialog.open) this.dialog.showModal();
    this.title.focus();
    await this.#ask({ ...this.#where(rig), name: file.name }, file);
  }

  /**
   * Asks what would be, of a file or of one that the server has already.
   * @param {Record<string, string>} query
   * @param {File | null} file
   */
  async #ask(query, file) {
    const sending = postLoad({ ...query, preview: "true" }, file, (sent, total) => {
      if (this.sending !== sending) return;
      this.bar.value = total ? sent / total : 0;
      if (sent < total) return;
      this.bar.removeAttribute("value");
      setText(this.state, "Looking at its rows");
    });
    this.sending = sending;
    this.rig = query.rig ?? "";
    try {
      const preview = await sending.promise;
      if (this.sending === sending) this.#showPreview(preview);
    } catch (error) {
      if (this.sending === sending) this.#fail(error);
    }
  }

  /** @param {Preview} preview */
  #showPreview(preview) {
    this.sending = null;
    this.preview = preview;
    this.upload = preview.upload;
    this.rig = preview.rig;
    const known = preview.known_load !== null;
    const nothing = preview.accepted === 0 && preview.complete;
    const cancel = this.#cancel();
    const load = this.#action(known ? "Load again" : "Load", () => this.#load(known), "primary");
    load.toggleAttribute("disabled", nothing);
    this.#show(`Load ${preview.source}?`, stateText(preview), null, [cancel, load]);
    const choosing = this.rigField.contains(document.activeElement);
    const named = preview.columns.find(({ name }) => name === "rig");
    if (named) fill(this.rigField, `The rig of each row is in the file, as ${named.column}.`);
    else this.#offerRigs();
    fill(this.body, ...previewParts(preview, this.page.zone()));
    if (choosing && !named) this.rigField.querySelector("select")?.focus();
    else if (preview.accepted === 0) cancel.focus();
    else load.focus();
  }

  /** Another rig reads other columns, or the same ones in other units. */
  #offerRigs() {
    fill(
      this.rigField,
      ...rigChoice(this.rig, this.page.rigs(), {
        choose: (rig) => this.#lookAgain(rig),
        hesitate: () => {
          this.#giveUp();
          setText(this.state, "Nothing is stored yet.");
          // What would be loaded is of the rig before.
          fill(this.actions, this.#cancel());
        },
      }),
    );
  }

  /** @param {string} rig */
  #lookAgain(rig) {
    this.#giveUp();
    const { file } = this;
    if (this.upload === null) {
      if (file) this.#send(file, rig);
      return;
    }
    this.bar.hidden = false;
    this.bar.removeAttribute("value");
    setText(this.state, `Looking at its rows, as ${rig}`);
    setText(this.problem, "");
    // Until the answer is here, what would be loaded is of the rig before.
    fill(this.actions, this.#cancel());
    this.#ask({ upload: this.upload, rig }, null);
  }

  /** What was asked last is not waited for any more. */
  #giveUp() {
    const { sending } = this;
    this.sending = null;
    sending?.abort();
    this.bar.hidden = true;
  }

  /** @param {boolean} again */
  async #load(again) {
    const { preview } = this;
    if (!preview) return;
    const query = { upload: preview.upload, ...this.#where(preview.rig) };
    const sending = postLoad(again ? { ...query, force: "true" } : query, null);
    this.sending = sending;
    try {
      const job = await sending.promise;
      this.sending = null;
      this.job = job;
      fill(this.rigField);
      fill(this.body);
      this.#show(`Loading ${job.source}`, "", null, [
        this.#action("Close", () => this.dialog.close(), "primary"),
      ]);
      this.title.focus();
      this.#follow(job);
      this.watch ??= setInterval(() => this.#askIfSilent(), SILENCE_MS);
    } catch (error) {
      if (this.sending === sending) this.#fail(error);
    }
  }

  /** @param {Job} job */
  #follow(job) {
    // What was asked may come after what was told.
    if (this.job && !isUnderWay(this.job)) return;
    this.job = job;
    this.heardAt = performance.now();
    if (isUnderWay(job)) this.#showProgress(job);
    else this.#showResult(job);
  }

  async #askIfSilent() {
    const { job } = this;
    if (!job || performance.now() - this.heardAt < SILENCE_MS) return;
    try {
      const found = await getJson(`/api/loads/jobs/${job.job}`);
      if (this.job?.job === found.job) this.#follow(found);
    } catch (error) {
      if (!(error instanceof ApiError) || this.job !== job) return;
      if (error.status === 404) this.#lost(job);
      if (error.status === 0)
        setText(this.state, "The server does not answer. The load goes on when it is back.");
    }
  }

  /** @param {Job} job */
  #showProgress(job) {
    const share = job.stage === "reading" ? job.bytes_read / Math.max(job.size_bytes, 1) : null;
    const percent = share === null ? "" : ` ${formatNumber(100 * share)} %`;
    setText(this.button.querySelector(".load-text") ?? this.button, `Loading${percent}`);
    if (share === null) this.bar.removeAttribute("value");
    else this.bar.value = share;
    setText(this.state, progressText(job));
  }

  /** @param {Job} job */
  #showResult(job) {
    clearInterval(this.watch);
    this.watch = undefined;
    setText(this.button.querySelector(".load-text") ?? this.button, "Load file");
    const close = this.#action("Close", () => this.dialog.close());
    const { preview } = this;
    this.bar.hidden = true;
    if (job.status === "failed") {
      this.#show(`${job.source} was not loaded`, "", null, [close]);
      setText(this.problem, job.error ?? "");
    } else {
      const show = this.#action("Show these readings", () => this.#showReadings(job), "primary");
      const shown = preview?.first_timestamp && job.accepted > 0 ? [close, show] : [close];
      this.#show(resultTitle(job), resultText(job), null, shown);
    }
    if (this.dialog.open) this.title.focus();
    else if (job.status === "failed") this.dialog.showModal();
    else if (this.waiting.length > 0) this.#next();
  }

  /** @param {Job} job */
  #showReadings(job) {
    const { preview } = this;
    this.dialog.close();
    if (!preview?.first_timestamp || !preview.last_timestamp) return;
    const range = {
      start: parseTime(preview.first_timestamp),
      // The next whole second: addresses have no finer ones.
      end: 1000 * (Math.floor(parseTime(preview.last_timestamp) / 1000) + 1),
    };
    // A file may name its rigs itself.
    const rig = preview.first_readings[0]?.rig ?? job.rig;
    this.page.show(rig, preview.complete ? range : null);
  }

  /** The server has started anew, or has forgotten it. @param {Job} job */
  #lost(job) {
    this.#showResult({
      ...job,
      status: "failed",
      error: "The server does not know this load any more. The tab Loads says whether it ended.",
    });
  }

  /** @param {unknown} error */
  #fail(error) {
    this.sending = null;
    const { file } = this;
    // Another rig may read it; what was typed may be no name for one.
    const refused = error instanceof ApiError && [400, 422].includes(error.status);
    // Nothing is wrong with the file where the server went away, or has forgotten it since.
    const again = error instanceof ApiError && [0, 404, 503].includes(error.status) && file;
    const name = this.preview?.source ?? file?.name ?? "The file";
    this.preview = null;
    this.#show(again ? `${name} was not loaded` : `${name} cannot be loaded`, "", null, [
      this.#action("Another file", () => {
        this.dialog.close();
        this.input.click();
      }),
      this.#action("Close", () => this.dialog.close(), again ? null : "primary"),
      ...(again ? [this.#action("Send again", () => this.#send(again), "primary")] : []),
    ]);
    setText(this.problem, error instanceof Error ? error.message : String(error));
    if (error instanceof ApiError && error.rigFile) fill(this.body, proposal(error.rigFile));
    if (refused && (this.rig || this.page.rigs().length)) this.#offerRigs();
    this.title.focus();
  }

  #closed() {
    this.#giveUp();
    if (!this.job || !isUnderWay(this.job)) this.#next();
  }

  /**
   * @param {string | null} rig
   * @returns {Record<string, string>}
   */
  #where(rig) {
    return rig ? { rig } : {};
  }

  /**
   * @param {string} title
   * @param {string} state
   * @param {number | null} share of a bar; null for none
   * @param {HTMLElement[]} actions
   */
  #show(title, state, share, actions) {
    setText(this.title, title);
    setText(this.state, state);
    setText(this.problem, "");
    const loading = this.job && isUnderWay(this.job);
    this.bar.hidden = share === null && !loading;
    if (share !== null) this.bar.value = share;
    if (!this.preview || this.job) {
      fill(this.rigField);
      fill(this.body);
    }
    fill(this.actions, ...actions);
  }

  #cancel() {
    return this.#action("Cancel", () => this.dialog.close());
  }

  /**
   * @param {string} text
   * @param {() => void} run
   * @param {string | null} [look]
   */
  #action(text, run, look = null) {
    return element("button", { type: "button", class: look, onclick: run }, text);
  }
}

/** @param {Preview} preview */
function stateText({ accepted, complete }) {
  if (accepted > 0) return "Nothing is stored yet.";
  return complete
    ? "No row would be accepted, so there is nothing to load. Below is why."
    : "None of the rows that were looked at would be accepted. Below is why.";
}

/**
 * Questions to the server. Answers that come late never overwrite newer ones.
 */

/** What went wrong, in the words of the server where it had any. */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status; 0 when the server was not reached
   * @param {string} detail
   * @param {string | null} rigFile one that would read the file that was refused
   */
  constructor(status, detail, rigFile = null) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.detail = detail;
    this.rigFile = rigFile;
  }
}

let skew = 0;

/** What the server's clock shows now, in ms: ages are told by the clock that stamped the readings. */
export function serverNow() {
  return Date.now() + skew;
}

/** The header has whole seconds, so that less than two are no difference. @param {Response} response */
function readClock(response) {
  const date = Date.parse(response.headers.get("date") ?? "");
  const difference = date + 500 - Date.now();
  if (!Number.isNaN(date)) skew = Math.abs(difference) < 2000 ? 0 : difference;
}

/**
 * @param {string} path
 * @param {Record<string, string>} query
 * @returns {string}
 */
export function address(path, query = {}) {
  const text = new URLSearchParams(query).toString();
  return text ? `${path}?${text}` : path;
}

/**
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 * @throws {ApiError} when the server is not reached or answers with an error
 */
export async function getJson(url, signal) {
  let response;
  try {
    response = await fetch(url, { signal, headers: { accept: "application/json" } });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "The server does not answer.");
  }
  readClock(response);
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return body;
  const detail = typeof body?.detail === "string" && body.detail;
  throw new ApiError(
    response.status,
    detail || `The server answered ${response.status} ${response.statusText}.`,
  );
}

/** One question at a time: asking again gives up the one before. */
export class Latest {
  #controller = new AbortController();

  /**
   * @template T
   * @param {(signal: AbortSignal) => Promise<T>} ask
   * @returns {Promise<T | null>} null when it was given up
   */
  async run(ask) {
    this.#controller.abort();
    const controller = new AbortController();
    this.#controller = controller;
    try {
      const answer = await ask(controller.signal);
      return controller.signal.aborted ? null : answer;
    } catch (error) {
      if (controller.signal.aborted) return null;
      throw error;
    }
  }
}

/**
 * A function that runs at most once every `pause_ms`: at once when it has rested, else when the
 * pause is over. Calls in between become one.
 * @param {() => void} run
 * @param {number} pause_ms
 * @returns {() => void}
 */
export function throttled(run, pause_ms) {
  let last = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | null} */
  let timer = null;
  return () => {
    if (timer !== null) return;
    const wait = Math.max(0, last + pause_ms - performance.now());
    timer = setTimeout(() => {
      timer = null;
      last = performance.now();
      run();
    }, wait);
  };
}

/**
 * A function that runs at once, and then as often as it is called, but not before the last run has
 * ended and a pause is over. One that takes longer than our patience is not waited for.
 * @param {() => Promise<void>} run does not fail
 * @param {number} pause_ms
 * @param {number} patience_ms
 * @returns {() => Promise<void>}
 */
export function inTurn(run, pause_ms, patience_ms) {
  let running = false;
  let wanted = false;
  /** @param {number} ms */
  const rest = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  return async () => {
    wanted = true;
    if (running) return;
    running = true;
    while (wanted) {
      wanted = false;
      await Promise.race([Promise.all([run(), rest(pause_ms)]), rest(patience_ms)]);
    }
    running = false;
  };
}

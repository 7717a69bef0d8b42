/**
 * Files on their way to the server, with how much of them has gone.
 */

import { ApiError, address } from "./api.js";

/**
 * @typedef {{promise: Promise<any>, abort: () => void}} Sending
 */

/**
 * Sends a request that changes something.
 * @param {Record<string, string>} query
 * @param {Blob | null} body
 * @param {(sent: number, total: number) => void} [progress] bytes
 * @returns {Sending} its promise rejects with an ApiError, with status -1 when it was given up
 */
export function postLoad(query, body, progress = () => {}) {
  // fetch() does not tell how much has been sent.
  const request = new XMLHttpRequest();
  const promise = new Promise((resolve, reject) => {
    request.open("POST", address("/api/loads", query));
    request.setRequestHeader("content-type", "application/octet-stream");
    request.setRequestHeader("accept", "application/json");
    request.upload.addEventListener("progress", ({ loaded, total }) => progress(loaded, total));
    request.addEventListener("load", () => {
      const answer = parsed(request.responseText);
      if (request.status < 300 && answer) resolve(answer);
      else
        reject(new ApiError(request.status, detailOf(answer, request), answer?.rig_file ?? null));
    });
    request.addEventListener("error", () =>
      reject(new ApiError(0, "The connection broke before the server had the whole file.")),
    );
    request.addEventListener("abort", () => reject(new ApiError(-1, "Given up.")));
    request.send(body);
  });
  return { promise, abort: () => request.abort() };
}

/**
 * @param {any} answer
 * @param {XMLHttpRequest} request
 * @returns {string}
 */
function detailOf(answer, request) {
  const detail = answer?.detail;
  if (typeof detail === "string" && detail) return detail;
  return `The server answered ${request.status} ${request.statusText}.`;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

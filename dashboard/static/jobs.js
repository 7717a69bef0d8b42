/**
 * Loads in the background: how far one is, and what has become of it, in words. Pure.
 */

import { formatCount, formatNumber } from "./format.js";
import { formatSize, reasonsText } from "./preview.js";

/**
 * @typedef {object} Job
 * @property {string} job
 * @property {"queued" | "running" | "complete" | "known" | "failed"} status
 * @property {number} position
 * @property {string} source
 * @property {string} rig
 * @property {number} size_bytes
 * @property {"reading" | "loading" | null} stage
 * @property {number} bytes_read
 * @property {number} rows_read
 * @property {number} accepted
 * @property {number} rejected
 * @property {Record<string, number>} rejected_by_reason
 * @property {number | null} load_id
 * @property {string | null} error
 */

/** @param {Job} job */
export function isUnderWay(job) {
  return job.status === "queued" || job.status === "running";
}

/** @param {Job} job */
export function progressText(job) {
  if (job.status === "queued" && job.error)
    return `Waiting; it is tried again by itself, also when this is closed. The last try said: ${job.error}`;
  return `${stepText(job)} It goes on when this is closed.`;
}

/** @param {Job} job */
function stepText(job) {
  if (job.status === "queued")
    return job.position > 1
      ? `Waiting for ${formatCount(job.position - 1, "other load")}.`
      : "Waiting for its turn.";
  const rows = formatCount(job.rows_read, "row");
  if (job.stage !== "loading")
    return `Reading: ${rows}, ${formatSize(job.bytes_read)} of ${formatSize(job.size_bytes)}.`;
  return job.accepted === 0
    ? `To be stored: ${rows}; while another program uses the database this waits for it.`
    : `Storing: ${formatNumber(job.accepted)} of ${rows}.`;
}

/** @param {Job} job */
export function resultTitle(job) {
  if (job.status === "known") return `${job.source} was loaded before`;
  return job.accepted > 0 ? `${job.source} is loaded` : `Nothing of ${job.source} was accepted`;
}

/** @param {Job} job */
export function resultText(job) {
  if (job.status === "known") {
    return `The same content is there already, as #${job.load_id}. Nothing was changed.`;
  }
  const reasons = reasonsText(job.rejected_by_reason);
  const rejected = reasons ? ` Rejected: ${reasons}.` : " Nothing was rejected.";
  return `#${job.load_id}: ${formatCount(job.accepted, "reading")} of ${formatCount(job.rows_read, "row")}.${rejected}`;
}

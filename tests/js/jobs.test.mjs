import assert from "node:assert/strict";
import { test } from "node:test";
import { progressText } from "../../dashboard/static/jobs.js";

const queued = { job: "1", status: "queued", position: 1, source: "run.csv", error: null };

test("a load that waits for its turn says so, and how many are before it", () => {
  assert.match(progressText(/** @type {any} */ (queued)), /^Waiting for its turn/);
  const third = /** @type {any} */ ({ ...queued, position: 3 });
  assert.match(progressText(third), /^Waiting for 2 other loads/);
});

test("a load that waits for its database says why", () => {
  const away = /** @type {any} */ ({ ...queued, error: "the server's disk is full" });
  assert.match(progressText(away), /tried again by itself.*the server's disk is full/);
});

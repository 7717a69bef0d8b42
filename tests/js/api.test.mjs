import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import {
  ApiError,
  address,
  getJson,
  inTurn,
  Latest,
  throttled,
} from "../../dashboard/static/api.js";
import { backoff } from "../../dashboard/static/live.js";

const realFetch = globalThis.fetch;
afterEach(() => {
  globalThis.fetch = realFetch;
});

function serve(body, init) {
  globalThis.fetch = async () => new Response(body, init);
}

test("a query is encoded", () => {
  assert.equal(address("/api/kpis", { rig: "a&b=c" }), "/api/kpis?rig=a%26b%3Dc");
  assert.equal(address("/api/rigs"), "/api/rigs");
});

test("an error carries the status and the server's own words", async () => {
  serve(JSON.stringify({ status: 404, detail: "no rig is named 'x'" }), { status: 404 });
  await assert.rejects(getJson("/api/kpis"), (error) => {
    assert.ok(error instanceof ApiError);
    assert.equal(error.status, 404);
    assert.equal(error.message, "no rig is named 'x'");
    return true;
  });
});

test("an error that is not JSON still says something", async () => {
  serve("<h1>Bad gateway</h1>", { status: 502, statusText: "Bad Gateway" });
  await assert.rejects(getJson("/api/kpis"), /502 Bad Gateway/);
});

test("a server that is away is an error of its own", async () => {
  globalThis.fetch = async () => {
    throw new TypeError("fetch failed");
  };
  await assert.rejects(getJson("/api/kpis"), { status: 0, message: "The server does not answer." });
});

test("an answer that comes late does not overwrite a newer one", async () => {
  const latest = new Latest();
  const wait = (value, pause) => () => new Promise((done) => setTimeout(done, pause, value));
  const slow = latest.run(wait("old", 30));
  const quick = latest.run(wait("new", 1));
  assert.equal(await slow, null);
  assert.equal(await quick, "new");
});

test("asking anew aborts the question before, and its failure is nobody's business", async () => {
  const latest = new Latest();
  const first = latest.run(
    (signal) =>
      new Promise((_, fail) => signal.addEventListener("abort", () => fail(new Error("aborted")))),
  );
  const second = latest.run(async () => "here");
  assert.equal(await first, null);
  assert.equal(await second, "here");
});

test("calls in a row become one at once and one after the pause", async () => {
  let runs = 0;
  const run = throttled(() => {
    runs += 1;
  }, 40);
  run();
  run();
  await new Promise((done) => setTimeout(done, 15));
  assert.equal(runs, 1);
  run();
  run();
  assert.equal(runs, 1);
  await new Promise((done) => setTimeout(done, 60));
  assert.equal(runs, 2);
});

test("waits double up to 30 s and are never the same for all", () => {
  assert.equal(backoff(0, 1), 500);
  assert.equal(backoff(0, 0), 250);
  assert.equal(backoff(3, 1), 4000);
  assert.equal(backoff(40, 1), 30_000);
});

/** @param {number} ms */
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

test("the next run waits for the one before, and many calls in between are one", async () => {
  /** @type {(() => void)[]} */
  const ends = [];
  const run = inTurn(() => new Promise((resolve) => ends.push(resolve)), 1, 10_000);
  run();
  assert.equal(ends.length, 1);
  for (let call = 0; call < 5; call += 1) run();
  await pause(20);
  assert.equal(ends.length, 1);
  ends[0]();
  await pause(20);
  assert.equal(ends.length, 2);
  ends[1]();
  await pause(20);
  assert.equal(ends.length, 2);
  run();
  assert.equal(ends.length, 3);
});

test("a run that never ends holds up the next one for a while only", async () => {
  let runs = 0;
  const run = inTurn(() => new Promise(() => (runs += 1)), 1, 20);
  run();
  run();
  await pause(60);
  assert.equal(runs, 2);
});

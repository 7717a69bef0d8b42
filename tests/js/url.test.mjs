import assert from "node:assert/strict";
import { test } from "node:test";
import { FIRST_VIEW } from "../../dashboard/static/range.js";
import {
  momentsQuery,
  quickKey,
  rangeQuery,
  readQuery,
  writeQuery,
} from "../../dashboard/static/url.js";

const START = Date.parse("2025-07-13T00:00:00Z");
const SPAN = { start: START, end: START + 3_600_000 };
const INNER = { start: START + 60_000, end: START + 120_000.5 };
const PLAIN = {
  rig: null,
  zone: "rig",
  base: FIRST_VIEW,
  zoom: null,
  hidden: [],
  fixed: [],
};

const STATES = {
  "the first view": PLAIN,
  "a rig with an awkward name": { ...PLAIN, rig: "<img src=x onerror=alert(1)> & co" },
  "everything, in UTC": { ...PLAIN, zone: "utc", base: { kind: "all" } },
  "a day": { ...PLAIN, base: { kind: "date", date: "2025-07-13" } },
  "a zoomed day": { ...PLAIN, base: { kind: "date", date: "2025-07-13" }, zoom: INNER },
  "a zoom in the first view": { ...PLAIN, zoom: INNER },
  "from and to": { ...PLAIN, base: { kind: "span", ...SPAN } },
  "a range without a button": { ...PLAIN, base: { kind: "last", seconds: 90 } },
  "hidden channels and a fixed scale": { ...PLAIN, hidden: ["a,b", "uptime"], fixed: ["p"] },
  "a zoom in from and to": { ...PLAIN, base: { kind: "span", ...SPAN }, zoom: INNER },
};

for (const [name, state] of Object.entries(STATES)) {
  test(`a link shows the same picture: ${name}`, () => {
    assert.deepEqual(readQuery(writeQuery(state)), state);
  });
}

test("the first view needs no query", () => {
  assert.equal(writeQuery(PLAIN), "");
});

test("times in a link can be read by people", () => {
  const query = writeQuery({ ...PLAIN, base: { kind: "span", ...SPAN } });
  assert.equal(query, "?start=2025-07-13T00:00:00Z&end=2025-07-13T01:00:00Z");
});

for (const query of [
  "?range=nonsense",
  "?date=2025-02-30",
  "?start=2025-07-13T00:00:00Z",
  "?start=b&end=a",
  "?start=2025-07-13T01:00:00Z&end=2025-07-13T00:00:00Z",
  "?range=0h",
  "?range=5y",
  "?zone=moon",
  "?within=a/b",
]) {
  test(`what makes no sense is left out: ${query}`, () =>
    assert.deepEqual(readQuery(query), PLAIN));
}

test("the API is asked for a day as a day, for everything without a range, else for times", () => {
  assert.deepEqual(rangeQuery("r", { base: { kind: "all" }, zoom: null }, SPAN), { rig: "r" });
  assert.deepEqual(
    rangeQuery("r", { base: { kind: "date", date: "2025-07-13" }, zoom: null }, SPAN),
    {
      rig: "r",
      date: "2025-07-13",
    },
  );
  const times = { rig: "r", start: "2025-07-13T00:00:00Z", end: "2025-07-13T01:00:00Z" };
  assert.deepEqual(rangeQuery("r", { base: FIRST_VIEW, zoom: null }, SPAN), times);
  assert.deepEqual(rangeQuery("r", { base: { kind: "all" }, zoom: SPAN }, SPAN), times);
});

test("a base knows its button", () => {
  assert.equal(quickKey(FIRST_VIEW), "24h");
  assert.equal(quickKey({ kind: "last", seconds: 3600 }), "1h");
  assert.equal(quickKey({ kind: "last", seconds: 7 }), null);
  assert.equal(quickKey({ kind: "all" }), "all");
  assert.equal(quickKey({ kind: "date", date: "2025-07-13" }), null);
});

test("a day is a range of moments for questions that know no days", () => {
  const range = { start: "2025-07-13T00:00:00Z", end: "2025-07-13T01:00:00Z" };
  assert.deepEqual(momentsQuery("r", STATES["a day"], SPAN), { rig: "r", ...range });
  assert.deepEqual(momentsQuery("r", STATES["everything, in UTC"], SPAN), { rig: "r" });
});

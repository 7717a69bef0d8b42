import assert from "node:assert/strict";
import { test } from "node:test";
import * as range from "../../dashboard/static/range.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const START = Date.parse("2025-07-13T00:00:00Z");
const EXTENT = { first: START, last: START + 47.9 * HOUR, interval: 360, zone: "UTC" };
const LAST_12H = { kind: "last", seconds: 43_200 };
const FIRST = { base: LAST_12H, zoom: null };
const hours = (start, end) => ({ start: START + start * HOUR, end: START + end * HOUR });

test("the first view is the last 24 hours of the data, the last reading included", () => {
  assert.deepEqual(range.shownRange({ base: range.FIRST_VIEW, zoom: null }, EXTENT), hours(24, 48));
});

test("a short window of a slow rig ends soon after the last reading", () => {
  const selection = { base: { kind: "last", seconds: 900 }, zoom: null };
  const end = EXTENT.last + 45_000;
  assert.deepEqual(range.shownRange(selection, EXTENT), { start: end - 900_000, end });
  assert.equal(range.shift(selection, EXTENT, 1), null);
});

test("a window that is hardly shorter than the record begins no earlier", () => {
  const selection = { base: { kind: "last", seconds: 900 }, zoom: null };
  const record = { ...EXTENT, last: START + 11 * MINUTE };
  const end = record.last + 45_000;
  assert.deepEqual(range.shownRange(selection, record), { start: START, end });
});

test("a record shorter than the window is shown whole", () => {
  const short = { ...EXTENT, last: START + 206_000, interval: 0.1 };
  assert.deepEqual(range.shownRange(FIRST, short), { start: START, end: START + 206_100 });
});

test("without a known interval the last reading is still inside", () => {
  const shown = range.shownRange(FIRST, { ...EXTENT, interval: null });
  assert.ok(shown.end > EXTENT.last);
});

test("a day is the day of the rig's zone", () => {
  const base = { kind: "date", date: "2025-07-13" };
  const day = range.baseRange(base, { ...EXTENT, zone: "Europe/Berlin" });
  assert.deepEqual(day, hours(-2, 22));
});

test("only what hangs on the end of the record follows it", () => {
  assert.equal(range.follows(FIRST), true);
  assert.equal(range.follows({ base: { kind: "all" }, zoom: null }), true);
  assert.equal(range.follows({ base: LAST_12H, zoom: hours(40, 41) }), false);
  assert.equal(range.follows({ base: { kind: "date", date: "2025-07-13" }, zoom: null }), false);
});

test("a selection inside the base is a zoom, the whole base is none, outside it is a base", () => {
  const inside = range.select(FIRST, hours(40, 41), EXTENT);
  assert.deepEqual(inside, { base: LAST_12H, zoom: hours(40, 41) });
  assert.deepEqual(range.select(inside, hours(36, 48), EXTENT), FIRST);
  assert.deepEqual(range.select(inside, hours(20, 41), EXTENT), {
    base: { kind: "span", ...hours(20, 41) },
    zoom: null,
  });
});

test("back and forward go by a window, and no further than there are readings", () => {
  const back = range.shift(FIRST, EXTENT, -1);
  assert.deepEqual(range.shownRange(back, EXTENT), hours(24, 36));
  assert.deepEqual(range.shownRange(range.shift(back, EXTENT, 1), EXTENT), hours(36, 48));
  assert.equal(range.shift(FIRST, EXTENT, 1), null);
  assert.equal(range.shift({ base: { kind: "all" }, zoom: null }, EXTENT, -1), null);
});

test("zooming keeps its centre, at least four intervals, at most the record", () => {
  const shown = hours(10, 20);
  assert.deepEqual(range.zoomed(shown, START + 15 * HOUR, 0.5, EXTENT), hours(12.5, 17.5));
  const least = range.zoomed(shown, START + 15 * HOUR, 1e-6, EXTENT);
  assert.equal(least.end - least.start, 4 * 6 * MINUTE);
  assert.deepEqual(range.zoomed(shown, START, 100, EXTENT), range.wholeRange(EXTENT));
});

test("moving keeps the length and stays in the record", () => {
  assert.deepEqual(range.moved(hours(10, 20), 5 * HOUR, EXTENT), hours(15, 25));
  assert.deepEqual(range.moved(hours(10, 20), -1e12, EXTENT), hours(0, 10));
  assert.deepEqual(range.moved(hours(10, 20), 1e12, EXTENT), hours(38, 48));
});

test("an event is shown with what came before and after", () => {
  const event = { start: START + 20 * HOUR, end: START + 20 * HOUR };
  assert.deepEqual(range.withContext(event, EXTENT), hours(18, 22));
  const long = hours(10, 15);
  assert.deepEqual(range.withContext(long, EXTENT), hours(5, 20));
});

test("times of a gesture are rounded to what can be seen", () => {
  const { start, end } = range.fitted(
    { start: START + 1234.567, end: START + 3 * HOUR + 0.123 },
    EXTENT,
  );
  assert.equal(start % 10_000, 0);
  assert.equal(end % 10_000, 0);
});

test("ranges overlap when they share a moment; half-open ones that touch do not", () => {
  assert.equal(range.overlaps(hours(0, 1), hours(0.5, 2)), true);
  assert.equal(range.overlaps(hours(0, 1), hours(1, 2)), false);
});

for (const [key, seconds] of [
  ["15min", 900],
  ["6h", 21_600],
  ["7d", 604_800],
  ["90s", 90],
  ["30d", 2_592_000],
]) {
  test(`a key stands for its length: ${key}`, () => {
    assert.deepEqual(range.baseOf(key), { kind: "last", seconds });
    assert.equal(range.keyOf({ kind: "last", seconds }), key);
  });
}

test("what is no length has no base", () => {
  for (const key of [null, "", "0h", "-1h", "1.5h", "1y", "9999999h"])
    assert.equal(range.baseOf(key), null);
});

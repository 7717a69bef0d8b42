import assert from "node:assert/strict";
import { test } from "node:test";
import * as series from "../../dashboard/static/series.js";

const iso = (seconds) => new Date(seconds * 1000).toISOString();

function answer() {
  return {
    rig: "rig-1",
    timestamps: [0, 2, 4, 6, 20].map(iso),
    gaps: [{ start: iso(6), end: iso(20), hours: 14 / 3600 }],
    downsampled: false,
    resolution_s: null,
    record_count: 4,
    channels: {
      temperature: {
        values: [1, 2, 3, null, 5],
        zscores: [0, 0, 0, null, 2],
        levels: ["normal", "normal", "normal", null, "red"],
      },
      uptime: { values: [7, 8, 9, null, 0], zscores: null, levels: null },
    },
  };
}

function reading(seconds, value) {
  return {
    timestamp: iso(seconds),
    values: { temperature: value },
    zscores: { temperature: 1.5 },
    levels: { temperature: "yellow" },
  };
}

test("an answer becomes parallel arrays", () => {
  const trend = series.parseTrend(answer());
  assert.deepEqual(trend.times, [0, 2000, 4000, 6000, 20_000]);
  assert.deepEqual(trend.gaps, [{ start: 6000, end: 20_000 }]);
  assert.equal(trend.channels.get("uptime").levels, null);
});

test("a new reading is appended, with null where it brings no value", () => {
  const trend = series.parseTrend(answer());
  const next = series.appended(trend, [reading(22, 6)], 2);
  assert.deepEqual(next.times.slice(-2), [20_000, 22_000]);
  assert.equal(next.channels.get("temperature").levels.at(-1), "yellow");
  assert.equal(next.channels.get("uptime").values.at(-1), null);
  assert.equal(next.count, 5);
  assert.equal(trend.times.length, 5, "the trend before is left as it was");
});

test("a silence before a new reading becomes a null and a gap", () => {
  const next = series.appended(series.parseTrend(answer()), [reading(30, 6)], 2);
  assert.deepEqual(next.times.slice(-2), [22_000, 30_000]);
  assert.deepEqual(next.channels.get("temperature").values.slice(-3), [5, null, 6]);
  assert.deepEqual(next.gaps.at(-1), { start: 22_000, end: 30_000 });
});

test("one and a half intervals are not a gap yet", () => {
  const next = series.appended(series.parseTrend(answer()), [reading(23, 6)], 2);
  assert.equal(next.gaps.length, 1);
});

test("a reading that is not newer has to be asked for", () => {
  const trend = series.parseTrend(answer());
  assert.equal(series.appended(trend, [reading(20, 6)], 2), null);
  assert.equal(series.appended(trend, [reading(24, 6), reading(22, 6)], 2), null);
});

test("what left the window is dropped, but for the reading from which the line comes", () => {
  const trend = series.trimmed(series.parseTrend(answer()), 4000);
  assert.deepEqual(trend.times, [2000, 4000, 6000, 20_000]);
  assert.deepEqual(trend.channels.get("uptime").values, [8, 9, null, 0]);
  assert.equal(trend.gaps.length, 1);
  assert.equal(series.trimmed(trend, 30_000).gaps.length, 0);
});

test("the nearest reading is never a null", () => {
  const { times, channels } = series.parseTrend(answer());
  const { values } = channels.get("temperature");
  assert.equal(series.nearest(times, values, -5), 0);
  assert.equal(series.nearest(times, values, 2900), 1);
  assert.equal(series.nearest(times, values, 6000), 2);
  assert.equal(series.nearest(times, values, 19_000), 4);
  assert.equal(series.nearest(times, values, 99_000), 4);
  assert.equal(series.nearest([1], [null], 1), -1);
});

test("of a window only its own readings are near", () => {
  const { times, channels } = series.parseTrend(answer());
  const { values } = channels.get("temperature");
  const near = (instant, start, end) =>
    series.nearestWithin(times, values, instant, { start, end });
  assert.equal(near(5000, 1000, 4000), 1, "the end is not inside");
  assert.equal(near(0, 1000, 6000), 1);
  assert.equal(near(9000, 5000, 15_000), -1);
});

test("steps go over nulls and stop at the ends", () => {
  const values = [1, 2, null, null, 5];
  assert.equal(series.stepped(values, 1, 1), 4);
  assert.equal(series.stepped(values, 4, -1), 1);
  assert.equal(series.stepped(values, 4, 3), 4);
  assert.equal(series.stepped(values, 1, -9), 0);
  assert.equal(series.stepped(values, 1, 0), 1);
});

test("readings within a range, the end not included", () => {
  const trend = series.parseTrend(answer());
  const temperature = trend.channels.get("temperature");
  assert.deepEqual(series.indicesWithin(trend, temperature, { start: 2000, end: 20_000 }), [1, 2]);
});

test("extremes leave out nulls", () => {
  assert.deepEqual(series.extremes([3, null, -1]), { low: -1, high: 3 });
  assert.equal(series.extremes([null]), null);
});

test("readings that stand alone are found", () => {
  assert.deepEqual(series.isolated([1, null, 2, null, 3, 4]), [0, 2]);
  assert.deepEqual(series.isolated([5]), [0]);
});

test("a counter that goes down has begun again", () => {
  assert.deepEqual(series.restarts([10, 20, 30, 40], [4.9, null, 0, 1]), [30]);
});

test("lines keep their extremes and their breaks at any width", () => {
  const values = Array.from({ length: 1000 }, (_, at) => (at === 617 ? 99 : Math.sin(at / 50)));
  values[300] = null;
  const times = values.map((_, at) => at);
  const lines = series.polylines(times, values, { start: 0, end: 1000 }, 40);
  assert.equal(lines.length, 2);
  assert.equal(Math.max(...lines.flat().map(([, value]) => value)), 99);
  assert.ok(lines.flat().length <= 2 * 42);
  const places = lines.flat().map(([x]) => x);
  assert.deepEqual(
    places,
    places.toSorted((one, other) => one - other),
  );
});

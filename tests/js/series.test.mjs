import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTrend } from "../../dashboard/static/parse-trend.js";
import { polylines } from "../../dashboard/static/polylines.js";
import * as series from "../../dashboard/static/series.js";

const iso = (seconds) => new Date(seconds * 1000).toISOString();

function answer() {
  const timestamps = [0, 2, 4, 6, 20].map(iso);
  const none = { timestamps: [], values: [], zscores: [] };
  return {
    rig: "rig-1",
    gaps: [{ start: iso(6), end: iso(20), hours: 14 / 3600 }],
    gap_count: 1,
    downsampled: false,
    resolution_s: null,
    record_count: 4,
    channels: {
      temperature: {
        timestamps,
        values: [1, 2, 3, null, 5],
        zscores: [0, 0, 0, null, 2],
        levels: ["normal", "normal", "normal", null, "red"],
        red: { timestamps: [iso(20)], values: [5], zscores: [2] },
        red_buckets: null,
      },
      uptime: {
        timestamps,
        values: [7, 8, 9, null, 0],
        zscores: null,
        levels: null,
        red: none,
        red_buckets: null,
      },
    },
  };
}

/** Buckets of 10 s; of three red readings the newest two came, one of them no extreme. */
function thinned() {
  return {
    rig: "rig-1",
    gaps: [{ start: iso(15), end: iso(30), hours: 15 / 3600 }],
    gap_count: 3,
    downsampled: true,
    resolution_s: 10,
    record_count: 400,
    channels: {
      temperature: {
        timestamps: [1, 9, 12, 15, 30].map(iso),
        values: [1, 9, 2, null, 5],
        zscores: null,
        levels: null,
        red: { timestamps: [iso(9), iso(11)], values: [9, 8], zscores: [3, 2.5] },
        red_buckets: [iso(0), iso(10)],
      },
      flow: {
        timestamps: [2, 15].map(iso),
        values: [7, null],
        zscores: null,
        levels: null,
        red: { timestamps: [], values: [], zscores: [] },
        red_buckets: [],
      },
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
  const trend = parseTrend(answer());
  const { temperature, uptime } = Object.fromEntries(trend.channels);
  assert.deepEqual(temperature.times, [0, 2000, 4000, 6000, 20_000]);
  assert.deepEqual(temperature.values, [1, 2, 3, null, 5]);
  assert.deepEqual(temperature.zscores, [0, 0, 0, null, 2]);
  assert.deepEqual(temperature.levels, ["normal", "normal", "normal", null, "red"]);
  assert.deepEqual(uptime.times, temperature.times);
  assert.deepEqual(uptime.levels, [null, null, null, null, null]);
  assert.deepEqual(trend.gaps, [{ start: 6000, end: 20_000 }]);
  assert.equal(trend.shortGaps, 0);
});

test("of a thinned answer red readings take their places among the others", () => {
  const trend = parseTrend(thinned());
  const { times, values, zscores, levels, redBuckets } = trend.channels.get("temperature");
  assert.deepEqual(times, [1000, 9000, 11_000, 12_000, 15_000, 30_000]);
  assert.deepEqual(values, [1, 9, 8, 2, null, 5]);
  assert.deepEqual(zscores, [null, 3, 2.5, null, null, null]);
  assert.deepEqual(levels, [null, "red", "red", null, null, null]);
  assert.deepEqual(redBuckets, [0, 10_000]);
  assert.deepEqual(trend.channels.get("flow").times, [2000, 15_000]);
  assert.equal(trend.shortGaps, 2);
});

test("a new reading is appended, with null where it brings no value", () => {
  const trend = parseTrend(answer());
  const next = series.appended(trend, [reading(22, 6)], 2);
  const { temperature, uptime } = Object.fromEntries(next.channels);
  assert.deepEqual(temperature.times.slice(-2), [20_000, 22_000]);
  assert.equal(temperature.levels.at(-1), "yellow");
  assert.equal(temperature.zscores.at(-1), 1.5);
  assert.deepEqual(uptime.times, temperature.times);
  assert.equal(uptime.values.at(-1), null);
  assert.equal(next.count, 5);
  assert.equal(series.lengthOf(next), 6);
  assert.equal(series.lengthOf(trend), 5, "the trend before is left as it was");
});

test("to a thinned trend values are appended where there are any, and marks of red ones", () => {
  const trend = parseTrend(thinned());
  const red = { ...reading(32, 9), levels: { temperature: "red" } };
  const next = series.appended(trend, [reading(31, 6), red], 1);
  const { times, values, zscores, levels } = next.channels.get("temperature");
  assert.deepEqual(times.slice(-3), [30_000, 31_000, 32_000]);
  assert.deepEqual(values.slice(-3), [5, 6, 9]);
  assert.deepEqual(levels.slice(-3), [null, null, "red"]);
  assert.deepEqual(zscores.slice(-3), [null, null, 1.5]);
  assert.equal(next.channels.get("flow").times.length, 2);
  assert.equal(series.appended(trend, [reading(30, 6)], 1), null, "of all channels the last");
});

test("a silence before a new reading becomes a null and a gap", () => {
  const next = series.appended(parseTrend(answer()), [reading(30, 6)], 2);
  const { times, values } = next.channels.get("temperature");
  assert.deepEqual(times.slice(-2), [22_000, 30_000]);
  assert.deepEqual(values.slice(-3), [5, null, 6]);
  assert.deepEqual(next.channels.get("uptime").values.slice(-3), [0, null, null]);
  assert.deepEqual(next.gaps.at(-1), { start: 22_000, end: 30_000 });
});

test("one and a half intervals are not a gap yet", () => {
  const next = series.appended(parseTrend(answer()), [reading(23, 6)], 2);
  assert.equal(next.gaps.length, 1);
});

test("a reading that is not newer has to be asked for", () => {
  const trend = parseTrend(answer());
  assert.equal(series.appended(trend, [reading(20, 6)], 2), null);
  assert.equal(series.appended(trend, [reading(24, 6), reading(22, 6)], 2), null);
});

test("what left the window is dropped, but for the reading from which the line comes", () => {
  const trend = series.trimmed(parseTrend(answer()), 4000);
  const { times, values, levels } = trend.channels.get("uptime");
  assert.deepEqual(times, [2000, 4000, 6000, 20_000]);
  assert.deepEqual(values, [8, 9, null, 0]);
  assert.equal(levels.length, 4);
  assert.equal(trend.gaps.length, 1);
  assert.equal(series.trimmed(trend, 30_000).gaps.length, 0);
});

test("the nearest reading is never a null", () => {
  const { times, values } = parseTrend(answer()).channels.get("temperature");
  assert.equal(series.nearest(times, values, -5), 0);
  assert.equal(series.nearest(times, values, 2900), 1);
  assert.equal(series.nearest(times, values, 6000), 2);
  assert.equal(series.nearest(times, values, 19_000), 4);
  assert.equal(series.nearest(times, values, 99_000), 4);
  assert.equal(series.nearest([1], [null], 1), -1);
});

test("of a window only its own readings are near", () => {
  const { times, values } = parseTrend(answer()).channels.get("temperature");
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
  const temperature = parseTrend(answer()).channels.get("temperature");
  assert.deepEqual(series.indicesWithin(temperature, { start: 2000, end: 20_000 }), [1, 2]);
});

test("of a range it is known whether any channel has readings there", () => {
  const trend = parseTrend(thinned());
  assert.ok(series.hasReadings(trend, { start: 2000, end: 2001 }), "flow");
  assert.ok(series.hasReadings(trend, { start: 30_000, end: 30_001 }), "temperature");
  assert.ok(!series.hasReadings(trend, { start: 16_000, end: 30_000 }));
  assert.ok(!series.hasReadings(trend, { start: 30_001, end: 99_000 }));
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
  const lines = polylines(times, values, { start: 0, end: 1000 }, 40);
  assert.equal(lines.length, 2);
  assert.equal(Math.max(...lines.flat().map(([, value]) => value)), 99);
  assert.ok(lines.flat().length <= 2 * 42);
  const places = lines.flat().map(([x]) => x);
  assert.deepEqual(
    places,
    places.toSorted((one, other) => one - other),
  );
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { niceStep, timeTicks, valueAxis } from "../../dashboard/static/ticks.js";

const at = (text) => Date.parse(text);
const range = (start, end) => ({ start: at(start), end: at(end) });
const NONE = { low: null, high: null };

test("hours of half a day", () => {
  const ticks = timeTicks(range("2025-07-13T00:00Z", "2025-07-13T12:00Z"), "UTC", 12);
  assert.equal(ticks.length, 13);
  assert.equal(ticks[1].label, "01:00");
  assert.equal(ticks[0].major, true);
});

test("ticks are round in the zone, also across a change of the clock", () => {
  const ticks = timeTicks(range("2025-10-25T22:00Z", "2025-10-26T23:00Z"), "Europe/Berlin", 5);
  const gaps = ticks.slice(1).map((tick, index) => (tick.value - ticks[index].value) / 3_600_000);
  assert.deepEqual(
    ticks.slice(1, -1).map(({ label }) => label),
    ["06:00", "12:00", "18:00"],
  );
  assert.deepEqual(gaps, [7, 6, 6, 6]);
});

test("a skipped hour makes no double tick", () => {
  const ticks = timeTicks(range("2025-03-30T00:00Z", "2025-03-30T04:00Z"), "Europe/Berlin", 8);
  const values = ticks.map(({ value }) => value);
  assert.deepEqual([...new Set(values)], values);
  assert.ok(values.every((value, index) => index === 0 || value > values[index - 1]));
});

test("never more than asked for, whatever the range", () => {
  for (let span = 2; span < 4e12; span *= 1.7) {
    for (const most of [2, 5, 12]) {
      const ticks = timeTicks({ start: 1.75e12, end: 1.75e12 + span }, "Europe/Berlin", most);
      assert.ok(ticks.length <= most + 1, `${ticks.length} ticks of ${most} in ${span} ms`);
    }
  }
});

test("fractions of a second where the range is that short", () => {
  const ticks = timeTicks({ start: 1000, end: 2000 }, "UTC", 5);
  assert.equal(ticks[1].label, "00:00:01.200");
});

test("an empty range has no ticks", () => {
  assert.deepEqual(timeTicks({ start: 5, end: 5 }, "UTC", 8), []);
});

test("steps are 1, 2, 2.5 or 5 times a power of ten", () => {
  assert.equal(niceStep(100, 5), 20);
  assert.equal(niceStep(1, 4), 0.25);
  assert.equal(niceStep(46, 4), 20);
  assert.equal(niceStep(0.3, 3), 0.1);
});

test("limits that are near are on the axis", () => {
  const axis = valueAxis(28.6, 84.3, { low: 10, high: 80 });
  assert.ok(axis.min <= 10 && axis.max >= 84.3);
});

test("limits far away do not flatten the data", () => {
  const axis = valueAxis(60, 62, { low: 10, high: 80 });
  assert.ok(axis.max - axis.min < 4, JSON.stringify(axis));
});

test("a motor firing from 1 to 46 bar keeps its limit of 60 and its zero", () => {
  const axis = valueAxis(1.265, 46.16, { low: null, high: 60 });
  assert.equal(axis.min, 0);
  assert.ok(axis.max > 60 && axis.max <= 80);
});

test("what does not move shows its limits, and without limits something to look at", () => {
  const still = valueAxis(60, 60, { low: 10, high: 80 });
  assert.ok(still.min <= 10 && still.max >= 80);
  for (const value of [0, 100, -3]) {
    const axis = valueAxis(value, value, NONE);
    assert.ok(axis.min < axis.max && axis.ticks.length > 1, `${value}: ${JSON.stringify(axis)}`);
  }
});

test("the data are always on the axis, and the ticks are multiples of the step", () => {
  for (const [low, high] of [
    [0, 4.9],
    [-5, 5],
    [984.9, 1177],
    [1e-6, 2e-6],
    [-1e9, 3e9],
  ]) {
    for (const share of [0, 0.03]) {
      const axis = valueAxis(low, high, NONE, 4, share);
      assert.ok(axis.min <= low && axis.max >= high, JSON.stringify({ low, high, axis }));
      for (const tick of axis.ticks) {
        const steps = tick / axis.step;
        assert.ok(Math.abs(steps - Math.round(steps)) < 1e-6, `${tick} of ${axis.step}`);
      }
    }
  }
});

test("there is room for the name above a high limit", () => {
  const axis = valueAxis(20, 130, { low: null, high: 140 });
  assert.ok(axis.max - 140 >= (axis.max - axis.min) / 10);
});

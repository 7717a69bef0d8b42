import assert from "node:assert/strict";
import { test } from "node:test";
import { shapes } from "../../dashboard/static/line-shapes.js";

/** One pixel a unit, both ways. */
const same = (/** @type {number} */ value) => value;

/** @param {number[]} times @param {(number | null)[]} values */
const drawn = (times, values) =>
  shapes({ times, values }, { first: 0, last: times.length - 1 }, same, same);

/** @param {import("../../dashboard/static/line-shapes.js").Shapes} shapes */
const heights = ({ bars, lines }) => [
  ...bars.filter((_, at) => at % 3 !== 0),
  ...lines.flatMap((line) => line.filter((_, at) => at % 2 === 1)),
];

test("readings with columns of their own are the corners of one line", () => {
  const { bars, lines } = drawn([0, 2, 4], [1, 50, 1]);
  assert.deepEqual(bars, []);
  assert.deepEqual(lines, [[0, 1, 2, 50, 4, 1]]);
});

test("a column that reaches far is a bar in its middle, and the line goes on from there", () => {
  const { bars, lines } = drawn([0.5, 1.1, 1.4, 1.8, 3], [10, 10, 40, 12, 13]);
  assert.deepEqual(bars, [1.5, 10, 40]);
  assert.deepEqual(lines, [
    [0.5, 10, 1.5, 10],
    [1.5, 12, 3, 13],
  ]);
});

test("a slope of many readings a column is a line, not a stair of bars", () => {
  const times = Array.from({ length: 100 }, (_, at) => at / 10);
  const { bars, lines } = drawn(times, times);
  assert.deepEqual(bars, []);
  assert.equal(lines.length, 1);
});

test("bars that overlap need nothing between them, bars that do not are joined", () => {
  const overlapping = drawn([0.2, 0.8, 1.2, 1.8], [0, 20, 10, 30]);
  assert.deepEqual(overlapping.bars, [0.5, 0, 20, 1.5, 10, 30]);
  assert.deepEqual(
    overlapping.lines.filter((line) => line.length > 2),
    [],
  );
  const apart = drawn([0.2, 0.8, 1.2, 1.8], [0, 20, 40, 60]);
  assert.deepEqual(apart.lines[0], [0.5, 20, 1.5, 40]);
});

test("overlapping bars with an empty column between them are joined", () => {
  const { lines } = drawn([0.2, 0.8, 9.2, 9.8], [0, 20, 10, 30]);
  assert.deepEqual(lines[0], [0.5, 20, 9.5, 10]);
});

test("no line crosses a null, not even within a column", () => {
  const { bars, lines } = drawn([0.1, 0.2, 0.3, 0.4, 0.5], [0, 1, null, 90, 91]);
  assert.deepEqual(bars, []);
  assert.ok(
    lines.every((line) => Math.max(line[1], line[3]) < 50 || Math.min(line[1], line[3]) > 50),
  );
  assert.deepEqual(drawn([0.1, 0.2, 0.3, 0.4], [0, 50, null, 90]).bars, [0.5, 0, 50]);
});

test("no spike is lost, however many readings a column holds", () => {
  const times = Array.from({ length: 10_000 }, (_, at) => at / 100);
  for (const spike of [0, 4_321, 7_700, 9_999]) {
    const values = times.map((_, at) => (at === spike ? 500 : 100 + (at % 7)));
    assert.equal(Math.max(...heights(drawn(times, values))), 500);
    const drop = values.map((value) => (value === 500 ? -500 : value));
    assert.equal(Math.min(...heights(drawn(times, drop))), -500);
  }
});

test("only the readings that are shown are looked at", () => {
  const { lines } = shapes(
    { times: [0, 2, 4, 6], values: [1, 2, 3, 4] },
    { first: 1, last: 2 },
    same,
    same,
  );
  assert.deepEqual(lines, [[2, 2, 4, 3]]);
});

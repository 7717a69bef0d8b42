import assert from "node:assert/strict";
import { test } from "node:test";
import { gapsText, intervalsText, silentText } from "../../dashboard/static/gaps.js";

/** @type {[[number, number, number], string][]} count, hours, and how many reach in */
const headings = [
  [[0, 0, 0], "No gaps"],
  [[1, 2, 0], "1 gap of 2 h"],
  [[2, 3, 0], "2 gaps, 3 h in all"],
  [[1, 2, 1], "1 gap of 2 h, and 1 that reaches in"],
  [[20, 3, 2], "20 gaps, 3 h in all, and 2 that reach in"],
  [[0, 0, 1], "1 gap that reaches in"],
  [[0, 0, 2], "2 gaps that reach in"],
];
for (const [given, expected] of headings)
  test(`the heading of ${given}`, () => assert.equal(gapsText(...given), expected));

/** @type {[number, number | null, string | null][]} */
const lengths = [
  [7200, 360, "20 usual intervals"],
  [360, 360, "1 usual interval"],
  [540, 360, "1.5 usual intervals"],
  [7380, 360, "21 usual intervals"],
  [7200, null, null],
];
for (const [seconds, interval, expected] of lengths)
  test(`${seconds} s in intervals of ${interval} s`, () =>
    assert.equal(intervalsText(seconds, interval), expected));

/** @type {[string[], string][]} */
const silences = [
  [[], ""],
  [["Humidity"], "No readings of humidity in this range."],
  [["Coil current", "EGT"], "No readings of coil current or EGT in this range."],
  [["A", "B", "C"], "No readings of A, B or C in this range."],
];
for (const [labels, expected] of silences)
  test(`without ${labels}`, () => assert.equal(silentText(labels), expected));

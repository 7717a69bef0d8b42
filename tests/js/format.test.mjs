import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../../dashboard/static/format.js";

/** @param {string} name @param {any[][]} rows arguments, then the answer @param {Function} run */
function table(name, rows, run) {
  for (const row of rows) {
    const expected = row.at(-1);
    const given = row.slice(0, -1);
    test(`${name} ${JSON.stringify(given)}`, () => assert.deepEqual(run(...given), expected));
  }
}

table(
  "the locale is the first English one:",
  [
    [["de-DE", "en-US"], "en-US"],
    [["en-IN"], "en-IN"],
    [["fr"], "en-GB"],
    [["eno"], "en-GB"],
    [["en-US@posix"], "en-GB"],
    [[], "en-GB"],
  ],
  format.englishLocale,
);

table(
  "unit symbol",
  [
    ["degC", "°C"],
    ["hPa", "hPa"],
    ["percent", "%"],
    ["m/s**2", "m/s²"],
    ["kg/m^3", "kg/m³"],
    ["N*m", "N·m"],
    ["constructor", "constructor"],
    ["", ""],
    [null, ""],
  ],
  format.unitSymbol,
);

table(
  "number",
  [
    [1011.64, 1, "1,011.6"],
    [-4.25, 2, "−4.25"],
    [-0.001, 1, "0.0"],
    [0, 0, "0"],
    [null, 1, "–"],
    [Number.NaN, 1, "–"],
    [Number.POSITIVE_INFINITY, 1, "–"],
  ],
  format.formatNumber,
);

table(
  "value with unit",
  [
    [84.3, 1, "degC", "84.3 °C"],
    [12, 0, "", "12"],
  ],
  format.formatValue,
);

table(
  "decimals as measured",
  [
    [46.16, 2],
    [1100, 0],
    [0.1 + 0.2, 1],
    [1e-7, 6],
    [1e21, 0],
  ],
  format.decimalsOf,
);

table(
  "decimals of a channel",
  [
    [[28.6, 84.3, null, 61.42], { measured: 2, shown: 1, mean: 1 }],
    [[1.265, 46.16], { measured: 3, shown: 2, mean: 2 }],
    [[1500, 6350], { measured: 0, shown: 0, mean: 0 }],
    [[60, 92], { measured: 0, shown: 0, mean: 1 }],
    [[24.05, 23.773], { measured: 3, shown: 3, mean: 4 }],
    [[5.25, 5.25], { measured: 2, shown: 2, mean: 2 }],
    [[null], { measured: 0, shown: 0, mean: 0 }],
  ],
  format.channelDecimals,
);

table(
  "duration of seconds",
  [
    [0, "0 s"],
    [0.12, "120 ms"],
    [2.5, "2.5 s"],
    [45, "45 s"],
    [60, "1 min"],
    [90, "1 min 30 s"],
    [7200, "2 h"],
    [7199.7, "2 h"],
    [9000, "2 h 30 min"],
    [86_399, "1 d"],
    [3 * 86_400 + 4 * 3600, "3 d 4 h"],
    [100_000 * 86_400, "100,000 d"],
  ],
  format.formatDuration,
);

table(
  "age of seconds",
  [
    [0, { value: "0", unit: "s ago" }],
    [-3, { value: "0", unit: "s ago" }],
    [119, { value: "119", unit: "s ago" }],
    [120, { value: "2", unit: "min ago" }],
    [7199, { value: "119", unit: "min ago" }],
    [7200, { value: "2", unit: "h ago" }],
    [3 * 86_400, { value: "3", unit: "d ago" }],
    [800 * 86_400, { value: "2", unit: "y ago" }],
  ],
  format.formatAge,
);

table(
  "interval",
  [
    [360, "every 6 min"],
    [2, "every 2 s"],
    [0.1, "every 0.1 s"],
    [0.001, "1,000 a second"],
    [null, null],
  ],
  format.formatInterval,
);

table(
  "compact count",
  [
    [9999, "9,999"],
    [43_188, "43.2K"],
    [1_600_000, "1.6M"],
  ],
  format.formatCompact,
);

test("a count agrees with its noun", () => {
  assert.equal(format.formatCount(1, "gap"), "1 gap");
  assert.equal(format.formatCount(2, "gap"), "2 gaps");
});

test("a reason is written with blanks", () => {
  assert.equal(format.formatReason("out_of_range"), "out of range");
});

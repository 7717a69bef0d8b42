import assert from "node:assert/strict";
import { test } from "node:test";
import { explain, limitsText } from "../../dashboard/static/explain.js";
import { describe } from "../../dashboard/static/tooltip.js";

const CHANNEL = {
  name: "temperature",
  label: "Temperature",
  unit: "degC",
  kind: "gauge",
  required: true,
  scored: true,
  valid_range: { min: 0, max: 150 },
  limits: { low: 10, high: 80 },
  z_score: { yellow: 1.5, red: 2 },
};

test("beyond a limit: by how much, and of which limit", () => {
  assert.equal(explain(CHANNEL, 84.3, 2.62, "red", 1), "4.3 °C above the high limit of 80 °C");
  assert.equal(explain(CHANNEL, 4, -3, "red", 1), "6.0 °C below the low limit of 10 °C");
});

test("unusual: z and the threshold", () => {
  assert.equal(explain(CHANNEL, 28.6, -2.32, "red", 1), "z −2.32, beyond the red threshold of 2");
  assert.equal(
    explain(CHANNEL, 40, -1.6, "yellow", 1),
    "z −1.60, beyond the yellow threshold of 1.5",
  );
});

test("a normal reading needs no reason, and one without a z has none", () => {
  assert.equal(explain(CHANNEL, 60, 0.1, "normal", 1), null);
  assert.equal(explain(CHANNEL, 60, null, null, 1), null);
  assert.equal(explain({ ...CHANNEL, z_score: null }, 60, 3, "red", 1), null);
});

test("limits in words", () => {
  assert.equal(limitsText(CHANNEL), "limits 10 to 80");
  assert.equal(limitsText({ ...CHANNEL, limits: { low: null, high: 60 } }), "high limit 60");
  assert.equal(limitsText({ ...CHANNEL, limits: { low: 0, high: null } }), "low limit 0");
  assert.equal(limitsText({ ...CHANNEL, limits: { low: null, high: null } }), null);
});

test("the tooltip tells time with zone, value, why and z, and z only once", () => {
  const time = Date.parse("2025-07-13T02:48:00Z");
  const red = { channel: CHANNEL, time, value: 84.3, zscore: 2.62, level: "red", decimals: 1 };
  const [when, value, why, z] = describe(red, "UTC");
  assert.match(when, /02:48:00 UTC$/);
  assert.deepEqual([value, why, z], ["84.3 °C", "4.3 °C above the high limit of 80 °C", "z 2.62"]);
  const odd = { ...red, value: 28.6, zscore: -2.32 };
  assert.equal(describe(odd, "UTC").length, 3);
});

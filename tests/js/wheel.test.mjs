import assert from "node:assert/strict";
import { test } from "node:test";
import { Attention, WheelGestures } from "../../dashboard/static/wheel.js";

const yes = () => true;
const no = () => false;

test("a gesture belongs to whoever gets its first turn", () => {
  const gestures = new WheelGestures();
  for (const [now, wanted, expected] of [
    [0, no, false],
    [200, yes, false],
    [400, yes, false],
    [700, yes, true],
    [900, no, true],
  ]) {
    gestures.turned(now);
    assert.equal(gestures.isForChart(wanted), expected, `at ${now}`);
    gestures.over();
  }
});

test("a gesture that began beside the charts stays the page's", () => {
  const gestures = new WheelGestures();
  gestures.turned(0);
  gestures.over();
  gestures.turned(100);
  assert.equal(gestures.isForChart(yes), false);
});

test("pointing takes a way and a moment", () => {
  const attention = new Attention();
  assert.equal(attention.isPaid(0), false);
  attention.moved(40, 1000);
  assert.equal(attention.isPaid(1100), false);
  assert.equal(attention.isPaid(1400), true);
  attention.lost();
  assert.equal(attention.isPaid(9000), false);
});

test("a hand that trembles points at nothing", () => {
  const attention = new Attention();
  for (let now = 0; now < 5000; now += 500) attention.moved(2, now);
  assert.equal(attention.isPaid(5000), false);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import * as times from "../../dashboard/static/times.js";

const BERLIN = "Europe/Berlin";
const at = (text) => Date.parse(text);

test("times keep their microseconds, there and back", () => {
  for (const text of [
    "2025-07-13T00:00:00Z",
    "2025-07-13T02:48:00.5Z",
    "2025-01-18T19:33:06.564Z",
    "2025-01-18T19:33:06.564123Z",
    "1969-12-31T23:59:59.999999Z",
  ]) {
    assert.equal(times.toIso(times.parseTime(text)), text);
  }
});

test("the wall clock of a zone, in summer, winter and UTC", () => {
  assert.equal(times.toWall(at("2025-07-13T10:00:00Z"), BERLIN), at("2025-07-13T12:00:00Z"));
  assert.equal(times.toWall(at("2025-01-13T10:00:00Z"), BERLIN), at("2025-01-13T11:00:00Z"));
  assert.equal(times.toWall(at("2025-01-13T10:00:00.25Z"), "UTC"), at("2025-01-13T10:00:00.25Z"));
  assert.equal(
    times.toWall(at("2025-01-13T10:00:00.25Z"), "Asia/Kolkata"),
    at("2025-01-13T15:30:00.25Z"),
  );
});

test("a wall time is found again, except where the clock skips it", () => {
  for (const text of ["2025-01-01T00:00:00Z", "2025-03-30T03:00:00Z", "2025-10-26T04:30:00Z"]) {
    assert.equal(times.toWall(times.fromWall(at(text), BERLIN), BERLIN), at(text));
  }
});

test("of a wall time that comes twice the first is meant", () => {
  assert.equal(times.fromWall(at("2025-10-26T02:30:00Z"), BERLIN), at("2025-10-26T00:30:00Z"));
});

test("a skipped wall time lies as far after the change", () => {
  assert.equal(times.fromWall(at("2025-03-30T02:30:00Z"), BERLIN), at("2025-03-30T01:30:00Z"));
});

test("a day has 23, 24 or 25 hours", () => {
  const hours = (date, zone) => {
    const day = times.dayRange(date, zone);
    return (day.end - day.start) / 3_600_000;
  };
  assert.equal(hours("2025-03-30", BERLIN), 23);
  assert.equal(hours("2025-07-13", BERLIN), 24);
  assert.equal(hours("2025-10-26", BERLIN), 25);
});

test("what is no day is none", () => {
  for (const text of ["2025-02-30", "2025-7-13", "13.07.2025", "", "2025-07-13T00:00"]) {
    assert.equal(times.dayRange(text, "UTC"), null, text);
  }
});

test("inputs show and read the clock of the zone", () => {
  const instant = at("2025-07-13T00:48:00Z");
  assert.equal(times.toInput(instant, BERLIN), "2025-07-13T02:48:00");
  assert.equal(times.fromInput("2025-07-13T02:48:00", BERLIN), instant);
  assert.equal(times.toInput(at("2025-07-13T00:48:00.5Z"), "UTC"), "2025-07-13T00:48:00.500");
  assert.equal(times.fromInput("", BERLIN), null);
});

test("a clock is as precise as it is asked to be", () => {
  const instant = times.parseTime("2025-07-13T02:48:07.5Z");
  assert.equal(times.formatClock(instant, "UTC", "minute"), "02:48");
  assert.equal(times.formatClock(instant, "UTC", "second"), "02:48:07");
  assert.equal(times.formatClock(instant, "UTC", "exact"), "02:48:07.500");
  assert.equal(times.formatClock(at("2025-07-13T02:48:00Z"), BERLIN, "exact"), "04:48:00");
  assert.equal(
    times.formatClock(times.parseTime("2025-07-13T02:48:07.000001Z"), "UTC", "exact"),
    "02:48:07.000001",
  );
});

test("a range says its day once, its year once, and a whole day in words", () => {
  const range = (start, end) => times.formatRange({ start: at(start), end: at(end) }, "UTC");
  assert.match(range("2025-07-13T00:00Z", "2025-07-13T12:00Z"), /2025,? 00:00 – 12:00$/);
  assert.match(range("2025-07-12T22:00Z", "2025-07-13T10:00Z"), /22:00 – .*2025,? 10:00$/);
  assert.match(range("2025-07-13T00:00Z", "2025-07-14T00:00Z"), /2025, all day$/);
  assert.match(range("2025-07-13T00:00:01Z", "2025-07-13T00:00:31Z"), /00:00:01 – 00:00:31$/);
});

test("zones that do not exist are recognised", () => {
  assert.equal(times.isZone("Europe/Berlin"), true);
  assert.equal(times.isZone("Mars/Olympus"), false);
});

test("a zone has a short name", () => {
  assert.equal(times.zoneAbbreviation("UTC", 0), "UTC");
});

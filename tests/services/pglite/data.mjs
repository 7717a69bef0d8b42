// node data.mjs FOLDER DATABASE: writes FOLDER/data.tar, the data of a new server whose DATABASE
// has the extension. To load it takes less time than to make it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import { createEngine } from "./engine.mjs";

const [folder, database] = process.argv.slice(2);
const engine = await createEngine(folder);
await engine.exec("CREATE EXTENSION timescaledb");
await engine.exec(`CREATE DATABASE ${database}`); // a copy of this one, with the extension
const data = await engine.dumpDataDir("none");
await writeFile(join(folder, "data.tar"), Buffer.from(await data.arrayBuffer()));
process.exit(); // an engine never ends by itself

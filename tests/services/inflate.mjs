// node inflate.mjs SOURCE.br TARGET: Python's standard library has no brotli, Node's has.
import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";

const [source, target] = process.argv.slice(2);
await pipeline(
  createReadStream(source),
  createBrotliDecompress({ chunkSize: 2 ** 21 }),
  createWriteStream(target),
);

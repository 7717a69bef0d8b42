// The messages of PostgreSQL's protocol 3.0, as far as a server has to understand them.

/** A number becomes an int32, a string one that ends with a zero. */
function bytes(part) {
  if (typeof part === "string") return Buffer.from(`${part}\0`);
  if (typeof part !== "number") return part;
  const number = Buffer.alloc(4);
  number.writeInt32BE(part);
  return number;
}

/**
 * @param {string} type a letter
 * @param {...(number | string | Buffer)} parts
 */
export function message(type, ...parts) {
  const body = Buffer.concat(parts.map(bytes));
  return Buffer.concat([Buffer.from(type), bytes(body.length + 4), body]);
}

/** An ErrorResponse after which the connection is closed. */
export function fatal(code, what) {
  return message("E", "SFATAL", "VFATAL", `C${code}`, `M${what}`, Buffer.alloc(1));
}

/** The letter of a message. */
export function typeOf(one) {
  return String.fromCharCode(one[0]);
}

/** The first `count` strings from `offset` on, each of which ends with a zero. */
export function strings(one, offset, count) {
  const found = [];
  for (let begin = offset, end; found.length < count; begin = end + 1) {
    end = one.indexOf(0, begin);
    if (end < 0) break;
    found.push(one.toString("utf8", begin, end));
  }
  return found;
}

/** @returns {Buffer[]} the messages that an answer of the server consists of */
export function split(answer) {
  const found = [];
  for (let begin = 0; begin < answer.length; ) {
    const end = begin + 1 + answer.readInt32BE(begin + 1);
    found.push(answer.subarray(begin, end));
    begin = end;
  }
  return found;
}

/** @returns {(string | null)[]} the values of a DataRow */
export function values(row) {
  const found = [];
  for (let at = 7; at < row.length; ) {
    const length = row.readInt32BE(at);
    found.push(length < 0 ? null : row.toString("utf8", at + 4, at + 4 + length));
    at += 4 + Math.max(length, 0);
  }
  return found;
}

/** Puts messages together from what arrives, however it is cut. */
export class Reader {
  /** Of the first messages of a connection; later ones begin with a letter. */
  typed = false;
  #chunks = [];
  #size = 0;

  /** @param {Buffer} chunk what has arrived */
  add(chunk) {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  /** @returns {Buffer | null} the next message that is complete */
  next() {
    const letter = this.typed ? 1 : 0;
    if (this.#size < letter + 4) return null;
    if (this.#chunks[0].length < letter + 4) this.#join();
    const end = letter + this.#chunks[0].readInt32BE(letter);
    if (this.#size < end) return null;
    const all = this.#join(); // only now, so that a large message is not copied again and again
    this.#chunks = [all.subarray(end)];
    this.#size -= end;
    return all.subarray(0, end);
  }

  #join() {
    this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0];
  }
}

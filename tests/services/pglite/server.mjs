// node server.mjs FOLDER DATABASE WAIT_S: TimescaleDB on a free port of 127.0.0.1, with the data
// of FOLDER/data.tar. Writes a line with the port once it answers; ends when its input does.
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";

import { createEngine } from "./engine.mjs";
import { Reader, fatal, message, split, strings, typeOf, values } from "./messages.mjs";

const [folder, database, waitSeconds] = process.argv.slice(2);
const USER = "postgres";
const [VERSION_3, CANCEL, TLS, GSS] = [3, 80877102, 80877103, 80877104];
const COPY_IN = /(?:^|;)(?:\s|--.*\n|\/\*[^]*?\*\/)*copy\s[^;]*\sfrom\s+stdin\b([^;]*)/i;
// The engine starts with settings unlike those of a server, and DISCARD ALL returns to them.
const SESSION = [
  ["search_path", '"$user", public'],
  ["client_min_messages", "notice"],
  ["enable_seqscan", "on"],
  ["timezone", "UTC"],
];
const REPORTED = [
  ...["server_version", "server_encoding", "client_encoding", "application_name", "TimeZone"],
  ...["default_transaction_read_only", "in_hot_standby", "is_superuser", "session_authorization"],
  ...["DateStyle", "IntervalStyle", "integer_datetimes", "standard_conforming_strings"],
];

const loadDataDir = new Blob([await readFile(join(folder, "data.tar"))]);
const engine = await createEngine(folder, { loadDataDir, database });
query("LOAD 'timescaledb'", "SELECT"); // else only its SQL would be there
let owner = null;
let waiting = [];

/** What the engine answers to these messages. After a crash of it nothing can go on. */
function ask(...messages) {
  try {
    return Buffer.from(engine.execProtocolRawSync(Buffer.concat(messages)));
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
}

/** @returns {Buffer[]} all messages that answer these statements */
function query(...statements) {
  return statements.flatMap((statement) => split(ask(message("Q", statement))));
}

function literal(value) {
  return `'${value.replaceAll("'", "''")}'`;
}

/** The engine has one session: the first client owns it until it leaves. */
function admit() {
  owner = waiting.shift() ?? null;
  owner?.start();
}

function leave(client) {
  waiting = waiting.filter((other) => other !== client);
  if (owner !== client) return;
  ask(message("S")); // whatever it has begun
  query("ROLLBACK", "DISCARD ALL");
  admit();
}

/** The engine knows no network: it takes messages that can be answered at once, and answers. */
class Client {
  #reader = new Reader();
  #wishes = new Map();
  #reported = new Map();
  #batch = [];
  #copies = new Map(); // options of COPY by the name of a prepared statement
  #bound = undefined; // options of the statement that Execute would run
  #copy = undefined; // options of the COPY that the batch runs
  #reading = false; // until the client has sent all data of it

  /** @param {import("node:net").Socket} socket */
  constructor(socket) {
    this.socket = socket;
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      clearTimeout(this.timer);
      leave(this);
    });
  }

  #receive(chunk) {
    this.#reader.add(chunk);
    let one;
    while ((!this.#reader.typed || owner === this) && (one = this.#reader.next())) {
      if (!this.#reader.typed) this.#introduce(one);
      else if (this.#reading) this.#takeData(one);
      else this.#take(one);
    }
  }

  /** What comes before the session: the wish for another transport, then who it is. */
  #introduce(one) {
    const code = one.readInt32BE(4);
    if (code === TLS || code === GSS) this.socket.write("N");
    else if (code === CANCEL || code >> 16 !== VERSION_3) this.socket.end();
    else {
      const words = strings(one, 8, Infinity);
      for (let at = 0; words[at]; at += 2) this.#wishes.set(words[at], words[at + 1]);
      this.#reader.typed = true;
      this.#queue();
    }
  }

  #queue() {
    const { user, database: asked = user } = Object.fromEntries(this.#wishes);
    if (user !== USER) this.#refuse("28000", `role "${user}" does not exist`);
    else if (asked !== database) this.#refuse("3D000", `database "${asked}" does not exist`);
    else {
      const reason = `the only session of this server was not free within ${waitSeconds} s`;
      this.timer = setTimeout(() => this.#refuse("53300", reason), waitSeconds * 1000);
      waiting.push(this);
      if (owner === null) admit();
    }
  }

  #refuse(code, reason) {
    waiting = waiting.filter((other) => other !== this);
    this.socket.end(fatal(code, reason));
  }

  /** Begin the session, with the settings that the client asks for. */
  start() {
    clearTimeout(this.timer);
    for (const [name, value] of [...SESSION, ...this.#asked()]) {
      const answer = query(`SELECT set_config(${literal(name)}, ${literal(value)}, false)`);
      const error = answer.find((one) => typeOf(one) === "E");
      if (error) return this.socket.end(error);
    }
    const welcome = [message("R", 0), ...this.#changed(), message("K", process.pid, 0)];
    this.socket.write(Buffer.concat([...welcome, message("Z", Buffer.from("I"))]));
  }

  #asked() {
    const { user, database, options = "", ...settings } = Object.fromEntries(this.#wishes);
    const pairs = [...options.matchAll(/(?:-c\s*|--)([\w.]+)=(\S+)/g)];
    return [...pairs.map(([, name, value]) => [name, value]), ...Object.entries(settings)];
  }

  /** Settings that libpq remembers and the engine does not report, where they have changed. */
  #changed() {
    const columns = REPORTED.map((name) => `current_setting(${literal(name)})`);
    const row = query(`SELECT ${columns}`).find((one) => typeOf(one) === "D");
    if (!row) return []; // in a failed transaction
    const pairs = values(row).map((value, at) => [REPORTED[at], value]);
    const news = pairs.filter(([name, value]) => value !== this.#reported.get(name));
    this.#reported = new Map(pairs);
    return news.map((pair) => message("S", ...pair));
  }

  #take(one) {
    const type = typeOf(one);
    if (type === "X") return this.socket.end();
    this.#batch.push(one);
    const [first, second] = strings(one, 5, 2);
    if (type === "P") this.#copies.set(first, COPY_IN.exec(second)?.[1]);
    else if (type === "B") this.#bound = this.#copies.get(second);
    else if (type === "E") this.#copy = this.#bound;
    else if (type === "Q") this.#copy = COPY_IN.exec(first)?.[1];
    if (!"QSH".includes(type)) return;
    if (this.#copy === undefined) this.#answer();
    else this.#askForData(type);
  }

  /** Say what the engine would say; it has to get the data together with the statement. */
  #askForData(type) {
    if (type !== "Q") this.#batch.pop(); // Sync and Flush mean nothing while data is awaited
    const isBinary = /\bbinary\b/i.test(this.#copy);
    this.socket.write(message("G", Buffer.from([isBinary ? 1 : 0, 0, 0])));
    this.#reading = true;
  }

  #takeData(one) {
    const type = typeOf(one);
    if (type === "X") return this.socket.end();
    if ("dcf".includes(type)) this.#batch.push(one);
    if (!"cf".includes(type)) return;
    this.#reading = false;
    if (typeOf(this.#batch[0]) === "Q") this.#answer();
    else this.#copy = undefined; // Sync follows
  }

  #answer() {
    const answer = split(ask(...this.#batch)).filter((one) => typeOf(one) !== "G");
    this.#batch = [];
    this.#copy = undefined;
    const hasSet = answer.some((one) => typeOf(one) === "C" && strings(one, 5, 1)[0] === "SET");
    if (hasSet && typeOf(answer.at(-1)) === "Z") answer.splice(-1, 0, ...this.#changed());
    this.socket.write(Buffer.concat(answer));
  }
}

const server = createServer({ noDelay: true }, (socket) => new Client(socket));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit()).resume();

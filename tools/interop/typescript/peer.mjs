// The TypeScript peer of the interoperability tests. It reads one JSON request per line from standard input and writes
// one response per line, as documented in peer.py. It runs in a folder where the built package is installed.
import { createInterface } from "node:readline";
import { fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import * as cqc from "@cq/cqc";
import * as assets from "@cq/cqc/assets/v1";
import { checkBook, checkCandle, checkExecution } from "@cq/cqc/checks";
import { formatDecimal, parseDecimal } from "@cq/cqc/decimal";
import * as events from "@cq/cqc/events/v1";
import * as markets from "@cq/cqc/markets/v1";
import { notional } from "@cq/cqc/notional";
import * as portfolio from "@cq/cqc/portfolio/v1";
import * as services from "@cq/cqc/services/v1";
import { validate } from "@cq/cqc/validation";
import * as venues from "@cq/cqc/venues/v1";

const messages = new Map();
const enums = new Map();
function register(descriptor) {
  messages.set(descriptor.typeName, descriptor);
  descriptor.nestedMessages.forEach(register);
}
for (const domain of [assets, events, markets, portfolio, services, venues]) {
  for (const value of Object.values(domain)) {
    if (value?.kind === "message") register(value);
    if (value?.kind === "enum") enums.set(value.typeName, value);
  }
}

const decode = (schema, data) => fromBinary(schema, Buffer.from(data, "base64"));
const encode = (schema, message) => Buffer.from(toBinary(schema, message)).toString("base64");

function schemaOf(type) {
  const schema = messages.get(type);
  if (!schema) throw new Error(`${type} is not exported`);
  return schema;
}

const checks = {
  "cqc.markets.v1.OrderBook": checkBook,
  "cqc.venues.v1.ExecutionReport": checkExecution,
  "cqc.markets.v1.Candle": checkCandle,
};

const operations = {
  convert({ type, from, to, data }) {
    const schema = schemaOf(type);
    const message = from === "binary" ? decode(schema, data) : fromJsonString(schema, data);
    return to === "binary" ? encode(schema, message) : toJsonString(schema, message);
  },
  validate({ type, data }) {
    const schema = schemaOf(type);
    return validate(schema, decode(schema, data)).map(({ field, ruleId, message }) => [field, ruleId, message]);
  },
  check({ type, data }) {
    return checks[type](decode(schemaOf(type), data)).map(({ kind, field, message }) => [kind, field, message]);
  },
  transition: ({ before, after }) => cqc.canTransition(before, after),
  decimal({ text }) {
    // A BigNumber does not keep trailing zeros, so count the fraction digits of the string.
    return formatDecimal(parseDecimal(text), (text.split(".")[1] ?? "").length);
  },
  nanos({ data }) {
    return String(cqc.toUnixNanos(cqc.fromUnixNanos(cqc.toUnixNanos(decode(TimestampSchema, data)))));
  },
  notional({ price, quantity, data }) {
    return notional(price, quantity, decode(venues.VenueSymbolSchema, data)).toFixed();
  },
  name({ enum: name, value }) {
    const schema = enums.get(`cqc.venues.v1.${name}`);
    const shown = cqc.displayName(schema, value);
    return [shown, cqc.parseDisplayName(schema, shown.toLowerCase().replaceAll(" ", "-"))];
  },
  book({ snapshot, deltas }) {
    const builder = new cqc.BookBuilder(decode(markets.OrderBookSchema, snapshot));
    const results = deltas.map((data) => {
      try {
        return builder.apply(decode(markets.OrderBookDeltaSchema, data)) ? "applied" : "stale";
      } catch (error) {
        if (!(error instanceof cqc.SequenceGapError)) throw error;
        return `gap ${error.have} ${error.before}`;
      }
    });
    return [results, encode(markets.OrderBookSchema, builder.book())];
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  let response;
  try {
    const request = JSON.parse(line);
    response = { data: operations[request.op](request) };
  } catch (error) {
    response = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(response)}\n`);
}

// The operations of a peer that call CQC's helpers, as documented in python/helpers.py.
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import * as cqc from "@cq/cqc";
import { checkBook, checkCandle, checkExecution } from "@cq/cqc/checks";
import { formatDecimal, parseDecimal } from "@cq/cqc/decimal";
import * as markets from "@cq/cqc/markets/v1";
import { notional } from "@cq/cqc/notional";
import { validate } from "@cq/cqc/validation";
import * as venues from "@cq/cqc/venues/v1";
import { decode, encode, enumOf, messageOf } from "./messages.mjs";

const checks = {
  "cqc.markets.v1.OrderBook": checkBook,
  "cqc.venues.v1.ExecutionReport": checkExecution,
  "cqc.markets.v1.Candle": checkCandle,
};

export const operations = {
  validate({ type, data }) {
    const schema = messageOf(type);
    return validate(schema, decode(schema, data)).map(({ field, ruleId, message }) => [field, ruleId, message]);
  },
  check({ type, data }) {
    return checks[type](decode(messageOf(type), data)).map(({ kind, field, message }) => [kind, field, message]);
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
    const schema = enumOf(`cqc.venues.v1.${name}`);
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

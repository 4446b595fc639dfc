// The operations of a peer that call CQC's helpers, as documented in python/helpers.py.
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import * as cqc from "@cq/cqc";
import { attributes, kafkaTopic, natsSubject, UnknownEventError } from "@cq/cqc/bus";
import { checkBook, checkCandle, checkExecution, checkReferences } from "@cq/cqc/checks";
import { formatDecimal, parseDecimal } from "@cq/cqc/decimal";
import { EventSchema } from "@cq/cqc/events/v1";
import * as markets from "@cq/cqc/markets/v1";
import * as notionals from "@cq/cqc/notional";
import { validate } from "@cq/cqc/validate";
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
    const schema = messageOf(type);
    const message = decode(schema, data);
    const found = checks[type]?.(message) ?? checkReferences(schema, message);
    return found.map(({ kind, field, message }) => [kind, field, message]);
  },
  transition: ({ enum: name, before, after }) => cqc.canTransition(enumOf(`cqc.venues.v1.${name}`), before, after),
  decimal({ text }) {
    // A BigNumber does not keep trailing zeros, so count the fraction digits of the string.
    return formatDecimal(parseDecimal(text), (text.split(".")[1] ?? "").length);
  },
  nanos({ data }) {
    return String(cqc.toUnixNanos(cqc.fromUnixNanos(cqc.toUnixNanos(decode(TimestampSchema, data)))));
  },
  notional({ price, underlying, quantity, unit, data, symbol: product }) {
    const listing = decode(venues.VenueSymbolSchema, data);
    const symbol = decode(markets.SymbolSchema, product);
    return [
      answer(() => pair(notionals.notional(price, quantity, unit, listing, symbol))),
      answer(() => plain(notionals.baseQuantity(quantity, unit, listing, price))),
      answer(() => plain(notionals.basePrice(price, listing))),
      answer(() => pair(notionals.underlyingNotional(underlying, quantity, unit, listing, symbol))),
    ];
  },
  gross({ amounts }) {
    return notionals
      .grossNotional(amounts.map(([value, assetId]) => ({ value: parseDecimal(value), assetId })))
      .map(pair);
  },
  stated({ type, old, new: next }) {
    const schema = messageOf(type);
    return encode(schema, cqc.applyStated(schema, decode(schema, old), decode(schema, next)));
  },
  event({ data }) {
    const published = decode(EventSchema, data);
    try {
      return [attributes(published), natsSubject(published), kafkaTopic(published)];
    } catch (error) {
      if (!(error instanceof UnknownEventError)) throw error;
      return [error.topic, error.subject, String(error.sequence), error.message];
    }
  },
  name({ enum: name, value }) {
    const schema = enumOf(`cqc.venues.v1.${name}`);
    const shown = cqc.displayName(schema, value);
    return [shown, cqc.parseDisplayName(schema, shown.toLowerCase().replaceAll(" ", "-"))];
  },
  book({ snapshot, deltas }) {
    const bookError = (error) => {
      if (!(error instanceof cqc.BookError)) throw error;
      const { kind, listing, sequence, expected, actual } = error;
      return [kind, listing, sequence === undefined ? null : String(sequence), expected, actual];
    };
    let builder;
    try {
      builder = new cqc.BookBuilder(decode(markets.OrderBookSchema, snapshot), { verifyChecksums: true });
    } catch (error) {
      return bookError(error);
    }
    const results = deltas.map((data) => {
      try {
        return builder.apply(decode(markets.OrderBookDeltaSchema, data)) ? "applied" : "stale";
      } catch (error) {
        return bookError(error);
      }
    });
    return [results, encode(markets.OrderBookSchema, builder.book())];
  },
  checksum: ({ data, kind }) => cqc.bookChecksum(decode(markets.OrderBookSchema, data), kind),
  symbol_id: ({ text }) =>
    idOrError(() => {
      const parts = cqc.parseSymbolId(text);
      const { baseAssetId = "", quoteAssetId = "", strikeAssetId = "", settlementAssetId = "" } = parts;
      const { expiry, strike = "", optionType = 0, variant = "", key = "" } = parts;
      const texts = [baseAssetId, quoteAssetId, strikeAssetId, settlementAssetId];
      const stated = [parts.type, ...texts, String(expiry?.seconds ?? ""), strike, optionType, variant, key];
      return [stated, cqc.symbolId(parts)];
    }),
  venue_symbol_id: ({ text }) =>
    idOrError(() => {
      const { venueId, symbolId, qualifier = "" } = cqc.parseVenueSymbolId(text);
      return [[venueId, symbolId, qualifier], cqc.venueSymbolId(venueId, symbolId, qualifier)];
    }),
  symbol_id_of: ({ data }) => idOrError(() => cqc.symbolIdOf(decode(markets.SymbolSchema, data))),
  combo_id: ({ data }) => idOrError(() => cqc.comboId(decode(markets.SymbolSchema, data).legs)),
};

const plain = (value) => (value.isZero() ? "0" : value.toFixed());
const pair = ({ value, assetId }) => [plain(value), assetId];

function answer(call) {
  try {
    return call();
  } catch (error) {
    if (error instanceof notionals.UnitNotReconcilableError) {
      return [error.reason, error.venueSymbolId, error.unit, error.message];
    }
    if (!(error instanceof RangeError)) throw error;
    return "rejected";
  }
}

function idOrError(action) {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof cqc.InvalidIdError)) throw error;
    return [error.part, error.value, error.expected];
  }
}

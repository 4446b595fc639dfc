// Books built from deltas, and their checksums, with the vectors that all three languages share.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { create, equals, fromJson } from "@bufbuild/protobuf";
import { BookBuilder, BookError, BookErrorKind, bookChecksum } from "@cq/cqc";
import { BookAction, BookLevelSchema, ChecksumKind, OrderBookDeltaSchema, OrderBookSchema } from "@cq/cqc/markets/v1";
import fc from "fast-check";

const vectors = JSON.parse(readFileSync(new URL("testdata/books.json", import.meta.url), "utf8"));
const venueSymbolId = "binance:BTC-USDT-SPOT";
const levels = (pairs) => pairs.map(([price, quantity]) => ({ price, quantity }));
const pairsOf = (found) => found.map(({ price, quantity }) => [price, quantity]);

function fieldsOf(error) {
  assert.ok(error instanceof BookError, String(error));
  const { kind, listing, sequence, expected, actual } = error;
  return { kind, listing, sequence: sequence === undefined ? null : `${sequence}`, expected, actual };
}

function resultOf(action) {
  try {
    return action();
  } catch (error) {
    return fieldsOf(error);
  }
}

test("checksums", () => {
  for (const { source, kind, bids, asks, checksum } of vectors.checksums) {
    const book = create(OrderBookSchema, { bids: levels(bids), asks: levels(asks) });
    assert.equal(bookChecksum(book, ChecksumKind[kind.replace("CHECKSUM_KIND_", "")]), checksum, source);
  }
  const unknown = resultOf(() => bookChecksum(create(OrderBookSchema), ChecksumKind.UNSPECIFIED));
  assert.equal(unknown.kind, BookErrorKind.CHECKSUM_KIND_UNKNOWN);
});

for (const { name, verify, snapshot, error, steps, bids, asks } of vectors.books) {
  test(name, () => {
    const start = () => new BookBuilder(fromJson(OrderBookSchema, snapshot), { verifyChecksums: verify });
    if (error) {
      assert.deepEqual(resultOf(start), error);
      return;
    }
    const book = start();
    for (const { delta, result } of steps) {
      assert.deepEqual(
        resultOf(() => book.apply(fromJson(OrderBookDeltaSchema, delta))),
        result,
      );
    }
    assert.deepEqual([pairsOf(book.bids()), pairsOf(book.asks())], [bids, asks]);
  });
}

test("a book is a snapshot of its state", () => {
  const snapshot = create(OrderBookSchema, {
    venueSymbolId,
    bids: levels([["9", "1"]]),
    sequence: 5n,
    checksum: 1,
    depth: 10,
    venueFields: { "/x": "1" },
  });
  const book = new BookBuilder(snapshot);
  const change = create(BookLevelSchema, { price: "9.0", quantity: "2", action: BookAction.CHANGE, rawAction: "u" });
  assert.equal(book.apply(create(OrderBookDeltaSchema, { venueSymbolId, sequence: 6n, bids: [change] })), true);
  const expected = { venueSymbolId, bids: levels([["9.0", "2"]]), sequence: 6n, depth: 10 };
  assert.ok(equals(OrderBookSchema, book.book(), create(OrderBookSchema, expected)));
  assert.equal(change.rawAction, "u");
  assert.throws(() => book.reset(create(OrderBookSchema, { bids: levels([["x", "1"]]) })), BookError);
  assert.deepEqual(pairsOf(book.bids()), [["9.0", "2"]]);
  book.reset(snapshot);
  assert.equal(book.sequence, 5n);
});

test("a book equals a map keyed by price", () => {
  const change = fc.record({
    price: fc.constantFrom("1", "1.0", "2", "2.50", "2.5", "10", "-1"),
    quantity: fc.constantFrom("0", "1", "0.00", "3"),
  });
  fc.assert(
    fc.property(fc.array(change), fc.array(fc.array(change)), (start, steps) => {
      const book = new BookBuilder(create(OrderBookSchema, { venueSymbolId, bids: start }));
      for (const bids of steps) book.apply(create(OrderBookDeltaSchema, { venueSymbolId, bids }));
      const expected = new Map();
      for (const { price, quantity } of [...start, ...steps.flat()]) {
        if (Number(quantity)) expected.set(Number(price), quantity);
        else expected.delete(Number(price));
      }
      const found = book.bids().map(({ price, quantity }) => [Number(price), quantity]);
      assert.deepEqual(
        found,
        [...expected].sort(([one], [other]) => other - one),
      );
    }),
  );
});

test("any levels are applied as a whole or not at all", () => {
  const number = fc.constantFrom("", "0", "0.0", "1", "1.0", "2", "-1", "+1", "1e5", "NaN", "\u0661");
  const level = fc.record(
    { price: number, quantity: number, orderId: fc.constantFrom("a", "b"), action: fc.nat(4) },
    { requiredKeys: ["price", "quantity", "action"] },
  );
  const side = fc.array(level, { maxLength: 4 });
  fc.assert(fc.property(side, fc.array(fc.tuple(side, side), { maxLength: 4 }), fc.integer({ min: 1, max: 3 }), run));

  function run(start, deltas, depth) {
    let book;
    try {
      book = new BookBuilder(create(OrderBookSchema, { bids: start, depth }));
    } catch (error) {
      assert.ok(error instanceof BookError);
      return;
    }
    for (const [bids, asks] of deltas) {
      const before = book.book();
      try {
        book.apply(create(OrderBookDeltaSchema, { bids, asks }));
      } catch (error) {
        assert.ok(error instanceof BookError);
        assert.ok(equals(OrderBookSchema, book.book(), before));
      }
      for (const found of [book.bids(), book.asks()]) {
        assert.ok(new Set(found.map(({ price }) => Number(price))).size <= depth);
        assert.ok(found.every(({ quantity }) => Number(quantity) !== 0));
      }
    }
  }
});

"""Books built from deltas, and their checksums, with the vectors that all three languages share."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

import cqc
from cqc.markets.v1 import (
    BOOK_ACTION_CHANGE,
    CHECKSUM_KIND_CRC32_BITGET,
    CHECKSUM_KIND_CRC32_KRAKEN,
    CHECKSUM_KIND_CRC32_OKX,
    BookLevel,
    ChecksumKind,
    OrderBook,
    OrderBookDelta,
)

VECTORS = json.loads((Path(__file__).parents[2] / "go-cqc" / "testdata" / "books.json").read_text())
CAPTURES = Path(__file__).parents[4] / "shared" / "fixtures"
NAME = "binance:BTC-USDT-SPOT"


def levels(pairs: Any) -> list[BookLevel]:
    return [BookLevel(price=price, quantity=quantity) for price, quantity in pairs]


def pairs_of(found: list[BookLevel]) -> list[list[str]]:
    return [[level.price, level.quantity] for level in found]


def fields_of(error: cqc.BookError) -> dict[str, Any]:
    sequence = None if error.sequence is None else str(error.sequence)
    fields = {"kind": error.kind, "listing": error.listing, "sequence": sequence}
    return {**fields, "expected": error.expected, "actual": error.actual}


@pytest.mark.parametrize("case", VECTORS["checksums"], ids=lambda case: case["source"])
def test_checksums(case: Any) -> None:
    book = OrderBook(bids=levels(case["bids"]), asks=levels(case["asks"]))
    assert cqc.book_checksum(book, ChecksumKind.Value(case["kind"])) == case["checksum"]


def test_checksum_of_an_unknown_kind() -> None:
    with pytest.raises(cqc.BookError) as error:
        cqc.book_checksum(OrderBook(venue_symbol_id=NAME, sequence=3), ChecksumKind.CHECKSUM_KIND_UNSPECIFIED)
    assert (error.value.kind, error.value.sequence) == (cqc.BookErrorKind.CHECKSUM_KIND_UNKNOWN, 3)


@pytest.mark.parametrize("case", VECTORS["books"], ids=lambda case: case["name"])
def test_books(case: Any) -> None:
    snapshot = ParseDict(case["snapshot"], OrderBook())
    if "error" in case:
        with pytest.raises(cqc.BookError) as error:
            cqc.BookBuilder(snapshot, verify_checksums=case["verify"])
        assert fields_of(error.value) == case["error"]
        return
    builder = cqc.BookBuilder(snapshot, verify_checksums=case["verify"])
    for step in case["steps"]:
        try:
            result: Any = builder.apply(ParseDict(step["delta"], OrderBookDelta()))
        except cqc.BookError as error:
            result = fields_of(error)
        assert result == step["result"]
    assert [pairs_of(builder.bids()), pairs_of(builder.asks())] == [case["bids"], case["asks"]]


def test_a_book_is_a_snapshot_of_its_state() -> None:
    snapshot = OrderBook(venue_symbol_id=NAME, bids=levels([["9", "1"]]), sequence=5, checksum=1, depth=10)
    snapshot.venue_fields["/x"] = "1"
    builder = cqc.BookBuilder(snapshot)
    change = BookLevel(price="9.0", quantity="2", action=BOOK_ACTION_CHANGE, raw_action="u", order_count=3)
    assert builder.apply(OrderBookDelta(venue_symbol_id=NAME, sequence=6, bids=[change]))
    now = builder.book()
    assert builder.sequence == now.sequence == 6
    assert (now.HasField("checksum"), dict(now.venue_fields), now.depth) == (False, {}, 10)
    assert list(now.bids) == [BookLevel(price="9.0", quantity="2", order_count=3)]
    assert (change.action, change.raw_action) == (BOOK_ACTION_CHANGE, "u")
    builder.reset(snapshot)
    assert builder.sequence == 5


def test_the_error_says_what_differs() -> None:
    builder = cqc.BookBuilder(OrderBook(venue_symbol_id=NAME, sequence=5))
    with pytest.raises(cqc.BookError, match=f"{NAME}: sequence_gap: expected 5, got 7"):
        builder.apply(OrderBookDelta(venue_symbol_id=NAME, first_sequence=8, sequence=9))


def test_a_failed_reset_keeps_the_book() -> None:
    builder = cqc.BookBuilder(OrderBook(venue_symbol_id=NAME, bids=levels([["9", "1"]])), verify_checksums=True)
    with pytest.raises(cqc.BookError):
        builder.reset(OrderBook(venue_symbol_id=NAME, checksum=7, checksum_kind=CHECKSUM_KIND_CRC32_OKX))
    assert pairs_of(builder.bids()) == [["9", "1"]]


PRICES = st.sampled_from(["1", "1.0", "2", "2.50", "2.5", "10", "-1"])
CHANGES = st.lists(st.tuples(PRICES, st.sampled_from(["0", "1", "0.00", "3"])), max_size=8)


@given(CHANGES, st.lists(CHANGES, max_size=5))
def test_book_equals_a_dictionary_keyed_by_price(start: Any, changes: Any) -> None:
    expected: dict[Decimal, str] = {}
    book = cqc.BookBuilder(OrderBook(venue_symbol_id=NAME, bids=levels(start)))
    for step in changes:
        assert book.apply(OrderBookDelta(venue_symbol_id=NAME, bids=levels(step)))
    for price, quantity in [*start, *(item for step in changes for item in step)]:
        expected.pop(Decimal(price), None)
        if Decimal(quantity):
            expected[Decimal(price)] = quantity
    found = [(Decimal(item.price), item.quantity) for item in book.bids()]
    assert found == sorted(expected.items(), reverse=True)


TEXTS = st.sampled_from(["", "0", "0.0", "1", "1.0", "2", "-1", "+1", "1e5", "NaN", "\u0661"])
ANY_LEVEL = st.builds(
    BookLevel,
    price=TEXTS,
    quantity=TEXTS,
    order_id=st.none() | st.sampled_from(["a", "b"]),
    action=st.integers(0, 4),
)
ANY_LEVELS = st.lists(ANY_LEVEL, max_size=4)


@given(ANY_LEVELS, st.lists(st.tuples(ANY_LEVELS, ANY_LEVELS), max_size=4), st.integers(1, 3))
def test_any_levels_are_applied_as_a_whole_or_not_at_all(start: Any, deltas: Any, depth: int) -> None:
    try:
        builder = cqc.BookBuilder(OrderBook(venue_symbol_id=NAME, bids=start, depth=depth))
    except cqc.BookError:
        return
    for bids, asks in deltas:
        before = builder.book()
        try:
            builder.apply(OrderBookDelta(venue_symbol_id=NAME, bids=bids, asks=asks))
        except cqc.BookError:
            assert builder.book() == before
        for side in (builder.bids(), builder.asks()):
            assert len({Decimal(level.price) for level in side}) <= depth
            assert all(Decimal(level.quantity) for level in side)


# Captured frames


def captured(path: str) -> Iterator[Any]:
    file = CAPTURES / path
    if not file.exists():
        pytest.skip(f"NOT RUN: {file} does not exist, so no checksum of a captured frame was computed")
    with file.open() as lines:
        yield from map(json.loads, lines)


def test_every_captured_kraken_checksum() -> None:
    builders: dict[str, cqc.BookBuilder] = {}
    verified = 0
    for line in captured("venues/kraken/stream.jsonl"):
        frame = line["frame"]
        if not isinstance(frame, list) or not str(frame[-2]).startswith("book-"):
            continue
        merged = {key: value for part in frame[1:-2] for key, value in part.items()}
        book: dict[str, Any] = {"bids": kraken_levels(merged, "b"), "asks": kraken_levels(merged, "a")}
        if "as" in merged or "bs" in merged:
            depth = int(frame[-2].removeprefix("book-"))
            snapshot = OrderBook(venue_symbol_id=frame[-1], depth=depth, **book)
            builders[frame[-1]] = cqc.BookBuilder(snapshot, verify_checksums=True)
        elif frame[-1] in builders:
            book |= {"checksum": int(merged["c"]), "checksum_kind": CHECKSUM_KIND_CRC32_KRAKEN}
            assert builders[frame[-1]].apply(OrderBookDelta(venue_symbol_id=frame[-1], **book))
            verified += 1
    assert verified == 250


def kraken_levels(parts: dict[str, Any], side: str) -> list[BookLevel]:
    return levels([level[:2] for level in parts.get(f"{side}s", parts.get(side, []))])


@pytest.mark.parametrize(("source", "frames"), [("cryptofeed", 13), ("gocryptotrader", 2)])
def test_every_captured_okx_checksum(source: str, frames: int) -> None:
    # Those of the other sources are samples in documentation, cut to a few levels but not the checksum.
    builders: dict[str, cqc.BookBuilder] = {}
    verified = 0
    for line in captured(f"more/okx/{source}.jsonl"):
        payload = line["payload"]
        rows = payload.get("data") if isinstance(payload, dict) else None
        if not rows or not isinstance(rows[0], dict) or "checksum" not in rows[0]:
            continue
        ((row,), name) = rows, payload["arg"]["instId"]
        stated: dict[str, Any] = {
            "venue_symbol_id": name,
            **{side: levels([level[:2] for level in row[side]]) for side in ("bids", "asks")},
            "checksum": row["checksum"] % 2**32,
            "checksum_kind": CHECKSUM_KIND_CRC32_OKX,
        }
        if payload["action"] == "snapshot":
            builders[name] = cqc.BookBuilder(OrderBook(**stated), verify_checksums=True)
        else:
            assert builders[name].apply(OrderBookDelta(**stated))
        verified += 1
    assert verified == frames


def test_bitget_computes_as_okx_does() -> None:
    book = OrderBook(bids=levels([["9.50", "1"]]), asks=levels([["10.00", "2"]]))
    assert cqc.book_checksum(book, CHECKSUM_KIND_CRC32_BITGET) == cqc.book_checksum(book, CHECKSUM_KIND_CRC32_OKX)

"""Maps the venues' native formats to CQC messages. Decimals stay strings, exactly as the venue sent them."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from cqc.markets.v1 import (
    AGGRESSOR_SIDE_BUYER,
    AGGRESSOR_SIDE_SELLER,
    QUANTITY_UNIT_BASE,
    BookLevel,
    OrderBook,
    OrderBookDelta,
    Trade,
)
from cqc.venues.v1 import VenueSymbol

# Binance joins base and quote without a separator: BTCUSDT.
BINANCE_QUOTES = ("USDT", "BUSD", "USDC", "BTC", "ETH", "BNB", "EUR")


@dataclass
class Market:
    """Captured data for one listing, in arrival order. The snapshot is empty if none was captured."""

    listing: VenueSymbol
    snapshot: OrderBook = field(default_factory=OrderBook)
    deltas: list[OrderBookDelta] = field(default_factory=list)
    trades: list[Trade] = field(default_factory=list)


def load(data: Path) -> dict[str, Market]:
    """Load the captured data of Binance spot, Binance futures and Coinbase from `<data>/<venue>/*.jsonl`."""
    markets: dict[str, Market] = {}

    def market(venue: str, native: str) -> Market:
        listing = _listing(venue, native)
        return markets.setdefault(listing.venue_symbol_id, Market(listing))

    for venue in ("binance", "binance_futures"):
        for row in _rows(data / venue / "books.jsonl"):
            match = re.search(r"symbol=(\w+)", row["url"])
            assert match, row["url"]
            found = market(venue, match[1])
            found.snapshot = _binance_book(found.listing.venue_symbol_id, row["body"], row["received_at"])
        for row in _rows(data / venue / "stream.jsonl"):
            event = row["frame"]["data"]
            if event.get("e") == "depthUpdate":
                found = market(venue, event["s"])
                found.deltas.append(_binance_delta(found.listing.venue_symbol_id, event, row["received_at"]))
            elif event.get("e") == "aggTrade":
                found = market(venue, event["s"])
                found.trades.append(_binance_trade(found.listing.venue_symbol_id, event, row["received_at"]))
    for row in _rows(data / "coinbase" / "stream.jsonl"):
        frame = row["frame"]
        if frame["type"] not in ("snapshot", "l2update", "match", "last_match"):
            continue
        found = market("coinbase", frame["product_id"])
        listing = found.listing.venue_symbol_id
        if frame["type"] == "snapshot":
            found.snapshot = _coinbase_book(listing, frame, row["received_at"])
        elif frame["type"] == "l2update":
            found.deltas.append(_coinbase_delta(listing, frame, row["received_at"]))
        else:
            found.trades.append(_coinbase_trade(listing, frame, row["received_at"]))
    return markets


def _rows(path: Path) -> Iterator[Any]:
    if path.exists():
        with path.open() as lines:
            yield from map(json.loads, lines)


def _listing(venue: str, native: str) -> VenueSymbol:
    if venue == "coinbase":
        base, quote = native.split("-")
    else:
        quote = next(quote for quote in BINANCE_QUOTES if native.endswith(quote))
        base = native.removesuffix(quote)
    symbol = f"{base}-{quote}-PERP-{quote}" if venue == "binance_futures" else f"{base}-{quote}-SPOT"
    return VenueSymbol(
        venue_symbol_id=f"{venue}:{symbol}",
        venue_id=venue,
        symbol_id=symbol,
        native_symbol=native,
        quantity_unit=QUANTITY_UNIT_BASE,
    )


def _levels(pairs: Iterable[tuple[str, str]]) -> list[BookLevel]:
    return [BookLevel(price=price, quantity=quantity) for price, quantity in pairs]


def _seconds(unix: float) -> Timestamp:
    return Timestamp(seconds=(micros := round(unix * 1e6)) // 10**6, nanos=micros % 10**6 * 1000)


def _millis(unix: int | None) -> Timestamp | None:
    return None if unix is None else Timestamp(seconds=unix // 1000, nanos=unix % 1000 * 10**6)


def _iso(text: str) -> Timestamp:
    time = Timestamp()
    time.FromDatetime(datetime.fromisoformat(text))
    return time


def _binance_book(listing: str, body: Any, received_at: float) -> OrderBook:
    return OrderBook(
        venue_symbol_id=listing,
        bids=_levels(body["bids"]),
        asks=_levels(body["asks"]),
        sequence=body["lastUpdateId"],
        timestamp=_millis(body.get("T")),
        published_at=_millis(body.get("E")),
        received_at=_seconds(received_at),
        quantity_unit=QUANTITY_UNIT_BASE,
    )


def _binance_delta(listing: str, event: Any, received_at: float) -> OrderBookDelta:
    return OrderBookDelta(
        venue_symbol_id=listing,
        bids=_levels(event["b"]),
        asks=_levels(event["a"]),
        first_sequence=event["U"],
        sequence=event["u"],
        previous_sequence=event.get("pu"),
        timestamp=_millis(event.get("T")),
        published_at=_millis(event["E"]),
        received_at=_seconds(received_at),
        quantity_unit=QUANTITY_UNIT_BASE,
    )


def _binance_trade(listing: str, event: Any, received_at: float) -> Trade:
    return Trade(
        trade_id=str(event["a"]),
        venue_symbol_id=listing,
        price=event["p"],
        quantity=event["q"],
        quantity_unit=QUANTITY_UNIT_BASE,
        # `m` means the buyer was the maker, so the seller was the aggressor.
        aggressor=AGGRESSOR_SIDE_SELLER if event["m"] else AGGRESSOR_SIDE_BUYER,
        first_trade_id=str(event["f"]),
        last_trade_id=str(event["l"]),
        # `M` has no field: the key is its JSON Pointer, the value its JSON.
        venue_fields={f"/{name}": json.dumps(event[name]) for name in ("M",) if name in event},
        timestamp=_millis(event["T"]),
        published_at=_millis(event["E"]),
        received_at=_seconds(received_at),
    )


def _coinbase_book(listing: str, frame: Any, received_at: float) -> OrderBook:
    return OrderBook(
        venue_symbol_id=listing,
        bids=_levels(frame["bids"]),
        asks=_levels(frame["asks"]),
        received_at=_seconds(received_at),
        quantity_unit=QUANTITY_UNIT_BASE,
    )


def _coinbase_delta(listing: str, frame: Any, received_at: float) -> OrderBookDelta:
    sides = {
        side: _levels((price, size) for changed, price, size in frame["changes"] if changed == side)
        for side in ("buy", "sell")
    }
    return OrderBookDelta(
        venue_symbol_id=listing,
        bids=sides["buy"],
        asks=sides["sell"],
        timestamp=_iso(frame["time"]),
        received_at=_seconds(received_at),
        quantity_unit=QUANTITY_UNIT_BASE,
    )


def _coinbase_trade(listing: str, frame: Any, received_at: float) -> Trade:
    return Trade(
        trade_id=str(frame["trade_id"]),
        venue_symbol_id=listing,
        price=frame["price"],
        quantity=frame["size"],
        quantity_unit=QUANTITY_UNIT_BASE,
        # `side` is the maker's side.
        aggressor=AGGRESSOR_SIDE_BUYER if frame["side"] == "sell" else AGGRESSOR_SIDE_SELLER,
        raw_aggressor=frame["side"],
        maker_order_id=frame["maker_order_id"],
        taker_order_id=frame["taker_order_id"],
        sequence=frame["sequence"],
        timestamp=_iso(frame["time"]),
        received_at=_seconds(received_at),
    )

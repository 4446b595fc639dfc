"""The mapping kit: every value of every payload is accounted for, and comes back as it was sent."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import cqc
import cqc.markets.v1
import cqc.venues.v1
from cqc.mapping import (
    MAX_VENUE_FIELDS,
    VOCABULARY,
    Number,
    Reading,
    TableError,
    Venue,
    candle_close,
    code_as_asset,
    json_text,
    order_state,
    parse_json,
    settlement_asset,
    skip,
    table,
    tables,
    trigger_direction,
    trigger_type,
    under,
)
from cqc.markets.v1 import (
    AggressorSide,
    BookAction,
    Candle,
    OrderBook,
    OrderBookDelta,
    QuantityUnit,
    Ticker,
    Trade,
)
from cqc.portfolio.v1 import Position
from cqc.venues.v1 import (
    Balance,
    ExecutionReport,
    LiquiditySide,
    MarginMode,
    Order,
    OrderSide,
    OrderStatus,
    OrderType,
    TriggerDirection,
    VenueSymbol,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=12).map(str),
    st.builds("{}e{}".format, st.integers(-999, 999), st.integers(-20, 20)),
).map(Number)
WORDS = st.sampled_from(["buy", "SELL", "live", "limit", "1597026383085", "2020-01-01T00:00:00.5Z", "5m", "-0", "1.50"])
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT, WORDS)
KEYS = st.one_of(st.sampled_from(["a", "b", "c", "x~/y", "0", "uid", "**"]), TEXT)
PAYLOADS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=20
)
FIELDS = [
    *("price", "quantity", "side", "raw_side", "type", "created_at", "post_only", "client_order_id", "fees.0.amount"),
    *(
        "fees.0.asset_code",
        "listing",
        "algo.interval",
        "revision",
        "previous_venue_order_ids",
        "status",
        "leverage neg",
        "leverage neg 1+",
        "post_only neg",
    ),
    *(
        "price %",
        "quantity sign:side",
        "created_at ms",
        "algo.interval s",
        "price none:0",
        "type only",
        "side re:b(.+)y",
        "client_order_id re:(.)",
        "label re:^(.*).$",
        r"price re:^(\d+)",
        r"quantity re:(\d+)$",
        "created_at re:(.+)Z",
    ),
]
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "a.b", "a.0", "b.c.a", "x~/y", "0", "/a"]), st.sampled_from(FIELDS)),
    max_size=6,
    unique=True,
).map(lambda rows: "\n".join(f"{place} = {field}" for place, field in rows))


LIST_ROWS = st.lists(
    st.sampled_from(
        [
            f"{place} = {field}"
            for place in ("a.*", "a.*.b", "*", "*.0", "a.*b=1.c", "*.a")
            for field in ("bids.*.price", "asks.*.order_id", "bids.*.action", "sequence", "listing", "bids.*.timestamp")
        ]
    ),
    max_size=5,
    unique=True,
).map("\n".join)
ROOTS = st.sampled_from([".", "*", "*|.", "a.*|a|.", "**|*|."])


def venue(*tables: Any, **more: Any) -> Venue:
    return Venue("somewhere", tables, **more)


def read(rows: str, payload: Any, message: Any = Order, **more: Any) -> Reading:
    return venue(table("records", message, rows), **more).read(payload)


def leaves(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict | list) and value:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*at, str(key)))
    elif value not in (None, "", [], {}):
        yield at, value


def same(one: Any, other: Any) -> bool:
    """Whether two values state the same number, time or word."""
    return any(
        left == right
        for left, right in (
            (json_text(one), json_text(other)),
            (str(one).lower(), str(other).lower()),
            (_number(one), _number(other)),
            (_flag(one), _flag(other)),
            (_nanos(one), _nanos(other)),
        )
        if left is not None and right is not None
    )


def _number(value: Any) -> Any:
    from decimal import Decimal

    try:
        return None if isinstance(value, bool) else Decimal(str(value))
    except ArithmeticError:
        return None


def _flag(value: Any) -> Any:
    return {"1": True, "0": False, "true": True, "false": False}.get(str(value).lower())


def _nanos(value: Any) -> Any:
    reading = venue(table("times", Order, "t = created_at")).read({"t": value})
    message = reading.messages[0]
    return cqc.to_unix_nanos(message.created_at) if message.HasField("created_at") else None


@given(PAYLOADS, ROWS)
def test_any_payload_comes_back_whole_through_any_table(payload: Any, rows: str) -> None:
    reading = read(rows, payload)
    (counts,) = reading.counts().values()
    assert counts.lost == []
    back = dict(leaves(reading.write()))
    left_out = sum(counts.not_kept.values()) + counts.empty
    missing = [at for at, _ in leaves(payload) if at not in back]
    assert len(missing) <= left_out
    for at, sent in leaves(payload):
        if at in back and not any("algo.interval" in row for row in rows.splitlines()):
            assert same(sent, back[at]), (at, sent, back[at])


@given(PAYLOADS, ROWS)
def test_messages_may_travel_before_the_comparison(payload: Any, rows: str) -> None:
    reading = read(rows, payload)
    travelled = [type(message).FromString(message.SerializeToString()) for message in reading.messages]
    assert reading.counts(travelled) == reading.counts()
    assert json_text(reading.write(travelled)) == json_text(reading.write())


@given(PAYLOADS, LIST_ROWS, ROOTS)
@example(["0"], "* = bids.*.timestamp", ".")
def test_lists_of_any_shape_lose_nothing_inside_the_records(payload: Any, rows: str, root: str) -> None:
    reading = read(rows, payload, OrderBook, root=root)
    counts = reading.counts()
    lost = [text for kind in counts.values() for text in kind.lost]
    assert [text for text in lost if not text.endswith(("outside the records", "no table reads it"))] == []
    travelled = [type(message).FromString(message.SerializeToString()) for message in reading.messages]
    assert reading.counts(travelled) == counts
    found = sum(kind.typed + kind.in_venue_fields + sum(kind.not_kept.values()) for kind in counts.values()) + len(lost)
    # A time of 0 states nothing, as null does.
    assert found <= sum(1 for _ in leaves(payload)) <= found + sum(kind.empty for kind in counts.values())


@given(st.lists(PAYLOADS, min_size=1, max_size=4))
def test_every_value_is_counted_once(records: list[Any]) -> None:
    (counts,) = read("a = price", records, root="*").counts().values()
    total = sum(1 for _ in leaves(records))
    found = counts.typed + counts.in_venue_fields + sum(counts.not_kept.values()) + len(counts.lost)
    assert found == total
    assert counts.lost == []


@given(PAYLOADS)
def test_json_is_written_as_it_was(payload: Any) -> None:
    text = json_text(payload)
    assert json_text(parse_json(text)) == text


def test_a_code_is_an_asset_only_where_an_asset_may_have_it() -> None:
    assert [code_as_asset(code) for code in ("BTC", "1INCH", "XBt", "USDC.e", "+10", "")] == [
        "BTC",
        "1INCH",
        *[None] * 4,
    ]


def test_a_lost_field_is_noticed() -> None:
    reading = read("p = price; q = quantity", {"p": "1.10", "q": "2"})
    (message,) = reading.messages
    message.ClearField("price")
    assert reading.counts()["records"].lost == ["/p: 1.10 did not come back"]


def test_decimals_keep_every_digit() -> None:
    (order,) = read(
        "p = price; q = quantity; l = leverage", parse_json('{"p": 2.2880e-5, "q": "1.10", "l": 1E+2}')
    ).messages
    assert (order.price, order.quantity, order.leverage) == ("0.000022880", "1.10", "100")


@pytest.mark.parametrize(
    "value", ["1597026383.085", "1597026383085", "1597026383085000", "1597026383085000000", "2020-08-10T02:26:23.085Z"]
)
def test_times_tell_their_unit(value: str) -> None:
    (order,) = read("t = created_at", {"t": value}).messages
    assert cqc.to_unix_nanos(order.created_at) == 1597026383085000000


def test_words_are_shared_and_kept() -> None:
    rows = "s = side; t = type; u = status; v = trigger_kind"
    (order,) = read(rows, {"s": "Buy", "t": "STOP_LOSS_LIMIT", "u": "canceled", "v": "moonphase"}).messages
    assert (order.side, order.raw_side) == (OrderSide.ORDER_SIDE_BUY, "Buy")
    assert (order.type, order.status) == (OrderType.ORDER_TYPE_STOP_LIMIT, OrderStatus.ORDER_STATUS_CANCELLED)
    assert (order.trigger_kind, order.raw_trigger_kind) == (0, "moonphase")


@pytest.mark.parametrize("name", VOCABULARY)
def test_the_vocabulary_fits_the_enums(name: str) -> None:
    packages = (cqc.markets.v1, cqc.venues.v1)
    (enum,) = {getattr(package, name).DESCRIPTOR for package in packages if hasattr(package, name)}
    values = {value.name.removeprefix(enum.values[0].name.removesuffix("UNSPECIFIED")) for value in enum.values}
    entries = [entry.partition(":") for entry in VOCABULARY[name].split(";")]
    assert {value.strip() for value, _, _ in entries} <= values
    words = [word for _, _, text in entries for word in text.split()]
    assert len(set(words)) == len(words)


def test_the_venues_words_come_first() -> None:
    more = {"words": {"OrderStatus": "FILLED: 2", "Maker": "MAKER: true; TAKER: false"}}
    (order,) = read("s = status", {"s": 2}, **more).messages
    (report,) = read("m = liquidity words:Maker", {"m": False}, ExecutionReport, **more).messages
    assert order.status == OrderStatus.ORDER_STATUS_FILLED
    assert report.liquidity == LiquiditySide.LIQUIDITY_SIDE_TAKER


def test_words_of_one_row_stand_in_it() -> None:
    reading = read("call = side words:BUY=true|1,SELL=false", {"call": False})
    assert (reading.messages[0].side, reading.messages[0].raw_side) == (OrderSide.ORDER_SIDE_SELL, "false")
    assert reading.write() == {"call": "false"}


def test_signs_scales_and_sentinels() -> None:
    rows = """
        pos = quantity sign:side; fee = fees.0.amount neg; rate = leverage %
        sats = notional by:ccy; liq = liquidation_price none:0
    """
    payload = parse_json('{"pos": "-1.50", "fee": "-0.1", "rate": "5.0", "sats": 12345, "ccy": "XBt", "liq": "0.00"}')
    reading = read(rows, payload, Position, scales={"XBt": -8})
    (position,) = reading.messages
    assert (position.quantity, position.raw_side, position.fees[0].amount) == ("1.50", "", "0.1")
    assert (position.leverage, position.notional) == ("0.050", "0.00012345")
    assert not position.HasField("liquidation_price")
    assert json_text(reading.write()) == '{"pos":"-1.50","fee":"-0.1","rate":"5.0","sats":12345,"ccy":"XBt"}'


def test_opposites_of_bools_and_deviations() -> None:
    rows = "disabled = working neg; up = price 1+; down = trigger_price neg 1+"
    payload = {"disabled": False, "up": "0.050", "down": Number("0.05")}
    reading = read(rows, payload)
    (order,) = reading.messages
    assert (order.working, order.price, order.trigger_price) == (True, "1.050", "0.95")
    assert reading.write() == payload
    assert read("disabled = working neg", {"disabled": True}).messages[0].working is False


def test_tables_make_messages_of_events() -> None:
    (payment,) = venue(*tables("[funding paid: FundingPaid] when paid\npaid = amount")).read({"paid": "-1"}).messages
    assert payment.amount == "-1"


def test_lists_become_levels() -> None:
    rows = "{bids,asks}.*.0 = {bids,asks}.*.price; {bids,asks}.*.1 = {bids,asks}.*.quantity; bids.*.2 # deprecated"
    reading = read(rows, {"bids": [["1", "2", "0"], ["3", "4", "0"]], "asks": []}, OrderBook)
    (book,) = reading.messages
    assert [(level.price, level.quantity) for level in book.bids] == [("1", "2"), ("3", "4")]
    assert reading.counts()["records"].not_kept == {("bids.*.2", "deprecated"): 2}


def test_items_are_chosen_by_what_they_say() -> None:
    rows = """
        data.*side=Buy.price = bids.*.price; data.*side=Sell.price = asks.*.price
        limits.kind=depth.value = depth; asks.*.action := DELETE
    """
    rungs = [{"side": side, "price": price} for side, price in (("Sell", "3"), ("Buy", "1"), ("Sell", "4"))]
    reading = read(rows, {"data": rungs, "limits": [{"kind": "x"}, {"kind": "depth", "value": 5}]}, OrderBook)
    (book,) = reading.messages
    assert [level.price for level in book.asks] == ["3", "4"]
    assert [level.price for level in book.bids] == ["1"]
    assert [level.action for level in (*book.asks, *book.bids)] == [BookAction.BOOK_ACTION_DELETE] * 2 + [0]
    assert (book.depth, dict(book.venue_fields)) == (5, {"/limits/0": '{"kind":"x"}'})
    assert reading.counts()["records"].typed == 8


def test_items_can_be_counted_from_the_last() -> None:
    rows = "d.*-s=Sell.p = asks.*.price; d.*-s=Sell.q = asks.*.quantity; b.*-.0 = bids.*.price"
    rungs = [{"s": side, "p": price, "q": "1"} for side, price in (("Sell", "5"), ("Sell", "4"), ("Buy", "3"))]
    reading = read(rows, {"d": rungs, "b": [["1"], ["2"]]}, OrderBook)
    (book,) = reading.messages
    assert [level.price for level in book.asks] == ["4", "5"]
    assert [level.price for level in book.bids] == ["2", "1"]
    # The side of the third rung chooses it, but no row reads it.
    assert reading.counts()["records"].typed == 8
    assert dict(book.venue_fields) == {"/d/2": '{"s":"Buy","p":"3","q":"1"}'}


def test_what_every_item_repeats() -> None:
    reading = read(
        "d.*.s = listing; d.*.p = bids.*.price", {"d": [{"s": "A", "p": "1"}, {"s": "A"}, {"s": "B"}]}, OrderBook
    )
    (book,) = reading.messages
    assert book.native_listing.symbol == "A"
    assert dict(book.venue_fields) == {"/d/2": '{"s":"B"}'}


def test_parallel_lists() -> None:
    rows = "/0.universe.$.name = listing; markPx = mark_price"
    payload = [{"universe": [{"name": "BTC"}, {"name": "ETH"}]}, [{"markPx": "1"}, {"markPx": "2"}]]
    messages = venue(table("tickers", Ticker, rows, root="1.*")).read(payload).messages
    assert [(ticker.native_listing.symbol, ticker.mark_price) for ticker in messages] == [("BTC", "1"), ("ETH", "2")]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("5m", 300), ("1H", 3600), ("PT8H", 28800), ("4HOURS", 14400), ("5MINS", 300), ("D", 86400)),
        *(("Min15", 900), ("Hour4", 14400), ("Day1", 86400)),
    ],
)
def test_lengths_of_time(text: str, seconds: int) -> None:
    (candle,) = read("i = interval", {"i": text}, Candle).messages
    assert candle.interval.seconds == seconds


def test_the_rest_goes_to_venue_fields_in_the_largest_parts() -> None:
    payload = parse_json('{"p": 1.0, "x": {"a": 1.10, "b": [1, 2]}, "y": {"p": 3, "q": 1e5}, "uid": 7, "n": null}')
    reading = read("p = price; y.p = quantity", payload)
    (order,) = reading.messages
    assert dict(order.venue_fields) == {"/x": '{"a":1.10,"b":[1,2]}', "/y/q": "1e5"}
    assert reading.unnamed() == {("records", "x"): 1, ("records", "y.q"): 1}
    assert reading.counts()["records"].not_kept == {("uid", "personal data, or a key"): 1}


@pytest.mark.parametrize(
    "key", ["uid", "userId", "user_name", "email", "apiKey", "subAcct", "ip", "firstName", "kycLv"]
)
def test_personal_data_is_never_kept(key: str) -> None:
    (order,) = read("p = price", {"p": "1", "inner": {key: "someone", "b": 1}}).messages
    assert dict(order.venue_fields) == {"/inner/b": "1"}


def test_venue_fields_end_somewhere_and_say_so() -> None:
    reading = read("p = price", {"p": "1", **{f"k{index}": index for index in range(MAX_VENUE_FIELDS + 5)}})
    (order,) = reading.messages
    assert len(order.venue_fields) == MAX_VENUE_FIELDS
    assert len(reading.counts()["records"].lost) == 5


def test_one_payload_becomes_several_messages() -> None:
    tables = [
        table(
            "orders",
            Order,
            "id = venue_order_id",
            when="state",
            also=[
                table("fills", ExecutionReport, "fillPx = last_price; exec_type := TRADE", when="fillPx=?*"),
                table("balances", Balance, "ccy = asset_code; /data.*.t = timestamp ms", root="details.*"),
            ],
        ),
        skip("service news", when="news"),
    ]
    payload = {
        "data": [{"id": "1", "state": "x", "fillPx": "2", "t": 5, "details": [{"ccy": "BTC"}]}, {"news": "hello"}]
    }
    reading = venue(*tables, root="data.*", asset=str.lower).read(payload, account_id="a")
    assert [type(message).__name__ for message in reading.messages] == ["Order", "ExecutionReport", "Balance"]
    balance = reading.messages[2]
    assert (balance.asset_id, balance.account_id, balance.timestamp.nanos) == ("btc", "a", 5000000)
    assert reading.counts()["service news"].not_kept == {("data.*.news", "service news"): 1}


def test_one_text_holds_all_tables() -> None:
    text = """
        [unit]
        quantity_unit := CONTRACTS
        [orders: Order] at data.* when id state=live or id state=done
        id = venue_order_id; use unit
        [fills: ExecutionReport] in orders when px=?*
        px = last_price
        [skip: service news] at data.* when news
    """
    reads = venue(*tables(text, {"orders": lambda order, _: setattr(order, "label", "derived")}))
    reading = reads.read({"data": [{"id": "1", "state": "live", "px": "2"}, {"id": "2", "state": "x"}, {"news": "n"}]})
    order, report = reading.messages
    assert (order.quantity_unit, order.label, report.last_price) == (
        QuantityUnit.QUANTITY_UNIT_CONTRACTS,
        "derived",
        "2",
    )
    assert [item.kind for item in reading.items] == ["orders", "fills", "service news"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[orders: Odrer]", r"no message has this name; did you mean Order\?"),
        ("a = price", "before the first header"),
        ("[orders: Order]\n[fills: Order] in oders", r"in oders: no table has this kind; did you mean orders\?"),
        ("[orders: Order]\nuse unit", r"no section \[unit\] stands before it"),
        ("[units]\n[orders: Order]\nuse unit", r"did you mean units\?"),
        ("[unit]\na = price\n[unit]\nb = price", "before has this name; choose another"),
        ("[orders Order] when id", r"a table is `\[kind: Message\]`"),
        ("[orders: Order] when id at data", "in this order"),
    ],
)
def test_a_wrong_header_is_refused(text: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        tables(text)


def test_listings_and_symbols_get_their_ids() -> None:
    text = "[instruments: VenueSymbol]\ns = native_symbol\n[symbols: Symbol] in instruments"
    made = venue(*tables(text), listing=lambda _, name: f"somewhere:BTC-USD-OPT-BTC-20241227T1200-{name}-C")
    listing, symbol = made.read({"s": "0d25"}).messages
    assert listing.symbol_id == symbol.symbol_id == "BTC-USD-OPT-BTC-20241227T1200-0d25-C"
    assert (symbol.strike, symbol.strike_asset_id, symbol.quote_asset_id) == ("0.25", "USD", "BTC")
    assert symbol.expiry.ToJsonString() == "2024-12-27T12:00:00Z"


def test_functions_see_the_ids() -> None:
    def fee(order: Any, _context: Any) -> None:
        order.fees[0].asset_code = order.venue_symbol_id.split("-")[1]

    rows = "i = listing; f = fees.0.amount"
    reads = venue(
        table("orders", Order, rows, derive=fee), listing=lambda _, name: f"somewhere:{name}", asset=lambda code: code
    )
    (order,) = reads.read({"i": "BTC-USD-SPOT", "f": "1"}).messages
    assert order.fees[0].asset_id == "USD"


@pytest.mark.parametrize(
    ("sent", "status", "direction"),
    [
        ({"type": "stop", "side": "buy", "done": "0"}, "NEW", "UP"),
        ({"type": "stop_limit", "side": "sell", "done": "1"}, "PARTIALLY FILLED", "DOWN"),
        ({"type": "take_profit", "side": "buy"}, "NEW", "DOWN"),
        ({"type": "limit", "side": "sell", "done": "0.1"}, "PARTIALLY FILLED", "UNSPECIFIED"),
    ],
)
def test_what_an_order_says_of_its_state(sent: dict[str, str], status: str, direction: str) -> None:
    rows = "type = type; side = side; done = cumulative_quantity; status := NEW"
    (order,) = venue(table("orders", Order, rows, derive=order_state)).read(sent).messages
    assert cqc.display_name(OrderStatus, order.status) == status
    assert cqc.display_name(TriggerDirection, order.trigger_direction) == direction


def test_a_single_value_fills_a_list() -> None:
    reading = read("a = previous_venue_order_ids; n = previous_client_order_ids", {"a": "1", "n": Number("2")}, Order)
    (order,) = reading.messages
    assert (list(order.previous_venue_order_ids), list(order.previous_client_order_ids)) == (["1"], ["2"])
    assert reading.write() == {"a": "1", "n": Number("2")}


@pytest.mark.parametrize(("channel", "end"), [("1M", "2024-03-01"), ("1Y", "2025-02-01"), ("1D", "2024-02-02")])
def test_candles_end_where_their_length_does(channel: str, end: str) -> None:
    rows = "@name = interval; @name = calendar_interval only; t = open_time"
    (candle,) = (
        venue(table("candles", Candle, rows, derive=candle_close)).read({"t": "2024-02-01T00:00:00Z"}, channel).messages
    )
    assert candle.close_time.ToJsonString() == f"{end}T00:00:00Z"


def test_a_list_of_enums_has_each_value_once_and_all_words() -> None:
    listings = venue(table("instruments", cqc.venues.v1.VenueSymbol, "t = rules.order_types"))
    reading = listings.read({"t": ["LIMIT", "LIMIT_MAKER", "MARKET", "odd"]})
    (rules,) = (message.rules for message in reading.messages)
    assert list(rules.order_types) == [OrderType.ORDER_TYPE_LIMIT, OrderType.ORDER_TYPE_MARKET]
    assert list(rules.raw_order_types) == ["LIMIT", "LIMIT_MAKER", "MARKET", "odd"]
    assert reading.write() == {"t": ["LIMIT", "LIMIT_MAKER", "MARKET", "odd"]}


@pytest.mark.parametrize(
    ("kind", "side", "direction"),
    [("stop", "buy", "UP"), ("stop_limit", "sell", "DOWN"), ("take_profit", "buy", "DOWN"), ("limit", "buy", "")],
)
def test_triggers_have_the_direction_of_type_and_side(kind: str, side: str, direction: str) -> None:
    orders = venue(table("orders", Order, "t = type; s = side", derive=trigger_direction))
    (order,) = orders.read({"t": kind, "s": side}).messages
    assert TriggerDirection.Name(order.trigger_direction) == f"TRIGGER_DIRECTION_{direction or 'UNSPECIFIED'}"


@pytest.mark.parametrize(
    ("kind", "side", "direction", "expected"),
    [
        ("market", "buy", "up", "STOP"),
        ("market", "sell", "up", "TAKE_PROFIT"),
        ("limit", "sell", "down", "STOP_LIMIT"),
        ("limit", "buy", "down", "TAKE_PROFIT_LIMIT"),
        ("limit", "buy", "", "LIMIT"),
    ],
)
def test_a_trigger_makes_a_plain_order_a_stop_or_take_profit(
    kind: str, side: str, direction: str, expected: str
) -> None:
    orders = venue(table("orders", Order, "t = type; s = side; d = trigger_direction", derive=trigger_type))
    sent = {"t": kind, "s": side} | ({"d": direction} if direction else {})
    reading = orders.read(sent)
    (order,) = reading.messages
    assert OrderType.Name(order.type) == f"ORDER_TYPE_{expected}"
    assert reading.write() == sent


@pytest.mark.parametrize(
    ("symbol", "code", "expected"),
    [("BTC-USD-PERP-BTC", "", "BTC"), ("BTC-USDT-PERP-USDT", "BNB", ""), ("BTC-USDT-SPOT", "", ""), ("odd", "", "")],
)
def test_fees_without_an_asset_are_in_what_the_contract_is_settled_in(symbol: str, code: str, expected: str) -> None:
    def listing(_segment: str, name: str) -> str | None:
        return f"somewhere:{name}" if "-" in name else None

    rows = "s = listing; f = fees.0.amount; c = fees.0.asset_code"
    fills = venue(table("fills", ExecutionReport, rows, derive=settlement_asset), listing=listing)
    (report,) = fills.read({"s": symbol, "f": "0.1", "c": code}).messages
    assert report.fees[0].asset_id == expected


def test_a_listing_whose_name_makes_no_valid_id_keeps_its_name() -> None:
    def listing(_segment: str, name: str) -> str | None:
        return cqc.venue_symbol_id("somewhere", f"{name}-USDT-SPOT")

    trades = [read("s = listing", {"s": name}, Trade, listing=listing).messages[0] for name in ("BTC", "k&c")]
    assert [trade.venue_symbol_id for trade in trades] == ["somewhere:BTC-USDT-SPOT", ""]
    assert [trade.native_listing.symbol for trade in trades] == ["BTC", "k&c"]


def test_an_exponent_is_a_precision_and_a_single_word_a_list() -> None:
    rows = "e = base_precision neg; m = margin_modes"
    reading = venue(table("instruments", VenueSymbol, rows)).read(parse_json('{"e": -10, "m": "CROSS"}'))
    (symbol,) = reading.messages
    assert (symbol.base_precision, list(symbol.raw_margin_modes)) == (10, ["CROSS"])
    assert [MarginMode.Name(mode) for mode in symbol.margin_modes] == ["MARGIN_MODE_CROSS"]
    assert json_text(reading.write()) == '{"e":-10,"m":"CROSS"}'
    assert not reading.counts()["instruments"].lost


def test_constants_templates_and_ids() -> None:
    rows = "i = listing; k = trade_id; block := true if:kind=block; quantity_unit := CONTRACTS"
    more: dict[str, Any] = {"listing": lambda segment, symbol: f"somewhere:{symbol}"}
    (trade,) = read(rows, {"i": "BTC-USD-SPOT", "k": "1", "kind": "block"}, Trade, **more).messages
    (report,) = read(
        "exec_id := {trade_id} | {venue_order_id}-x; o = venue_order_id", {"o": "7"}, ExecutionReport
    ).messages
    assert (trade.venue_symbol_id, trade.native_listing.venue_id, trade.block) == (
        "somewhere:BTC-USD-SPOT",
        "somewhere",
        True,
    )
    assert report.exec_id == "7-x"


def test_partial_pushes_state_their_fields() -> None:
    changed = table("tickers", Ticker, "b = bid_price; m = mark_price; l = last_price", partial=True)
    (ticker,) = venue(changed).read({"b": "1", "m": None}).messages
    assert list(ticker.stated.paths) == ["bid_price", "mark_price"]


@pytest.mark.parametrize(("kind", "paths"), [("delta", ["last_price"]), ("snapshot", [])])
def test_the_kind_of_a_push_tells_whether_it_is_partial(kind: str, paths: list[str]) -> None:
    made = venue(*tables("[tickers: Ticker] at data partial if:/type=delta when last\nlast = last_price"))
    (ticker,) = made.read({"type": kind, "data": {"last": "1"}}).messages
    assert list(ticker.stated.paths) == paths
    assert ticker.HasField("stated") is bool(paths)


def test_objects_are_records_with_a_key() -> None:
    books = table("trades", Trade, "@key = listing; p = price; s = aggressor", root="result.**")
    trades = venue(books).read({"result": {"XBT/USD": {"p": "1", "s": "sell"}}}).messages
    (trade,) = trades
    assert (trade.native_listing.symbol, trade.aggressor) == ("XBT/USD", AggressorSide.AGGRESSOR_SIDE_SELLER)


def test_part_of_a_text() -> None:
    candles = table("candles", Candle, "/arg.channel = interval re:candle(.+); 0 = open_time ms", root="data.*")
    reading = venue(candles).read({"arg": {"channel": "candle1H"}, "data": [["1597026383085"]]})
    (candle,) = reading.messages
    assert candle.interval.seconds == 3600
    assert reading.counts()["candles"].typed == 2


def test_part_of_a_text_that_occurs_around_it_too() -> None:
    reading = read(r"i = interval h re:2000-01-01T(\d+):00", {"i": "2000-01-01T01:00"}, Candle)
    (candle,) = reading.messages
    assert candle.interval.seconds == 3600
    assert reading.counts()["records"].typed == 1


def test_several_rows_share_a_text() -> None:
    """A text counts as typed only if the rows together account for every character."""
    rows = r"t = listing re:^/candles:(.+)_; t = interval re:_([^_]+)$"
    reading = read(rows, {"t": "/candles:BTC_USD_1hour"}, Candle)
    (candle,) = reading.messages
    assert (candle.native_listing.symbol, candle.interval.seconds) == ("BTC_USD", 3600)
    assert reading.counts()["records"].typed == 1
    assert reading.write() == {"t": "/candles:BTC_USD_3600s"}
    part = read(r"t = listing re:candles:(.+)_; t = interval re:_([^_]+)$", {"t": "/candles:BTC_1h"}, Candle)
    assert part.counts()["records"].typed == 0


@pytest.mark.parametrize(("text", "side"), [("9.50,buy,2", "bids"), ("9.50,sell,2", "asks")])
def test_a_level_in_a_text(text: str, side: str) -> None:
    rows = r"""
        c = bids.0.price re:^([\d.]+),buy, if:c=*?buy?*; c = bids.0.quantity re:,buy,([\d.]+)$ if:c=*?buy?*
        c = asks.0.price re:^([\d.]+),sell, if:c=*?sell?*; c = asks.0.quantity re:,sell,([\d.]+)$ if:c=*?sell?*
    """
    reading = read(rows, {"c": text}, OrderBookDelta)
    (delta,) = reading.messages
    assert [(level.price, level.quantity) for level in getattr(delta, side)] == [("9.50", "2")]
    assert reading.counts()["records"].typed == 1
    assert reading.write() == {"c": text}


def test_values_of_json_in_a_text() -> None:
    rows = r"""c = listing re:^\{"s":"([^"]+)",; c = trade_id re:"id":"(\w+)"\}$"""
    sent = {"c": '{"s":"BTC-USD","id":"7"}'}
    reading = read(rows, sent, Trade)
    (trade,) = reading.messages
    assert (trade.native_listing.symbol, trade.trade_id) == ("BTC-USD", "7")
    assert reading.write() == sent


def test_why_a_row_left_a_value() -> None:
    reading = read("a = price; b = price; c = side; d ~ 0; e = label", {"a": "1", "b": "2", "c": "1 2", "d": "7"})
    assert reading.faults() == {
        ("records", "b"): "`b = price`: the field has 1",
        ("records", "d"): '`d ~ 0`: the row has "0"',
    }
    assert read("a = price", {"a": "1 2"}).faults()["records", "a"] == "`a = price`: '1 2' is not a number"
    assert reading.rows()["records", "e = label"] == 0


def test_a_constant_of_a_value_that_does_not_fit_is_left_out() -> None:
    for rows in ("price := {@a}", "created_at := {@a}", "revision := {@b}"):
        (order,) = read(rows, {"a": "much", "b": "-1"}).messages
        assert not order.HasField("price")
        assert not order.HasField("created_at")
        assert not order.revision


def test_only_known_words_of_a_list() -> None:
    reading = read("m = margin_modes only", {"m": ["isolated", "odd"]}, VenueSymbol)
    assert list(reading.messages[0].margin_modes) == [MarginMode.MARGIN_MODE_ISOLATED]
    assert reading.counts()["records"].typed == 2
    reading = read("m = margin_modes only", {"m": "odd"}, VenueSymbol)
    assert not reading.messages[0].margin_modes
    assert reading.counts()["records"].in_venue_fields == 1


def test_words_that_no_vocabulary_knows() -> None:
    reading = read("a = side; b = type; b = time_in_force only; c = status", {"a": "left", "b": "limit", "c": "live"})
    assert reading.unknown_words() == {("records", "side", "left"): 1}


def test_payments_are_events() -> None:
    (paid,) = venue(*tables("[paid: FundingPaid]\nusdc = amount")).read({"usdc": "-1"}).messages
    assert type(paid).__name__ == "FundingPaid"
    assert paid.amount == "-1"


def test_rows_for_a_message_inside_another() -> None:
    assert under("order", "px = price; i = listing\norder_id := x:{venue_order_id}") == (
        "px = order.price\ni = order.native_listing.symbol\norder.order_id := x:{order.venue_order_id}"
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("a = prize", r"table 'records', row 'a = prize': Order.prize: Order has no field prize; did you mean price"),
        ("a = last_fill_tme", r"did you mean last_fill_at\b"),
        ("a = price nome:0", r"unknown modifier nome:0; did you mean none:\?; the modifiers are words: none:"),
        ("a = side words:Sides", "`words` have no entry 'Sides'"),
        ("a = side words:BYE=1", r"OrderSide has no value BYE; it has UNSPECIFIED, BUY, SELL"),
        ("a = price words:BUY=1", "words: is for an enum, and price is none"),
        ("a price", "expected"),
        ("a # never; mind", "a `;` in a reason ends the row"),
        ("type := STOPP", "OrderType has no value STOPP; it has .*STOP_LIMIT"),
        ("a = bids.*.price", "has no field bids"),
        ("price := much", "'much' is not a number"),
        ("a = price if:b c", "unknown modifier c; if: and re: have no spaces in them"),
        ("a = fees.amount", r"fees is a list: add \.\* or an index"),
        ("a = price ms", "ms is a unit of time, and price holds none"),
        ("a = created_at h", "h counts a length of time; a time is in s, ms, us, ns"),
        ("a = price only", "only does not fit price, which is a decimal"),
        ("a = status is:live", "is does not fit status, which is an enum"),
        ("a = price re:([", r"no regular expression"),
        ("a = price re:x.+", r"needs one group, such as re:candle\(\.\+\)"),
        ("a = price\nb = side\na = price", "row 'a = price': it stands there twice"),
        ("a = order_id neg", "only a decimal"),
        ("a = fees.*.amount", "as many in its place"),
    ],
)
def test_a_wrong_table_is_refused_at_once(rows: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        venue(table("records", Order, rows))


def test_all_wrong_rows_are_reported_together() -> None:
    text = "[orders: Order]\na = prize; b = sied\n[trades: Trade]\nc = prise"
    with pytest.raises(TableError) as raised:
        venue(*tables(text), common="/d twice")
    rows = [line.partition("row ")[2].partition(":")[0] for line in str(raised.value).splitlines()]
    assert rows == ["'a = prize'", "'b = sied'", "'/d twice'", "'c = prise'", "'/d twice'"]


def test_words_for_an_enum_that_does_not_exist_are_refused() -> None:
    with pytest.raises(TableError, match=r"words: no enum is named OrderStaus; did you mean OrderStatus "):
        venue(words={"OrderStaus": "NEW: live", "own": "NEW: live"})


def test_a_wrong_unit_of_the_venue_is_refused() -> None:
    with pytest.raises(TableError, match="time='msec': expected one of s, ms, us, ns"):
        venue(time="msec")


def test_importing_cqc_does_not_load_the_kit() -> None:
    code = "import cqc, cqc.markets.v1, json, sys; print(json.dumps([name for name in sys.modules if '_map' in name]))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert [name for name in json.loads(found) if name.startswith("cqc")] == []

"""Ids of products and listings, built from their parts and parsed back.

| type | form of the id |
| --- | --- |
| SPOT, MARGIN | `<base>-<quote>-SPOT`, `<base>-<quote>-MARGIN` |
| PERPETUAL | `<base>-<quote>-PERP-<settlement>` |
| FUTURE | `<base>-<quote>-FUT-<settlement>-<expiry>` |
| OPTION | `<base>-<strike asset>-OPT-<settlement>-<expiry>-<strike>-C`, or `-P` for a put |
| INDEX | `<base>-<quote>-INDEX`, or `<base>-<quote>-INDEX-<variant>` |
| EVENT | `EVENT-<key>-<quote>` |
| COMBO | `COMBO-<key>` |

A product has one id. An expiry is `YYYYMMDD` in UTC, followed by `THHMM` or, if it has seconds, `THHMMSS` only where
the time of day is not 08:00. A strike has `d` for the decimal point and no needless zeros: `3000`, `0d25`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from cqc._book import canonical
from cqc._pickling import reduce
from cqc._timestamp import from_unix_nanos, to_datetime
from cqc.markets.v1 import LegSide, OptionType, Symbol, SymbolLeg, SymbolType

__all__ = [
    "InvalidIdError",
    "SymbolIdParts",
    "VenueSymbolIdParts",
    "combo_id",
    "parse_symbol_id",
    "parse_venue_symbol_id",
    "symbol_id",
    "symbol_id_of",
    "venue_symbol_id",
]

_MAX_SYMBOL_ID = 160
_MAX_NAME = 64
_ASSET = re.compile(r"[A-Z0-9]{1,32}(_[A-Z0-9]{1,32}){0,2}")
_VENUE = re.compile(r"[a-z0-9]{1,32}(_[a-z0-9]{1,32}){0,7}")
_QUALIFIER = re.compile(r"0x[a-z0-9]{0,64}|(?!0x)[a-zA-Z0-9]{1,66}")
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,77})([.][0-9]{1,38})?")
_STRIKE = re.compile(r"[1-9][0-9]{0,19}(d[0-9]{0,17}[1-9])?|0d[0-9]{0,17}[1-9]")
_EXPIRY = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})?)?")
_KEY = re.compile(r"[A-Z0-9]{4,64}")
_VARIANT = re.compile(r"[A-Z0-9]{1,20}")

_RIGHTS = {"C": OptionType.OPTION_TYPE_CALL, "P": OptionType.OPTION_TYPE_PUT}
_LETTERS = {right: letter for letter, right in _RIGHTS.items()}
_SIDES = {LegSide.LEG_SIDE_BUY: "BUY", LegSide.LEG_SIDE_SELL: "SELL"}

_WORDS = {
    SymbolType.SYMBOL_TYPE_SPOT: "SPOT",
    SymbolType.SYMBOL_TYPE_MARGIN: "MARGIN",
    SymbolType.SYMBOL_TYPE_PERPETUAL: "PERP",
    SymbolType.SYMBOL_TYPE_FUTURE: "FUT",
    SymbolType.SYMBOL_TYPE_OPTION: "OPT",
    SymbolType.SYMBOL_TYPE_INDEX: "INDEX",
    SymbolType.SYMBOL_TYPE_EVENT: "EVENT",
    SymbolType.SYMBOL_TYPE_COMBO: "COMBO",
}
_TYPES = {word: number for number, word in _WORDS.items()}
_STATED = {
    "SPOT": ("base_asset_id", "quote_asset_id"),
    "MARGIN": ("base_asset_id", "quote_asset_id"),
    "PERP": ("base_asset_id", "quote_asset_id", "settlement_asset_id"),
    "FUT": ("base_asset_id", "quote_asset_id", "settlement_asset_id", "expiry"),
    "OPT": ("base_asset_id", "strike_asset_id", "settlement_asset_id", "expiry", "strike", "option_type"),
    "INDEX": ("base_asset_id", "quote_asset_id", "variant"),
    "EVENT": ("key", "quote_asset_id"),
    "COMBO": ("key",),
}


class InvalidIdError(ValueError):
    """An id, or a part that it is to be built from, is not valid.

    `part` names the part as `SymbolIdParts` and `VenueSymbolIdParts` do, or is `symbol_id` or `venue_symbol_id` for the
    whole id. A part of a combination's leg is prefixed, as in `legs[0].ratio`. `value` is the offending text, empty if
    the part is missing, and `expected` describes what is valid.
    """

    __reduce__ = reduce

    def __init__(self, part: str, value: str, expected: str) -> None:
        super().__init__(f"{part} {value!r} is not valid: expected {expected}")
        self.part = part
        self.value = value
        self.expected = expected


@dataclass(frozen=True)
class SymbolIdParts:
    """What a symbol id states. Parts that a type's id does not state are empty."""

    type: SymbolType.ValueType
    base_asset_id: str = ""
    quote_asset_id: str = ""
    strike_asset_id: str = ""
    """Asset in which the strike is stated. An option's id states it in place of the quote asset."""
    settlement_asset_id: str = ""
    expiry: Timestamp | None = None
    """A whole second."""
    strike: str = ""
    """A decimal greater than zero, with at most 20 digits before and 18 after the point."""
    option_type: OptionType.ValueType = OptionType.OPTION_TYPE_UNSPECIFIED
    variant: str = ""
    """Which of several indices on the same assets, such as `DVOL`. Empty if there is only one."""
    key: str = ""
    """The outcome of an event, or the digest in the id of a combination."""


@dataclass(frozen=True)
class VenueSymbolIdParts:
    """What the id of a listing states."""

    venue_id: str
    symbol_id: str
    qualifier: str = ""
    """Which of a venue's several listings of the product. Empty if there is only one."""


def symbol_id(parts: SymbolIdParts) -> str:
    """Build the id of a product.

    Raises InvalidIdError if a part is missing or malformed, or is not stated by an id of this type.
    """
    word = _WORDS.get(parts.type)
    if word is None:
        raise InvalidIdError("type", str(int(parts.type)), "a known type of product")
    texts = {field.name: _text_of(field.name, getattr(parts, field.name)) for field in fields(parts)[1:]}
    for name, text in texts.items():
        if name not in _STATED[word] and text:
            raise InvalidIdError(name, text, f"nothing, as ids with {word} do not state it")
    stated = [_FORMS[name](name, texts[name]) for name in _STATED[word]]
    if word == "EVENT" and texts["quote_asset_id"] in ("SPOT", "MARGIN", "INDEX"):
        # EVENT is an asset too: EVENT-USDT-SPOT is a pair.
        expected = "another asset id than SPOT, MARGIN and INDEX, which would make the id that of a pair"
        raise InvalidIdError("quote_asset_id", texts["quote_asset_id"], expected)
    words = [word, *stated] if word in ("EVENT", "COMBO") else [*stated[:2], word, *stated[2:]]
    built = "-".join(filter(None, words))
    if len(built) > _MAX_SYMBOL_ID:
        raise InvalidIdError("symbol_id", built, f"at most {_MAX_SYMBOL_ID} characters")
    return built


def parse_symbol_id(text: str) -> SymbolIdParts:
    """Parse the id of a product; `symbol_id` of the result is the same text.

    Raises InvalidIdError for everything that `symbol_id` does not return: an expiry on 30 February, `T0800`, a strike
    of `3000d50`.
    """
    match text.split("-"):
        case [base, quote, ("SPOT" | "MARGIN" | "INDEX") as word]:
            parts = SymbolIdParts(_TYPES[word], base, quote)
        case [base, quote, "INDEX", variant]:
            _matches("variant", variant, _VARIANT, "1 to 20 letters A to Z and digits")
            parts = SymbolIdParts(_TYPES["INDEX"], base, quote, variant=variant)
        case [base, quote, "PERP", settlement]:
            parts = SymbolIdParts(_TYPES["PERP"], base, quote, settlement_asset_id=settlement)
        case [base, quote, "FUT", settlement, expiry]:
            parts = SymbolIdParts(
                _TYPES["FUT"], base, quote, settlement_asset_id=settlement, expiry=_parse_expiry(expiry)
            )
        case [base, strike_asset, "OPT", settlement, expiry, strike, right]:
            if right not in _RIGHTS:
                raise InvalidIdError("option_type", right, "C or P")
            _matches("strike", strike, _STRIKE, "a strike such as 3000 or 0d25, without needless zeros")
            parts = SymbolIdParts(
                _TYPES["OPT"],
                base,
                strike_asset_id=strike_asset,
                settlement_asset_id=settlement,
                expiry=_parse_expiry(expiry),
                strike=strike.replace("d", "."),
                option_type=_RIGHTS[right],
            )
        case ["EVENT", key, quote]:
            parts = SymbolIdParts(_TYPES["EVENT"], quote_asset_id=quote, key=key)
        case ["COMBO", key]:
            parts = SymbolIdParts(_TYPES["COMBO"], key=key)
        case _:
            raise InvalidIdError("symbol_id", text, "a symbol id such as BTC-USDT-SPOT or ETH-USD-PERP-USDC")
    symbol_id(parts)
    return parts


def symbol_id_of(symbol: Symbol) -> str:
    """Return the id that a record must have, which a registry compares with the record's own.

    The id of a combination is `combo_id` of its legs. An index's variant and an event's key are fields of no record:
    they are taken from the record's id. Raises InvalidIdError if the record lacks a part of its id, or states one that
    no id can state.
    """
    if symbol.type == SymbolType.SYMBOL_TYPE_COMBO:
        return combo_id(symbol.legs)
    stated = _STATED.get(_WORDS.get(symbol.type, ""), ())
    values = {name: getattr(symbol, name) for name in stated if name in Symbol.DESCRIPTOR.fields_by_name}
    if "expiry" in values and not symbol.HasField("expiry"):
        values["expiry"] = None
    try:
        own = parse_symbol_id(symbol.symbol_id)
    except InvalidIdError:
        own = None
    if own is not None and own.type == symbol.type:
        values |= {name: getattr(own, name) for name in ("variant", "key")}
    return symbol_id(SymbolIdParts(symbol.type, **values))


def combo_id(legs: Iterable[SymbolLeg]) -> str:
    """Return the id of a combination: `COMBO-` and the first 32 hex digits, in upper case, of a SHA-256.

    The digest is of one text per leg, `<symbol_id>*<ratio>*<side>`, sorted and joined by `|`. The ratio has no needless
    zeros (`1`, `0.5`), and the side is `BUY` or `SELL`: `BTC-USD-PERP-BTC*1*SELL`. The order of the legs does not
    matter; ratios of 1 to 1 and of 2 to 2 are different combinations. Raises InvalidIdError if there is no leg or one
    is malformed.
    """
    texts = []
    for index, leg in enumerate(legs):
        part = f"legs[{index}]"
        try:
            parse_symbol_id(leg.symbol_id)
        except InvalidIdError as error:
            raise InvalidIdError(f"{part}.{error.part}", error.value, error.expected) from error
        ratio = canonical(leg.ratio)
        if not _DECIMAL.fullmatch(leg.ratio) or ratio == "0":
            raise InvalidIdError(f"{part}.ratio", leg.ratio, "a decimal greater than zero")
        if leg.side not in _SIDES:
            raise InvalidIdError(f"{part}.side", str(int(leg.side)), "buy or sell")
        texts.append(f"{leg.symbol_id}*{ratio}*{_SIDES[leg.side]}")
    if not texts:
        raise InvalidIdError("legs", "", "at least one leg")
    return f"COMBO-{hashlib.sha256('|'.join(sorted(texts)).encode()).hexdigest()[:32].upper()}"


def venue_symbol_id(venue_id: str, symbol_id: str, qualifier: str = "") -> str:
    """Build the id of a listing: venue and product, and a qualifier if the venue lists the product more than once.

    Raises InvalidIdError if a part is malformed. A qualifier that is an address, starting with `0x`, is in lower case.
    """
    _short("venue_id", _matches("venue_id", venue_id, _VENUE, "a venue id such as binance or uniswap_v3_ethereum"))
    parse_symbol_id(symbol_id)
    if not qualifier:
        return f"{venue_id}:{symbol_id}"
    _matches("qualifier", qualifier, _QUALIFIER, "1 to 66 letters and digits, in lower case after 0x")
    return f"{venue_id}:{symbol_id}:{qualifier}"


def parse_venue_symbol_id(text: str) -> VenueSymbolIdParts:
    """Parse the id of a listing; `venue_symbol_id` of the result's parts is the same text.

    Raises InvalidIdError for everything that `venue_symbol_id` does not return.
    """
    words = text.split(":")
    if len(words) not in (2, 3) or not words[-1]:
        expected = "a venue id and a symbol id joined by a colon, such as binance:BTC-USDT-SPOT"
        raise InvalidIdError("venue_symbol_id", text, expected)
    venue_symbol_id(*words)
    return VenueSymbolIdParts(*words)


def _text_of(name: str, value: Any) -> str:
    """Return a part as an id spells it, or empty if it is absent."""
    if name == "expiry":
        return "" if value is None else _expiry_text(value)
    if name == "option_type":
        return _LETTERS.get(value, str(int(value)) if value else "")
    return str(value)


def _asset(name: str, text: str) -> str:
    return _short(name, _matches(name, text, _ASSET, "an asset id such as BTC or USDC_ARBITRUM"))


def _strike(name: str, text: str) -> str:
    spelled = canonical(text).replace(".", "d")
    if not _DECIMAL.fullmatch(text) or not _STRIKE.fullmatch(spelled):
        expected = "a decimal greater than zero with at most 20 digits before and 18 after the point"
        raise InvalidIdError(name, text, expected)
    return spelled


def _expiry(name: str, text: str) -> str:
    if not text:
        raise InvalidIdError(name, text, "a time")
    return text


def _option_type(name: str, text: str) -> str:
    if text not in _RIGHTS:
        raise InvalidIdError(name, text, "a call or a put")
    return text


def _variant(name: str, text: str) -> str:
    return text and _matches(name, text, _VARIANT, "1 to 20 letters A to Z and digits")


def _key(name: str, text: str) -> str:
    return _matches(name, text, _KEY, "4 to 64 letters A to Z and digits")


_FORMS = {
    "base_asset_id": _asset,
    "quote_asset_id": _asset,
    "strike_asset_id": _asset,
    "settlement_asset_id": _asset,
    "expiry": _expiry,
    "strike": _strike,
    "option_type": _option_type,
    "variant": _variant,
    "key": _key,
}


def _matches(name: str, text: str, pattern: re.Pattern[str], expected: str) -> str:
    if not pattern.fullmatch(text):
        raise InvalidIdError(name, text, expected)
    return text


def _short(name: str, text: str) -> str:
    if len(text) > _MAX_NAME:
        raise InvalidIdError(name, text, f"at most {_MAX_NAME} characters")
    return text


def _expiry_text(expiry: Timestamp) -> str:
    try:
        time = to_datetime(expiry)
    except ValueError:
        time = None
    if time is None or expiry.nanos:
        value = f"{expiry.seconds} s and {expiry.nanos} ns"
        raise InvalidIdError("expiry", value, "a whole second in the years 1 to 9999")
    # Not strftime, which writes the year 999 with three digits.
    day = f"{time.year:04d}{time.month:02d}{time.day:02d}"
    clock = f"T{time.hour:02d}{time.minute:02d}" + (f"{time.second:02d}" if time.second else "")
    return day if clock == "T0800" else day + clock


def _parse_expiry(text: str) -> Timestamp:
    found = _EXPIRY.fullmatch(text)
    if found:
        year, month, day = (int(digits) for digits in found.group(1, 2, 3))
        hour, minute, second = (int(found[4]), int(found[5]), int(found[6] or 0)) if found[4] else (8, 0, 0)
        # The date may not exist.
        with suppress(ValueError):
            time = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
            expiry = from_unix_nanos(int(time.timestamp()) * 10**9)
            if _expiry_text(expiry) == text:
                return expiry
    expected = "an existing date YYYYMMDD, with THHMM or THHMMSS in UTC only if the time is not 08:00"
    raise InvalidIdError("expiry", text, expected)

"""The words that venues use for the values of enums, shared by all venues.

A word stands here only if it means the same wherever it is used. A word that means something at one venue only, such as
a number, belongs to that venue's `words`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from google.protobuf.descriptor import EnumDescriptor

VOCABULARY = {
    "OrderSide": "BUY: b bid; SELL: s ask",
    "LegSide": "BUY: b bid; SELL: s ask",
    "AggressorSide": "BUYER: buy b bid; SELLER: sell s ask",
    "OrderStatus": (
        "PENDING_NEW: pendingsubmit created received pending init; "
        "NEW: live open active accepted resting besteffortopened working placed submitted; "
        "UNTRIGGERED: conditional inactive; "
        "PARTIALLY_FILLED: partiallyfilled partialfill partialfilled partial partfilled; "
        "FILLED: fullfill fullyfilled; "
        "PENDING_CANCEL: canceling cancelling cancelrequested; "
        "CANCELLED: canceled cancelled partiallyfilledcanceled partiallyfilledcancelled deactivated mmpcanceled "
        "besteffortcanceled; "
        "REJECTED: rejected orderfailed failed; EXPIRED: expired expiredinmatch"
    ),
    "OrderType": (
        "LIMIT: postonly limitmaker fok ioc gtx; STOP: stoploss stopmarket stop sl; "
        "STOP_LIMIT: stoplosslimit; TAKE_PROFIT: takeprofitmarket marketiftouched takemarket; "
        "TAKE_PROFIT_LIMIT: limitiftouched takelimit; TRAILING_STOP: trailingstopmarket moveorderstop trailing; "
        "MARKET_TO_LIMIT: marketlimit; TRIGGER_MARKET: trigger"
    ),
    "TimeInForce": (
        "GTC: goodtillcancel goodtilcancel goodtilcancelled goodtillcancelled goodtilcanceled gooduntilcancelled; "
        "IOC: immediateorcancel optimallimitioc; FOK: fillorkill; GTD: goodtildate goodtilldate goodtiltime gtt "
        "gooduntildatetime; "
        "DAY: goodtilday; GTX: postonly alo poc"
    ),
    "PositionSide": "NET: both oneway none; LONG: buy; SHORT: sell",
    "MarginMode": "CASH: spot noncollateral; CROSS: crossed crossmargin regularmargin; ISOLATED: isolatedmargin",
    "LiquiditySide": "MAKER: m add; TAKER: t remove",
    "TriggerKind": (
        "LAST: lastprice contractprice tradeprice fillprice; MARK: markprice markpx; INDEX: indexprice; BID: bestbid; "
        "ASK: bestask"
    ),
    "PositionMode": "ONE_WAY: onewaymode netmode; HEDGE: hedgemode longshortmode",
    "OptionType": "CALL: c; PUT: p",
    "TickDirection": "PLUS: plustick; ZERO_PLUS: zeroplustick; MINUS: minustick; ZERO_MINUS: zerominustick",
    "TradingMode": (
        "OPEN: live trading online open active tradable normal; "
        "HALTED: suspend suspended break halt halted paused maintain maintenance; "
        "CLOSED: settled expired delisted; PRE_LAUNCH: preopen pretrading prelaunch"
    ),
    "PayoffType": "LINEAR: linearperpetual linearfutures vanilla; INVERSE: inverseperpetual inversefutures reversed",
    "ExecType": "TRADE: match fill filled partiallyfilled; CANCELLED: canceled; NEW: live; EXPIRED: expiredinmatch",
    "CalendarInterval": "MONTH: 1M 1Mutc 1month 1mon month1; QUARTER: 3M 3Mutc; YEAR: 1Y 1y",
    "OrderOrigin": "USER: normal; LIQUIDATION: fullliquidation partialliquidation liquidated; ADL: adl",
    "TransferState": (
        "COMPLETED: success successful succeeded complete; PROCESSING: processing; FAILED: failure fail; "
        "CANCELLED: canceled; REJECTED: reject"
    ),
    "TransferStatus": "ENABLED: true enable; DISABLED: false disable",
    "TransferType": "WITHDRAWAL: withdraw",
    "BalanceChangeReason": (
        "TRANSFER: transferin transferout; WITHDRAWAL: withdraw; REALIZED_PNL: realisedpnl; FUNDING: fundingfee; "
        "FEE: commission; REBATE: commissionrebate"
    ),
    "SelfTradePrevention": (
        "NONE: none; CANCEL_MAKER: expiremaker cm canceloldest co; CANCEL_TAKER: expiretaker ct cancelnewest cn; "
        "CANCEL_BOTH: expireboth cb cancelboth; DECREMENT: decrementandcancel dc"
    ),
}
"""Per enum: `VALUE: word word; VALUE: word`. Words are compared without case, spaces, `_`, `-` and `.`; a word with a
capital letter only as it is spelt. The names of the values themselves need not be listed."""


def value_names(enum: EnumDescriptor) -> list[str]:
    """The names of an enum's values without their prefix."""
    prefix = str(enum.values_by_number[0].name).removesuffix("UNSPECIFIED")
    return [str(value.name).removeprefix(prefix) for value in enum.values]


class Words:
    """Words of one enum, the venue's own before the shared ones."""

    def __init__(self, enum: EnumDescriptor, *texts: str) -> None:
        """Raise ValueError for a value that the enum does not have."""
        self._exact: dict[str, int] = {}
        self._loose: dict[str, int] = {}
        self._back: dict[int, str] = {}
        prefix = str(enum.values_by_number[0].name).removesuffix("UNSPECIFIED")
        numbers = {name: int(value.number) for name, value in zip(value_names(enum), enum.values, strict=True)}
        for text in (*texts, VOCABULARY.get(enum.name, "")):
            for value, words in _entries(text):
                if value not in numbers:
                    raise ValueError(f"words: {enum.name} has no value {value}; it has {', '.join(numbers)}")
                for item in words:
                    self._add(item, numbers[value])
        for name, number in numbers.items():
            if number:
                for spelling in (name, prefix + name):
                    self._loose.setdefault(_plain(spelling), number)
                self._back.setdefault(number, name)

    def _add(self, item: str, value: int) -> None:
        if item != item.lower():
            self._exact.setdefault(item, value)
        else:
            self._loose.setdefault(_plain(item), value)
        self._back.setdefault(value, item)

    def number(self, text: str) -> int:
        """The value that a word means; 0 if it is not known."""
        return self._exact.get(text) or self._loose.get(_plain(text), 0)

    def word(self, number: int) -> str:
        """A word for a value; empty for 0."""
        return self._back.get(number, "")


def _entries(text: str) -> Iterable[tuple[str, list[str]]]:
    for entry in filter(str.strip, text.replace("\n", ";").split(";")):
        value, _, words = entry.partition(":")
        yield value.strip(), words.split()


@lru_cache(4096)
def _plain(text: str) -> str:
    """A word without case and separators; numbers and signs stay as they are."""
    return text if re.fullmatch(r"[-+]?\d+", text) else re.sub(r"[\s_.-]", "", text).lower() or text

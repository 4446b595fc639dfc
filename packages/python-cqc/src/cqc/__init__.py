"""Crypto Quant Contracts: shared Protocol Buffers for crypto trading services.

Each domain and version is a package, such as `cqc.markets.v1`. The helpers are functions and classes of this module.
`cqc.interceptors` has gRPC interceptors that reject invalid requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cqc._book import BookBuilder, BookError, BookErrorKind, book_checksum
    from cqc._bus import UnknownEventError, attributes, kafka_topic, nats_subject
    from cqc._checks import Anomaly, AnomalyKind, check_book, check_candle, check_execution, check_references
    from cqc._decimal import MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS, format_decimal, parse_decimal
    from cqc._descriptor_set import descriptor_set
    from cqc._display_name import display_name, parse_display_name
    from cqc._ids import (
        InvalidIdError,
        SymbolIdParts,
        VenueSymbolIdParts,
        combo_id,
        parse_symbol_id,
        parse_venue_symbol_id,
        symbol_id,
        symbol_id_of,
        venue_symbol_id,
    )
    from cqc._notional import (
        Amount,
        UnitNotReconcilableError,
        base_price,
        base_quantity,
        gross_notional,
        notional,
        underlying_notional,
    )
    from cqc._stated import apply_stated
    from cqc._timestamp import from_unix_nanos, to_datetime, to_unix_nanos
    from cqc._transitions import can_transition
    from cqc._validation import validate
    from cqc._version import __version__
    from cqc._violation import Violation

__all__ = [
    "MAX_FRACTION_DIGITS",
    "MAX_INTEGER_DIGITS",
    "Amount",
    "Anomaly",
    "AnomalyKind",
    "BookBuilder",
    "BookError",
    "BookErrorKind",
    "InvalidIdError",
    "SymbolIdParts",
    "UnitNotReconcilableError",
    "UnknownEventError",
    "VenueSymbolIdParts",
    "Violation",
    "__version__",
    "apply_stated",
    "attributes",
    "base_price",
    "base_quantity",
    "book_checksum",
    "can_transition",
    "check_book",
    "check_candle",
    "check_execution",
    "check_references",
    "combo_id",
    "descriptor_set",
    "display_name",
    "format_decimal",
    "from_unix_nanos",
    "gross_notional",
    "kafka_topic",
    "nats_subject",
    "notional",
    "parse_decimal",
    "parse_display_name",
    "parse_symbol_id",
    "parse_venue_symbol_id",
    "symbol_id",
    "symbol_id_of",
    "to_datetime",
    "to_unix_nanos",
    "underlying_notional",
    "validate",
    "venue_symbol_id",
]

# Loaded on first use, so importing one message stays fast. The modules are private because some share the name of their
# function: importing a public `cqc.notional` module would replace the function.
_MODULES = {
    "BookBuilder": "_book",
    "BookError": "_book",
    "BookErrorKind": "_book",
    "book_checksum": "_book",
    "UnknownEventError": "_bus",
    "attributes": "_bus",
    "kafka_topic": "_bus",
    "nats_subject": "_bus",
    "Anomaly": "_checks",
    "AnomalyKind": "_checks",
    "check_book": "_checks",
    "check_candle": "_checks",
    "check_execution": "_checks",
    "check_references": "_checks",
    "MAX_FRACTION_DIGITS": "_decimal",
    "MAX_INTEGER_DIGITS": "_decimal",
    "format_decimal": "_decimal",
    "parse_decimal": "_decimal",
    "descriptor_set": "_descriptor_set",
    "display_name": "_display_name",
    "parse_display_name": "_display_name",
    "InvalidIdError": "_ids",
    "SymbolIdParts": "_ids",
    "VenueSymbolIdParts": "_ids",
    "combo_id": "_ids",
    "parse_symbol_id": "_ids",
    "parse_venue_symbol_id": "_ids",
    "symbol_id": "_ids",
    "symbol_id_of": "_ids",
    "venue_symbol_id": "_ids",
    "Amount": "_notional",
    "UnitNotReconcilableError": "_notional",
    "base_price": "_notional",
    "base_quantity": "_notional",
    "gross_notional": "_notional",
    "notional": "_notional",
    "underlying_notional": "_notional",
    "apply_stated": "_stated",
    "from_unix_nanos": "_timestamp",
    "to_datetime": "_timestamp",
    "to_unix_nanos": "_timestamp",
    "can_transition": "_transitions",
    "Violation": "_violation",
    "validate": "_validation",
    "__version__": "_version",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

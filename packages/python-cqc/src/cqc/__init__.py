"""Crypto Quant Contracts: the Protocol Buffers that crypto trading services share.

The contracts are in one package per domain and version, such as `cqc.markets.v1`; gRPC interceptors that check requests
are in `cqc.interceptors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    from cqc.books import BookBuilder, SequenceGapError
    from cqc.checks import Oddity, check_book, check_candle, check_execution
    from cqc.decimals import format_decimal, notional, parse_decimal
    from cqc.names import display_name, parse_display_name
    from cqc.timestamps import from_unix_nanos, to_datetime, to_unix_nanos
    from cqc.validation import Violation, validate
    from cqc.venues.v1 import OrderStatus

__all__ = [
    "BookBuilder",
    "Oddity",
    "SequenceGapError",
    "Violation",
    "__version__",
    "can_transition",
    "check_book",
    "check_candle",
    "check_execution",
    "descriptor_set",
    "display_name",
    "format_decimal",
    "from_unix_nanos",
    "notional",
    "parse_decimal",
    "parse_display_name",
    "to_datetime",
    "to_unix_nanos",
    "validate",
]

# Imported when first asked for: whoever wants one message does not wait for the rest.
_HOMES = {
    "BookBuilder": "books",
    "SequenceGapError": "books",
    "Oddity": "checks",
    "check_book": "checks",
    "check_candle": "checks",
    "check_execution": "checks",
    "format_decimal": "decimals",
    "notional": "decimals",
    "parse_decimal": "decimals",
    "display_name": "names",
    "parse_display_name": "names",
    "from_unix_nanos": "timestamps",
    "to_datetime": "timestamps",
    "to_unix_nanos": "timestamps",
    "Violation": "validation",
    "validate": "validation",
}

__version__: str


def descriptor_set() -> FileDescriptorSet:
    """Return the descriptors of all contracts and of the files they import, with the comments of the sources.

    The files stand in dependency order, so each can be added to a descriptor pool after those before it. A new message
    is returned at each call: it may be changed freely. The sources themselves are in the installed folder `cqc/proto`.
    """
    from importlib.resources import files

    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    return FileDescriptorSet.FromString(files(__name__).joinpath("descriptor_set.binpb").read_bytes())


def can_transition(before: OrderStatus.ValueType, after: OrderStatus.ValueType) -> bool:
    """Say whether an order may go from one state to another.

    False only where the contract rules it out: a repeated state is legal, as is anything from or to a state that is
    unspecified or that only a newer version of the contract knows. Late fills after a cancellation and refused
    cancellations are legal, as FIX has them; see the comments of `cqc.venues.v1.OrderStatus`.
    """
    from cqc.venues.v1 import OrderStatus, order_pb2

    states = OrderStatus.DESCRIPTOR.values_by_number
    if before == after or not (before and after) or before not in states or after not in states:
        return True
    return after in states[before].GetOptions().Extensions[order_pb2.next_order_status]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        # Reading metadata takes longer than importing a message.
        from importlib.metadata import packages_distributions, version

        # The distribution may have another name than the package.
        globals()[name] = version(packages_distributions()["cqc"][0])
    elif name in _HOMES:
        from importlib import import_module

        globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

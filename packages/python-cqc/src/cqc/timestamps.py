"""Timestamps of the contracts as nanoseconds and as `datetime`, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

__all__ = ["from_unix_nanos", "to_datetime", "to_unix_nanos"]

_SECONDS = range(-62_135_596_800, 253_402_300_800)  # years 1 to 9999, as protobuf has it


def to_unix_nanos(timestamp: Timestamp) -> int:
    """A time as whole nanoseconds since 1970-01-01T00:00:00Z, as `time.time_ns` counts.

    Raises ValueError for a timestamp outside of the years 1 to 9999, or whose nanoseconds are not 0 to 999,999,999.
    """
    if timestamp.seconds not in _SECONDS or not 0 <= timestamp.nanos < 10**9:
        raise ValueError(f"{timestamp.seconds} s and {timestamp.nanos} ns are no timestamp")
    return timestamp.seconds * 10**9 + timestamp.nanos


def from_unix_nanos(nanos: int) -> Timestamp:
    """A timestamp of whole nanoseconds since 1970-01-01T00:00:00Z.

    Raises ValueError outside of the years 1 to 9999.
    """
    from google.protobuf.timestamp_pb2 import Timestamp

    seconds, rest = divmod(nanos, 10**9)
    if seconds not in _SECONDS:
        raise ValueError(f"{nanos} ns since 1970 are outside of the years 1 to 9999")
    return Timestamp(seconds=seconds, nanos=rest)


def to_datetime(timestamp: Timestamp) -> datetime:
    """A time as an aware datetime in UTC, cut to whole microseconds, which is what datetime can hold.

    Raises ValueError as `to_unix_nanos` does.
    """
    seconds, nanos = divmod(to_unix_nanos(timestamp), 10**9)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)

"""Conversion of timestamps to and from nanoseconds and `datetime`."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

__all__ = ["from_unix_nanos", "to_datetime", "to_unix_nanos"]

_SECONDS = range(-62_135_596_800, 253_402_300_800)  # years 1 to 9999, protobuf's limits


def to_unix_nanos(timestamp: Timestamp) -> int:
    """Convert a timestamp to nanoseconds since 1970-01-01T00:00:00Z, the scale of `time.time_ns`.

    Raises ValueError if the timestamp is outside years 1 to 9999 or its nanos are not in 0 to 999,999,999.
    """
    if timestamp.seconds not in _SECONDS or not 0 <= timestamp.nanos < 10**9:
        raise ValueError(f"invalid timestamp: {timestamp.seconds} s and {timestamp.nanos} ns")
    return timestamp.seconds * 10**9 + timestamp.nanos


def from_unix_nanos(nanos: int) -> Timestamp:
    """Convert nanoseconds since 1970-01-01T00:00:00Z to a timestamp.

    Raises ValueError outside years 1 to 9999.
    """
    seconds, rest = divmod(nanos, 10**9)
    if seconds not in _SECONDS:
        raise ValueError(f"{nanos} ns since 1970 is outside years 1 to 9999")
    return Timestamp(seconds=seconds, nanos=rest)


def to_datetime(timestamp: Timestamp) -> datetime:
    """Convert a timestamp to an aware datetime in UTC, truncated to microseconds.

    Raises ValueError as `to_unix_nanos` does.
    """
    seconds, nanos = divmod(to_unix_nanos(timestamp), 10**9)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)

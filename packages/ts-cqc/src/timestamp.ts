import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";

const FIRST_SECOND = -62_135_596_800n; // years 1 to 9999, protobuf's limits
const LAST_SECOND = 253_402_300_799n;

/**
 * Converts a timestamp to nanoseconds since 1970-01-01T00:00:00Z. For a Date, which is truncated to milliseconds, use
 * `timestampDate` from `@bufbuild/protobuf/wkt`.
 *
 * Throws a RangeError if the timestamp is outside years 1 to 9999 or its nanos are not in 0 to 999,999,999.
 */
export function toUnixNanos(timestamp: Timestamp): bigint {
  const { seconds, nanos } = timestamp;
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND || nanos < 0 || nanos > 999_999_999) {
    throw new RangeError(`invalid timestamp: ${seconds} s and ${nanos} ns`);
  }
  return seconds * 1_000_000_000n + BigInt(nanos);
}

/**
 * Converts nanoseconds since 1970-01-01T00:00:00Z to a timestamp.
 *
 * Throws a RangeError outside years 1 to 9999.
 */
export function fromUnixNanos(nanos: bigint): Timestamp {
  const rest = ((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = (nanos - rest) / 1_000_000_000n;
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND) {
    throw new RangeError(`${nanos} ns since 1970 is outside years 1 to 9999`);
  }
  return create(TimestampSchema, { seconds, nanos: Number(rest) });
}

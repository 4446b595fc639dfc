import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";

const FIRST_SECOND = -62_135_596_800n; // years 1 to 9999, as protobuf has it
const LAST_SECOND = 253_402_300_799n;

/**
 * A time as whole nanoseconds since 1970-01-01T00:00:00Z. `timestampDate` of @bufbuild/protobuf/wkt makes a Date of it, cut
 * to milliseconds, which is what a Date can hold.
 *
 * Throws a RangeError for a timestamp outside of the years 1 to 9999, or whose nanoseconds are not 0 to 999,999,999.
 */
export function toUnixNanos(timestamp: Timestamp): bigint {
  const { seconds, nanos } = timestamp;
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND || nanos < 0 || nanos > 999_999_999) {
    throw new RangeError(`${seconds} s and ${nanos} ns are no timestamp`);
  }
  return seconds * 1_000_000_000n + BigInt(nanos);
}

/**
 * A timestamp of whole nanoseconds since 1970-01-01T00:00:00Z.
 *
 * Throws a RangeError outside of the years 1 to 9999.
 */
export function fromUnixNanos(nanos: bigint): Timestamp {
  const rest = ((nanos % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = (nanos - rest) / 1_000_000_000n;
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND) {
    throw new RangeError(`${nanos} ns since 1970 are outside of the years 1 to 9999`);
  }
  return create(TimestampSchema, { seconds, nanos: Number(rest) });
}

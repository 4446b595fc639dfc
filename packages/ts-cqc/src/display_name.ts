import type { DescEnum } from "@bufbuild/protobuf";
import type { GenEnum } from "@bufbuild/protobuf/codegenv2";

/**
 * Returns the name of an enum value for display: `displayName(OrderTypeSchema, order.type)` is `STOP LIMIT`.
 *
 * This is the value's name without the enum's prefix. A value unknown to this version is shown as its number.
 */
export function displayName(schema: DescEnum, value: number): string {
  const known = schema.value[value];
  return known ? shownName(known.name, schema) : String(value);
}

/**
 * Parses a display name, ignoring case; words may be separated by spaces, hyphens or underscores.
 *
 * Also accepts the full name of a value and its number. Throws a RangeError listing the display names.
 */
export function parseDisplayName<E extends number>(schema: GenEnum<E>, text: string): E {
  const trimmed = text.trim();
  const wanted = withoutPrefix(trimmed.toUpperCase().replaceAll(/[ -]/g, "_"), schema).replaceAll("_", " ");
  const names = schema.values.map((value) => shownName(value.name, schema));
  const index = names.indexOf(wanted);
  if (index >= 0) return schema.values[index]?.number as E;
  const number = Number(trimmed);
  if (/^-?[0-9]+$/.test(trimmed) && number === (number | 0)) return number as E;
  throw new RangeError(`unknown ${schema.name} ${JSON.stringify(text)}: expected one of ${names.join(", ")}`);
}

function shownName(name: string, schema: DescEnum): string {
  return withoutPrefix(name, schema).replaceAll("_", " ");
}

/** Removes the common prefix of an enum's values, such as `ORDER_TYPE_`, taken from the UNSPECIFIED value. */
function withoutPrefix(name: string, schema: DescEnum): string {
  const prefix = (schema.value[0]?.name ?? "").replace(/UNSPECIFIED$/, "");
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

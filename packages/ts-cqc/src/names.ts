import type { DescEnum } from "@bufbuild/protobuf";
import type { GenEnum } from "@bufbuild/protobuf/codegenv2";

/**
 * How an enum value is shown to people: `displayName(OrderTypeSchema, order.type)` is `STOP LIMIT`.
 *
 * It is the value's name without the enum's; a value that only a newer contract knows is shown as its number.
 */
export function displayName(schema: DescEnum, value: number): string {
  const known = schema.value[value];
  return known ? shown(known.name, schema) : String(value);
}

/**
 * Reads what `displayName` wrote, whatever the case of letters and with spaces, hyphens or underscores between words.
 *
 * The full name and a number are understood too. Throws a RangeError that lists the names there are.
 */
export function parseDisplayName<E extends number>(schema: GenEnum<E>, text: string): E {
  const trimmed = text.trim();
  const wanted = withoutPrefix(trimmed.toUpperCase().replaceAll(/[ -]/g, "_"), schema).replaceAll("_", " ");
  const names = schema.values.map((value) => shown(value.name, schema));
  const index = names.indexOf(wanted);
  if (index >= 0) return schema.values[index]?.number as E;
  const number = Number(trimmed);
  if (/^-?[0-9]+$/.test(trimmed) && number === (number | 0)) return number as E;
  throw new RangeError(`${JSON.stringify(text)} is none of ${names.join(", ")}`);
}

function shown(name: string, schema: DescEnum): string {
  return withoutPrefix(name, schema).replaceAll("_", " ");
}

/** All names of an enum begin alike, such as with `ORDER_TYPE_`: the one for zero then ends with UNSPECIFIED. */
function withoutPrefix(name: string, schema: DescEnum): string {
  const prefix = (schema.value[0]?.name ?? "").replace(/UNSPECIFIED$/, "");
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}

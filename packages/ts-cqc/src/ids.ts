// Ids of products and listings, built from their parts and parsed back:
//
//   SPOT, MARGIN  <base>-<quote>-SPOT, <base>-<quote>-MARGIN
//   PERPETUAL     <base>-<quote>-PERP-<settlement>
//   FUTURE        <base>-<quote>-FUT-<settlement>-<expiry>
//   OPTION        <base>-<strike asset>-OPT-<settlement>-<expiry>-<strike>-C, or -P for a put
//   INDEX         <base>-<quote>-INDEX, or <base>-<quote>-INDEX-<variant>
//   EVENT         EVENT-<key>-<quote>
//   COMBO         COMBO-<key>
//
// A product has one id. An expiry is YYYYMMDD in UTC, followed by THHMM or, if it has seconds, THHMMSS only where the
// time of day is not 08:00. A strike has `d` for the decimal point and no needless zeros: `3000`, `0d25`.
import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { sha256 } from "@noble/hashes/sha2";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils";
import { canonical } from "./book.js";
import { keepFacts } from "./facts.js";
import {
  LegSide,
  OptionType,
  type SymbolLeg,
  type Symbol as SymbolRecord,
  SymbolType,
} from "./gen/cqc/markets/v1/symbol_pb.js";
import { toUnixNanos } from "./timestamp.js";

const MAX_SYMBOL_ID = 160;
const MAX_NAME = 64;
const ASSET = /^[A-Z0-9]{1,32}(_[A-Z0-9]{1,32}){0,2}$/;
const VENUE = /^[a-z0-9]{1,32}(_[a-z0-9]{1,32}){0,7}$/;
const QUALIFIER = /^(0x[a-z0-9]{0,64}|(?!0x)[a-zA-Z0-9]{1,66})$/;
const DECIMAL = /^(0|[1-9][0-9]{0,77})([.][0-9]{1,38})?$/;
const STRIKE = /^([1-9][0-9]{0,19}(d[0-9]{0,17}[1-9])?|0d[0-9]{0,17}[1-9])$/;
const EXPIRY = /^([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})?)?$/;
const KEY = /^[A-Z0-9]{4,64}$/;
const VARIANT = /^[A-Z0-9]{1,20}$/;
const VARIANT_EXPECTED = "1 to 20 letters A to Z and digits";

const WORDS = new Map([
  [SymbolType.SPOT, "SPOT"],
  [SymbolType.MARGIN, "MARGIN"],
  [SymbolType.PERPETUAL, "PERP"],
  [SymbolType.FUTURE, "FUT"],
  [SymbolType.OPTION, "OPT"],
  [SymbolType.INDEX, "INDEX"],
  [SymbolType.EVENT, "EVENT"],
  [SymbolType.COMBO, "COMBO"],
]);
const PAIRS = new Map([
  ["SPOT", SymbolType.SPOT],
  ["MARGIN", SymbolType.MARGIN],
  ["INDEX", SymbolType.INDEX],
]);
const STATED: { readonly [word: string]: readonly PartName[] } = {
  SPOT: ["baseAssetId", "quoteAssetId"],
  MARGIN: ["baseAssetId", "quoteAssetId"],
  PERP: ["baseAssetId", "quoteAssetId", "settlementAssetId"],
  FUT: ["baseAssetId", "quoteAssetId", "settlementAssetId", "expiry"],
  OPT: ["baseAssetId", "strikeAssetId", "settlementAssetId", "expiry", "strike", "optionType"],
  INDEX: ["baseAssetId", "quoteAssetId", "variant"],
  EVENT: ["key", "quoteAssetId"],
  COMBO: ["key"],
};
const RIGHTS = new Map([
  ["C", OptionType.CALL],
  ["P", OptionType.PUT],
]);
const LETTERS = new Map([...RIGHTS].map(([letter, right]) => [right, letter]));
const SIDES = new Map([
  [LegSide.BUY, "BUY"],
  [LegSide.SELL, "SELL"],
]);

/** An id, or a part that it is to be built from, is not valid. */
export class InvalidIdError extends RangeError {
  override readonly name = "InvalidIdError";

  /**
   * `part` names the part as the contracts do, such as `base_asset_id`, or is `symbol_id` or `venue_symbol_id` for the
   * whole id. A part of a combination's leg is prefixed, as in `legs[0].ratio`. `value` is the offending text, empty if
   * the part is missing, and `expected` describes what is valid.
   */
  constructor(
    readonly part: string,
    readonly value: string,
    readonly expected: string,
  ) {
    super(`${part} ${JSON.stringify(value)} is not valid: expected ${expected}`);
    keepFacts(this);
  }
}

/** What a symbol id states. Parts that a type's id does not state are undefined, or empty. */
export interface SymbolIdParts {
  type: SymbolType;
  baseAssetId?: string | undefined;
  quoteAssetId?: string | undefined;
  /** Asset in which the strike is stated. An option's id states it in place of the quote asset. */
  strikeAssetId?: string | undefined;
  settlementAssetId?: string | undefined;
  /** A whole second. */
  expiry?: Timestamp | undefined;
  /** A decimal greater than zero, with at most 20 digits before and 18 after the point. */
  strike?: string | undefined;
  optionType?: OptionType | undefined;
  /** Which of several indices on the same assets, such as `DVOL`. Undefined if there is only one. */
  variant?: string | undefined;
  /** The outcome of an event, or the digest in the id of a combination. */
  key?: string | undefined;
}

/** What the id of a listing states. */
export interface VenueSymbolIdParts {
  venueId: string;
  symbolId: string;
  /** Which of a venue's several listings of the product. Undefined if there is only one. */
  qualifier?: string | undefined;
}

type PartName = Exclude<keyof SymbolIdParts, "type">;

/**
 * Builds the id of a product.
 *
 * Throws an InvalidIdError if a part is missing or malformed, or is not stated by an id of this type.
 */
export function symbolId(parts: SymbolIdParts): string {
  const word = WORDS.get(parts.type);
  const stated = word === undefined ? undefined : STATED[word];
  if (word === undefined || stated === undefined) {
    throw new InvalidIdError("type", String(parts.type), "a known type of product");
  }
  const texts: Record<PartName, string> = {
    baseAssetId: parts.baseAssetId ?? "",
    quoteAssetId: parts.quoteAssetId ?? "",
    strikeAssetId: parts.strikeAssetId ?? "",
    settlementAssetId: parts.settlementAssetId ?? "",
    expiry: parts.expiry ? expiryText(parts.expiry) : "",
    strike: parts.strike ?? "",
    optionType: LETTERS.get(parts.optionType ?? 0) ?? (parts.optionType ? String(parts.optionType) : ""),
    variant: parts.variant ?? "",
    key: parts.key ?? "",
  };
  for (const name of Object.keys(texts) as PartName[]) {
    if (texts[name] && !stated.includes(name)) {
      throw new InvalidIdError(contractName(name), texts[name], `nothing, as ids with ${word} do not state it`);
    }
  }
  const words = stated.map((name) => spell(name, texts[name]));
  if (word === "EVENT" && PAIRS.has(texts.quoteAssetId)) {
    // EVENT is an asset too: EVENT-USDT-SPOT is a pair.
    const expected = "another asset id than SPOT, MARGIN and INDEX, which would make the id that of a pair";
    throw new InvalidIdError("quote_asset_id", texts.quoteAssetId, expected);
  }
  words.splice(word === "EVENT" || word === "COMBO" ? 0 : 2, 0, word);
  const built = words.filter((text) => text).join("-");
  if (built.length > MAX_SYMBOL_ID) {
    throw new InvalidIdError("symbol_id", built, `at most ${MAX_SYMBOL_ID} characters`);
  }
  return built;
}

/**
 * Parses the id of a product; `symbolId` of the result is the same text.
 *
 * Throws an InvalidIdError for everything that `symbolId` does not return: an expiry on 30 February, `T0800`, a strike
 * of `3000d50`.
 */
export function parseSymbolId(text: string): SymbolIdParts {
  const parts = split(text);
  symbolId(parts);
  return parts;
}

function split(text: string): SymbolIdParts {
  const words = text.split("-");
  const [first = "", second = "", form = "", fourth = "", fifth = "", strike = "", right = ""] = words;
  const pair = PAIRS.get(form);
  if (words.length === 3 && pair !== undefined) return { type: pair, baseAssetId: first, quoteAssetId: second };
  if (words.length === 4 && form === "INDEX") {
    matches("variant", fourth, VARIANT, VARIANT_EXPECTED);
    return { type: SymbolType.INDEX, baseAssetId: first, quoteAssetId: second, variant: fourth };
  }
  if (words.length === 4 && form === "PERP") {
    return { type: SymbolType.PERPETUAL, baseAssetId: first, quoteAssetId: second, settlementAssetId: fourth };
  }
  if (words.length === 5 && form === "FUT") {
    return {
      type: SymbolType.FUTURE,
      baseAssetId: first,
      quoteAssetId: second,
      settlementAssetId: fourth,
      expiry: parseExpiry(fifth),
    };
  }
  if (words.length === 7 && form === "OPT") {
    const optionType = RIGHTS.get(right);
    if (optionType === undefined) throw new InvalidIdError("option_type", right, "C or P");
    matches("strike", strike, STRIKE, "a strike such as 3000 or 0d25, without needless zeros");
    return {
      type: SymbolType.OPTION,
      baseAssetId: first,
      strikeAssetId: second,
      settlementAssetId: fourth,
      expiry: parseExpiry(fifth),
      strike: strike.replace("d", "."),
      optionType,
    };
  }
  if (words.length === 3 && first === "EVENT") return { type: SymbolType.EVENT, quoteAssetId: form, key: second };
  if (words.length === 2 && first === "COMBO") return { type: SymbolType.COMBO, key: second };
  throw new InvalidIdError("symbol_id", text, "a symbol id such as BTC-USDT-SPOT or ETH-USD-PERP-USDC");
}

/**
 * Returns the id that a record must have, which a registry compares with the record's own.
 *
 * The id of a combination is `comboId` of its legs. An index's variant and an event's key are fields of no record: they
 * are taken from the record's id. Throws an InvalidIdError if the record lacks a part of its id, or states one that no
 * id can state.
 */
export function symbolIdOf(symbol: SymbolRecord): string {
  if (symbol.type === SymbolType.COMBO) return comboId(symbol.legs);
  const recorded: Partial<SymbolIdParts> = symbol;
  const stated = STATED[WORDS.get(symbol.type) ?? ""] ?? [];
  const parts = Object.fromEntries(stated.map((name) => [name, recorded[name]]));
  let own: SymbolIdParts | undefined;
  try {
    own = parseSymbolId(symbol.symbolId);
  } catch {
    // A record may have no valid id yet.
  }
  const unrecorded = own?.type === symbol.type ? { variant: own.variant ?? "", key: own.key ?? "" } : {};
  return symbolId({ ...parts, ...unrecorded, type: symbol.type });
}

/**
 * Returns the id of a combination: `COMBO-` and the first 32 hex digits, in upper case, of a SHA-256.
 *
 * The digest is of one text per leg, `<symbol_id>*<ratio>*<side>`, sorted and joined by `|`. The ratio has no needless
 * zeros (`1`, `0.5`), and the side is `BUY` or `SELL`: `BTC-USD-PERP-BTC*1*SELL`. The order of the legs does not
 * matter; ratios of 1 to 1 and of 2 to 2 are different combinations. Throws an InvalidIdError if there is no leg or one
 * is malformed.
 */
export function comboId(legs: readonly SymbolLeg[]): string {
  if (legs.length === 0) throw new InvalidIdError("legs", "", "at least one leg");
  const texts = legs.map((leg, index) => {
    const part = `legs[${index}]`;
    try {
      parseSymbolId(leg.symbolId);
    } catch (error) {
      if (!(error instanceof InvalidIdError)) throw error;
      throw new InvalidIdError(`${part}.${error.part}`, error.value, error.expected);
    }
    const ratio = canonical(leg.ratio);
    if (!DECIMAL.test(leg.ratio) || ratio === "0") {
      throw new InvalidIdError(`${part}.ratio`, leg.ratio, "a decimal greater than zero");
    }
    const side = SIDES.get(leg.side);
    if (side === undefined) throw new InvalidIdError(`${part}.side`, String(leg.side), "buy or sell");
    return `${leg.symbolId}*${ratio}*${side}`;
  });
  return `COMBO-${bytesToHex(sha256(utf8ToBytes(texts.sort().join("|"))))
    .slice(0, 32)
    .toUpperCase()}`;
}

/**
 * Builds the id of a listing: venue and product, and a qualifier if the venue lists the product more than once.
 *
 * Throws an InvalidIdError if a part is malformed. A qualifier that is an address, starting with `0x`, is in lower
 * case.
 */
export function venueSymbolId(venueId: string, symbolId: string, qualifier = ""): string {
  matches("venue_id", venueId, VENUE, "a venue id such as binance or uniswap_v3_ethereum");
  short("venue_id", venueId);
  parseSymbolId(symbolId);
  if (!qualifier) return `${venueId}:${symbolId}`;
  matches("qualifier", qualifier, QUALIFIER, "1 to 66 letters and digits, in lower case after 0x");
  return `${venueId}:${symbolId}:${qualifier}`;
}

/**
 * Parses the id of a listing; `venueSymbolId` of the result's parts is the same text.
 *
 * Throws an InvalidIdError for everything that `venueSymbolId` does not return.
 */
export function parseVenueSymbolId(text: string): VenueSymbolIdParts {
  const words = text.split(":");
  const [venueId, symbolId, qualifier] = words;
  if (venueId === undefined || symbolId === undefined || words.length > 3 || !words.at(-1)) {
    const expected = "a venue id and a symbol id joined by a colon, such as binance:BTC-USDT-SPOT";
    throw new InvalidIdError("venue_symbol_id", text, expected);
  }
  venueSymbolId(venueId, symbolId, qualifier);
  return qualifier === undefined ? { venueId, symbolId } : { venueId, symbolId, qualifier };
}

/** Returns a part as an id spells it. */
function spell(name: PartName, text: string): string {
  const part = contractName(name);
  switch (name) {
    case "expiry":
      if (!text) throw new InvalidIdError(part, text, "a time");
      return text;
    case "strike": {
      const spelled = canonical(text).replace(".", "d");
      if (!DECIMAL.test(text) || !STRIKE.test(spelled)) {
        const expected = "a decimal greater than zero with at most 20 digits before and 18 after the point";
        throw new InvalidIdError(part, text, expected);
      }
      return spelled;
    }
    case "optionType":
      if (!RIGHTS.has(text)) throw new InvalidIdError(part, text, "a call or a put");
      return text;
    case "variant":
      return text && matches(part, text, VARIANT, VARIANT_EXPECTED);
    case "key":
      return matches(part, text, KEY, "4 to 64 letters A to Z and digits");
    default:
      return short(part, matches(part, text, ASSET, "an asset id such as BTC or USDC_ARBITRUM"));
  }
}

/** Returns the name of a part in the contracts. */
function contractName(name: PartName): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function matches(part: string, text: string, form: RegExp, expected: string): string {
  if (!form.test(text)) throw new InvalidIdError(part, text, expected);
  return text;
}

function short(part: string, text: string): string {
  if (text.length > MAX_NAME) throw new InvalidIdError(part, text, `at most ${MAX_NAME} characters`);
  return text;
}

function expiryText(expiry: Timestamp): string {
  const { seconds, nanos } = expiry;
  try {
    toUnixNanos(expiry);
  } catch {
    refuse();
  }
  if (nanos !== 0) refuse();
  const [day = "", time = ""] = new Date(Number(seconds) * 1000)
    .toISOString()
    .replace(/-|:|[.]000Z/g, "")
    .split("T");
  const clock = time.endsWith("00") ? time.slice(0, 4) : time;
  return clock === "0800" ? day : `${day}T${clock}`;

  function refuse(): never {
    throw new InvalidIdError("expiry", `${seconds} s and ${nanos} ns`, "a whole second in the years 1 to 9999");
  }
}

function parseExpiry(text: string): Timestamp {
  const found = EXPIRY.exec(text);
  if (found) {
    const [, year, month, day, hour = "08", minute = "00", second = "00"] = found;
    const millis = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
    if (!Number.isNaN(millis) && year !== "0000") {
      const expiry = create(TimestampSchema, { seconds: BigInt(millis / 1000) });
      // Date.parse takes 30 February for 1 March.
      if (expiryText(expiry) === text) return expiry;
    }
  }
  const expected = "an existing date YYYYMMDD, with THHMM or THHMMSS in UTC only if the time is not 08:00";
  throw new InvalidIdError("expiry", text, expected);
}

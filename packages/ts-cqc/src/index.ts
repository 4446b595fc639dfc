export { BookBuilder, BookError, BookErrorKind, type BookOptions, bookChecksum } from "./book.js";
export { descriptorSet } from "./descriptor_set.js";
export { displayName, parseDisplayName } from "./display_name.js";
export {
  comboId,
  InvalidIdError,
  parseSymbolId,
  parseVenueSymbolId,
  type SymbolIdParts,
  symbolId,
  symbolIdOf,
  type VenueSymbolIdParts,
  venueSymbolId,
} from "./ids.js";
export { applyStated } from "./stated.js";
export { fromUnixNanos, toUnixNanos } from "./timestamp.js";
export { canTransition } from "./transitions.js";

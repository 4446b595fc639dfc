// What works over every transport.
export { CertificateError, OutcomeUnknownError, ProtocolError, SettingError } from "./errors.js";
export {
  BookState,
  type BookUpdate,
  type FollowOptions,
  follow,
  followBook,
  type KnownBook,
  type Lost,
  type NoBook,
} from "./follow.js";
export { pages } from "./pages.js";
export { placeOrder } from "./place_order.js";
export { serviceConfig } from "./service_config.js";
export type { Token } from "./settings.js";
export type { CallOptions, Client, Connection } from "./types.js";

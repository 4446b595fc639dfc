import { ConnectError } from "@connectrpc/connect";
import type { ServiceError } from "../errors.js";

/** Returns the error that a handler or an interceptor of Connect throws, with the reason and metadata as details. */
export function connectErrorOf(error: ServiceError): ConnectError {
  const made = new ConnectError(error.message, error.code, undefined, undefined, error);
  // Packed already, as if they had been received: Connect sends both kinds.
  made.details = error.status().details.map(({ typeUrl, value }) => ({
    type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1),
    value,
  }));
  return made;
}

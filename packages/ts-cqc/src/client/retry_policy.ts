// Which calls are repeated, and how. gRPC reads it from the service config; the driver for Connect does the same.
import { type DescMethod, ScalarType } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Level } from "@bufbuild/protobuf/wkt";

/** At most four attempts, 100 ms to 2 s apart, as long as most calls succeed. */
export const RETRY = {
  maxAttempts: 4,
  initialBackoffMs: 100,
  maxBackoffMs: 2000,
  maxTokens: 100,
  tokenRatio: 0.1,
} as const;

// placeOrder finds out whether an attempt placed the order before it makes another.
const NEVER = new Set(["cqc.services.v1.VenueGateway.PlaceOrder", "cqc.services.v1.VenueGateway.PlaceOrders"]);

/** Returns whether a call of the method can be repeated without doing its work twice. */
export function isRepeatable(method: DescMethod): boolean {
  return (
    method.methodKind === "unary" &&
    !NEVER.has(`${method.parent.typeName}.${method.name}`) &&
    (method.idempotency !== Level.IDEMPOTENCY_UNKNOWN || hasRequestId(method))
  );
}

/** Returns whether the request has the field that makes a repeated call safe. */
export function hasRequestId(method: DescMethod): boolean {
  const field = method.input.fields.find(({ name }) => name === "request_id");
  return field?.fieldKind === "scalar" && field.scalar === ScalarType.STRING;
}

import { create, fromJson, type MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, ServiceError } from "../errors.js";
import { ErrorReason } from "../gen/cqc/services/v1/errors_pb.js";
import { PlaceOrderRequestSchema } from "../gen/cqc/services/v1/venue_gateway_orders_pb.js";
import type { VenueGateway } from "../gen/cqc/services/v1/venue_gateway_pb.js";
import type { Order } from "../gen/cqc/venues/v1/order_pb.js";
import { toUnixNanos } from "../timestamp.js";
import { isCertificateError, OutcomeUnknownError } from "./errors.js";
import { retryDelayOf } from "./retry_info.js";
import type { CallOptions, Client } from "./types.js";
import { Backoff, codeOf, sleep } from "./waiting.js";

/** Codes that leave open whether the server did its work, if the error has no reason. */
const OPEN: readonly (number | undefined)[] = [
  Code.DEADLINE_EXCEEDED,
  Code.UNAVAILABLE,
  Code.UNKNOWN,
  Code.INTERNAL,
  Code.CANCELLED,
];

/**
 * Places an order and returns it, once. If the answer is lost, looks the order up by its client order id, and sends the
 * same request again only if the order was not placed and `sendBefore` has not passed. If a request is refused after the
 * answer to an earlier one was lost, only looks the order up.
 *
 * Fills in `requestId`, and `sendBefore` as now plus `timeoutMs` (10 s). Takes up to twice `timeoutMs`. An error of
 * PlaceOrder means that nothing was placed. Throws an OutcomeUnknownError if that cannot be found out, or if `signal` is
 * aborted while an answer is missing.
 */
export async function placeOrder(
  client: Pick<Client<typeof VenueGateway>, "placeOrder" | "getOrder">,
  request: MessageInitShape<typeof PlaceOrderRequestSchema>,
  { timeoutMs = 10_000, ...options }: CallOptions = {},
): Promise<Order> {
  options.signal?.throwIfAborted();
  const start = Date.now();
  const filled = create(PlaceOrderRequestSchema, { ...request });
  filled.requestId ||= crypto.randomUUID();
  filled.sendBefore ??= timestampFromMs(start + timeoutMs);
  const { sendBefore } = filled;
  const { accountId = "", clientOrderId = "" } = filled.order ?? {};
  const key = { accountId, id: { case: "clientOrderId", value: clientOrderId } } as const;
  const backoff = new Backoff();
  const giveUp = (cause: unknown) => new OutcomeUnknownError(accountId, clientOrderId, sendBefore, cause);
  const wait = async (atLeastMs: number) => {
    const end = start + 2 * timeoutMs;
    const ms = Math.max(backoff.next(), atLeastMs);
    const isAborted = await sleep(Math.min(ms, end - Date.now()), options.signal).then(
      () => false,
      () => true,
    );
    if (isAborted || Date.now() >= end) throw giveUp(refusal ?? first);
  };
  const left = (until: number) => Math.max(1, until - Date.now());

  let first: unknown;
  /** A request that was lost on its way may still arrive after a later one was refused. */
  let refusal: unknown;
  for (;;) {
    let failure: unknown;
    let delayMs = 0;
    try {
      const { order } = await client.placeOrder(filled, { ...options, timeoutMs: left(start + timeoutMs) });
      return order as Order;
    } catch (error) {
      const known = ServiceError.of(error);
      const running = known?.reason === ErrorReason.REQUEST_IN_PROGRESS;
      if (!running && (known || !isOpen(error))) {
        if (first === undefined) throw error;
        refusal = error;
      }
      delayMs = retryDelayOf(error) ?? 0;
      first ??= error;
    }
    do {
      await wait(delayMs);
      delayMs = 0;
      try {
        const { order } = await client.getOrder(
          { key },
          { ...options, timeoutMs: Math.min(timeoutMs, left(start + 2 * timeoutMs)) },
        );
        return order as Order;
      } catch (error) {
        failure = error;
        const known = ServiceError.of(error);
        if (known?.reason === ErrorReason.RECORD_NOT_FOUND) {
          if (isFinal(known, sendBefore)) throw refusal ?? first;
        } else if (isOpen(error) || retryDelayOf(error) !== undefined) {
          delayMs = retryDelayOf(error) ?? 0;
        } else {
          throw giveUp(error);
        }
      }
    } while (ServiceError.of(failure)?.reason !== ErrorReason.RECORD_NOT_FOUND || !canSend());
  }

  function canSend(): boolean {
    const now = Date.now();
    return refusal === undefined && now < timestampMs(sendBefore) && now < start + timeoutMs;
  }
}

function isOpen(error: unknown): boolean {
  return OPEN.includes(codeOf(error)) && !isCertificateError(error);
}

function isFinal({ metadata }: ServiceError, sendBefore: Timestamp): boolean {
  try {
    return toUnixNanos(fromJson(TimestampSchema, metadata.checked_at ?? "")) >= toUnixNanos(sendBefore);
  } catch {
    return false;
  }
}

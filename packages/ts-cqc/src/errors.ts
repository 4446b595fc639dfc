// Errors of the services, as values: made by a server, read by a client of @grpc/grpc-js.
//
//   callback(new ServiceError(ErrorReason.NO_DATA, "no book yet", { metadata: { venue_symbol_id: id } }).toStatusObject());
//
//   const failure = ServiceError.of(error);
//   if (failure?.reason === ErrorReason.RISK_LIMIT) console.log(failure.metadata["limit_id"]);
//
// Requires the optional peer dependency @grpc/grpc-js.
import { create, type DescMessage, fromBinary, getOption, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { code, metadata_key } from "./gen/cqc/options/v1/options_pb.js";
import { ErrorReason, ErrorReasonSchema } from "./gen/cqc/services/v1/errors_pb.js";
import { type OrderError, OrderErrorSchema } from "./gen/cqc/services/v1/venue_gateway_orders_pb.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "./gen/google/rpc/status_pb.js";
import type { Violation } from "./validation.js";

/** `domain` of the google.rpc.ErrorInfo of every ServiceError. */
export const DOMAIN = "cqc";
const STATUS_KEY = "grpc-status-details-bin";
const PREFIX = "ERROR_REASON_";

/** Values under the keys that the options of a reason name. */
export type ErrorMetadata = Readonly<Record<string, string>>;

/** What a ServiceError has besides its reason and message. */
export interface ServiceErrorOptions {
  /** Values under the keys that the options of the reason name. */
  metadata?: ErrorMetadata;
  /** Milliseconds to wait before trying again, for the reasons with RetryInfo. */
  retryDelay?: number;
  /** Violated rules of the request, for `ErrorReason.INVALID_FIELD`. */
  violations?: readonly Violation[];
}

/** A failed call, or a failed item of a batch. The message is for people. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  /** Why; unspecified if a client does not know the reason of a newer server. */
  readonly reason: ErrorReason;
  /** The gRPC code. */
  readonly code: grpc.status;
  /** Values under the keys that the options of the reason name. */
  readonly metadata: ErrorMetadata;
  /** Milliseconds to wait before trying again, for the reasons with RetryInfo. */
  readonly retryDelay: number | undefined;
  /** Violated rules of the request, for `ErrorReason.INVALID_FIELD`. */
  readonly violations: readonly Violation[];

  /** Throws a RangeError for metadata that the reason does not name, and for a reason without a code. */
  constructor(reason: ErrorReason, message: string, options: ServiceErrorOptions = {}) {
    super(message);
    const value = ErrorReasonSchema.value[reason];
    const known = grpc.status[(value ? getOption(value, code) : "") as keyof typeof grpc.status];
    if (!value || known === undefined) throw new RangeError(`${reason} is not an ErrorReason with a code`);
    const keys = getOption(value, metadata_key);
    const unknown = Object.keys(options.metadata ?? {}).filter((key) => !keys.includes(key));
    if (unknown.length > 0) {
      throw new RangeError(
        `${value.name} has no metadata ${unknown.join(", ")}; its keys are: ${keys.join(", ") || "none"}`,
      );
    }
    this.reason = reason;
    this.code = known;
    this.metadata = options.metadata ?? {};
    this.retryDelay = options.retryDelay;
    this.violations = options.violations ?? [];
  }

  /** Returns the error for a request that violates rules. */
  static invalidRequest(schema: DescMessage, violations: readonly Violation[]): ServiceError {
    const lines = violations.map(({ field, message }) => (field ? `${field}: ${message}` : message));
    return new ServiceError(ErrorReason.INVALID_FIELD, `invalid ${schema.typeName}: ${lines.join("; ")}`, {
      violations,
    });
  }

  /**
   * Returns what a gRPC error carries, or undefined if it carries no ErrorInfo with domain `cqc`.
   *
   * Takes what a client of @grpc/grpc-js reports, and a ServiceError itself.
   */
  static of(error: unknown): ServiceError | undefined {
    if (error instanceof ServiceError) return error;
    const [data] = (error as Partial<grpc.StatusObject> | undefined)?.metadata?.get?.(STATUS_KEY) ?? [];
    return data instanceof Uint8Array ? ServiceError.fromStatus(fromBinary(StatusSchema, data)) : undefined;
  }

  /** Returns what a google.rpc.Status carries, or undefined if it carries no ErrorInfo with domain `cqc`. */
  static fromStatus(status: Status): ServiceError | undefined {
    const detail = <D extends DescMessage>(schema: D): MessageShape<D> | undefined =>
      status.details.map((item) => anyUnpack(item, schema)).find((item) => item !== undefined);
    const info = detail(ErrorInfoSchema);
    if (info?.domain !== DOMAIN) return undefined;
    const delay = detail(RetryInfoSchema)?.retryDelay;
    const value = ErrorReasonSchema.values.find(({ name }) => name === PREFIX + info.reason);
    return received(status.message, {
      reason: value?.number ?? ErrorReason.UNSPECIFIED,
      code: status.code,
      metadata: info.metadata,
      retryDelay: delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6,
      violations: (detail(BadRequestSchema)?.fieldViolations ?? []).map(({ field, reason, description }) => ({
        field,
        ruleId: reason,
        message: description,
      })),
    });
  }

  /** Returns the error of one item of a batch. */
  static fromOrderError(item: OrderError): ServiceError {
    const reason = ErrorReasonSchema.value[item.reason] ? item.reason : ErrorReason.UNSPECIFIED;
    return received(item.message, { reason, code: item.code, metadata: item.metadata });
  }

  /** Returns the error for one item of a batch. */
  toOrderError(): OrderError {
    const { code, reason, message, metadata } = this;
    return create(OrderErrorSchema, { code, reason, message, metadata: { ...metadata } });
  }

  /** Returns the error as a google.rpc.Status with ErrorInfo and, if they apply, BadRequest and RetryInfo. */
  status(): Status {
    const reason = ErrorReasonSchema.value[this.reason]?.name.slice(PREFIX.length) ?? "";
    const details = [
      anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { domain: DOMAIN, reason, metadata: { ...this.metadata } })),
    ];
    if (this.violations.length > 0) {
      const fieldViolations = this.violations.map(({ field, ruleId, message }) => ({
        field,
        reason: ruleId,
        description: message,
      }));
      details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
    }
    if (this.retryDelay !== undefined) {
      const seconds = Math.floor(this.retryDelay / 1000);
      const nanos = Math.round((this.retryDelay - seconds * 1000) * 1e6);
      const retryDelay = { seconds: BigInt(seconds), nanos };
      details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
    }
    return create(StatusSchema, { code: this.code, message: this.message, details });
  }

  /** Returns what a handler passes to its callback, and an interceptor to `sendStatus`. */
  toStatusObject(): grpc.StatusObject {
    const metadata = new grpc.Metadata();
    metadata.set(STATUS_KEY, Buffer.from(toBinary(StatusSchema, this.status())));
    return { code: this.code, details: this.message, metadata };
  }
}

/** Returns an error as it was received: a newer server may use reasons and keys that are new to this version. */
function received(
  message: string,
  fields: Partial<Pick<ServiceError, "reason" | "code" | "metadata" | "retryDelay" | "violations">>,
): ServiceError {
  return Object.assign(new ServiceError(ErrorReason.INVALID_FIELD, message), fields);
}

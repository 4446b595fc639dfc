// Errors of the services, as values: made by a server, read by a client, over any transport.
//
//   throw new ServiceError(ErrorReason.NO_DATA, "no book yet", { metadata: { venue_symbol_id: id } });
//
//   const failure = ServiceError.of(error);
//   if (failure?.reason === ErrorReason.RISK_LIMIT) console.log(failure.metadata["limit_id"]);
//
// A handler of @grpc/grpc-js passes `statusOf(error)` of `@cq/cqc/grpc` to its callback.
import {
  create,
  type DescMessage,
  fromBinary,
  getOption,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { AnySchema, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { keepFacts } from "./facts.js";
import { code, metadata_key, next_step } from "./gen/cqc/options/v1/options_pb.js";
import { ErrorReason, ErrorReasonSchema } from "./gen/cqc/services/v1/errors_pb.js";
import { type OrderError, OrderErrorSchema } from "./gen/cqc/services/v1/venue_gateway_orders_pb.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "./gen/google/rpc/status_pb.js";
import type { Violation } from "./validate.js";

/** `domain` of the google.rpc.ErrorInfo of every ServiceError. */
export const DOMAIN = "cqc";
/** Key of the trailing metadata that carries a google.rpc.Status. */
export const STATUS_DETAILS_KEY = "grpc-status-details-bin";
const PREFIX = "ERROR_REASON_";

/** The codes of gRPC, which are also those of @grpc/grpc-js and Connect. */
export const Code = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;

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

/**
 * A failed call, or a failed item of a batch. The message is for people.
 *
 * `String(error)` also has the reason, the metadata and what to do next. After structuredClone or postMessage,
 * `ServiceError.of` restores the error.
 */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  /** Why; unspecified if a client does not know the reason of a newer server. */
  readonly reason: ErrorReason;
  /** Name of the reason without its prefix, such as `NO_DATA`; kept for a reason of a newer server. */
  readonly reasonName: string;
  /** The gRPC code: a value of `Code`, unless a server sends another. */
  readonly code: number;
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
    const known = Code[(value ? getOption(value, code) : "") as keyof typeof Code];
    if (!value || known === undefined) throw new RangeError(`${reason} is not an ErrorReason with a code`);
    const keys = getOption(value, metadata_key);
    const unknown = Object.keys(options.metadata ?? {}).filter((key) => !keys.includes(key));
    if (unknown.length > 0) {
      throw new RangeError(
        `${value.name} has no metadata ${unknown.join(", ")}; its keys are: ${keys.join(", ") || "none"}`,
      );
    }
    this.reason = reason;
    this.reasonName = value.name.slice(PREFIX.length);
    this.code = known;
    this.metadata = options.metadata ?? {};
    this.retryDelay = options.retryDelay;
    this.violations = options.violations ?? [];
    keepFacts(this);
  }

  /** What a caller can do about the error; empty for a reason that this version does not know. */
  get nextStep(): string {
    const value = ErrorReasonSchema.value[this.reason];
    return value ? getOption(value, next_step) : "";
  }

  /** Returns `REASON: message (key=value, key=value); next step`. */
  override toString(): string {
    const value = ErrorReasonSchema.value[this.reason];
    const keys = new Set([...(value ? getOption(value, metadata_key) : []), ...Object.keys(this.metadata)]);
    const facts = [...keys].filter((key) => key in this.metadata).map((key) => `${key}=${this.metadata[key]}`);
    const stated = facts.length > 0 ? ` (${facts.join(", ")})` : "";
    return `${this.reasonName}: ${this.message}${stated}${this.nextStep && `; ${this.nextStep}`}`;
  }

  /** Returns the error for a request that violates rules. */
  static invalidRequest(schema: DescMessage, violations: readonly Violation[]): ServiceError {
    const lines = violations.map(({ field, message }) => (field ? `${field}: ${message}` : message));
    return new ServiceError(ErrorReason.INVALID_FIELD, `invalid ${schema.typeName}: ${lines.join("; ")}`, {
      violations,
    });
  }

  /**
   * Returns what an error carries, or undefined if it carries no ErrorInfo with domain `cqc`.
   *
   * Takes what a client of @grpc/grpc-js reports, a ConnectError, and a ServiceError itself, also of another copy of
   * this package or after structuredClone.
   */
  static of(error: unknown): ServiceError | undefined {
    if (error instanceof ServiceError) return error;
    if (typeof error !== "object" || error === null) return undefined;
    const { cause, code, details, message, metadata, rawMessage } = error as Foreign;
    if (cause?.name === "ServiceError") return received(message ?? "", cause);
    const [data] = metadata?.get?.(STATUS_DETAILS_KEY) ?? [];
    if (data instanceof Uint8Array) return ServiceError.fromStatus(fromBinary(StatusSchema, data));
    if (!Array.isArray(details)) return undefined;
    const packed = details.map((detail: ConnectDetail) =>
      "desc" in detail
        ? anyPack(detail.desc, create(detail.desc, detail.value))
        : create(AnySchema, { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value }),
    );
    const text = rawMessage ?? message ?? "";
    return ServiceError.fromStatus(
      create(StatusSchema, { code: code ?? Code.UNKNOWN, message: text, details: packed }),
    );
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
      reasonName: info.reason,
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
    const value = ErrorReasonSchema.value[item.reason];
    const reason = value?.number ?? ErrorReason.UNSPECIFIED;
    const reasonName = value?.name.slice(PREFIX.length) ?? `${item.reason}`;
    return received(item.message, { reason, reasonName, code: item.code, metadata: item.metadata });
  }

  /** Returns the error for one item of a batch. */
  toOrderError(): OrderError {
    const { code, reason, message, metadata } = this;
    return create(OrderErrorSchema, { code, reason, message, metadata: { ...metadata } });
  }

  /** Returns the error as a google.rpc.Status with ErrorInfo and, if they apply, BadRequest and RetryInfo. */
  status(): Status {
    const info = { domain: DOMAIN, reason: this.reasonName, metadata: { ...this.metadata } };
    const details = [anyPack(ErrorInfoSchema, create(ErrorInfoSchema, info))];
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
}

/** What the errors of @grpc/grpc-js and Connect have, and those of another copy of this package. */
interface Foreign {
  cause?: Partial<ServiceError>;
  code?: number;
  details?: string | ConnectDetail[];
  message?: string;
  metadata?: { get?(key: string): unknown[] };
  rawMessage?: string;
}

/** A detail that a ConnectError received, or one that it is to send. */
type ConnectDetail = { type: string; value: Uint8Array } | { desc: DescMessage; value: MessageInitShape<DescMessage> };

/** Returns an error as it was received: a newer server may use reasons and keys that are new to this version. */
function received(
  message: string,
  { reason, reasonName, code, metadata, retryDelay, violations }: Partial<ServiceError>,
): ServiceError {
  const made = new ServiceError(ErrorReason.INVALID_FIELD, message);
  Object.assign(made, {
    reason,
    reasonName,
    code,
    metadata: { ...metadata },
    retryDelay,
    violations: violations ?? [],
  });
  keepFacts(made);
  return made;
}

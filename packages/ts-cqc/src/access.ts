// Who may call: the scope of each method, and a server interceptor that enforces scopes and accounts.
//
//   const verify = async (token: string): Promise<Principal | undefined> => ...;
//   new Server({ interceptors: [accessServerInterceptor(verify), validationServerInterceptor] })
//
// A call has its token in the metadata, as `authorization: Bearer <token>`, and travels over TLS. The interceptor checks
// the token, the scope of the method, and every field named `account_id`, `account_ids`, `from_account_id` or
// `to_account_id`, at any depth, against the accounts of the principal. What depends on a record, such as the owner of a
// portfolio, the service checks itself: in a handler, `principalOf(call)` returns the caller. Requires the optional peer
// dependency @grpc/grpc-js.
import { type DescMessage, type DescService, getOption, type MessageShape } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import * as grpc from "@grpc/grpc-js";
import { contractOf, refuse } from "./contract.js";
import { ServiceError } from "./errors.js";
import { scope } from "./gen/cqc/options/v1/options_pb.js";
import { ErrorReason } from "./gen/cqc/services/v1/errors_pb.js";
import {
  AssetRegistry,
  EventLog,
  MarketData,
  Portfolio,
  RiskEngine,
  VenueGateway,
} from "./gen/cqc/services/v1/index.js";
import { statusOf } from "./grpc.js";

const ACCOUNT_FIELDS = new Set(["account_id", "account_ids", "from_account_id", "to_account_id"]);

/** The authenticated caller. */
export interface Principal {
  /** Holder of the credential; a renewed token has the same subject. */
  readonly subject: string;
  /** Scopes that were granted, such as `orders.write`. */
  readonly scopes: ReadonlySet<string>;
  /** Ids of the accounts that the caller may name. */
  readonly accounts: ReadonlySet<string>;
}

/**
 * Returns the principal of a token, or undefined if the token is unknown, expired or revoked. A verifier that throws
 * fails the call with UNAVAILABLE, because it cannot tell.
 */
export type Verifier = (token: string) => Principal | undefined | Promise<Principal | undefined>;

// Both forms of the package, and every copy, find the principal here.
const PRINCIPAL = Symbol.for("@cq/cqc principal");

/** Returns the caller of the RPC that is being handled, or undefined if the server has no access interceptor. */
export function principalOf(call: { readonly metadata: grpc.Metadata }): Principal | undefined {
  return (call.metadata as { [PRINCIPAL]?: Principal })[PRINCIPAL];
}

const SERVICES: readonly DescService[] = [AssetRegistry, EventLog, MarketData, Portfolio, RiskEngine, VenueGateway];

/**
 * Returns the scope that a method needs, such as `market.read` for `/cqc.services.v1.MarketData/GetPrice`.
 *
 * The leading slash may be left out, and a dot may replace the slash before the method. Returns undefined for a method
 * that has no scope, such as those of other packages.
 */
export function scopeOf(method: string): string | undefined {
  const [, service, name] = /^[/]?(.+)[./]([^./]+)$/.exec(method) ?? [];
  const found = SERVICES.find((item) => item.typeName === service)?.methods.find((item) => item.name === name);
  return (found && getOption(found, scope)) || undefined;
}

/**
 * Returns an interceptor that rejects calls that their principal may not make. A method without a scope is not checked.
 * One of CQC that was not defined by this package fails with INTERNAL.
 */
export function accessServerInterceptor(verify: Verifier): grpc.ServerInterceptor {
  return (method, call) => {
    const contract = contractOf(method.path, method.requestDeserialize);
    if (contract && "details" in contract) return refuse(call, contract);
    const needed = contract && getOption(contract, scope);
    if (!needed) return new grpc.ServerInterceptingCall(call);
    let rejected = false;
    let caller: Principal | undefined;
    const reject = (error: unknown) => {
      rejected = true;
      const code = grpc.status.UNAVAILABLE;
      const unavailable = { code, details: "the token cannot be verified now", metadata: new grpc.Metadata() };
      const failure = ServiceError.of(error);
      call.sendStatus(failure ? statusOf(failure) : unavailable);
    };
    return new grpc.ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, forward) => {
            admit(verify, metadata, needed).then((admitted) => {
              caller = admitted;
              // Not enumerable, so that no log of the metadata shows it.
              Object.defineProperty(metadata, PRINCIPAL, { value: admitted });
              forward(metadata);
            }, reject);
          },
          onReceiveMessage: (message: unknown, forward) => {
            if (rejected) return;
            const foreign = accounts(contract.input, message).find((account) => !caller?.accounts.has(account));
            if (foreign === undefined) return forward(message);
            reject(
              new ServiceError(ErrorReason.ACCOUNT_NOT_ALLOWED, `${foreign} is not an account of the caller`, {
                metadata: { account_id: foreign },
              }),
            );
          },
          onReceiveHalfClose: (forward) => {
            if (!rejected) forward();
          },
        });
      },
    });
  };
}

async function admit(verify: Verifier, metadata: grpc.Metadata, needed: string): Promise<Principal> {
  const [scheme, token, ...more] = metadata.get("authorization").join(" ").split(/\s+/);
  if (scheme?.toLowerCase() !== "bearer" || !token || more.length > 0) {
    const message = "the call carries no bearer token";
    throw new ServiceError(ErrorReason.CREDENTIALS_MISSING, message);
  }
  const caller = await verify(token);
  if (!caller) throw new ServiceError(ErrorReason.CREDENTIALS_INVALID, "the token is unknown, expired or revoked");
  if (!caller.scopes.has(needed)) {
    const metadata = { scope: needed };
    throw new ServiceError(ErrorReason.SCOPE_MISSING, `the method needs the scope ${needed}`, { metadata });
  }
  return caller;
}

/** Returns every account that a message names, at any depth. */
function accounts(schema: DescMessage, message: unknown): string[] {
  return inMessage(reflect(schema, message as MessageShape<DescMessage>));
}

function inMessage(message: ReflectMessage): string[] {
  return message.fields
    .filter((field) => message.isSet(field))
    .flatMap((field) => {
      const value: unknown = message.get(field);
      const isMessage = field.message !== undefined;
      if (field.fieldKind === "scalar") return ACCOUNT_FIELDS.has(field.name) ? [value as string] : [];
      if (field.fieldKind === "message") return inMessage(value as ReflectMessage);
      if (field.fieldKind === "list") {
        const items = [...(value as Iterable<unknown>)];
        if (isMessage) return items.flatMap((item) => inMessage(item as ReflectMessage));
        return ACCOUNT_FIELDS.has(field.name) ? (items as string[]) : [];
      }
      if (field.fieldKind === "map" && isMessage) {
        return [...(value as ReadonlyMap<unknown, ReflectMessage>).values()].flatMap(inMessage);
      }
      return [];
    });
}

// Errors as values and access by scope and account, through real servers and clients.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { anyPack, anyUnpack } from "@bufbuild/protobuf/wkt";
import { descriptorSet } from "@cq/cqc";
import { accessServerInterceptor, principalOf, scopeOf } from "@cq/cqc/access";
import { DOMAIN, ServiceError } from "@cq/cqc/errors";
import { statusOf } from "@cq/cqc/grpc";
import { validationServerInterceptor } from "@cq/cqc/interceptors";
import { ErrorReason } from "@cq/cqc/services/v1";
import { MarketDataClient, MarketDataService, VenueGatewayClient, VenueGatewayService } from "@cq/cqc/services/v1/grpc";
import * as grpc from "@grpc/grpc-js";

const orders = scopeOf("/cqc.services.v1.VenueGateway/ListOrders");
const principals = {
  reader: { subject: "reader", scopes: new Set(["market.read"]), accounts: new Set() },
  trader: { subject: "trader", scopes: new Set([orders]), accounts: new Set(["main"]) },
};

function verify(token) {
  if (token === "unreachable") throw new Error("the identity provider does not answer");
  return principals[token];
}

const server = new grpc.Server({ interceptors: [accessServerInterceptor(verify), validationServerInterceptor] });
let market;
let gateway;
before(async () => {
  server.addService(MarketDataService, {
    getPrice(call, callback) {
      const limited = new ServiceError(ErrorReason.RATE_LIMITED, `too many requests of ${principalOf(call).subject}`, {
        metadata: { limit: "weight" },
        retryDelay: 1500,
      });
      callback(statusOf(limited));
    },
  });
  server.addService(VenueGatewayService, {
    listOrders: (call, callback) => callback(null, { nextPageToken: principalOf(call).subject }),
    streamExecutionReports(call) {
      call.write({ resumeToken: principalOf(call).subject });
      call.end();
    },
  });
  const port = await new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  market = new MarketDataClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  gateway = new VenueGatewayClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
});
after(() => {
  market.close();
  gateway.close();
  server.forceShutdown();
});

function as(authorization) {
  const metadata = new grpc.Metadata();
  if (authorization) metadata.set("authorization", authorization);
  return metadata;
}

const call = (client, name, request, authorization) =>
  new Promise((resolve, reject) => {
    client[name](request, as(authorization), (error, answer) => (error ? reject(error) : resolve(answer)));
  });

async function failure(promise) {
  const error = await promise.then(
    () => assert.fail("the call succeeded"),
    (reason) => reason,
  );
  const found = ServiceError.of(error);
  assert.equal(error.code, found?.code ?? error.code);
  return found ?? error;
}

const price = (authorization, assetId = "BTC") => failure(call(market, "getPrice", { assetId }, authorization));

test("a call needs a token that the verifier knows", async () => {
  for (const authorization of [undefined, "reader", "Basic reader"]) {
    assert.equal((await price(authorization)).reason, ErrorReason.CREDENTIALS_MISSING);
  }
  const unknown = await price("Bearer nobody");
  assert.deepEqual([unknown.reason, unknown.code], [ErrorReason.CREDENTIALS_INVALID, grpc.status.UNAUTHENTICATED]);
  assert.equal((await price("Bearer unreachable")).code, grpc.status.UNAVAILABLE);
});

test("a call needs the scope of its method", async () => {
  const missing = await price("bearer trader");
  assert.equal(missing.reason, ErrorReason.SCOPE_MISSING);
  assert.deepEqual({ ...missing.metadata }, { scope: "market.read" });
});

test("an error of a handler reaches the client with all its fields", async () => {
  const { reason, message, metadata, retryDelay, code } = await price("Bearer reader");
  assert.deepEqual(
    { reason, message, metadata: { ...metadata }, retryDelay, code },
    {
      reason: ErrorReason.RATE_LIMITED,
      message: "too many requests of reader",
      metadata: { limit: "weight" },
      retryDelay: 1500,
      code: grpc.status.RESOURCE_EXHAUSTED,
    },
  );
});

test("an invalid request is an error with violations", async () => {
  const invalid = await price("Bearer reader", "btc");
  assert.equal(invalid.reason, ErrorReason.INVALID_FIELD);
  assert.deepEqual(
    invalid.violations.map(({ field }) => field),
    ["asset_id"],
  );
});

test("an account of someone else is refused, whether it exists or not", async () => {
  const own = await call(gateway, "listOrders", { accountId: "main" }, "Bearer trader");
  assert.equal(own.nextPageToken, "trader");
  const refused = await failure(call(gateway, "listOrders", { accountId: "other" }, "Bearer trader"));
  assert.equal(refused.reason, ErrorReason.ACCOUNT_NOT_ALLOWED);
  assert.deepEqual({ ...refused.metadata }, { account_id: "other" });
});

test("a stream is checked like a call", async () => {
  const follow = async (accountIds) => {
    const tokens = [];
    const stream = gateway.streamExecutionReports({ accountIds }, as("Bearer trader"));
    for await (const { resumeToken } of stream) tokens.push(resumeToken);
    return tokens;
  };
  assert.deepEqual(await follow(["main"]), ["trader"]);
  assert.equal((await failure(follow(["main", "other"]))).reason, ErrorReason.ACCOUNT_NOT_ALLOWED);
});

test("every reason makes an error that reads back", () => {
  for (const reason of Object.values(ErrorReason).filter((value) => typeof value === "number" && value !== 0)) {
    const made = new ServiceError(reason, "what happened");
    const read = ServiceError.fromStatus(made.status());
    assert.deepEqual([read.reason, read.message, read.code], [reason, "what happened", made.code]);
  }
});

test("an item of a batch carries the same words", () => {
  const metadata = { status: "FILLED" };
  const made = new ServiceError(ErrorReason.ORDER_ENDED, "the order is filled", { metadata });
  const item = made.toOrderError();
  assert.equal(item.code, grpc.status.FAILED_PRECONDITION);
  assert.deepEqual({ ...item.metadata }, metadata);
  assert.deepEqual(ServiceError.fromOrderError(item).status(), made.status());
});

test("a reason has only the metadata of its options", () => {
  const metadata = { account_id: "a" };
  assert.throws(() => new ServiceError(ErrorReason.SCOPE_MISSING, "no", { metadata }), /its keys are: scope/);
  assert.throws(() => new ServiceError(ErrorReason.UNSPECIFIED, "no"), /with a code/);
});

test("a reason of a newer server is unspecified and keeps code and metadata", async () => {
  const details = new URL("node_modules/@cq/cqc/dist/esm/gen/google/rpc/error_details_pb.js", import.meta.url);
  const { ErrorInfoSchema } = await import(details);
  const status = new ServiceError(ErrorReason.SCOPE_MISSING, "no", { metadata: { scope: "x" } }).status();
  const info = anyUnpack(status.details[0], ErrorInfoSchema);
  status.details[0] = anyPack(ErrorInfoSchema, { ...info, reason: "FROM_THE_FUTURE", metadata: { when: "2031" } });
  const read = ServiceError.fromStatus(status);
  assert.equal(read.reason, ErrorReason.UNSPECIFIED);
  assert.equal(read.code, grpc.status.PERMISSION_DENIED);
  assert.deepEqual({ ...read.metadata }, { when: "2031" });
  assert.equal(DOMAIN, info.domain);
  assert.equal(String(read), "FROM_THE_FUTURE: no (when=2031)");
  assert.deepEqual(ServiceError.fromStatus(read.status()), read);
});

test("an error without ErrorInfo is not a ServiceError", () => {
  assert.equal(ServiceError.of(new Error("no")), undefined);
  assert.equal(ServiceError.of(undefined), undefined);
});

test("scopes", () => {
  assert.equal(scopeOf("/cqc.services.v1.MarketData/GetPrice"), "market.read");
  assert.equal(scopeOf("cqc.services.v1.MarketData.GetPrice"), "market.read");
  assert.equal(scopeOf("/grpc.health.v1.Health/Check"), undefined);
  assert.equal(scopeOf("nothing"), undefined);
  const services = descriptorSet().file.flatMap((file) => file.service.map((item) => [file.package, item]));
  const paths = services.flatMap(([name, item]) => item.method.map((method) => `/${name}.${item.name}/${method.name}`));
  assert.ok(paths.length > 100);
  assert.deepEqual(
    paths.filter((path) => !scopeOf(path)),
    [],
  );
});

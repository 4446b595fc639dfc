// ES modules, CommonJS and a second copy of the package in one process, as dependencies bring them together.
import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";

const copy = fileURLToPath(new URL("node_modules/@cq/copy", import.meta.url));
cpSync(fileURLToPath(new URL("node_modules/@cq/cqc", import.meta.url)), copy, { recursive: true });
after(() => rmSync(copy, { recursive: true }));

const require = createRequire(import.meta.url);
const names = ["access", "errors", "interceptors", "services/v1/grpc"];
const esm = await Promise.all(names.map((name) => import(`@cq/cqc/${name}`)));
const second = await Promise.all(names.map((name) => import(import.meta.resolve(`@cq/copy/${name}`))));
const forms = {
  "ES modules": Object.assign({}, ...esm),
  CommonJS: Object.assign({}, ...names.map((name) => require(`@cq/cqc/${name}`))),
  "a second copy": Object.assign({}, ...second),
};

async function serve(context, definition, interceptors, handlers) {
  const server = new grpc.Server({ interceptors });
  server.addService(definition, handlers);
  const port = await new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  context.after(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

function call(context, Client, address, request, interceptors = []) {
  const client = new Client(address, grpc.credentials.createInsecure(), { interceptors });
  context.after(() => client.close());
  const metadata = new grpc.Metadata();
  metadata.set("authorization", "Bearer reader");
  return new Promise((resolve) => client.getPrice(request, metadata, (error, price) => resolve(error ?? price)));
}

const prices = { getPrice: (call, callback) => callback(null, { assetId: call.request.assetId }) };
const reader = { subject: "desk", scopes: new Set(["market.read"]), accounts: new Set() };

for (const [one, checks] of Object.entries(forms)) {
  for (const [other, service] of Object.entries(forms)) {
    if (one === other) continue;
    test(`interceptors of ${one} see the methods of ${other}`, async (context) => {
      const { MarketDataClient, MarketDataService, principalOf } = service;
      const server = [checks.accessServerInterceptor(() => reader), checks.validationServerInterceptor];
      const handlers = {
        getPrice: (call, callback) => callback(null, { assetId: principalOf(call).subject }),
      };
      const address = await serve(context, MarketDataService, server, handlers);
      assert.equal((await call(context, MarketDataClient, address, { assetId: "BTC" })).assetId, "desk");
      const refused = await call(context, MarketDataClient, address, { assetId: "btc" });
      assert.equal(service.ServiceError.of(refused)?.violations[0].field, "asset_id");

      const open = await serve(context, MarketDataService, [], prices);
      const client = [checks.validationClientInterceptor];
      assert.equal((await call(context, MarketDataClient, open, { assetId: "BTC" }, client)).assetId, "BTC");
      const unsent = await call(context, MarketDataClient, open, { assetId: "btc" }, client);
      assert.equal(unsent.code, grpc.status.INVALID_ARGUMENT);
    });
    test(`ServiceError.of of ${one} reads an error of ${other}`, () => {
      const made = new service.ServiceError(8, "no", { metadata: { scope: "market.read" } });
      const { reason, code, message, metadata } = checks.ServiceError.of(made);
      assert.deepEqual(
        { reason, code, message, metadata },
        { reason: 8, code: 7, message: "no", metadata: made.metadata },
      );
    });
  }
}

const foreign = (path) => ({
  getPrice: {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: () => Buffer.from("btc"),
    requestDeserialize: (bytes) => ({ assetId: String(bytes) }),
    responseSerialize: ({ assetId }) => Buffer.from(assetId),
    responseDeserialize: (bytes) => ({ assetId: String(bytes) }),
  },
});
const form = forms["ES modules"];
const checks = {
  access: [[form.accessServerInterceptor(() => reader)], []],
  "server validation": [[form.validationServerInterceptor], []],
  "client validation": [[], [form.validationClientInterceptor]],
};
for (const [name, [server, client]] of Object.entries(checks)) {
  test(`${name}: a CQC method of another code generator fails, a method of others passes`, async (context) => {
    for (const [path, isRefused] of [
      ["/cqc.services.v1.MarketData/GetPrice", true],
      ["/grpc.health.v1.Health/Check", false],
    ]) {
      const definition = foreign(path);
      const address = await serve(context, definition, server, prices);
      const Client = grpc.makeGenericClientConstructor(definition, "Foreign");
      const got = await call(context, Client, address, { assetId: "btc" }, client);
      if (isRefused) {
        assert.equal(got.code, grpc.status.INTERNAL);
        assert.match(got.details, /the contract of .*GetPrice is not known.*services[/]v1[/]grpc/);
      } else assert.equal(got.assetId, "btc");
    }
  });
}

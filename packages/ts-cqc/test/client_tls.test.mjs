// TLS between `connect` and `serve`: which certificates are trusted, and what a client is told if one is not.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { CertificateError, connect, follow, SettingError } from "@cq/cqc/client";
import { connect as connectConnect } from "@cq/cqc/connect";
import { ServiceError } from "@cq/cqc/errors";
import { serve, service } from "@cq/cqc/server";
import { ErrorReason, MarketData } from "@cq/cqc/services/v1";
import { InterceptingCall } from "@grpc/grpc-js";

// Issued by localhost.crt, for these tests alone.
const CLIENT_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBjjCCATSgAwIBAgIUJDwQFMvSjo4ttiPPFeJLDwGtB/AwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyODA1MDgyOFoYDzIxMjYxMTA0
MDUwODI4WjARMQ8wDQYDVQQDDAZjbGllbnQwWTATBgcqhkjOPQIBBggqhkjOPQMB
BwNCAAR1wZt0pWgfu48mJFsuaaRPtXYM+kGw45Qvl5TclPsGexmYPX2dvm1c4QCm
04yGFnBDqtIELPZezKJgl1lhRqICo2UwYzAMBgNVHRMBAf8EAjAAMBMGA1UdJQQM
MAoGCCsGAQUFBwMCMB0GA1UdDgQWBBRpJ7i8sJ/LQuGyaBzg6gBeEWLlrTAfBgNV
HSMEGDAWgBSX6CZ6ulmZGVX4tqZn4QWsvHrbCzAKBggqhkjOPQQDAgNIADBFAiEA
9MztwWY5ECyxTHFMlzwTVidYQZLZ9EMURNhekS5Eb8cCIEBRpQRgu+BDRK+Bkx21
6fOZ5Jmnk8t886pzuHNBolfm
-----END CERTIFICATE-----
`;
const CLIENT_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRFb3j3gzT1XQLgQI
oVmqNtYVbtAz3xZQfHJRhs3ZQ72hRANCAAR1wZt0pWgfu48mJFsuaaRPtXYM+kGw
45Qvl5TclPsGexmYPX2dvm1c4QCm04yGFnBDqtIELPZezKJgl1lhRqIC
-----END PRIVATE KEY-----
`;
// The certificate of another authority.
const OTHER_AUTHORITY = `-----BEGIN CERTIFICATE-----
MIIBjjCCATOgAwIBAgIUaSTwhUsd4azTSg9Cp7Yp5tlfCOMwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFb3RoZXIwIBcNMjYxMTI4MDUwODI4WhgPMjEyNjExMDQwNTA4
MjhaMBAxDjAMBgNVBAMMBW90aGVyMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
hxN4ye3PdYMWYDgGulv7gHPs7DP2AAyx2INlI+Ju1p+6xOECTbeHP/cFSTe4EsXe
p/l7wdovBTOif30MEkk2yaNpMGcwHQYDVR0OBBYEFOjfMDiWwYXalsonZmCrJxOK
o/csMB8GA1UdIwQYMBaAFOjfMDiWwYXalsonZmCrJxOKo/csMA8GA1UdEwEB/wQF
MAMBAf8wFAYDVR0RBA0wC4IJbG9jYWxob3N0MAoGCCqGSM49BAMCA0kAMEYCIQDk
60FM49pmhReU6gQwtycnOHvZF0QDyJr7l4+4zDCM0AIhAOr9W92W6h4FS1I3TTyl
Xs7KytwHddc4FaPDNqcJcwpb
-----END CERTIFICATE-----
`;

const folder = mkdtempSync(join(tmpdir(), "cqc-tls-"));
const file = (name, contents) => {
  writeFileSync(join(folder, name), contents);
  return join(folder, name);
};
const here = (name) => new URL(name, import.meta.url).pathname;
const server = { certificate: here("localhost.crt"), key: here("localhost.key") };
const client = { certificate: file("client.crt", CLIENT_CERTIFICATE), key: file("client.key", CLIENT_KEY) };
const ca = here("localhost.crt");
const otherCa = file("other.crt", OTHER_AUTHORITY);

const desk = { subject: "desk", scopes: new Set(["market.read"]), accounts: new Set() };
const verify = (token) => (token === "secret" ? desk : undefined);
const market = service(MarketData, {
  getPrice: (_, { principal }) => ({ value: 65000, quoteAssetId: principal.subject }),
  async *streamTrades() {
    yield { resumeToken: "t1", event: { case: "trade", value: { tradeId: "1" } } };
  },
});
const price = (connection) => connection.client(MarketData).getPrice({ assetId: "BTC" }, { timeoutMs: 5000 });

const open = [];
function connected(options) {
  const connection = connect(options);
  open.push(connection);
  return connection;
}
for (const name of ["CQC_TARGET", "CQC_TOKEN", "CQC_CA"]) delete process.env[name];
after(() => {
  for (const connection of open) connection.close();
  rmSync(folder, { recursive: true });
});

describe("TLS", () => {
  let running;
  let target;
  before(async () => {
    running = await serve([market], { address: "localhost:0", verify, ...server });
    target = running.address;
  });
  after(() => running.stop());

  test("a call over TLS carries the token", async () => {
    const answer = await price(connected({ target, ca, token: "secret" }));
    assert.deepEqual([answer.value, answer.quoteAssetId], [65000, "desk"]);
  });

  test("a token function is called for each call", async () => {
    const tokens = ["secret", "expired"];
    const connection = connected({ target, ca, token: async () => tokens.shift() });
    assert.equal((await price(connection)).value, 65000);
    const failure = await price(connection).catch(ServiceError.of);
    assert.equal(failure.reason, ErrorReason.CREDENTIALS_INVALID);
  });

  test("a token function that fails, or returns what is no token, fails the call", async () => {
    const calling = (token) => price(connected({ target, ca, token }));
    await assert.rejects(
      calling(() => Promise.reject(new Error("the vault is closed"))),
      { message: "the vault is closed" },
    );
    await assert.rejects(
      calling(() => "secret\n"),
      (error) => error instanceof SettingError && error.setting === "token" && !error.message.includes("secret"),
    );
    await assert.rejects(
      calling(() => undefined),
      { name: "SettingError", problem: "the function returned undefined" },
    );
    const { streamTrades } = connected({ target, ca, token: () => "" }).client(MarketData);
    await assert.rejects(follow(streamTrades, { venueSymbolIds: ["binance:BTC-USDT-SPOT"] }).next(), SettingError);
  });

  test("interceptors do not see the token", async () => {
    const seen = [];
    const interceptor = (options, next) =>
      new InterceptingCall(next(options), {
        start(metadata, listener, start) {
          seen.push(metadata.toJSON());
          start(metadata, listener);
        },
      });
    const connection = connected({ target, ca, token: "secret", interceptors: [interceptor] });
    await connection.client(MarketData).getPrice({ assetId: "BTC" }, { headers: { "x-desk": "7" } });
    assert.deepEqual(seen, [{ "x-desk": ["7"] }]);
  });

  test("target, token and authorities come from the environment", async () => {
    Object.assign(process.env, { CQC_TARGET: target, CQC_TOKEN: "secret", CQC_CA: ca });
    try {
      assert.equal((await price(connected())).value, 65000);
      const failure = await price(connected({ token: "" })).catch(ServiceError.of);
      assert.equal(failure.reason, ErrorReason.CREDENTIALS_MISSING);
    } finally {
      for (const name of ["CQC_TARGET", "CQC_TOKEN", "CQC_CA"]) delete process.env[name];
    }
  });

  for (const [what, options] of [
    ["another authority", { ca: otherCa }],
    ["the authorities of the system", {}],
  ]) {
    test(`a certificate that ${what} did not issue is named in the first error`, async () => {
      const failure = await price(connected({ target, token: "secret", ...options })).catch((error) => error);
      assert.ok(failure instanceof CertificateError, String(failure));
      assert.equal(failure.target, target);
      assert.match(failure.message, /certificate.*CQC_CA/);
      assert.doesNotMatch(failure.stack + JSON.stringify(failure), /secret/);
    });
  }

  test("follow does not try an untrusted server again", async () => {
    const { streamTrades } = connected({ target, ca: otherCa }).client(MarketData);
    const lost = [];
    const followed = follow(
      streamTrades,
      { venueSymbolIds: ["binance:BTC-USDT-SPOT"] },
      { onLost: (why) => lost.push(why) },
    );
    await assert.rejects(followed.next(), CertificateError);
    assert.deepEqual(lost, []);
  });

  test("a server that leaves during the handshake is only unavailable", async () => {
    const leaving = createServer((socket) => socket.once("data", () => socket.destroy()));
    await new Promise((resolve) => leaving.listen(0, "localhost", resolve));
    const address = `localhost:${leaving.address().port}`;
    for (const connection of [
      connected({ target: address, ca }),
      connectConnect({ transport: createGrpcTransport, baseUrl: `https://${address}` }),
    ]) {
      const failure = await price(connection).catch((error) => error);
      assert.equal(failure.code, 14);
      assert.ok(!(failure instanceof CertificateError), String(failure));
    }
    leaving.close();
  });

  test("Connect sends the token over https", async () => {
    const transport = (options) => createGrpcTransport({ ...options, nodeOptions: { ca: readFileSync(ca) } });
    const connection = connectConnect({ transport, baseUrl: `https://${target}`, token: "secret" });
    assert.equal((await price(connection)).quoteAssetId, "desk");
  });

  test("Connect names an untrusted certificate", async () => {
    const connection = connectConnect({ transport: createGrpcTransport, baseUrl: `https://${target}` });
    await assert.rejects(price(connection), CertificateError);
  });
});

describe("client certificates", () => {
  let running;
  let target;
  before(async () => {
    running = await serve([market], { address: "localhost:0", verify, clientCa: ca, ...server });
    target = running.address;
  });
  after(() => running.stop());

  test("a client with a certificate is served", async () => {
    assert.equal((await price(connected({ target, ca, token: "secret", ...client }))).value, 65000);
  });

  test("a client without one is told so", async () => {
    const failure = await price(connected({ target, ca, token: "secret" })).catch((error) => error);
    assert.ok(failure instanceof CertificateError, String(failure));
    assert.match(failure.message, /`certificate` and `key`/);
  });
});

describe("settings", () => {
  const target = "localhost:1";
  for (const [setting, pattern, options] of [
    ["CQC_TARGET", /no target is given; set it to/, {}],
    ["target", /https:..localhost is a URL/, { target: "https://localhost" }],
    ["timeoutMs", /-1 is not a time/, { target, timeoutMs: -1 }],
    ["timeoutMs", /NaN is not a time/, { target, timeoutMs: Number.NaN }],
    ["plaintext", /would send token readable/, { target, plaintext: true, token: "secret" }],
    ["plaintext", /uses no `ca`/, { target, plaintext: true, ca }],
    ["token", /line break/, { target, token: "secret\n" }],
    ["token", /characters that no token has/, { target, token: "secrét" }],
    ["key", /missing beside/, { target, certificate: client.certificate }],
    ["certificate", /missing beside/, { target, key: client.key }],
    ["ca", /cannot read .*missing.pem/, { target, ca: join(folder, "missing.pem") }],
    ["ca", /empty.pem is not a PEM/, { target, ca: file("empty.pem", "") }],
    ["certificate", /cannot be used/, { target, ...client, key: server.key }],
  ]) {
    test(`${setting}: ${pattern.source}`, () => {
      assert.throws(
        () => connect(options),
        (error) => {
          assert.ok(error instanceof SettingError);
          assert.ok(error instanceof RangeError);
          assert.equal(error.setting, setting);
          assert.equal(error.message, `${error.setting}: ${error.problem}; ${error.fix}`);
          assert.match(error.message, pattern);
          assert.doesNotMatch(error.stack, /secret|secrét/);
          return true;
        },
      );
    });
  }

  test("a token of the environment is not sent without TLS either", () => {
    process.env.CQC_TOKEN = "secret";
    try {
      assert.throws(() => connect({ target, plaintext: true }), { name: "SettingError", setting: "plaintext" });
      connected({ target, plaintext: true, token: "" });
    } finally {
      delete process.env.CQC_TOKEN;
    }
  });

  test("Connect sends a token to https only", () => {
    const transport = () => assert.fail("no transport is made");
    const baseUrl = "http://localhost:1";
    assert.throws(() => connectConnect({ transport, baseUrl, token: "secret" }), { setting: "baseUrl" });
    assert.throws(() => connectConnect({ transport, token: "secret" }), { setting: "baseUrl" });
    assert.throws(() => connectConnect({ transport: {}, token: "secret" }), { setting: "token" });
    assert.throws(() => connectConnect({ transport: {}, timeoutMs: -1 }), { setting: "timeoutMs" });
  });
});

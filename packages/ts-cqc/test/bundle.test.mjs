// What a bundle for a browser costs and contains.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createContext, runInContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

async function bundle(contents, format = "esm") {
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format,
    platform: "browser",
    metafile: true,
    write: false,
  });
  return { text: outputFiles[0].text, inputs: Object.keys(metafile.inputs) };
}

test("a bundle that only encodes a Price is small", async (context) => {
  const { text, inputs } = await bundle(`
    import { create, toBinary } from "@bufbuild/protobuf";
    import { Price } from "@cq/cqc/markets/v1";
    globalThis.bytes = toBinary(Price, create(Price, { assetId: "BTC" }));
  `);
  const gzipped = gzipSync(text).length;
  context.diagnostic(`${text.length} bytes, ${gzipped} with gzip`);
  assert.ok(text.length <= 75_000, `${text.length} bytes`);
  assert.ok(gzipped <= 20_000, `${gzipped} bytes with gzip`);
  assert.deepEqual(
    inputs.filter((name) => /@cq[/]cqc.*(descriptor_set|validate|services)/.test(name)),
    [],
  );
});

test("what is imported from the root costs only itself", async () => {
  const { text } = await bundle('import { toUnixNanos } from "@cq/cqc"; globalThis.toUnixNanos = toUnixNanos;');
  assert.ok(text.length < 75_000, `${text.length} bytes`);
});

test("services, errors and Connect's validation need neither grpc-js nor Node.js", async () => {
  const { inputs } = await bundle(`
    import { MarketData } from "@cq/cqc/services/v1";
    import { ServiceError } from "@cq/cqc/errors";
    import { validationInterceptor } from "@cq/cqc/connect/validation";
    globalThis.used = [MarketData, ServiceError, validationInterceptor];
  `);
  assert.deepEqual(
    inputs.filter((name) => name.includes("@grpc")),
    [],
  );
});

test("messages are validated in a browser, synchronously", async () => {
  const code = `
    import { create } from "@bufbuild/protobuf";
    import { Price } from "@cq/cqc/markets/v1";
    import { validate } from "@cq/cqc/validate";
    globalThis.found = validate(Price, create(Price, { assetId: "btc" })).map(({ field }) => field);
  `;
  const { text } = await bundle(code, "iife");
  const global = createContext({ TextEncoder, TextDecoder, atob, btoa, URL });
  runInContext(text, global, { timeout: 20_000 });
  assert.deepEqual([...global.found], ["asset_id"]);
});

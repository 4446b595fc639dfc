// What a client costs in a browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

test("a browser's client loads neither grpc-js, nor protovalidate, nor Node.js", async (context) => {
  const contents = `
    import { createConnectTransport } from "@connectrpc/connect-web";
    import { connect, follow } from "@cq/cqc/connect";
    import { ServiceError } from "@cq/cqc/errors";
    import { MarketData } from "@cq/cqc/services/v1";
    const market = connect({ transport: createConnectTransport, baseUrl: "https://localhost" }).client(MarketData);
    globalThis.used = [follow(market.streamTrades, {}), ServiceError];
  `;
  const { outputFiles, metafile } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    metafile: true,
    write: false,
  });
  const [{ text }] = outputFiles;
  context.diagnostic(`${text.length} bytes, ${gzipSync(text).length} with gzip`);
  const used = Object.entries(Object.values(metafile.outputs)[0].inputs).filter(
    ([, { bytesInOutput }]) => bytesInOutput,
  );
  const foreign = used
    .map(([name]) => name)
    .filter((name) => /@grpc|protovalidate|descriptor_set|portfolio/.test(name));
  assert.deepEqual(foreign, []);
});

// `node dist/main.js serve --data DIR --address HOST:PORT | rebuild --address HOST:PORT | version`
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { rebuild } from "./client.js";
import { serve } from "./server.js";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { data: { type: "string", default: "" }, address: { type: "string", default: "127.0.0.1:0" } },
});
if (positionals[0] === "serve") {
  serve(values.data, values.address);
} else if (positionals[0] === "rebuild") {
  console.log(JSON.stringify(await rebuild(values.address)));
} else if (positionals[0] === "version") {
  console.log(createRequire(import.meta.url)("@cq/cqc/package.json").version);
} else {
  console.error("usage: main.js serve --data DIR --address HOST:PORT | rebuild --address HOST:PORT | version");
  process.exit(2);
}

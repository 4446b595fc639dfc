// `node dist/main.js serve --data DIR --address HOST:PORT`, `node dist/main.js rebuild --address HOST:PORT`
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
} else {
  console.error("say what to do: serve --data DIR --address HOST:PORT, or rebuild --address HOST:PORT");
  process.exit(2);
}

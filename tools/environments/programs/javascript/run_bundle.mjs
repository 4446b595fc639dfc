// Runs a bundle without what only Node.js has: `node run_bundle.mjs <bundle>`. Prints its size and its size in gzip.
import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

const path = resolve(process.argv[2]);
const code = readFileSync(path, "utf8");
const imported = [...code.matchAll(/(?:\bfrom|\bimport|\brequire\()\s*["']([^"']+)["']/g)].map(([, name]) => name);
const builtin = imported.filter((name) => name.startsWith("node:") || builtinModules.includes(name));
if (builtin.length > 0) throw new Error(`the bundle imports ${builtin}, which browsers do not have`);
// The user agent of grpc-js, which no minifier removes.
if (code.includes("grpc-node-js/")) throw new Error("the bundle contains @grpc/grpc-js");
console.log(JSON.stringify({ size: code.length, gzip: gzipSync(code).length }));
// Node.js loads its own parts at their first use, and they need these names.
for (const name of ["fetch", "FormData", "Headers", "Request", "Response"]) void globalThis[name];
new Response(new Headers());
for (const name of ["Buffer", "global", "process", "setImmediate"]) delete globalThis[name];
await import(pathToFileURL(path).href);

// Compiles src/ to dist/esm and dist/cjs, replacing dist/.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

// Comments in JavaScript, and in declarations the lines of protoc-gen-es about itself.
const DOCS = /^[ \t]*\/\*\*(?:[^*]|\*(?!\/))*\*\/\n/gm;
const GENERATED = /^([ \t]*\*\n)?[ \t]*\* @generated .*\n/gm;
const DESCRIBES = /^[ \t]*\/\*\*\n( \* (Describes|Use) .*\n)+ \*\/\n/gm;
const EMPTY = /^[ \t]*\/\*\*\n[ \t]*\*\/\n/gm;
// Two of every four spaces.
const INDENTATION = /^ {2}(?= {2})|(?<=^(?: {4})+) {2}(?= {2})/gm;

process.chdir(fileURLToPath(new URL(".", import.meta.url)));
rmSync("dist", { recursive: true, force: true });
for (const config of ["tsconfig.json", "tsconfig.cjs.json"]) {
  // Not node_modules/.bin/tsc, which may belong to another version that tests use.
  const command = ["node_modules/typescript/bin/tsc", "-p", config];
  const { status } = spawnSync(process.execPath, command, { stdio: "inherit" });
  if (status !== 0) process.exit(1);
}
// Editors read comments in declarations only. tsc can remove those in JavaScript, but with them the marks by which
// bundlers drop unused descriptors. Small files matter beyond their own size: npm packs files of the same name one after
// the other, and gzip compresses the second form of the package to almost nothing if the first is within its 32 KiB.
for (const name of readdirSync("dist", { recursive: true })) {
  const file = join("dist", name);
  if (name.endsWith(".d.ts")) rewrite(file, GENERATED, DESCRIBES, EMPTY, INDENTATION);
  else if (name.endsWith(".js")) rewrite(file, DOCS);
}
// package.json declares ES modules; these files are CommonJS.
writeFileSync("dist/cjs/package.json", '{"type":"commonjs"}\n');

function rewrite(file, ...removed) {
  writeFileSync(
    file,
    removed.reduce((text, pattern) => text.replace(pattern, ""), readFileSync(file, "utf8")),
  );
}

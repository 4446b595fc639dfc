// Compiles src/ to dist/esm and dist/cjs, replacing dist/.
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));
rmSync("dist", { recursive: true, force: true });
for (const config of ["tsconfig.json", "tsconfig.cjs.json"]) {
  const { status } = spawnSync("node_modules/.bin/tsc", ["-p", config], { stdio: "inherit" });
  if (status !== 0) process.exit(1);
}
// package.json declares ES modules; these files are CommonJS.
writeFileSync("dist/cjs/package.json", '{"type":"commonjs"}\n');

// Compiles src/ to dist/esm and dist/cjs; what was in dist/ before is removed.
import { spawnSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL(".", import.meta.url)));
rmSync("dist", { recursive: true, force: true });
for (const config of ["tsconfig.json", "tsconfig.cjs.json"]) {
  const { status } = spawnSync("node_modules/.bin/tsc", ["-p", config], { stdio: "inherit" });
  if (status !== 0) process.exit(1);
}
// The package is a module; this tells Node that the files below are not.
writeFileSync("dist/cjs/package.json", '{"type":"commonjs"}\n');

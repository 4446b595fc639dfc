// Installs a tarball in a temporary project, with the dependencies locked by this package, and runs the tests there:
// `node test/run.mjs <tarball>`. Also runs publint and are-the-types-wrong on the tarball.
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const packageFolder = join(here, "..");
const modules = join(packageFolder, "node_modules");
const [tarball] = process.argv.slice(2).map((path) => resolve(path));
if (!tarball) {
  console.error("usage: node test/run.mjs <tarball>; `make test-typescript` builds the tarball and runs this");
  process.exit(2);
}

const project = mkdtempSync(join(tmpdir(), "cqc-typescript-"));
let failed = false;
function run(command, ...args) {
  const { status } = spawnSync(command, args, { cwd: project, stdio: "inherit" });
  if (status !== 0) {
    failed = true;
    console.error(`FAILED: ${command} ${args.join(" ")}`);
  }
}

try {
  mkdirSync(join(project, "node_modules", "@cq"), { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", join(project, "node_modules", "@cq")]);
  renameSync(join(project, "node_modules", "@cq", "package"), join(project, "node_modules", "@cq", "cqc"));
  const installed = ["@bufbuild", "@connectrpc", "@grpc", "@noble", "@types", "bignumber.js", "esbuild", "fast-check"];
  for (const name of [...installed, "typescript-5.9"]) {
    symlinkSync(join(modules, name), join(project, "node_modules", name));
  }
  const tests = readdirSync(here).filter((name) => /\.test\.[cm]js$/.test(name));
  // The key is for these tests alone.
  for (const name of [...tests, "language_service.mjs", "forms.ts", "forms.cts", "localhost.crt", "localhost.key"]) {
    cpSync(join(here, name), join(project, name));
  }
  cpSync(tarball, join(project, "package.tgz"));
  // Examples that the tests of all three languages share.
  cpSync(join(packageFolder, "..", "go-cqc", "testdata"), join(project, "testdata"), { recursive: true });
  writeFileSync(join(project, "package.json"), '{"type":"module","private":true}');
  const readme = readFileSync(join(packageFolder, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```[jt]s\n(.*?)^```$/gms)].map(([, code]) => code);
  const programs = ["client", "service", "node", "browser"].map((name) => `readme_${name}.ts`);
  if (blocks.length !== programs.length) throw new Error(`README.md has ${blocks.length} code blocks`);
  for (const [number, name] of programs.entries()) writeFileSync(join(project, name), blocks[number]);

  const { exports } = JSON.parse(readFileSync(join(project, "node_modules/@cq/cqc/package.json"), "utf8"));
  const entries = Object.keys(exports).filter((name) => name !== "./package.json");
  const imports = entries.map((name, number) => `import * as entry${number} from "@cq/cqc${name.slice(1)}";`);
  const names = entries.map((_, number) => `entry${number}`);
  // In CommonJS too, because the package.json of the project says only what .ts files are.
  for (const name of ["entries.ts", "entries.cts"]) {
    writeFileSync(join(project, name), `${imports.join("\n")}\nconsole.log(${names.join(", ")});\n`);
  }

  const newest = join(modules, "typescript", "bin", "tsc");
  const oldest = join(modules, "typescript-5.9", "bin", "tsc");
  const tsc = (compiler, options, ...files) => {
    const strict = ["--strict", "--exactOptionalPropertyTypes", "--target", "es2022", "--types", "node"];
    run(process.execPath, compiler, ...strict, ...options.split(" "), ...files);
  };
  for (const compiler of [oldest, newest]) {
    tsc(compiler, "--module node16 --verbatimModuleSyntax --noUncheckedIndexedAccess", ...programs);
  }
  run(process.execPath, "--test", ...tests);
  for (const compiler of [newest, oldest]) {
    const exact = "--noEmit --verbatimModuleSyntax --skipLibCheck false";
    tsc(compiler, `${exact} --module nodenext`, "forms.ts", "forms.cts", "entries.ts");
    tsc(compiler, `${exact} --module esnext --moduleResolution bundler`, "forms.ts", "entries.ts");
  }
  // What `module: commonjs` means by default before TypeScript 7, which cannot do this.
  tsc(oldest, "--noEmit --module commonjs --moduleResolution node10", "forms.ts", "entries.cts", "readme_browser.ts");
  run(join(modules, ".bin", "publint"), "run", tarball, "--strict");
  run(join(modules, ".bin", "attw"), tarball, "--format", "ascii");
} finally {
  rmSync(project, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);

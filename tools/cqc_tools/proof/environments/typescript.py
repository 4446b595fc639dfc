"""Compilers, bundlers, test runners and runtimes of TypeScript and JavaScript."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from cqc_tools.foundation import files, process
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.proof.environments import installs
from cqc_tools.proof.environments.environment import (
    CERTIFICATE,
    KEY,
    SOURCES,
    Environment,
    Figures,
    expect,
    inside,
    program,
    tools,
)
from cqc_tools.proof.subject import Subject

PROGRAMS = SOURCES / "programs"
JAVASCRIPT, TYPESCRIPT = PROGRAMS / "javascript", PROGRAMS / "typescript"
# What a page pays for sending a price, in bytes: as it is, and as a server compresses it.
PRICE_LIMIT, PRICE_GZIP_LIMIT = 75_000, 20_000
JEST_TEST = """\
import { test } from "@jest/globals";

test("the package works in TypeScript", () => import("./use"));
"""
VITEST_COMMONJS = """\
import { createRequire } from "node:module";

createRequire(import.meta.url)("./use_test.cjs");
"""
STRICT = ("--strict", "--target", "es2022", "--types", "node", "--pretty", "false")


def _compile(name: str, folder: str, module_type: str, options: Sequence[str], subject: Subject) -> Figures:
    """Compile a typed program and one that imports all entry points, then run both."""
    installed = installs.node(folder, subject)
    work = installs.scratch(installed, name, *(TYPESCRIPT / program for program in ("use.ts", "client.ts")))
    files.write_text(work / "package.json", json.dumps({"type": module_type}))
    entries = installs.entry_points(installed, subject.settings.package("typescript").name)
    lines = [f'import * as entry{number} from "{path}";' for number, path in enumerate(entries)]
    names = ", ".join(f"entry{number}" for number in range(len(entries)))
    lines += [f"for (const entry of [{names}]) if (Object.keys(entry).length === 0) throw new Error('empty');", ""]
    files.write_text(work / "entries.ts", "\n".join(lines))
    tsc = installed / "node_modules" / "typescript" / "bin" / "tsc"
    sources = ("use", "client", "entries")
    program("node", tsc, *STRICT, *options, *(f"{source}.ts" for source in sources), cwd=work)
    for source in sources:
        program("node", f"{source}.js", cwd=work)
    return {"entry points": len(entries)}


def _connect(subject: Subject) -> Figures:
    """Compile and run a program where no optional peer dependency but Connect is installed."""
    installed = installs.node("connect", subject)
    work = installs.scratch(installed, "connect", TYPESCRIPT / "connect.ts")
    files.write_text(work / "package.json", json.dumps({"type": "module"}))
    options = ("--strict", "--target", "es2022", "--module", "node16", "--pretty", "false")
    program("node", installed / "node_modules" / "typescript" / "bin" / "tsc", *options, "connect.ts", cwd=work)
    program("node", "connect.js", cwd=work)
    return {}


def _bundle(bundler: str, subject: Subject) -> Figures:
    """Bundle a page and run it without what only Node.js has; measure a bundle that only sends a price."""
    installed = installs.node("bundlers", subject)
    names = ("bundle.mjs", "run_bundle.mjs", "browser.mjs", "price.mjs", "check.cjs")
    work = installs.scratch(installed, bundler, *(JAVASCRIPT / name for name in names))
    files.write_text(work / "package.json", json.dumps({"type": "module", "private": True}))
    sizes = {}
    for name in ("price", "browser"):
        program("node", "bundle.mjs", bundler, f"{name}.mjs", name, cwd=work)
        printed = program("node", "run_bundle.mjs", f"{name}/bundle.js", cwd=work).splitlines()
        expect(f"the bundle of {name}.mjs printed", printed[1:], ["ok"])
        sizes[name] = json.loads(printed[0])
    price = sizes["price"]
    if bundler == "esbuild" and (price["size"] > PRICE_LIMIT or price["gzip"] > PRICE_GZIP_LIMIT):
        raise StageFailed(
            f"a bundle that sends a price has {price['size']} bytes, {price['gzip']} in gzip: at most {PRICE_LIMIT} and"
            f" {PRICE_GZIP_LIMIT} are allowed"
        )
    return {
        f"{name} bundle": f"{size['size'] / 1000:.1f} kB ({size['gzip'] / 1000:.1f} kB gzip)"
        for name, size in sizes.items()
    }


def _runner(name: str, subject: Subject, *programs: Path) -> tuple[Path, Path]:
    """The modules of a test runner, and a folder with tests."""
    installed = installs.node(name, subject)
    return installed / "node_modules", installs.scratch(installed, name, JAVASCRIPT / "check.cjs", *programs)


def _jest(subject: Subject) -> Figures:
    """Run a test as CommonJS, as ES modules, and in TypeScript through ts-jest."""
    tests = (JAVASCRIPT / "use_test.cjs", JAVASCRIPT / "use_test.mjs", TYPESCRIPT / "use.ts")
    modules, work = _runner("jest", subject, *tests)
    files.write_text(work / "use_test.ts", JEST_TEST)
    compiler = {"module": "commonjs", "moduleResolution": "node10", "target": "es2022", "types": ["node"]}
    files.write_text(work / "tsconfig.json", json.dumps({"compilerOptions": {"strict": True, **compiler}}))
    settings = {
        "testMatch": ["**/use_test.*"],
        "cacheDirectory": str(work / "cache"),
        "moduleFileExtensions": ["js", "mjs", "cjs", "ts", "json"],
        "transform": {r"\.ts$": ["ts-jest", {"tsconfig": str(work / "tsconfig.json")}]},
    }
    files.write_text(work / "jest.config.json", json.dumps(settings))
    # Jest runs ES modules only with this option of Node.js.
    environment = inside(NODE_OPTIONS="--experimental-vm-modules --no-warnings")
    report = work / "report.json"
    jest = modules / "jest" / "bin" / "jest.js"
    program("node", jest, "--ci", "--json", f"--outputFile={report}", cwd=work, env=environment)
    passed = json.loads(report.read_text())["numPassedTests"]
    expect("tests that passed", passed, 3)
    return {"tests": passed}


def _vitest(subject: Subject) -> Figures:
    """Run a test as ES modules and as CommonJS."""
    tests = (JAVASCRIPT / "use_test.cjs", JAVASCRIPT / "use_test.mjs", TYPESCRIPT / "use.ts")
    modules, work = _runner("vitest", subject, *tests)
    files.write_text(work / "use_test.ts", 'test("the package works in TypeScript", () => import("./use.js"));\n')
    # Vitest takes only modules as tests; what they require is CommonJS.
    files.write_text(work / "cjs_test.mjs", VITEST_COMMONJS)
    settings = 'export default { test: { globals: true, include: ["use_test.{mjs,ts}", "cjs_test.mjs"] } };\n'
    files.write_text(work / "vitest.config.mjs", settings)
    report = work / "report.json"
    vitest = modules / "vitest" / "vitest.mjs"
    program("node", vitest, "run", "--reporter=default", "--reporter=json", f"--outputFile.json={report}", cwd=work)
    passed = json.loads(report.read_text())["numPassedTests"]
    expect("tests that passed", passed, 3)
    return {"tests": passed}


# Where the lock's binary packages have the program, and how it runs a file.
RUNTIMES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "node": ("", ()),
    "node-22": ("node-22-*/bin/node", ()),
    "node-24": ("node-24-*/bin/node", ()),
    "deno": ("@deno/*/deno", ("run", "--no-remote", "--no-prompt", "--allow-all", "--node-modules-dir=manual")),
    "bun": ("@oven/bun-*/bin/bun", ("run", "--no-install")),
}
# In Deno, a server of @grpc/grpc-js that has a certificate does no TLS handshake, so no client can connect to it.
NO_TLS_SERVER = ("deno",)


def _runtime(name: str, folder: str, subject: Subject) -> Figures:
    """Run programs as ES modules and as CommonJS, and a server with its client."""
    installed = installs.node(folder, subject)
    names = ("call.cjs", "check.cjs", "use.mjs", "use.cjs", "network.mjs")
    work = installs.scratch(installed, name, *(JAVASCRIPT / file for file in names))
    files.write_text(work / "package.json", json.dumps({"private": True}))
    pattern, options = RUNTIMES[name]
    runtime = installs.platform_program(installed, pattern) if pattern else Path("node")
    files_of_tls = () if name in NO_TLS_SERVER else (CERTIFICATE, KEY)
    for file, arguments in (("use.mjs", ()), ("use.cjs", ()), ("network.mjs", files_of_tls)):
        printed = program(runtime, *options, file, *arguments, cwd=work)
        expect(f"{file} printed", printed.strip(), "ok")
    if pattern:
        return {}
    return {"node": process.run(["node", "--version"], what="node --version").strip().removeprefix("v")}


def _environment(
    name: str, proves: str, folder: str, used: Mapping[str, str], run: Callable[[Subject], Figures]
) -> Environment:
    return Environment(name, proves, f"{folder}/package-lock.json", used, ("typescript",), run)


def _compiler(name: str, folder: str, module_type: str, how: str, *options: str) -> Environment:
    output = "ES modules" if module_type == "module" else "CommonJS"
    proves = f"`{how}`, {output}: all entry points and a strictly typed program, compiled and run"
    run = partial(_compile, name, folder, module_type, options)
    return _environment(name, proves, folder, tools("typescript"), run)


# The output for bundlers runs in Node.js too, as no import in it is relative.
_NODE10 = ("--module", "commonjs", "--moduleResolution", "node10")
_NODE16 = ("--module", "node16")
# The declarations of all packages are checked once for ES modules and once for CommonJS: with TypeScript 5 that takes
# three times as long as the rest.
_FASTER = "--skipLibCheck"
_BUNDLER = ("--module", "esnext", "--moduleResolution", "bundler")
COMPILERS = (
    _compiler("tsc-5.9-node10", "typescript-5", "commonjs", "moduleResolution: node10", *_NODE10, _FASTER),
    _compiler("tsc-5.9-esm", "typescript-5", "module", "module: node16", *_NODE16, _FASTER),
    _compiler("tsc-5.9-cjs", "typescript-5", "commonjs", "module: node16", *_NODE16),
    _compiler("tsc-5.9-bundler", "typescript-5", "module", "moduleResolution: bundler", *_BUNDLER, _FASTER),
    _compiler("tsc-7-esm", "typescript-7", "module", "module: nodenext", "--module", "nodenext"),
    _compiler("tsc-7-bundler", "typescript-7", "module", "moduleResolution: bundler", *_BUNDLER),
)
_TESTS = "Tests as CommonJS, as ES modules and in TypeScript"
ENVIRONMENTS = (
    *COMPILERS,
    _environment(
        "connect",
        "A program with Connect; no other optional peer dependency is installed",
        "connect",
        tools("@connectrpc/connect", "typescript"),
        _connect,
    ),
    *(
        _environment(
            bundler,
            "A page, minified for browsers, runs without what only Node.js has and contains no grpc-js; sizes",
            "bundlers",
            tools(package),
            partial(_bundle, bundler),
        )
        for bundler, package in (
            ("esbuild", "esbuild"),
            ("rollup", "rollup"),
            ("vite", "vite"),
            ("webpack", "webpack"),
            ("parcel", "@parcel/core"),
        )
    ),
    _environment("jest", _TESTS, "jest", tools("jest", "ts-jest"), _jest),
    _environment("vitest", _TESTS, "vitest", tools("vitest"), _vitest),
    *(
        _environment(
            name,
            f"Programs as ES modules and as CommonJS; a server and its client, {security}",
            "javascript",
            used,
            partial(_runtime, name, "javascript"),
        )
        for name, used, security in (
            ("node", {}, "over TLS"),
            ("node-22", {"node": "node-22-linux-x64"}, "over TLS"),
            ("node-24", {"node": "node-24-linux-x64"}, "over TLS"),
            (
                "deno",
                {"deno": "@deno/linux-x64-glibc"},
                "in plain text, as TLS servers of grpc-js fail in Deno",
            ),
            ("bun", {"bun": "@oven/bun-linux-x64"}, "over TLS"),
        )
    ),
    _environment(
        "oldest-peers",
        "The lowest versions that the peer dependencies allow: the same programs",
        "oldest-peers",
        tools("@bufbuild/protobuf", "@bufbuild/protovalidate", "@connectrpc/connect", "@grpc/grpc-js", "bignumber.js"),
        partial(_runtime, "node", "oldest-peers"),
    ),
)

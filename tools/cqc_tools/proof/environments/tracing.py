"""OpenTelemetry's own instrumentations beside our client and server: one trace through both, without the token."""

from functools import partial

from cqc_tools.foundation import process, workspace
from cqc_tools.proof.environments import go, installs
from cqc_tools.proof.environments.environment import SOURCES, Environment, Figures, expect, program
from cqc_tools.proof.subject import Subject

JAVASCRIPT = SOURCES / "programs" / "javascript"
# For localhost, and only for tests.
CERTIFICATE, KEY = (workspace.TYPESCRIPT_PACKAGE / "test" / f"localhost.{ending}" for ending in ("crt", "key"))


def _python(kind: str, subject: Subject) -> Figures:
    interpreter = installs.python("newest", subject)
    printed = program(interpreter, SOURCES / "programs" / "python" / "traced.py", kind, CERTIFICATE, KEY)
    expect("traced.py printed", printed.strip(), "ok")
    return {}


def _go(subject: Subject) -> Figures:
    copy = go.consumer("tracing", subject, SOURCES / "go-tracing")
    expect("go-tracing printed", program("go", "run", ".", CERTIFICATE, KEY, cwd=copy).strip(), "ok")
    module = "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
    version = process.run(["go", "list", "-m", "-f", "{{.Version}}", module], cwd=copy, what="go list")
    return {"otelgrpc": version.strip().removeprefix("v")}


def _typescript(kind: str, subject: Subject) -> Figures:
    installed = installs.node("tracing", subject)
    names = ("call.cjs", "tracing.cjs", "tracing_hook.mjs", f"traced.{kind}")
    work = installs.scratch(installed, f"traced-{kind}", *(JAVASCRIPT / name for name in names))
    options = ("--import", "./tracing_hook.mjs") if kind == "mjs" else ()
    printed = program("node", "--no-warnings", *options, f"traced.{kind}", CERTIFICATE, KEY, cwd=work)
    expect(f"traced.{kind} printed", printed.strip(), "ok")
    return {}


_PROVES = "OpenTelemetry: one trace from client to server, no token in a span"
ENVIRONMENTS: tuple[Environment, ...] = (
    Environment("tracing-python", _PROVES, "python/newest.lock", ("python",), partial(_python, "sync")),
    Environment("tracing-python-aio", f"{_PROVES}; grpc.aio", "python/newest.lock", ("python",), partial(_python, "async")),
    Environment("tracing-go", f"{_PROVES}; otelgrpc", "go-tracing/go.sum", ("go",), _go),
    Environment(
        "tracing-typescript-cjs",
        f"{_PROVES}; CommonJS",
        "tracing/package-lock.json",
        ("typescript",),
        partial(_typescript, "cjs"),
    ),
    Environment(
        "tracing-typescript-esm",
        f"{_PROVES}; ES modules with the instrumentation's hook",
        "tracing/package-lock.json",
        ("typescript",),
        partial(_typescript, "mjs"),
    ),
)

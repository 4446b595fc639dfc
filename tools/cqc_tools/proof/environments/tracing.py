"""OpenTelemetry's own instrumentations beside our client and server: one trace through both, without the token."""

from functools import partial

from cqc_tools.proof.environments import go, installs
from cqc_tools.proof.environments.environment import (
    CERTIFICATE,
    KEY,
    SOURCES,
    Environment,
    Figures,
    expect,
    program,
    tools,
)
from cqc_tools.proof.subject import Subject

OTELGRPC = "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
JAVASCRIPT = SOURCES / "programs" / "javascript"


def _python(kind: str, subject: Subject) -> Figures:
    interpreter = installs.python("newest", subject)
    printed = program(interpreter, SOURCES / "programs" / "python" / "traced.py", kind, CERTIFICATE, KEY)
    expect("traced.py printed", printed.strip(), "ok")
    return {}


def _go(subject: Subject) -> Figures:
    copy = go.consumer("tracing", subject, SOURCES / "go-tracing")
    expect("go-tracing printed", program("go", "run", ".", CERTIFICATE, KEY, cwd=copy).strip(), "ok")
    return {}


def _typescript(kind: str, subject: Subject) -> Figures:
    installed = installs.node("tracing", subject)
    names = ("call.cjs", "tracing.cjs", "tracing_hook.mjs", f"traced.{kind}")
    work = installs.scratch(installed, f"traced-{kind}", *(JAVASCRIPT / name for name in names))
    options = ("--import", "./tracing_hook.mjs") if kind == "mjs" else ()
    printed = program("node", "--no-warnings", *options, f"traced.{kind}", CERTIFICATE, KEY, cwd=work)
    expect(f"traced.{kind} printed", printed.strip(), "ok")
    return {}


PROVES = "OpenTelemetry: one trace from client to server, no token in a span"
PYTHON_TOOLS = tools("opentelemetry-instrumentation-grpc", "opentelemetry-sdk")
NODE_TOOLS = tools("@opentelemetry/instrumentation-grpc", "@opentelemetry/sdk-trace-node")
ENVIRONMENTS = (
    *(
        Environment(
            f"tracing-python{suffix}",
            f"{PROVES}; {words}",
            "python/newest.lock",
            PYTHON_TOOLS,
            ("python",),
            partial(_python, kind),
        )
        for suffix, words, kind in (("", "grpc", "sync"), ("-aio", "grpc.aio", "async"))
    ),
    Environment("tracing-go", f"{PROVES}; stats handlers", "go-tracing/go.mod", tools(OTELGRPC), ("go",), _go),
    *(
        Environment(
            f"tracing-typescript-{name}",
            f"{PROVES}; {words}",
            "tracing/package-lock.json",
            NODE_TOOLS,
            ("typescript",),
            partial(_typescript, kind),
        )
        for name, words, kind in (
            ("cjs", "CommonJS", "cjs"),
            ("esm", "ES modules with the instrumentation's hook registered", "mjs"),
        )
    ),
)

"""The command line: one module per room, each a thin layer that composes stages and hands their results to output."""

import signal
import sys

import typer

from cqc_tools.cli import contracts, generation, output, packages, proof, release, toolchain
from cqc_tools.cli.output import ResultFailed
from cqc_tools.foundation import errors, process, temporary, workspace
from cqc_tools.foundation.errors import ToolError

ROOMS = (toolchain, generation, contracts, packages, release, proof)


def _app() -> typer.Typer:
    app = typer.Typer(
        name="cqc_tools",
        help="Generate, check, build, publish and verify contracts. `make help` lists the same commands as targets.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for room in ROOMS:
        app.add_typer(room.app)
    return app


def main() -> int:
    """Run the command line; returns 0 on success, 1 if something failed, 2 for invalid usage or input, 3 if other bytes
    are already published, 130 if interrupted."""
    # A run that is asked to stop cleans up as an interrupted one does, even where SIGINT is ignored, as in a script's
    # background. A terminal that closes asks too, unless nohup has told the run to ignore that.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    temporary.remove_leftovers()
    workspace.reach_loopback_directly()
    try:
        _app()()
    except SystemExit as ended:
        # typer ends with 2 after a wrong command line, and turns an interruption into its exit code.
        code = ended.code if isinstance(ended.code, int) else errors.OK
    except ResultFailed as failed:
        output.show_failure(failed.failure)
        return failed.failure.exit_code
    except (ToolError, OSError) as error:
        failure = error if isinstance(error, ToolError) else errors.disk_full(error)
        if not failure:
            raise
        if output.JSON_OPTION in sys.argv[1:]:
            output.print_json({"error": failure.to_json()})
        output.show_failure(failure)
        return failure.exit_code
    else:
        code = errors.OK
    if code == errors.INTERRUPTED:
        process.stop_all()
        output.show_interrupted()
    return code

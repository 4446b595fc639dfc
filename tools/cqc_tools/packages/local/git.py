"""A git remote over smart HTTP: git's own http-backend behind a WSGI server."""

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cqc_tools.foundation import git, process, workspace
from cqc_tools.packages import local

REPOSITORY = "cqc.git"


@contextmanager
def serving(folder: Path) -> Iterator[Mapping[str, str]]:
    """A bare repository under `folder`/git, created unless it exists; anyone may push to it."""
    storage = folder / "git"
    repository = storage / REPOSITORY
    repository.mkdir(parents=True, exist_ok=True)
    process.run(["git", "init", "--quiet", "--bare", repository], what="git init")
    git.Repository(repository).run("config", "http.receivepack", "true")
    with local.own_server("git", storage, log=storage.with_suffix(".log")) as address:
        yield {"git": f"{address}{REPOSITORY}"}


def main(folder: Path) -> None:
    """Serve the bare repositories in `folder`."""
    backend = Path(subprocess.check_output(["git", "--exec-path"], text=True).strip(), "git-http-backend")

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        cgi = {name: value for name, value in environ.items() if isinstance(value, str) and name.isupper()}
        # git sends a large push in chunks, which waitress has already joined.
        body = environ["wsgi.input"].read()
        with subprocess.Popen(
            [backend],
            env={
                **workspace.tool_environment(),
                **cgi,
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REMOTE_USER": "rehearsal",
                "CONTENT_LENGTH": str(len(body)),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as backend_process:
            answer, _ = backend_process.communicate(body)
        head, _, content = answer.partition(b"\r\n\r\n")
        status, headers = "200 OK", []
        for line in head.decode().splitlines():
            name, _, value = line.partition(": ")
            if name.lower() == "status":
                status = value
            else:
                headers.append((name, value))
        start_response(status, headers)
        return [content]

    local.serve_application(application)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""verdaccio without an uplink: it knows our packages and no others."""

import json
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.packages import local

ATTEMPTS = 3


@contextmanager
def serving(folder: Path) -> Iterator[Mapping[str, str]]:
    """A registry with its files under `folder`/npm."""
    folder = folder / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, ATTEMPTS + 1):
        log = folder.with_suffix(f".{attempt}.log")
        port = local.free_port()
        settings = folder / "config.json"  # JSON is YAML
        settings.write_text(json.dumps(_configuration(folder)))
        command: list[str | Path] = ["node", workspace.NODE_TOOLS / "node_modules" / "verdaccio" / "bin" / "verdaccio"]
        words = [*command, "--config", settings, "--listen", f"http://127.0.0.1:{port}"]
        environment = workspace.tool_environment(NO_COLOR="1", HOME=str(folder))
        with process.server(words, cwd=folder, env=environment, log=log) as server:
            # Another program may take the port before verdaccio does: verdaccio then ends, and another port is tried.
            if _is_ready(server.stdout, log):
                yield {"npm": f"http://127.0.0.1:{port}/"}
                return
    raise StageFailed("verdaccio did not start", details=log.read_text(errors="replace").strip())


def token(address: str) -> str:
    """The token of a new user of a registry that runs here: whoever has one may publish."""
    import requests

    user = {"name": "releaser", "password": secrets.token_hex(), "type": "user"}
    answer = requests.put(f"{address}-/user/org.couchdb.user:releaser", json=user, timeout=60)
    answer.raise_for_status()
    return str(answer.json()["token"])


def _configuration(folder: Path) -> dict[str, object]:
    return {
        "storage": str(folder / "storage"),
        "auth": {"htpasswd": {"file": str(folder / "htpasswd")}},
        "uplinks": {},
        "packages": {"**": {"access": "$all", "publish": "$all", "unpublish": "$all"}},
        "max_body_size": "100mb",
        "web": {"enable": False},
        "log": {"type": "stdout", "format": "pretty", "level": "http", "colors": False},
    }


def _is_ready(printed: object, log: Path, patience: float = 60) -> bool:
    """Wait until verdaccio listens; False if it ends first. Its output goes to the log."""
    ready = threading.Event()
    ended = threading.Event()

    def follow() -> None:
        with log.open("ab", buffering=0) as file:
            for line in printed:  # type: ignore[attr-defined]
                file.write(line)
                if re.search(rb"http address", line):
                    ready.set()
                    ended.set()
        ended.set()

    threading.Thread(target=follow, daemon=True).start()
    ended.wait(patience)
    return ready.is_set()

"""Where things are in the checkout, and the environment that keeps every tool inside it.

Standard library only: the bootstrap imports this module before anything is installed.
"""

import functools
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache"
VENV = ROOT / ".venv"
VENV_BIN = VENV / "bin"
DIST = ROOT / "dist"
PROTO = ROOT / "proto"
THIRD_PARTY_PROTO = CACHE / "third"
PYTHON_PACKAGE = ROOT / "packages" / "python-cqc"
GO_MODULE = ROOT / "packages" / "go-cqc"
WORKFLOWS = ".github/workflows"
TYPESCRIPT_PACKAGE = ROOT / "packages" / "ts-cqc"
EXAMPLES = ROOT / "examples"
NODE_TOOLS = ROOT / "tools" / "node"
GO_TOOLS = CACHE / "bin"
# Real exchange traffic beside some checkouts; the repository ships only a small sample.
CAPTURED_VENUES = ROOT.parent / "shared" / "fixtures" / "venues"
MORE_VENUES = CAPTURED_VENUES.parent / "more"


def venv_bin(venv: Path, name: str) -> Path:
    """Return the path of a program in a virtual environment."""
    return venv / "bin" / name


def tool_environment(**extra: str) -> dict[str, str]:
    """Return the user's environment, with every cache of pip, npm and Go moved inside the checkout.

    Settings for reaching registries (proxies, certificates, indexes) stay the user's own. Variables that point git at a
    repository, as hooks have them, are left out. No program waits for an answer at a prompt or in an editor.
    """
    environment = {
        **{name: value for name, value in os.environ.items() if not _names_a_repository(name)},
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_EDITOR": "false",
        "PIP_NO_INPUT": "1",
        # Registries on this machine are not behind the user's proxy.
        **dict.fromkeys(("NO_PROXY", "no_proxy"), _with_loopback(os.environ)),
        "PIP_CACHE_DIR": str(CACHE / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "npm_config_cache": str(CACHE / "npm"),
        # Messages name a log, which must outlive the scratch folder of the command.
        "npm_config_logs_dir": str(CACHE / "npm" / "_logs"),
        "npm_config_update_notifier": "false",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "GOCACHE": str(CACHE / "go-build"),
        "GOPATH": str(CACHE / "go-path"),  # go caches the checksum database there
        "GOMODCACHE": str(CACHE / "go-mod"),
        # A read-only module cache could not be removed by `make clean`; without folders in what is compiled, the build
        # cache serves every checkout, clone and unpacked module.
        "GOFLAGS": (os.environ.get("GOFLAGS", "") + " -modcacherw -trimpath").strip(),
        "GOWORK": "off",
        "GOTOOLCHAIN": "local",
        "UV_CACHE_DIR": str(CACHE / "uv"),
        "BUF_CACHE_DIR": str(CACHE / "buf"),
        "STATICCHECK_CACHE": str(CACHE / "staticcheck"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(CACHE / "hypothesis"),
        **extra,
    }
    # The caller's virtual environment or PYTHONPATH must not leak into environments created here.
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
        if name not in extra:
            environment.pop(name, None)
    return environment


def reach_loopback_directly() -> None:
    """Let this process, too, reach registries on this machine without the user's proxy."""
    os.environ.update(dict.fromkeys(("NO_PROXY", "no_proxy"), _with_loopback(os.environ)))


def _with_loopback(environment: Mapping[str, str]) -> str:
    given = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    hosts = [host.strip() for host in given.split(",") if host.strip()]
    if "*" in hosts:
        return given
    return ",".join(dict.fromkeys([*hosts, "127.0.0.1", "localhost"]))


def _names_a_repository(variable: str) -> bool:
    return variable in _repository_variables() or bool(re.fullmatch(r"GIT_CONFIG_(KEY|VALUE)_\d+", variable))


@functools.cache
def _repository_variables() -> frozenset[str]:
    """The variables that tie git to one repository, among them GIT_CONFIG_COUNT, as this git lists them."""
    try:
        listed = subprocess.run(
            ["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        # Without git there is nobody to read them; the set-up reports what is missing.
        return frozenset()
    return frozenset(listed.stdout.split())

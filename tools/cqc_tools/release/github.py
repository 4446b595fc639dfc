"""GitHub, as the program `gh` reaches it: with the login of a person, or the token of a CI run."""

import json
import shutil
from pathlib import Path
from urllib.parse import quote, urlsplit

from cqc_tools.foundation import process
from cqc_tools.foundation.configuration import Configuration, Patience
from cqc_tools.foundation.errors import ProgramFailed, UserError

PROGRAM = "gh"


def run(*words: str | Path) -> str:
    """Run a gh command and return what it printed. Raises UserError without gh, ProgramFailed if the command fails."""
    if not shutil.which(PROGRAM):
        raise UserError("gh, which reaches GitHub, is not installed", "get it from https://cli.github.com")
    return process.run([PROGRAM, *words], what=f"{PROGRAM} {words[0]} {words[1]}", **Patience().limits)


def is_ready(settings: Configuration) -> bool:
    """Whether gh is installed and may act at the host of the repository."""
    if not shutil.which(PROGRAM):
        return False
    host = urlsplit(settings.repository).hostname or ""
    try:
        run("auth", "status", "--hostname", host)
    except ProgramFailed:
        return False
    return True


def name(settings: Configuration) -> str:
    """The repository as gh names it, host/owner/name."""
    return settings.repository.removeprefix("https://").rstrip("/")


def reviewers(environment: str, settings: Configuration) -> int:
    """How many people or teams may have to approve a job in an environment.

    Raises LookupError if GitHub shows no such environment, ProgramFailed if it cannot be read.
    """
    _, _, repository = name(settings).partition("/")
    host = urlsplit(settings.repository).hostname or ""
    try:
        printed = run("api", f"repos/{repository}/environments/{quote(environment, safe='')}", "--hostname", host)
    except ProgramFailed as failure:
        if "HTTP 404" in failure.stderr:
            raise LookupError(environment) from failure
        raise
    rules = json.loads(printed).get("protection_rules", [])
    return sum(len(rule.get("reviewers", [])) for rule in rules if rule.get("type") == "required_reviewers")

"""The git remote of a target: its tags and branches, and pushes that happen as a whole or not at all."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cqc_tools.foundation import git, process, temporary, workspace
from cqc_tools.foundation.configuration import Patience
from cqc_tools.foundation.errors import NoAnswer, ProgramFailed, Refused
from cqc_tools.packages.credentials import Credentials

# git has no machine-readable errors: these are the words of git and of the servers it talks to.
REFUSED = re.compile(
    r"returned error: 40[13]|Authentication failed|could not read (Username|Password)|Permission denied"
    r"|hook declined|protected|prohibited",
    re.IGNORECASE,
)
REDIRECTED = re.compile(r"returned error: 30[12378]\b|unable to update url base from redirection")
# What git prints after a push that did not happen, whatever the reason.
NOT_PUSHED = "failed to push some refs"
CREDENTIALS = "allow git to push tags there: check the remote's tag rules and git's credentials for this address"


@dataclass(frozen=True)
class GitRemote:
    """A remote by its address. Without a `login` git finds its own credentials."""

    address: str
    patience: Patience
    login: Credentials | None = None

    def tag_commits(self, names: Sequence[str]) -> dict[str, str]:
        """Return the commit of each of these tags that the remote has. Raises NoAnswer or Refused."""
        references = [f"refs/tags/{name}" for name in names]
        # An annotated tag is listed twice: its own object, then the commit it points at, with ^{} after the name.
        patterns = [*references, *(f"{name}^{{}}" for name in references)]
        found = {}
        for line in self._list(self.address, *patterns):
            commit, _, name = line.partition("\t")
            found[name.removesuffix("^{}").removeprefix("refs/tags/")] = commit
        return found

    def tags(self, pattern: str) -> list[str]:
        """Return the names of the remote's tags that match a pattern. Raises NoAnswer or Refused."""
        listed = self._list("--refs", self.address, f"refs/tags/{pattern}")
        return [line.partition("\t")[2].removeprefix("refs/tags/") for line in listed]

    def branches(self, names: Sequence[str] = ()) -> dict[str, str]:
        """Return the commit of each branch that the remote has, or of each of these. Raises NoAnswer or Refused."""
        listed = self._list(self.address, *(f"refs/heads/{name}" for name in names or ("*",)))
        pairs = (line.partition("\t") for line in listed)
        return {name.removeprefix("refs/heads/"): commit for commit, _, name in pairs}

    def push_tags(self, commits: dict[str, str], folder: Path) -> None:
        """Push objects of a repository as tags, all or none; a tag is never moved. Raises NoAnswer or Refused."""
        references = [f"{commit}:refs/tags/{name}" for name, commit in commits.items()]
        self.run("push", "--quiet", "--atomic", self.address, *references, cwd=folder)

    def try_push(self) -> None:
        """Do everything a push does except write. Raises NoAnswer or Refused."""
        self.run("push", "--quiet", "--dry-run", self.address, "HEAD:refs/tags/cqc-preflight")

    def _list(self, *arguments: str) -> list[str]:
        """The lines of `git ls-remote`. Raises NoAnswer or Refused."""
        with temporary.folder("git") as scratch:
            trace = scratch / "trace"
            listed = self.run("ls-remote", *arguments, trace=trace).splitlines()
            # git takes any page for an empty repository on a plain web server, where nothing can be pushed either.
            if not listed and self._is_http() and not (trace.exists() and trace.stat().st_size):
                raise NoAnswer(f"{self.address} answered, but not as a git repository")
        return listed

    def _is_http(self) -> bool:
        return urlsplit(self.address).scheme in ("http", "https")

    def clone(self, folder: Path, *options: str) -> None:
        """Clone the remote into a new folder. Raises NoAnswer or Refused."""
        self.run("clone", "--quiet", *options, self.address, str(folder))

    def run(self, command: str, *arguments: str, cwd: Path = workspace.ROOT, trace: Path | None = None) -> str:
        """Run a git command that talks to the remote. Raises NoAnswer or Refused.

        With `trace` git appends what it exchanges with the remote to that file.
        """
        words = ["git", command, *arguments]
        environment = {**self.environment(), **({"GIT_TRACE_PACKET": str(trace)} if trace else {})}
        try:
            return process.run(words, cwd=cwd, env=environment, what=f"git {command}", **self.patience.limits)
        except ProgramFailed as failure:
            raise _rejected_here(failure, cwd) or classified(failure) from failure

    def environment(self, **settings: str) -> dict[str, str]:
        """Return an environment, with more git settings if given, in which git gives up on a silent remote."""
        seconds = str(max(1, round(self.patience.answer_seconds)))
        settings = {"http.lowSpeedLimit": "1", "http.lowSpeedTime": seconds, **settings}
        if self._is_http():
            # The remote that is read is the one that is written, and nobody else receives its login.
            settings[f"http.{self.address}.followRedirects"] = "false"
            if self.login:
                settings[f"http.{self.address}.extraHeader"] = f"Authorization: Basic {self.login.basic}"
        passed = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings.items()):
            passed |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return workspace.tool_environment(**passed)


def classified(failure: ProgramFailed, reason: str = "") -> NoAnswer | Refused:
    """Return what a failed git or go command means for its remote. `reason` is its explanation in one line, if that is
    not the first line of its output."""
    reason = reason or failure.reason
    if REDIRECTED.search(failure.stderr):
        fix = "make the address that it redirects to the git address in release.toml"
        return Refused(f"the remote redirects: {reason}", fix, str(failure))
    if REFUSED.search(failure.stderr):
        return Refused(reason, CREDENTIALS, str(failure))
    return NoAnswer(reason, details=str(failure))


def _rejected_here(failure: ProgramFailed, folder: Path) -> Refused | None:
    """What a failed push means if this repository's own hook stopped it; None if it did not."""
    if failure.command[:2] != ("git", "push") or NOT_PUSHED not in failure.stderr or "\n ! [" in f"\n{failure.stderr}":
        return None
    repository = git.Repository(folder)
    hook = Path(folder, repository.run("rev-parse", "--git-path", "hooks/pre-push").strip())
    if not os.access(hook, os.X_OK):
        return None
    said = [line for line in f"{failure.stdout}\n{failure.stderr}".splitlines() if line and NOT_PUSHED not in line]
    return Refused(
        f"the pre-push hook of this repository refuses: {' '.join(said) or 'it gives no reason'}",
        f"do what it says, or correct {hook}",
    )

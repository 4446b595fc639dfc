"""The git remote of a target: its tags and branches, and pushes that happen as a whole or not at all."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.configuration import Patience
from cqc_tools.foundation.errors import NoAnswer, ProgramFailed, Refused

# git has no machine-readable errors: these are the words of git and of the servers it talks to.
REFUSED = re.compile(
    r"returned error: 40[13]|Authentication failed|could not read (Username|Password)|Permission denied"
    r"|hook declined|protected|prohibited",
    re.IGNORECASE,
)
CREDENTIALS = "allow git to push tags there: check the remote's tag rules and git's credentials for this address"


@dataclass(frozen=True)
class GitRemote:
    """A remote by its address. git finds its own credentials."""

    address: str
    patience: Patience

    def tag_commits(self, names: Sequence[str]) -> dict[str, str]:
        """Return the commit of each of these tags that the remote has. Raises NoAnswer or Refused."""
        references = [f"refs/tags/{name}" for name in names]
        # An annotated tag is listed twice: its own object, then the commit it points at, with ^{} after the name.
        patterns = [*references, *(f"{name}^{{}}" for name in references)]
        found = {}
        for line in self.run("ls-remote", self.address, *patterns).splitlines():
            commit, _, name = line.partition("\t")
            found[name.removesuffix("^{}").removeprefix("refs/tags/")] = commit
        return found

    def tags(self, pattern: str) -> list[str]:
        """Return the names of the remote's tags that match a pattern. Raises NoAnswer or Refused."""
        listed = self.run("ls-remote", "--refs", self.address, f"refs/tags/{pattern}")
        return [line.partition("\t")[2].removeprefix("refs/tags/") for line in listed.splitlines()]

    def branches(self, names: Sequence[str] = ()) -> dict[str, str]:
        """Return the commit of each branch that the remote has, or of each of these. Raises NoAnswer or Refused."""
        listed = self.run("ls-remote", self.address, *(f"refs/heads/{name}" for name in names or ("*",)))
        pairs = (line.partition("\t") for line in listed.splitlines())
        return {name.removeprefix("refs/heads/"): commit for commit, _, name in pairs}

    def push_tags(self, commits: dict[str, str], folder: Path) -> None:
        """Push objects of a repository as tags, all or none; a tag is never moved. Raises NoAnswer or Refused."""
        references = [f"{commit}:refs/tags/{name}" for name, commit in commits.items()]
        self.run("push", "--quiet", "--atomic", self.address, *references, cwd=folder)

    def try_push(self) -> None:
        """Do everything a push does except write. Raises NoAnswer or Refused."""
        self.run("push", "--quiet", "--dry-run", self.address, "HEAD:refs/tags/cqc-preflight")

    def run(self, command: str, *arguments: str, cwd: Path = workspace.ROOT) -> str:
        """Run a git command that talks to the remote. Raises NoAnswer or Refused."""
        try:
            return process.run(["git", command, *arguments], cwd=cwd, env=self.environment(), what=f"git {command}")
        except ProgramFailed as failure:
            raise classified(failure) from failure

    def environment(self, **settings: str) -> dict[str, str]:
        """Return an environment, with more git settings if given, in which git gives up on a silent remote."""
        seconds = str(max(1, round(self.patience.answer_seconds)))
        settings = {"http.lowSpeedLimit": "1", "http.lowSpeedTime": seconds, **settings}
        passed = {"GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings.items()):
            passed |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return workspace.tool_environment(**passed)


def classified(failure: ProgramFailed, reason: str = "") -> NoAnswer | Refused:
    """Return what a failed git or go command means for its remote. `reason` is its explanation in one line, if that is
    not the first line of its output."""
    reason = reason or failure.reason
    if REFUSED.search(failure.stderr):
        return Refused(reason, CREDENTIALS, str(failure))
    return NoAnswer(reason, details=str(failure))

"""A git repository, read and written with the user's own git."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.errors import ProgramFailed

# What `git rev-parse --verify --quiet` and `git merge-base --is-ancestor` exit with when the answer is no.
NO = 1


@dataclass(frozen=True)
class Repository:
    """A repository by the folder of its working tree, or of the bare repository itself."""

    folder: Path = workspace.ROOT

    def run(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
        """Run one git command here and return what it printed. Raises ProgramFailed."""
        return self.run_bytes(*arguments, env=env).decode(errors="replace")

    def run_bytes(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> bytes:
        """See `run`."""
        command = ["git", "-C", self.folder, *arguments]
        return process.run_bytes(command, cwd=self.folder, env=env, what=f"git {arguments[0]}")

    def exists(self) -> bool:
        """Whether this folder is a checkout, rather than a copy of one without its history."""
        return (self.folder / ".git").exists()

    def has_commits(self) -> bool:
        """Whether there is at least one commit on any branch."""
        return bool(self.run("rev-list", "--all", "--max-count=1").strip())

    def is_shallow(self) -> bool:
        """Whether the history was cut off by `git clone --depth`."""
        return self.run("rev-parse", "--is-shallow-repository").strip() == "true"

    def commit(self, revision: str = "HEAD") -> str | None:
        """The full id of the commit that a revision names; None if there is no such revision."""
        try:
            printed = self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except ProgramFailed as failure:
            if failure.returncode is None:
                raise
            return None
        return printed.strip()

    def branch(self) -> str:
        """The name of the branch that is checked out; empty if none is."""
        try:
            return self.run("symbolic-ref", "--quiet", "--short", "HEAD").strip()
        except ProgramFailed as failure:
            if failure.returncode != NO:
                raise
            return ""

    def tag_commit(self, tag: str) -> str | None:
        """The commit that a tag, annotated or not, points at; None if there is no such tag."""
        return self.commit(f"refs/tags/{tag}")

    def tags(self, pattern: str = "*", *, points_at: str = "", merged: str = "") -> list[str]:
        """Names of the tags that match a pattern, at a commit or reachable from one if given; sorted by name."""
        options = [f"--points-at={points_at}"] if points_at else []
        options += [f"--merged={merged}"] if merged else []
        return self.run("tag", "--list", *options, "--", pattern).split()

    def tag(self, name: str, commit: str = "HEAD") -> None:
        """Create a lightweight tag, even if the user's git signs every tag."""
        self.run("tag", "--no-sign", name, commit)

    def delete_tags(self, names: Sequence[str]) -> None:
        """Delete tags; nothing happens if there are none."""
        if names:
            self.run("tag", "--delete", *names)

    def changes(self) -> list[str]:
        """Paths of uncommitted changes, untracked files included, as `git status` lists them."""
        printed = self.run("status", "--porcelain", "--untracked-files=all")
        return [line[3:] for line in printed.splitlines()]

    def files(self, *, untracked: bool = False) -> list[str]:
        """Paths of tracked files, and of untracked ones that are not ignored if asked for."""
        options = ["--cached", "--others", "--exclude-standard"] if untracked else []
        return list(filter(None, self.run("ls-files", "-z", *options).split("\0")))

    def content(self, revision: str, path: str) -> bytes | None:
        """A file's content at a revision; None if it has no such file."""
        try:
            return self.run_bytes("show", "--end-of-options", f"{revision}:{path}")
        except ProgramFailed as failure:
            if failure.returncode is None:
                raise
            return None

    def tree(self, revision: str, path: str) -> str | None:
        """The id of a folder's content at a revision; None if it has no such folder."""
        try:
            return self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}:{path}").strip()
        except ProgramFailed as failure:
            if failure.returncode is None:
                raise
            return None

    def commit_time(self, revision: str = "HEAD") -> int:
        """When a commit was made, in seconds since 1970."""
        return int(self.run("show", "--no-patch", "--format=%ct", revision))

    def is_ancestor(self, commit: str, of: str) -> bool:
        """Whether a commit is part of another's history."""
        try:
            self.run("merge-base", "--is-ancestor", commit, of)
        except ProgramFailed as failure:
            if failure.returncode != NO:
                raise
            return False
        return True


def clone(source: Path | str, folder: Path, *options: str) -> Repository:
    """Clone a repository into a new folder. Raises ProgramFailed."""
    process.run(["git", "clone", "--quiet", *options, source, folder], what="git clone")
    return Repository(folder)

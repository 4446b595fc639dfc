"""Every failure the tool expects, as values: what was wrong, the details, and the command that fixes it.

    ToolError
    ├── UserError           exit code 2: invalid usage or input that the user can correct
    └── StageFailed         exit code 1: a check failed
        ├── ProgramFailed   a program exited non-zero or could not be started
        │   └── OverLimit   it took too long, or more data than expected, and was stopped
        ├── DiskFull        no space is left for a file
        ├── SeveralFailed   several independent steps failed
        ├── NoAnswer        a registry did not answer; retrying may help
        ├── Refused         a registry rejected a request; retrying does not help
        └── Conflict        exit code 3: other bytes are already published under this version

Code decides by class and fields; nothing reads a message back.
"""

import errno
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

OK, FAILED, USAGE, CONFLICT, INTERRUPTED = 0, 1, 2, 3, 130
# The user name and password in an address, or a token in their place. Over ssh a name alone is no secret.
_LOGIN = re.compile(r"(https?://)[^\s/?#'\"<>]*@|([a-z][a-z0-9+.-]*://)[^\s/?#'\"<>@:]*:[^\s/?#'\"<>]*@", re.IGNORECASE)
# Systems, and the programs on them, say this when a disk or a quota is used up.
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_SPACE_WORDS = re.compile(r"^(?!remote:).*(No space left on device|Disk quota exceeded|\bENOSPC\b)", re.MULTILINE)


def redacted(text: str) -> str:
    """The text with the logins in its addresses replaced by `***`."""
    return _LOGIN.sub(lambda found: f"{found.group(1) or found.group(2)}***@", text)


class ToolError(Exception):
    """A failure that the tool reports without a traceback.

    `problem` is one line, `details` any further lines such as a program's output, and `fix` the next step for the user.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = FAILED

    def __init__(self, problem: str, fix: str = "", details: str = "") -> None:
        # Whatever a program or a registry answers, no password in an address is shown or kept.
        problem, fix, details = redacted(problem), redacted(fix), redacted(details)
        super().__init__(problem, fix, details)
        self.problem = problem
        self.fix = fix
        self.details = details

    def __str__(self) -> str:
        return "\n".join(filter(None, (self.problem, self.details, self.fix)))

    def after(self, progress: str) -> Self:
        """The same failure, with one more line of details: what was done before it."""
        self.details = "\n".join(filter(None, (self.details, progress)))
        return self

    def to_json(self) -> dict[str, Any]:
        """The failure for a program; subclasses add their own fields."""
        return {"kind": self.kind, "problem": self.problem, "details": self.details, "fix": self.fix}


class UserError(ToolError):
    """Invalid usage or input that the user can correct."""

    kind = "usage"
    exit_code = USAGE


class StageFailed(ToolError):
    """A stage ran and failed: a check failed, a registry differs, two languages disagree."""

    kind = "failed"


class ProgramFailed(StageFailed):
    """A program exited non-zero, or could not be started: then `returncode` is None.

    `purpose` says in the user's words what the program was run for.
    """

    kind = "program"

    def __init__(
        self, command: Sequence[object], returncode: int | None, stdout: str = "", stderr: str = "", purpose: str = ""
    ) -> None:
        self.command = tuple(map(str, command))
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        self.purpose = purpose
        how = "could not be started" if returncode is None else f"failed with exit code {returncode}"
        super().__init__(
            f"{purpose or self.command[0]} {how}: {shlex.join(self.command)}",
            details="\n".join(filter(None, (stdout.strip(), stderr.strip()))),
        )

    @property
    def reason(self) -> str:
        """The program's own explanation in one line: the first line of its error output, or else the problem."""
        said = [line.strip() for line in f"{self.stderr}\n{self.stdout}".splitlines() if line.strip()]
        return said[0] if said else self.problem

    def to_json(self) -> dict[str, Any]:
        """See ToolError."""
        command = [redacted(word) for word in self.command]
        return {**super().to_json(), "command": command, "returncode": self.returncode}


class OverLimit(ProgramFailed):
    """A program took longer than it may, or more data, and was stopped; `problem` says which."""

    kind = "over limit"

    def __init__(
        self, command: Sequence[object], exceeded: str, stdout: str = "", stderr: str = "", purpose: str = ""
    ) -> None:
        super().__init__(command, None, stdout, stderr, purpose)
        self.problem = redacted(f"{purpose or self.command[0]} {exceeded}: {shlex.join(self.command)}")

    @property
    def reason(self) -> str:
        """See ProgramFailed."""
        return self.problem


class DiskFull(StageFailed):
    """No space is left for a file. What was being written was removed; what was there before is unchanged."""

    kind = "disk full"

    def __init__(self, path: object, details: str = "") -> None:
        super().__init__(
            f"no space is left on the disk of {path}",
            "free some space there, then run the same command again. `make clean` removes all that was installed and "
            "built inside the checkout; TMPDIR names another folder for temporary files",
            details,
        )


def disk_full(error: OSError, path: Path | None = None) -> DiskFull | None:
    """The failure if an error says that a disk is full, None for any other. `path` is the file if the error names
    none."""
    return DiskFull(error.filename or path or Path.cwd()) if error.errno in _NO_SPACE else None


def met_full_disk(output: str) -> bool:
    """Whether a program says that a disk of this machine is full."""
    return bool(_NO_SPACE_WORDS.search(output))


class SeveralFailed(StageFailed):
    """Several independent steps failed."""

    kind = "several"

    def __init__(self, failures: Sequence[ToolError]) -> None:
        self.failures = tuple(failures)
        super().__init__(f"{len(failures)} steps failed:", details="\n\n".join(map(str, failures)))

    def to_json(self) -> dict[str, Any]:
        """See ToolError."""
        return {**super().to_json(), "failures": [failure.to_json() for failure in self.failures]}


class NoAnswer(StageFailed):
    """A registry did not say what it holds or whether it accepted a write. Retrying may help, after `retry_after`
    seconds if the registry named a time."""

    kind = "no answer"

    def __init__(self, problem: str, fix: str = "", details: str = "", retry_after: float | None = None) -> None:
        super().__init__(problem, fix, details)
        self.retry_after = retry_after

    def to_json(self) -> dict[str, Any]:
        """See ToolError."""
        return {**super().to_json(), "retry_after": self.retry_after}


class Refused(StageFailed):
    """A registry rejected a request, and will reject it again until someone follows `fix`."""

    kind = "refused"


@dataclass(frozen=True)
class Difference:
    """A file whose published digest is not the digest that was built; None if one side lacks the file."""

    where: str
    file: str
    built: str | None
    served: str | None

    def __str__(self) -> str:
        return f"{self.file}: built {self.built or 'no such file'}, served {self.served or 'no such file'}"


WAYS_OUT = (
    "A published file can never be replaced. Either\n"
    "  publish the bytes that are already there: build the commit they came from, then run make publish again, or\n"
    "  release a new version on all registries: tag it, then run make publish VERSION=<new version>"
)


class Conflict(StageFailed):
    """Other bytes are already published under this version. Nothing was overwritten, and no rerun can help."""

    kind = "conflict"
    exit_code = CONFLICT

    def __init__(self, problem: str, differences: Sequence[Difference]) -> None:
        self.differences = tuple(differences)
        super().__init__(f"conflict: {problem}", WAYS_OUT, "\n".join(f"  {item}" for item in differences))

    def to_json(self) -> dict[str, Any]:
        """See ToolError."""
        return {**super().to_json(), "differences": [asdict(item) for item in self.differences]}


def all_of(failures: Sequence[ToolError]) -> ToolError:
    """One failure for several: a single one stays itself, and a conflict among them decides the exit code."""
    if len(failures) == 1:
        return failures[0]
    conflicts = [failure for failure in failures if isinstance(failure, Conflict)]
    if conflicts and len(conflicts) == len(failures):
        problem = "; ".join(failure.problem.removeprefix("conflict: ") for failure in conflicts)
        return Conflict(problem, [item for failure in conflicts for item in failure.differences])
    return conflicts[0] if conflicts else SeveralFailed(failures)

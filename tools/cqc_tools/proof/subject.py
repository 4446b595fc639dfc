"""The build under test."""

from dataclasses import dataclass
from pathlib import Path

from cqc_tools.foundation import workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.version import parse_release
from cqc_tools.packages import build, manifest
from cqc_tools.packages.manifest import Build
from cqc_tools.proof.outcomes import Once


@dataclass
class Subject:
    """The build of `release` in dist/, or without one a new build of what is checked out.

    `python` and `go` replace the toolchain's Python interpreter and Go version. All parts of a run share one subject,
    so the packages are built once.
    """

    settings: Configuration
    release: str = ""
    python: str = ""
    go: str = ""

    def __post_init__(self) -> None:
        self._built = Once(self._build)

    @property
    def built(self) -> Build:
        """The packages. A release is never rebuilt: the tested files are the ones that will be published."""
        return self._built.get()

    def artifact(self, ending: str) -> Path:
        """The built file whose name has an ending, such as `.whl`."""
        return next(file.path for file in self.built.artifacts if file.path.name.endswith(ending))

    def _build(self) -> Build:
        if self.release:
            return manifest.load(workspace.DIST / parse_release(self.release).npm)
        return build.build_checkout()

"""Clients and servers of a release and of the one before it, in every language, each with each.

The examples of both releases are installed from registries, and every client rebuilds the same books from every server.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cqc_tools.foundation import console, git, temporary, version, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.foundation.version import Version
from cqc_tools.generation import generate
from cqc_tools.packages import Installation, Source, build, ecosystems, examples, local, sources, targets
from cqc_tools.packages.examples import Replay
from cqc_tools.packages.local import Running
from cqc_tools.release import candidate, journal, publish, report, verify

# Programs of earlier releases, and what they were made from.
KEPT = workspace.CACHE / "previous"
AT_MOST = 3
# Another process may be running what was used so recently.
IN_USE_SECONDS = 3600
SOURCES = ("proto", "packages", "examples", "release.toml")
INDEX, HERE = "programs.json", "{programs}"
# A field and an enum value that the examples' servers send, and a procedure: what this release adds to the one before
# it, as long as there is none. Each pattern matches one declaration with its comment.
ADDED = {
    "proto/cqc/markets/v1/trade.proto": (
        r"(?: *//.*\n)*  optional string maker_order_id = [^;]*;\n",
        r"(?: *//.*\n)*  AGGRESSOR_SIDE_SELLER = \d+;\n",
    ),
    "proto/cqc/services/v1/market_data.proto": (r"(?: *//.*\n)*  rpc GetOpenInterest\((?:.*\n)*?  \}\n",),
}
# The examples, as they were before that: the field is left out, and the value is only a number.
EXAMPLES = {
    "examples/python/cqc_example/mapping.py": {
        r" *maker_order_id=.*\n": "",
        r"(?m)^ *AGGRESSOR_SIDE_SELLER,\n": "",
        r"\bAGGRESSOR_SIDE_SELLER\b": "2",
    },
    "examples/go/mapping.go": {
        r"\s*MakerOrderId:.*": "",
        r"marketsv1\.AggressorSide_AGGRESSOR_SIDE_SELLER": "marketsv1.AggressorSide(2)",
    },
    "examples/typescript/src/mapping.ts": {
        r" *makerOrderId:.*\n": "",
        r"AggressorSide\.SELLER": "(2 as number as AggressorSide)",
    },
}


@dataclass(frozen=True)
class Compatibility:
    """What the programs of two releases rebuilt from one another; `origin` says where the previous one came from."""

    version: str
    previous: str
    origin: str
    replays: tuple[Replay, ...] = ()
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return asdict(self)

    def show(self) -> None:
        """Print the result for a person."""
        console.table(
            ("server", "client", "digest of the rebuilt books"),
            [(item.server, item.client, item.digest[:16]) for item in self.replays],
        )
        console.output.print(
            f"\n{len(self.replays)} pairs of server and client agree: {self.version} and {self.previous}, "
            f"{self.origin} ({self.seconds:.0f} s)."
        )


def rehearsed(release: str, settings: Configuration) -> Compatibility:
    """Publish `release`, or the next version if it is empty, and the one before it to registries on this machine, and
    let all their programs talk."""
    _require_examples(settings)
    started = time.monotonic()
    chosen = version.parse_release(release) if release else candidate.upcoming()
    with temporary.folder("compatibility") as folder:
        with console.step(f"clone and tag {chosen.tag}"):
            source = sources.tagged(folder / "source", chosen)
        with local.running(folder / "registries", ecosystems.load(source.configuration)) as running:
            installed = _release(source, running, folder / "dist", folder / "new")
            found = with_previous(source, installed, running, folder, every_pair=True)
    return replace(found, seconds=time.monotonic() - started)


def published(release: str, name: str, settings: Configuration) -> Compatibility:
    """Install a published release and the one before it from a target, and let all their programs talk.

    Raises UserError if no release before it was to stay compatible with.
    """
    _require_examples(settings)
    started = time.monotonic()
    chosen = version.chosen(release)
    previous = before(chosen)
    if previous is None:
        raise UserError(
            f"there is no release before {chosen.tag} with the same major version",
            "compare with what one would have been: make compatibility, without TARGET",
        )
    targets.checked(settings, name)
    with targets.opened(name, settings) as target, temporary.folder("compatibility") as folder:
        new = verify.install(chosen, target, settings, folder / "new")
        old = verify.install(previous, target, settings, folder / "old")
        found = Compatibility(chosen.npm, previous.npm, f"as published to the target {name}")
        return talk(found, new, old, folder, every_pair=True, started=started)


def with_previous(
    source: Source,
    installed: Mapping[str, Installation],
    running: Running,
    folder: Path,
    every_pair: bool = False,
) -> Compatibility:
    """Publish the release before a source to the same registries, and let its programs talk to those installed.

    Without `every_pair`, each program meets one of the other release. A project without examples has nothing to run.
    """
    started = time.monotonic()
    if not source.configuration.cqc_code:
        return Compatibility(source.version.npm, "", "")
    if last := before(source.version):
        wanted, repository, revision = last, git.Repository(), last.tag
        origin = f"built from {last.tag}"
    else:
        wanted, repository, revision = _would_have_been(source.version), git.Repository(source.folder), source.commit
        origin = "which is this one less a field, an enum value and a procedure"

    def make(programs: Path) -> Mapping[str, Installation]:
        with console.step(f"make {wanted.npm}, {origin}"):
            if last:
                previous = sources.of_tag(folder / "previous", wanted)
            else:
                previous = sources.altered(source, folder / "previous", wanted, _become_previous)
        return _release(previous, running, folder / "dist-previous", programs)

    found = Compatibility(source.version.npm, wanted.npm, origin)
    return talk(found, installed, kept(wanted, repository, revision, make), folder, every_pair, started)


def before(chosen: Version) -> Version | None:
    """The last final release that a version has to work with, None if there is none: a major version may break."""
    past = [item for item in version.released() if item.semver < chosen.semver]
    return version.last_final([item for item in past if item.semver.major == chosen.semver.major])


def _require_examples(settings: Configuration) -> None:
    if not settings.cqc_code:
        raise UserError("this project has no examples, whose programs would talk", "verify a release: make verify")


def _would_have_been(chosen: Version) -> Version:
    """The lowest version that a release before this one could have had."""
    return version.parse_release(f"{chosen.semver.major}.0.0-alpha.0")


def _release(source: Source, running: Running, dist: Path, folder: Path) -> dict[str, Installation]:
    """Publish a source, and install it below a folder as users do."""
    built = build.build(source, dist)
    folder.mkdir(exist_ok=True)
    with temporary.folder("clients") as scratch:
        target = targets.at(running, source.configuration, scratch, name=report.REHEARSAL)
        publish.publish(built, source, target.registries, journal.load(built.folder, target.name))
        return verify.install(source.version, target, source.configuration, folder)


def kept(
    wanted: Version, repository: git.Repository, revision: str, make: Callable[[Path], Mapping[str, Installation]]
) -> dict[str, Installation]:
    """A release's programs as `make` installs them below a folder, or as it did before from the same sources."""
    parts = [repository.tree(revision, path) or "" for path in SOURCES]
    text = "\n".join([wanted.npm, *parts, Path(__file__).read_text()])
    folder = KEPT / hashlib.sha256(text.encode()).hexdigest()[:20]
    if not folder.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=KEPT, ignore_cleanup_errors=True) as part:
            programs = Path(part, "programs")
            installed = make(programs)
            # The programs run from wherever they are.
            commands = {
                key: [word.replace(str(programs), HERE) for word in item.example] for key, item in installed.items()
            }
            (programs / INDEX).write_text(json.dumps(commands))
            # Another process may have been faster, with the same.
            with suppress(OSError):
                programs.rename(folder)
    os.utime(folder)
    used = {path: _last_used(path) for path in KEPT.iterdir()}
    for old in sorted(used, key=used.__getitem__)[:-AT_MOST]:
        if used[old] < time.time() - IN_USE_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    return {
        key: Installation(
            folder / "users" / key,
            workspace.tool_environment(),
            0.0,
            (),
            tuple(word.replace(HERE, str(folder)) for word in command),
        )
        for key, command in json.loads((folder / INDEX).read_bytes()).items()
    }


def _last_used(path: Path) -> float:
    # Another process may have removed it since it was listed.
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0


def talk(
    found: Compatibility,
    new: Mapping[str, Installation],
    old: Mapping[str, Installation],
    folder: Path,
    every_pair: bool,
    started: float,
) -> Compatibility:
    """Let the programs of two releases talk, each with each or each with one."""
    programs = {f"{key} {found.version}": item for key, item in new.items() if item.example}
    ours = list(programs)
    programs |= {f"{key} {found.previous}": item for key, item in old.items() if item.example}
    theirs = list(programs)[len(ours) :]
    # Another language's each time: the server of one release, the client of the other.
    turned = [*theirs[1:], *theirs[:1]]
    sample = [*zip(ours, turned, strict=True), *zip(turned, ours, strict=True)]
    pairs = () if every_pair else sample
    data = examples.traffic()[0] if every_pair else examples.SAMPLE
    with console.step(f"{len(pairs) or len(programs) ** 2} pairs of {found.version} and {found.previous}"):
        replays = examples.all_pairs(programs, data, folder / "logs", pairs)
    return replace(found, replays=tuple(replays), seconds=time.monotonic() - started)


def take_away(top: Path) -> None:
    """Make the contracts and examples of a checkout what those of the release before it would have been."""
    for name, patterns in ADDED.items():
        _edit(top / name, dict.fromkeys(patterns, ""))
    for name, edits in EXAMPLES.items():
        _edit(top / name, edits)


def _become_previous(source: Source) -> None:
    take_away(source.folder)
    generate.generate(source.configuration, source.folder)


def _edit(file: Path, edits: Mapping[str, str]) -> None:
    text = file.read_text()
    for pattern, replacement in edits.items():
        text, times = re.subn(pattern, replacement, text)
        if not times:
            raise StageFailed(
                f"{file.name} has nothing that matches {pattern}, to take away from a copy of it",
                f"name another addition at the top of {Path(__file__).name}",
            )
    file.write_text(text)

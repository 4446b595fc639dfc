"""Publish with every fault that can happen on the way. After each, a plain rerun completes the release with identical
bytes on all registries, or stops with a conflict.

The registries are the real local ones, each behind a proxy that makes a request fail; the tool is the command line, in
a process of its own that can be killed.
"""

import gzip
import itertools
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cqc_tools.foundation import configuration, console, errors, files, git, process, temporary, version, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import StageFailed, ToolError
from cqc_tools.packages import Source, belonging, build, ecosystems, local, sources
from cqc_tools.packages.ecosystems import go, python, typescript
from cqc_tools.packages.local import npm as local_npm
from cqc_tools.packages.local.git import REPOSITORY
from cqc_tools.packages.manifest import Build
from cqc_tools.proof import fault_proxy
from cqc_tools.proof.disk_faults import DiskFault
from cqc_tools.proof.fault_proxy import Fault, Kind, Moment, Proxy

VERSION = version.parse_release("1.2.0")
TARGET = "faults"
# In publishing order.
REGISTRIES = (python.KEY, typescript.KEY, go.KEY)
# How many requests publish a release there: two files, one file, both tags together.
WRITES = {python.KEY: 2, typescript.KEY: 1, go.KEY: 1}
WORKERS = 2
LONGEST_RUN = 300
# How a run ended, by the exit code of the tool.
ENDED = {errors.OK: "complete", errors.FAILED: "stopped", errors.CONFLICT: "conflict", errors.USAGE: "refused"}
# A release that was made before, of a newer line.
NEWER = version.parse_release("1.3.0")
# As many files as a whole publication writes into dist/.
DISK_WRITES = 14
# Faults that only some registries and moments have: `RARE` are left out of the cross product.
RARE = {Kind.UNTIL_FUTURE, Kind.UNTIL_PAST, Kind.SAME_CHECKOUT, Kind.SAME_RELEASE}
# Combinations that cannot happen, and why.
IMPOSSIBLE = {
    (Moment.BEFORE_WRITE, Kind.TRUNCATED): "nothing is read back before the write",
    (Moment.BEFORE_ANSWER, Kind.TRUNCATED): "nothing is read back before the answer",
    (Moment.BEFORE_ANSWER, Kind.OTHER_BYTES): "our bytes were accepted, so other bytes cannot be",
    (Moment.BEFORE_RECORD, Kind.SAME_BYTES): "409 answers a write, and the write was already answered",
    (Moment.BEFORE_RECORD, Kind.OTHER_BYTES): "409 answers a write, and the write was already answered",
}
# The registries on this machine answer immediately; a lasting fault is waited for this long.
ANSWER_SECONDS = 3
TRANSFER_SECONDS = 12
SETTLE_SECONDS = 2
ANSWER_MEGABYTES = 40
# When files claim to have been written, in seconds since 1970: the machine's clock jumped since.
JUMPS = {"1980": 315532800, "2040": 2208988800}


@dataclass(frozen=True)
class Scenario:
    """One fault. Without a `kind` the fault lies in the git remote: `tags` that it already has, each with whether it is
    on our commit, or a `hook` that rejects the push; or on the disk, as the file with a `number` is written into
    `place`. With `forgets` the journal is lost before the rerun, with `jump` all files are dated otherwise, and with
    `newer` the registries already have a release of a newer line."""

    registry: str
    moment: Moment | None = None
    kind: Kind | None = None
    number: int = 1
    tags: tuple[tuple[str, bool], ...] = ()
    hook: str = ""
    forgets: bool = False
    disk: DiskFault | None = None
    place: str = "dist"
    jump: str = ""
    newer: bool = False

    @property
    def title(self) -> str:
        """The fault in words."""
        words = [str(self.kind)] if self.kind else []
        words += [f"at write {self.number}"] if self.number > 1 and not self.disk else []
        words += [f"{self.disk} at file {self.number} in {self.place}"] if self.disk else []
        words += [f"files are dated {self.jump}"] if self.jump else []
        words += [f"{NEWER.npm} is released"] if self.newer else []
        words += [f"{tag} already on {'our' if ours else 'another'} commit" for tag, ours in self.tags]
        words += [f"{self.hook} hook rejects"] if self.hook else []
        words += ["the journal is lost"] if self.forgets else []
        return ", ".join(words)

    @property
    def ends_in_conflict(self) -> bool:
        """Whether other bytes are published under our version, so that no rerun can complete the release."""
        return self.kind is Kind.OTHER_BYTES or not all(ours for _, ours in self.tags)


def scenarios(settings: Configuration) -> list[Scenario]:
    """All scenarios, always in the same order."""
    crossed = [
        Scenario(registry, moment, kind)
        for registry, moment, kind in itertools.product(REGISTRIES, Moment, Kind)
        if (moment, kind) not in IMPOSSIBLE and kind not in RARE
    ]
    half_uploaded = [Scenario(python.KEY, moment, Kind.KILL, number=2) for moment in Moment]
    forgotten = [Scenario(registry, Moment.BEFORE_ANSWER, Kind.KILL, forgets=True) for registry in REGISTRIES]
    names = version.release_tags(VERSION, settings)
    half_tagged = [
        Scenario(go.KEY, moment, kind, tags=((name, True),))
        for name in names
        for moment, kind in ((None, None), (Moment.BEFORE_WRITE, Kind.KILL), (Moment.BEFORE_ANSWER, Kind.KILL))
    ]
    foreign_tags = [Scenario(go.KEY, tags=((name, False),)) for name in names]
    hooks = [Scenario(go.KEY, hook=hook) for hook in ("pre-receive", "update", "pre-push")]
    clocks = [
        *(
            Scenario(python.KEY, moment, kind)
            for moment in (Moment.BEFORE_WRITE, Moment.BEFORE_RECORD)
            for kind in (Kind.UNTIL_FUTURE, Kind.UNTIL_PAST)
        ),
        *(
            Scenario(registry, Moment.BEFORE_ANSWER, Kind.KILL, jump=jump)
            for registry, jump in itertools.product(REGISTRIES, JUMPS)
        ),
    ]
    at_once = [
        *(Scenario(registry, Moment.BEFORE_WRITE, Kind.SAME_CHECKOUT) for registry in REGISTRIES),
        *(
            Scenario(registry, moment, Kind.SAME_RELEASE)
            for registry in REGISTRIES
            for moment in (Moment.BEFORE_WRITE, Moment.BEFORE_ANSWER)
        ),
    ]
    disks = [
        # Both faults strike at the same places: each at every second of them.
        *(
            Scenario(python.KEY, disk=DiskFault.FULL if number % 2 else DiskFault.KILL, number=number)
            for number in range(1, DISK_WRITES + 1)
        ),
        # Python tries the folder with the first file, and takes another one if that fails.
        *(Scenario(python.KEY, disk=DiskFault.FULL, number=number, place="tmp") for number in (2, 3, 4)),
    ]
    lines = [
        Scenario(python.KEY, newer=True),
        *(Scenario(registry, Moment.BEFORE_ANSWER, Kind.KILL, newer=True) for registry in REGISTRIES),
    ]
    special = [*clocks, *at_once, *disks, *lines]
    return [*crossed, *half_uploaded, *forgotten, *half_tagged, *foreign_tags, *hooks, *special]


def sample(chosen: Sequence[Scenario], turn: int) -> list[Scenario]:
    """One scenario for each tenth sort of fault. Another `turn` takes others, at other registries and moments, and in
    the end all of them."""
    sorts: dict[object, list[Scenario]] = {}
    for scenario in chosen:
        number = 0 if scenario.disk else scenario.number
        way = (scenario.kind, scenario.hook, scenario.disk)
        circumstances = (number, len(scenario.tags), scenario.forgets, bool(scenario.jump), scenario.newer)
        sorts.setdefault((*way, *circumstances, scenario.ends_in_conflict), []).append(scenario)
    # In turn: one scenario of each sort would take minutes.
    return [
        found[(turn // 10 + number) % len(found)]
        for number, found in enumerate(sorts.values())
        if (turn + number) % 10 == 0
    ]


@dataclass(frozen=True)
class Result:
    """How a scenario went: how the first run, which met the fault, and the rerun ended. `broken` is empty if the
    scenario converged."""

    registry: str
    moment: str
    fault: str
    first: str
    rerun: str
    broken: str
    seconds: float


@dataclass(frozen=True)
class Results:
    """The scenarios that were run."""

    results: tuple[Result, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        left_out = [{"moment": moment, "fault": kind, "because": why} for (moment, kind), why in IMPOSSIBLE.items()]
        return {
            "scenarios": len(self.results),
            "converged": self._converged(),
            "seconds": round(self.seconds, 1),
            "results": [asdict(result) for result in self.results],
            "left_out": left_out,
        }

    def _converged(self) -> int:
        return sum(not result.broken for result in self.results)

    @property
    def failure(self) -> StageFailed | None:
        """Every scenario that did not converge, None if all did."""
        broken = [
            f"  {item.registry}, {item.moment}, {item.fault}: {item.broken}" for item in self.results if item.broken
        ]
        return StageFailed(f"{len(broken)} scenarios did not converge", details="\n".join(broken)) if broken else None

    def show(self) -> None:
        """Print the result for a person, the count in the last line."""
        console.table(
            ("registry", "moment", "fault", "first run", "rerun", "time"),
            [
                (item.registry, item.moment, item.fault, item.first, item.rerun, f"{item.seconds:.1f} s")
                for item in self.results
            ],
        )
        console.output.print("\nLeft out, because they cannot happen:")
        for (moment, kind), why in IMPOSSIBLE.items():
            console.output.print(f"  {kind} {moment}: {why}")
        console.output.print(f"\n{len(self.results)} scenarios, {self._converged()} converged")


def run(chosen: Sequence[Scenario]) -> Results:
    """Run scenarios, several at a time, each against registries that are reset before it."""
    started = time.monotonic()
    with temporary.folder("faults") as scratch, ExitStack() as stack:
        benches: queue.Queue[_Bench] = queue.Queue()
        checkout, built = _prepare(scratch)
        for number in range(WORKERS):
            bench = stack.enter_context(_bench(Path(scratch, f"bench-{number}"), checkout, built))
            with console.step(f"publish to set {number + 1} of registries"):
                bench.complete()
            benches.put(bench)

        def one(scenario: Scenario) -> Result:
            bench = benches.get()
            try:
                return bench.run(scenario)
            finally:
                benches.put(bench)

        results = []
        futures = process.in_parallel([partial(one, scenario) for scenario in chosen], WORKERS)
        for number, future in enumerate(futures, 1):
            result = future.result()
            results.append(result)
            mark = "[red]FAILED[/red]" if result.broken else "[green]ok[/green] "
            console.progress.print(
                f"{mark} {number}/{len(chosen)} {result.registry}, {result.moment}: {result.fault} "
                f"[dim]({result.seconds:.1f} s)[/dim]"
            )
    return Results(tuple(results), time.monotonic() - started)


def _prepare(scratch: Path) -> tuple[Path, Build]:
    """A clone at the release's tags with the build in its dist/, where the tool runs as in a user's checkout."""
    checkout = scratch / "checkout"
    source = sources.tagged(checkout, VERSION)
    # The build leaves files in its clone; the tool runs in a clone where nothing was built.
    builder = scratch / "builder"
    git.clone(checkout, builder)
    built = build.build(Source(builder, source.commit, VERSION, source.configuration), checkout / "dist")
    for name in (".venv", ".cache"):
        (checkout / name).symlink_to(workspace.ROOT / name)
    return checkout, built


@dataclass
class _Bench:
    """A set of registries behind proxies, and a checkout whose target they are."""

    checkout: Path
    built: Build
    settings: Configuration
    storage: Path
    proxies: Mapping[str, Proxy]
    environment: Mapping[str, str]
    elsewhere: Path
    seen: dict[str, str] = field(default_factory=dict)
    # What went wrong while a request waited.
    met: str = ""

    def run(self, scenario: Scenario) -> Result:
        """Run into the fault, run again, and check the result."""
        started = time.monotonic()
        first = rerun = broken = ""
        try:
            self._reset(scenario)
            planted = self.observe()
            first = self._first(scenario)
            self._require_invariants(scenario, planted, first)
            self._require_own_server()
            if scenario.disk is DiskFault.FULL:
                self._require_nothing_half_written(first)
            if scenario.forgets:
                self._state().unlink()
            if scenario.jump:
                self._redate(JUMPS[scenario.jump])
            before = self.observe()
            rerun = self._tool(None)
            after = self._require_invariants(scenario, planted, rerun)
            expected = "conflict" if scenario.ends_in_conflict else "complete"
            if rerun != expected:
                raise StageFailed(f"the rerun ended with {rerun}, not {expected}", details=self._log())
            if rerun == "conflict" and after != before:
                raise StageFailed("something was written although there was a conflict")
            self._require_no_write_too_many(scenario)
            if scenario.newer and (latest := self._latest()) != NEWER.npm:
                raise StageFailed(f"npm's dist-tag latest is {latest}, not {NEWER.npm}")
        except ToolError as failure:
            broken = str(failure)
        finally:
            self._hooks(None)
        moment = str(scenario.moment or "at any time")
        return Result(
            scenario.registry, moment, scenario.title, first, rerun, broken, round(time.monotonic() - started, 1)
        )

    def template(self, ecosystem: str) -> Path:
        """A copy of a registry's storage with the complete release."""
        return self.checkout.parent / "complete" / ecosystem

    def complete(self) -> None:
        """Publish once without a fault, and keep a copy of the registries' storage.

        Raises StageFailed if that does not complete the release.
        """
        if (ended := self._tool(None)) != "complete" or self.observe() != self.expected():
            raise StageFailed(f"publishing without a fault ended with {ended}", details=self._log())
        for ecosystem, place in {python.KEY: self.storage / "pypi", typescript.KEY: self._npm()}.items():
            shutil.copytree(place, self.template(ecosystem))
        shutil.rmtree(self._npm())
        self._publish_newer()
        shutil.copytree(self._npm(), self.template(NEWER.npm))

    def _first(self, scenario: Scenario) -> str:
        fault = None
        self._hooks(scenario.hook or None)
        if scenario.kind and scenario.moment:
            fault = Fault(scenario.kind, scenario.moment, scenario.number, self._meanwhile(scenario))
            self.proxies[scenario.registry].strike(fault)
        try:
            ended = self._tool(fault, scenario)
        finally:
            self.proxies[scenario.registry].recover()
            self._hooks(None)
        if fault and not fault.struck:
            raise StageFailed(f"the fault never struck, the run ended with {ended}", details=self._log())
        if scenario.disk and ended == "complete":
            raise StageFailed("the fault never struck", details=self._log())
        if self.met:
            raise StageFailed(self.met, details=self._log())
        return ended

    def _meanwhile(self, scenario: Scenario) -> Callable[[], None]:
        """What happens while a request waits."""

        def second(folder: Path, expected: str) -> None:
            ended = self._tool(None, checkout=folder, log="second.log")
            if ended != expected:
                self.met = f"the second run ended with {ended}, not {expected}"

        if scenario.kind is Kind.SAME_CHECKOUT:
            return lambda: second(self.checkout, "refused")
        if scenario.kind is Kind.SAME_RELEASE:
            return lambda: second(self.elsewhere, "complete")
        return lambda: self._usurp(scenario.registry)

    def _tool(
        self,
        fault: Fault | None,
        scenario: Scenario | None = None,
        checkout: Path | None = None,
        log: str = "tool.log",
    ) -> str:
        """Run the command line; returns how it ended, by its exit code: complete, conflict, stopped, refused or
        killed."""
        checkout = checkout or self.checkout
        program = ["cqc_tools"]
        if scenario and scenario.disk:
            place = str(checkout / scenario.place)
            program = ["cqc_tools.proof.disk_faults", str(scenario.disk), str(scenario.number), place]
        command = [sys.executable, "-m", *program, "publish", "--release", VERSION.npm, "--target", TARGET]
        environment = {**self.environment, "PYTHONPATH": str(checkout / "tools"), "TMPDIR": str(checkout / "tmp")}
        log_file = self.storage / log
        with process.background(command, cwd=checkout, env=environment, log=log_file) as tool:
            if fault:
                fault.tool = tool
            try:
                tool.wait(LONGEST_RUN)
            except subprocess.TimeoutExpired:
                raise StageFailed(f"the tool did not end within {LONGEST_RUN} s", details=self._log()) from None
            code = tool.returncode
        if code < 0:
            return "killed"
        if code not in ENDED:
            raise StageFailed(f"the tool ended with exit code {code}", details=self._log())
        return ENDED[code]

    def _log(self) -> str:
        return (self.storage / "tool.log").read_text(errors="replace").strip()

    def _state(self, checkout: Path | None = None) -> Path:
        return (checkout or self.checkout) / "dist" / VERSION.npm / f"state-{TARGET}.json"

    def _redate(self, seconds: int) -> None:
        """Date what was built and what the first run noted as if a clock had jumped since."""
        for path in (self.checkout / "dist").rglob("*"):
            os.utime(path, (seconds, seconds))

    def _require_own_server(self) -> None:
        """Check that nothing was sent to a server that a registry redirects to."""
        if strayed := sum(proxy.strayed for proxy in self.proxies.values()):
            raise StageFailed(f"{strayed} requests went to another server", details=self._log())

    def _require_nothing_half_written(self, ended: str) -> None:
        if ended != "stopped":
            raise StageFailed(f"on a full disk the run ended with {ended}", details=self._log())
        if "no space is left on the disk of" not in self._log():
            raise StageFailed("the full disk is not named", details=self._log())
        if left := [path.name for path in (self.checkout / "dist").rglob("*.part")]:
            raise StageFailed(f"unfinished files were left: {', '.join(left)}")

    def _require_invariants(self, scenario: Scenario, planted: Mapping[str, str], ended: str) -> dict[str, str]:
        """Check the registries' storage: never two contents under one name, never a tag without the artifacts, never
        reported as complete with something missing. Returns what is there."""
        there = self.observe()
        expected = self.expected()
        for name, digest in there.items():
            if self.seen.setdefault(name, digest) != digest:
                raise StageFailed(f"{name} had two contents: {self.seen[name]} and {digest}")
            if digest != expected.get(name) and not scenario.ends_in_conflict:
                raise StageFailed(f"{name} has other bytes than were built: {digest}")
        if ended == "complete" and there != expected:
            raise StageFailed(f"reported as complete, but the registries hold {there}, not {expected}")
        names = self.tags()
        new_tags = [name for name in names if name in there and name not in planted]
        lacking = [name for name in expected if name not in names and name not in there]
        if new_tags and lacking:
            raise StageFailed(f"{', '.join(new_tags)} was pushed without {', '.join(lacking)}")
        if lost := planted.keys() - there.keys():
            raise StageFailed(f"{', '.join(lost)} disappeared")
        if scenario.tags and scenario.ends_in_conflict and there != planted:
            raise StageFailed("something was written although there was a conflict from the start")
        return there

    def _require_no_write_too_many(self, scenario: Scenario) -> None:
        """Check that what the registry accepted was not written again, whatever it answered, by one machine."""
        if scenario.kind is Kind.SAME_RELEASE:
            return
        needed = WRITES[scenario.registry]
        written = self.proxies[scenario.registry].writes
        if scenario.moment in (Moment.BEFORE_ANSWER, Moment.BEFORE_RECORD) and written != needed:
            raise StageFailed(f"{written} writes for a release that needs {needed}")

    def tags(self) -> tuple[str, ...]:
        """The tags of the release."""
        return version.release_tags(VERSION, self.settings)

    def expected(self) -> dict[str, str]:
        """A complete release as `observe` sees it."""
        digests = {item.path.name: item.digest for item in self.built.artifacts if item.ecosystem != go.KEY}
        return {**digests, **dict.fromkeys(self.tags(), self.built.commit)}

    def observe(self) -> dict[str, str]:
        """The content of the registries' storage: digests of files and commits of tags, by name."""
        pattern = f"*-{VERSION.pypi}[.-]*"
        found = {path.name: python.digest(path) for path in (self.storage / "pypi").glob(pattern)}
        (tarball,) = belonging(self.built.artifacts, typescript.KEY)
        # verdaccio leaves the scope out of the file's name.
        for path in self._npm().glob(f"*-{VERSION.npm}.tgz"):
            found[tarball.path.name] = typescript.integrity(path)
        for line in self._remote().run("for-each-ref", "refs/tags", "--format=%(refname) %(objectname)").splitlines():
            name, _, commit = line.removeprefix("refs/tags/").partition(" ")
            if name in self.tags():
                found[name] = commit
        return found

    def _npm(self) -> Path:
        return self.storage / "npm" / "storage" / self.settings.package("typescript").name

    def _remote(self) -> git.Repository:
        return git.Repository(self.storage / "git" / REPOSITORY)

    def _reset(self, scenario: Scenario) -> None:
        """Fill the registries that come before the scenario's, and empty the others; a scenario that starts with a
        conflict starts with nothing published."""
        self.seen.clear()
        self.met = ""
        for each in self.proxies.values():
            each.writes = each.strayed = 0
        for checkout in (self.checkout, self.elsewhere):
            self._state(checkout).unlink(missing_ok=True)
            for left in (checkout / "dist").rglob("*.part"):
                left.unlink()
        is_empty = scenario.newer or (scenario.tags and scenario.ends_in_conflict)
        before = () if is_empty else REGISTRIES[: REGISTRIES.index(scenario.registry)]
        places = {python.KEY: self.storage / "pypi", typescript.KEY: self._npm()}
        for ecosystem, place in places.items():
            shutil.rmtree(place, ignore_errors=True)
            if ecosystem in before:
                shutil.copytree(self.template(ecosystem), place)
            elif ecosystem == python.KEY:
                place.mkdir()
        newer = version.release_tags(NEWER, self.settings)
        for tag in (*self.tags(), *newer):
            self._remote().run("update-ref", "-d", f"refs/tags/{tag}")
        if scenario.newer:
            (self.storage / "pypi" / f"cqc-{NEWER.pypi}-py3-none-any.whl").write_bytes(b"of a newer line")
            shutil.copytree(self.template(NEWER.npm), self._npm())
            for tag in newer:
                self._tag(tag, f"{self.built.commit}~1")
        for tag, ours in scenario.tags:
            self._tag(tag, self.built.commit if ours else f"{self.built.commit}~1")

    def _tag(self, tag: str, revision: str) -> None:
        commit = git.Repository(self.checkout).run("rev-parse", revision).strip()
        self._remote().run("update-ref", f"refs/tags/{tag}", commit)

    def _hooks(self, hook: str | None) -> None:
        """Make the remote reject all of a push, or only Go's tag, or the checkout itself all of it."""
        hooks = self._remote().folder / "hooks"
        own = self.checkout / ".git" / "our-hooks"
        for path in (hooks / "pre-receive", hooks / "update", own / "pre-push"):
            path.unlink(missing_ok=True)
        if hook == "pre-push":
            git.Repository(self.checkout).run("config", "core.hooksPath", str(own))
            files.write_text(own / hook, "#!/bin/sh\necho 'not today' >&2\nexit 1\n")
            (own / hook).chmod(0o755)
        elif hook:
            files.write_text(hooks / hook, '#!/bin/sh\ncase "$1" in refs/tags/v*) exit 0 ;; esac\nexit 1\n')
            (hooks / hook).chmod(0o755)

    def _usurp(self, registry: str) -> None:
        """Publish other bytes under our version, as someone else might a moment before us."""
        if registry == python.KEY:
            for item in belonging(self.built.artifacts, registry):
                (self.storage / "pypi" / item.path.name).write_bytes(item.path.read_bytes() + b"other")
        elif registry == typescript.KEY:
            self._usurp_npm()
        else:
            for tag in self.tags():
                self._tag(tag, f"{self.built.commit}~1")

    def _usurp_npm(self) -> None:
        (item,) = belonging(self.built.artifacts, typescript.KEY)
        with tempfile.TemporaryDirectory(dir=self.storage) as folder:
            other = Path(folder, item.path.name)
            # The same content with less compression: npm takes it for another file.
            other.write_bytes(gzip.compress(gzip.decompress(item.path.read_bytes()), compresslevel=1, mtime=1))
            self._npm_publish(Path(folder), f"./{other.name}")

    def _publish_newer(self) -> None:
        """Publish a package of a newer line to npm."""
        with tempfile.TemporaryDirectory(dir=self.storage) as folder:
            about = {"name": self.settings.package("typescript").name, "version": NEWER.npm}
            Path(folder, "package.json").write_text(json.dumps(about))
            self._npm_publish(Path(folder), ".")

    def _npm_publish(self, folder: Path, what: str) -> None:
        scope = self.settings.package("typescript").name.partition("/")[0]
        address = f"http://{self.proxies[typescript.KEY].upstream.netloc}/"
        command = ["npm", "publish", what, f"--{scope}:registry={address}", "--ignore-scripts"]
        process.run(command, cwd=folder, env=self.environment, what="npm publish by someone else")

    def _latest(self) -> str:
        """The version that npm's dist-tag `latest` names."""
        return str(json.loads((self._npm() / "package.json").read_text())["dist-tags"]["latest"])


@contextmanager
def _bench(folder: Path, prepared: Path, built: Build) -> Iterator[_Bench]:
    """A bench with registries of its own, which are empty except for the remote's history."""
    checkout = folder / "checkout"
    shutil.copytree(prepared, checkout, symlinks=True)
    storage = folder / "storage"
    settings = configuration.load(checkout / configuration.FILE)
    with local.running(storage, ecosystems.load(settings)) as direct, ExitStack() as stack:
        addresses = {
            python.KEY: direct.addresses["python_upload"],
            typescript.KEY: direct.addresses["npm"],
            go.KEY: direct.addresses["git"],
        }
        proxies = {name: stack.enter_context(fault_proxy.before(address)) for name, address in addresses.items()}
        git.Repository(checkout).run("push", "--quiet", storage / "git" / REPOSITORY, f"{built.commit}:refs/heads/main")
        with (checkout / configuration.FILE).open("a") as file:
            file.write(
                f"\n[targets.{TARGET}]\n"
                f'python_index = "{proxies[python.KEY].address}simple/"\n'
                f'python_upload = "{proxies[python.KEY].address}"\n'
                f'npm = "{proxies[typescript.KEY].address}"\n'
                f'git = "{proxies[go.KEY].address}"\n'
                f"answer_seconds = {ANSWER_SECONDS}\n"
                f"transfer_seconds = {TRANSFER_SECONDS}\n"
                f"settle_seconds = {SETTLE_SECONDS}\n"
                f"answer_megabytes = {ANSWER_MEGABYTES}\n"
            )
        (checkout / "tmp").mkdir()
        elsewhere = folder / "elsewhere"
        shutil.copytree(checkout, elsewhere, symlinks=True)
        hosts = [urlsplit(address).netloc for address in (addresses[typescript.KEY], proxies[typescript.KEY].address)]
        npmrc = folder / "npmrc"
        token = local_npm.token(addresses[typescript.KEY])
        npmrc.write_text("".join(f"//{host}/:_authToken={token}\n" for host in hosts))
        environment = workspace.tool_environment(
            PYTHONPATH=str(checkout / "tools"),
            TWINE_USERNAME=local.ANYONE.name,
            TWINE_PASSWORD=local.ANYONE.secret,
            npm_config_userconfig=str(npmrc),
        )
        yield _Bench(checkout, built, settings, storage, proxies, environment, elsewhere)

"""Every reason not to release, all at once, each with what to do about it."""

import json
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cqc_tools.foundation import configuration, console, process, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import NoAnswer, Refused, StageFailed, UserError
from cqc_tools.foundation.version import parse_release
from cqc_tools.generation import generate
from cqc_tools.packages import Registry, build
from cqc_tools.packages.build import Build
from cqc_tools.packages.ecosystems import go, python, typescript
from cqc_tools.packages.ecosystems.go import GitRemote
from cqc_tools.proof import golden
from cqc_tools.release import changelog, plan, publish
from cqc_tools.release.plan import Plan, is_same_repository, reason

GIT = ("git", "-C", str(workspace.ROOT))
WAYS_OUT = "a version that is taken is never written again: release a new version on all registries"
# Where a package is called what it is called, by ecosystem.
NAMES = {python.ECOSYSTEM: "[python] distribution", typescript.ECOSYSTEM: "[npm] package", go.ECOSYSTEM: "[go] module"}


@dataclass(frozen=True)
class Finding:
    """One reason to stop, and what to do about it."""

    check: str
    problem: str
    fix: str


@dataclass(frozen=True)
class Preflight:
    """All that was looked at, and what was found."""

    version: str
    target: str
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """The findings for a program."""
        return {
            "version": self.version,
            "target": self.target,
            "checks": list(self.checks),
            "findings": [{"check": item.check, "problem": item.problem, "fix": item.fix} for item in self.findings],
        }

    def show(self) -> None:
        """Print the findings for a person."""
        if not self.findings:
            console.output.print(
                f"Nothing stands in the way of {self.version} to target {self.target} ({len(self.checks)} checks)."
            )
            return
        console.table(
            ("check", "what is wrong", "what to do"),
            [(item.check, item.problem, item.fix) for item in self.findings],
        )
        console.output.print(
            f"\n{len(self.findings)} findings in {len(self.checks)} checks: {self.version} cannot be released "
            f"to target {self.target} yet."
        )


# A problem, and what to do about it.
Found = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class _Subject:
    """What the checks look at."""

    plan: Plan
    registries: Mapping[str, Registry]
    settings: Configuration

    @property
    def tag(self) -> str:
        return self.plan.candidate.version.tag

    @property
    def remote(self) -> GitRemote:
        remote = self.registries["go"]
        if not isinstance(remote, GitRemote):
            raise TypeError(f"{remote.address} is no git remote")
        return remote


def preflight(release: str, target: str) -> Preflight:
    """Look for everything that stands in the way of a release to a target of release.toml; nothing is written.

    Raises UserError for a version or a target that is none.
    """
    with plan.planned(release, target) as (planned, registries):
        subject = _Subject(planned, registries, configuration.load())
        with ThreadPoolExecutor(max_workers=4) as pool:
            found = list(pool.map(lambda item: _run(item[0], item[1], subject), CHECKS.items()))
    findings = tuple(finding for findings in found for finding in findings)
    return Preflight(planned.candidate.version.npm, target, tuple(CHECKS), findings)


def _run(name: str, look: Callable[[_Subject], Found], subject: _Subject) -> list[Finding]:
    try:
        return [Finding(name, problem, fix) for problem, fix in look(subject)]
    except NoAnswer as failure:
        # One that did not answer when it was planned is told once, by the check for that.
        told = any(shelf.problem for shelf in subject.plan.shelves)
        return [] if told else [Finding(name, reason(failure), "when it answers again, run the same command again")]
    except (StageFailed, UserError) as failure:
        return [Finding(name, reason(failure), "put that right, then run the same command again")]


def _clean(subject: _Subject) -> Found:
    changes = process.run([*GIT, "status", "--porcelain"]).splitlines()
    if changes:
        yield f"{len(changes)} uncommitted changes, such as {changes[0][3:]}", "git commit, git stash or git clean"


def _whole(subject: _Subject) -> Found:
    if process.run([*GIT, "rev-parse", "--is-shallow-repository"]).strip() == "true":
        yield "the clone is shallow: its version and its last release cannot be told", "git fetch --unshallow --tags"


def _tagged(subject: _Subject) -> Found:
    if not subject.plan.candidate.is_tagged:
        yield f"there is no tag {subject.tag} here", f"git tag {subject.tag}"
        return
    head = process.run([*GIT, "rev-parse", "HEAD"]).strip()
    if head != subject.plan.candidate.commit:
        where = subject.plan.candidate.commit[:12]
        yield f"HEAD is {head[:12]}, the tag {subject.tag} is {where}", f"git checkout {subject.tag}"


def _on_release_branch(subject: _Subject) -> Found:
    branch = subject.settings.branch
    tip = subject.remote.branch(branch)
    if not tip:
        # A remote without the branch is a new one: the branch that is here counts.
        tip = _commit(f"refs/heads/{branch}") or _commit(f"refs/remotes/origin/{branch}")
    if not tip:
        yield f"there is no branch {branch}, neither here nor on {subject.remote.address}", f"git branch {branch}"
    elif not _commit(tip):
        yield f"{branch} of {subject.remote.address} is at {tip[:12]}, which is not here", "git fetch"
    elif not _succeeds("merge-base", "--is-ancestor", subject.plan.candidate.commit, tip):
        commit = subject.plan.candidate.commit[:12]
        yield (
            f"{commit} is not on {branch}, the branch that releases are made from",
            f"merge it into {branch} and push that, or release a commit of {branch}",
        )


def _tags_agree(subject: _Subject) -> Found:
    commit = subject.plan.candidate.commit
    ours, gos = subject.remote.tags(subject.plan.candidate.version)
    local = _commit(f"refs/tags/{gos}")
    if local and local != commit:
        yield f"the tags {ours} and {gos} here are on different commits", f"git tag --delete {gos}"
    remote = subject.remote.commits(subject.plan.candidate.version)
    for tag, there in remote.items():
        if subject.plan.candidate.is_tagged and there != commit:
            yield (
                f"{tag} is {there[:12]} on {subject.remote.address} and {commit[:12]} here",
                "a pushed tag is never moved: take the remote's (git fetch --tags --force), or release a new version",
            )
        if not subject.plan.candidate.is_tagged:
            yield f"{tag} is on {subject.remote.address} already, and not here", "git fetch --tags"
    # The release's own tag alone only says that it is wanted: publishing adds the other. The reverse is never right.
    if gos in remote and ours not in remote:
        yield (
            f"{gos} is on {subject.remote.address} without {ours}: Go has a release that the others have not",
            f"git push {subject.remote.address} {remote[gos]}:refs/tags/{ours}",
        )


def _version_rises(subject: _Subject) -> Found:
    version, past = subject.plan.candidate.version, subject.plan.candidate.past
    if past and version.semver <= past[-1].semver:
        yield (
            f"{version.npm} is not greater than {past[-1].npm}, which is released",
            "release a higher one; make plan proposes it",
        )


def _bump_suffices(subject: _Subject) -> Found:
    chosen = subject.plan.candidate
    if chosen.last and chosen.version.semver.finalize_version() < chosen.least.semver:
        bump = chosen.changes.bump.name.lower()
        broken = f", they break {', '.join(chosen.changes.breaks)}" if chosen.changes.breaks else ""
        yield (
            f"the contract changes since {chosen.last.npm} ask for a {bump} version{broken}",
            f"release {chosen.least.npm} or higher; make diff FROM={chosen.last.tag} shows the changes",
        )


def _generated(subject: _Subject) -> Found:
    change = generate.compare(generate.generate())
    if paths := (*change.written, *change.removed):
        yield f"{len(paths)} generated files are not what proto/ says, such as {paths[0]}", "make generate"


def _in_changelog(subject: _Subject) -> Found:
    version = subject.plan.candidate.version
    if not changelog.has_entry(version):
        yield f"CHANGELOG.md says nothing about {version.final.npm}", f"make changelog VERSION={version.npm}"


def _golden(subject: _Subject) -> Found:
    version = subject.plan.candidate.version
    if version == version.final and not golden.file_of(version).exists():
        yield (
            f"the bytes of {version.npm}'s messages were not kept",
            f"make golden VERSION={version.npm}, then commit it",
        )


def _answers(subject: _Subject) -> Found:
    for shelf in subject.plan.shelves:
        if shelf.problem:
            yield (
                f"{shelf.ecosystem} at {shelf.address}: {shelf.problem}",
                f"see its address under [targets.{subject.plan.target}] in release.toml, then try again",
            )


def _names_are_ours(subject: _Subject) -> Found:
    for shelf in subject.plan.shelves:
        if shelf.is_foreign:
            newest, sources = shelf.holdings.versions[-1], shelf.holdings.sources
            named = f"names {', '.join(sources)}" if sources else "names no source"
            yield (
                f"{shelf.package} on {shelf.ecosystem} belongs to another project: {newest} {named}, "
                f"not {subject.plan.repository}",
                f"choose a free name: {NAMES[shelf.ecosystem]} in release.toml; what programs import stays as it is",
            )


def _not_taken(subject: _Subject) -> Found:
    """A version that a registry has may be the rest of a release that was interrupted: its bytes decide."""
    taken = [
        shelf
        for shelf in subject.plan.shelves
        # Go's bytes are those of the commit, which the check of the tags compares.
        if shelf.has_version and shelf.ecosystem != go.ECOSYSTEM and not shelf.is_foreign
    ]
    if not taken:
        return
    chosen = subject.plan.candidate
    if not chosen.is_tagged:
        for shelf in taken:
            yield f"{shelf.package} {shelf.version} is on {shelf.ecosystem} already, and has no tag here", WAYS_OUT
        return
    with tempfile.TemporaryDirectory(prefix="cqc-preflight-") as scratch:
        built = _built(chosen.version.npm, chosen.commit, Path(scratch))
        for shelf in taken:
            (registry,) = (item for item in subject.registries.values() if item.ecosystem == shelf.ecosystem)
            expected = registry.expected(built.artifacts, chosen.version, chosen.commit)
            for item in publish.compare(expected, registry.read(chosen.version)):
                yield (
                    f"{item.file} is on {shelf.ecosystem} with other bytes: {item.served}, "
                    f"{chosen.commit[:12]} makes {item.built or 'no such file'}",
                    WAYS_OUT,
                )


def _built(version: str, commit: str, scratch: Path) -> Build:
    """The build of a commit: the one in dist/ where it is whole, or else one that leaves nothing behind."""
    try:
        found = build.load(workspace.DIST / version)
        if found.commit == commit:
            return found
    except UserError:
        pass
    source = build.clone_tag(scratch / "source", parse_release(version))
    return build.build(source, scratch / "dist")


def _credentials(subject: _Subject) -> Found:
    silent = {shelf.ecosystem for shelf in subject.plan.shelves if shelf.problem}
    for registry in subject.registries.values():
        if registry.ecosystem in silent:
            continue
        try:
            registry.authorise()
        except Refused as refused:
            yield f"{registry.ecosystem} at {registry.address}: {reason(refused)}", str(refused).splitlines()[-1]
        except NoAnswer as failure:
            yield (
                f"{registry.ecosystem} at {registry.address} did not answer: {reason(failure)}",
                "try again when it does",
            )


def _module_path(subject: _Subject) -> Found:
    if subject.plan.blocked:
        first, *steps = subject.plan.blocked.splitlines()
        yield first, "\n".join(step.strip() for step in steps)


def _addresses(subject: _Subject) -> Found:
    """npm's provenance fails late on an address that is not the repository's, and users look for the sources there."""
    settings = subject.settings
    manifest = f"{settings.package('typescript').folder}/package.json"
    declared = json.loads((workspace.ROOT / manifest).read_text()).get("repository", {})
    url, folder = (
        (declared.get("url", ""), declared.get("directory", "")) if isinstance(declared, dict) else (declared, "")
    )
    wanted = f"git+{settings.repository}.git"
    if not is_same_repository(url, settings.repository):
        yield f"repository.url of {manifest} is {url or 'missing'}, not the repository", f'write "{wanted}" there'
    if folder != settings.package("typescript").folder:
        yield (
            f"repository.directory of {manifest} is {folder or 'missing'}",
            f'write "{settings.package("typescript").folder}" there',
        )
    project = f"{settings.package('python').folder}/pyproject.toml"
    urls = tomllib.loads((workspace.ROOT / project).read_text())["project"].get("urls", {})
    if not urls:
        yield f"{project} has no [project.urls]", f'write Source = "{settings.repository}" there'
    for name, address in urls.items():
        if not is_same_repository(address, settings.repository):
            yield (
                f"{name} in {project} is {address}, not in the repository",
                f"write an address in {settings.repository}",
            )
    place = settings.repository.removeprefix("https://")
    inside = f"{place}/{settings.package('go').folder}"
    if settings.package("go").name != inside and not settings.package("go").name.startswith(f"{inside}/v"):
        yield (
            f"[go] module in release.toml is {settings.package('go').name}, not in the repository",
            f'write "{inside}" there',
        )
    pointer = (workspace.ROOT / "go.mod").read_text()
    if f"module {place}\n" not in pointer or settings.package("go").name not in pointer:
        yield (
            f"go.mod at the top does not lead from {place} to {settings.package('go').name}",
            f"write `module {place}` there, with `// Deprecated: use {settings.package('go').name} instead.` above",
        )


def _commit(revision: str) -> str:
    """The commit of a revision, empty when it is not here."""
    try:
        return process.run([*GIT, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"]).strip()
    except StageFailed:
        return ""


def _succeeds(*command: str) -> bool:
    try:
        process.run([*GIT, *command])
    except StageFailed:
        return False
    return True


CHECKS: Mapping[str, Callable[[_Subject], Found]] = {
    "nothing uncommitted": _clean,
    "whole history": _whole,
    "HEAD is the tag": _tagged,
    "release branch": _on_release_branch,
    "tags agree": _tags_agree,
    "version rises": _version_rises,
    "bump suffices": _bump_suffices,
    "generated code": _generated,
    "changelog": _in_changelog,
    "golden bytes": _golden,
    "registries answer": _answers,
    "names are ours": _names_are_ours,
    "version is free": _not_taken,
    "credentials": _credentials,
    "Go module path": _module_path,
    "addresses": _addresses,
}

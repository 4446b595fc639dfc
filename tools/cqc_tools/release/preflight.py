"""Every obstacle to a release, all reported together, each with the step that removes it."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cqc_tools.contracts import descriptors, golden_files
from cqc_tools.foundation import console, git, process, temporary, version, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import NoAnswer, ProgramFailed, Refused, StageFailed, ToolError, UserError
from cqc_tools.foundation.version import parse_release
from cqc_tools.generation import generate
from cqc_tools.packages import Source, build, identity, manifest, reading, sources
from cqc_tools.packages.manifest import Build
from cqc_tools.packages.targets import OpenTarget
from cqc_tools.release import candidate, changelog, github
from cqc_tools.release.plan import Plan, is_same_repository

# A job's environment by its name; one that is computed cannot be looked up.
ENVIRONMENT = re.compile(r"^ +environment: ([\w./-]+)$", re.MULTILINE)
NEW_VERSION = "a published version is never written again: release a new version on all registries"


@dataclass(frozen=True)
class Finding:
    """One obstacle, and the step that removes it."""

    check: str
    problem: str
    fix: str


@dataclass(frozen=True)
class Preflight:
    """The checks that were made, and what they found."""

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
                f"{self.version} can be released to target {self.target}: all {len(self.checks)} checks passed."
            )
            return
        console.table(
            ("check", "what is wrong", "what to do"),
            [(item.check, item.problem, item.fix) for item in self.findings],
        )

    @property
    def failure(self) -> StageFailed | None:
        """The findings as a failure, None if there are none."""
        if not self.findings:
            return None
        return StageFailed(
            f"{self.version} cannot be released to target {self.target} yet: "
            f"{len(self.findings)} findings in {len(self.checks)} checks",
            "follow the last column, then run the same command again",
        )


# A problem, and the step that removes it.
Found = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class _Subject:
    """What the checks look at."""

    plan: Plan
    target: OpenTarget
    settings: Configuration
    repository: git.Repository

    @property
    def tag(self) -> str:
        return self.plan.candidate.version.tag

    @property
    def source(self) -> Source:
        return Source(workspace.ROOT, self.plan.candidate.commit, self.plan.candidate.version, self.settings)


def preflight(plan: Plan, target: OpenTarget, settings: Configuration) -> Preflight:
    """Look for every obstacle to a planned release; nothing is written."""
    subject = _Subject(plan, target, settings, git.Repository())
    looking = [partial(_run, name, look, subject) for name, look in CHECKS.items()]
    findings = [finding for found in process.in_parallel(looking, 4) for finding in found.result()]
    return Preflight(plan.candidate.version.npm, target.name, tuple(CHECKS), tuple(findings))


def _run(name: str, look: Callable[[_Subject], Found], subject: _Subject) -> list[Finding]:
    try:
        return [Finding(name, problem, fix) for problem, fix in look(subject)]
    except NoAnswer as failure:
        # A registry that did not answer the plan is reported once, by the check for that.
        is_reported = any(prospect.problem for prospect in subject.plan.prospects)
        return [] if is_reported else [Finding(name, failure.problem, "run the same command again when it answers")]
    except ToolError as failure:
        return [Finding(name, failure.problem, failure.fix or "correct that, then run the same command again")]


def _clean(subject: _Subject) -> Found:
    changes = subject.repository.changes()
    if changes:
        yield f"{len(changes)} uncommitted changes, such as {changes[0]}", "git commit, git stash or git clean"


def _whole(subject: _Subject) -> Found:
    if subject.repository.is_shallow():
        yield "the clone is shallow: neither its version nor its last release is known", "git fetch --unshallow --tags"


def _tagged(subject: _Subject) -> Found:
    if not subject.plan.candidate.is_tagged:
        yield f"there is no tag {subject.tag} here", f"git tag {subject.tag}"
        return
    head = subject.repository.commit()
    if head != subject.plan.candidate.commit:
        where = subject.plan.candidate.commit[:12]
        yield f"HEAD is {(head or 'no commit')[:12]}, the tag {subject.tag} is {where}", f"git checkout {subject.tag}"


def _on_release_branch(subject: _Subject) -> Found:
    """The newest line is released from the branch of release.toml or from a branch of its own, an older line from its
    own."""
    chosen, remote, repository = subject.plan.candidate, subject.target.remote, subject.repository
    branches = candidate.branches(chosen, subject.settings)
    there = remote.branches(branches)
    tips = {}
    for branch in branches:
        # A remote without the branch is new: the local branch counts.
        tip = (
            there.get(branch)
            or repository.commit(f"refs/heads/{branch}")
            or repository.commit(f"refs/remotes/origin/{branch}")
        )
        if tip:
            tips[branch] = tip
    wanted = tuple(tips) or branches[:1]
    start = f" {chosen.last.tag}" if chosen.end and chosen.last else ""
    if not tips:
        yield (
            f"there is no branch {' or '.join(branches)}, neither here nor on {remote.address}",
            f"git branch {branches[0]}{start}",
        )
    elif not any(repository.commit(tip) and repository.is_ancestor(chosen.commit, tip) for tip in tips.values()):
        for branch, tip in tips.items():
            if not repository.commit(tip):
                yield f"{branch} of {remote.address} is at {tip[:12]}, which is not here", "git fetch"
                return
        yield (
            f"{chosen.commit[:12]} is not on {' or '.join(wanted)}, from which {chosen.version.npm} is released",
            f"merge it into {wanted[0]} and push that, or release a commit of {wanted[0]}",
        )
    if chosen.end and repository.is_ancestor(f"refs/tags/{chosen.end.tag}", chosen.commit):
        yield (
            f"{chosen.commit[:12]} contains {chosen.end.tag}, but {chosen.version.npm} is a release of the line before "
            "it",
            f"make the change on a branch of that line: git switch --create {branches[0]}{start}",
        )


def _tags_agree(subject: _Subject) -> Found:
    commit, address = subject.plan.candidate.commit, subject.target.remote.address
    ours, *others = version.release_tags(subject.plan.candidate.version, subject.settings)
    for tag in others:
        local = subject.repository.tag_commit(tag)
        if local and local != commit:
            yield f"the tags {ours} and {tag} here are on different commits", f"git tag --delete {tag}"
    remote = subject.target.remote.tag_commits((ours, *others))
    for tag, there in remote.items():
        if subject.plan.candidate.is_tagged and there != commit:
            yield (
                f"{tag} is {there[:12]} on {address} and {commit[:12]} here",
                "a pushed tag is never moved: take the remote's (git fetch --tags --force), or release a new version",
            )
        if not subject.plan.candidate.is_tagged:
            yield f"{tag} is already on {address}, but not here", "git fetch --tags"
    # The release's own tag alone means that it is about to be published, which adds the other. The reverse is wrong.
    for tag in others:
        if tag in remote and ours not in remote:
            yield (
                f"{tag} is on {address} without {ours}: Go has a release that the other registries lack",
                f"git push {address} {remote[tag]}:refs/tags/{ours}",
            )


def _version_rises(subject: _Subject) -> Found:
    version, past = subject.plan.candidate.version, subject.plan.candidate.past
    if past and version.semver <= past[-1].semver:
        yield (
            f"{version.npm} is not greater than {past[-1].npm}, which is released",
            "release a higher version; make plan proposes one",
        )


def _bump_suffices(subject: _Subject) -> Found:
    chosen = subject.plan.candidate
    if chosen.last and chosen.is_too_low:
        bump = chosen.changes.bump.name.lower()
        way_out = f"release {chosen.least.npm} or higher"
        if chosen.end and chosen.least.semver >= chosen.end.semver:
            way_out = f"{chosen.end.npm} ended this line: make the changes on {subject.settings.branch}"
        broken = f" because they break {', '.join(chosen.changes.breaks)}" if chosen.changes.breaks else ""
        yield (
            f"the contract changes since {chosen.last.npm} need a {bump} version{broken}",
            f"{way_out}; make diff FROM={chosen.last.tag} shows the changes",
        )


def _generated(subject: _Subject) -> Found:
    if paths := generate.drift(subject.settings).paths:
        yield f"{len(paths)} generated files differ from what proto/ generates, such as {paths[0]}", "make generate"


def _in_changelog(subject: _Subject) -> Found:
    version = subject.plan.candidate.version
    if not changelog.has_entry(version):
        yield f"CHANGELOG.md has no entry for {version.final.npm}", f"make changelog VERSION={version.npm}"


def _golden(subject: _Subject) -> Found:
    chosen = subject.plan.candidate.version
    if not subject.settings.cqc_code or chosen != chosen.final:
        return
    fix = f"make golden VERSION={chosen.npm}, then commit them"
    if not golden_files.file_of(chosen).exists():
        yield f"there are no golden bytes of {chosen.npm}'s messages", fix
        return
    contracts, _ = golden_files.read(chosen)
    if contracts != golden_files.fingerprint(descriptors.generated(subject.settings)):
        yield f"the contracts changed since the golden bytes of {chosen.npm} were written", fix


def _answers(subject: _Subject) -> Found:
    for prospect in subject.plan.prospects:
        if prospect.problem:
            yield (
                f"{prospect.label} at {prospect.address}: {prospect.problem}",
                f"check its address under [targets.{subject.plan.target}] in release.toml, then try again",
            )


def _names_are_ours(subject: _Subject) -> Found:
    for prospect in subject.plan.prospects:
        if prospect.is_foreign:
            newest, sources = prospect.holdings.versions[-1], prospect.holdings.sources
            named = f"names {', '.join(sources)}" if sources else "names no source"
            yield (
                f"{prospect.package} on {prospect.label} belongs to another project: {newest} {named}, "
                f"not {subject.plan.repository}",
                f"choose a free name under [packages.{prospect.key}] in release.toml; "
                "what programs import keeps its name",
            )


def _not_taken(subject: _Subject) -> Found:
    """A version that a registry already has may be part of an interrupted release: its bytes decide."""
    prospects = {prospect.key: prospect for prospect in subject.plan.prospects}
    # Go's bytes are those of the commit, which the check of the tags compares.
    taken = [
        registry
        for registry in subject.target.registries
        if prospects[registry.key].has_version and registry.key != "go" and not prospects[registry.key].is_foreign
    ]
    if not taken:
        return
    chosen = subject.plan.candidate
    if not chosen.is_tagged:
        for registry in taken:
            what = f"{registry.package} {registry.spell(chosen.version)}"
            yield f"{what} is already on {registry.label}, and has no tag here", NEW_VERSION
        return
    with temporary.folder("preflight") as scratch:
        built = _built(chosen.version.npm, chosen.commit, scratch)
        for registry in taken:
            expected = registry.expected(built.artifacts, chosen.version, chosen.commit)
            for item in reading.differences(registry, expected, registry.read(chosen.version)):
                yield (
                    f"{item.file} is on {registry.label} with other bytes: {item.served}, "
                    f"{chosen.commit[:12]} builds {item.built or 'no such file'}",
                    NEW_VERSION,
                )


def _built(number: str, commit: str, scratch: Path) -> Build:
    """The build of a commit: the one in dist/ if it is complete, or else one that leaves nothing behind."""
    try:
        found = manifest.load(workspace.DIST / number)
        if found.commit == commit:
            return found
    except UserError:
        pass
    return build.build(sources.of_tag(scratch / "source", parse_release(number)), scratch / "dist")


def _credentials(subject: _Subject) -> Found:
    silent = {prospect.key for prospect in subject.plan.prospects if prospect.problem}
    for registry in subject.target.registries:
        if registry.key in silent:
            continue
        if identity.is_elsewhere(registry.upload_address):
            console.note(f"credentials for {registry.label} are checked by the job that publishes, before it writes")
            continue
        try:
            registry.authorise(subject.source)
        except Refused as refused:
            yield f"{reading.where(registry)}: {refused.problem}", refused.fix
        except NoAnswer as failure:
            yield f"{reading.where(registry)} did not answer: {failure.problem}", "try again when it does"


def _environments(subject: _Subject) -> Found:
    """Whoever can push a tag can publish, unless the environments of the workflows have reviewers."""
    files = (workspace.ROOT / workspace.WORKFLOWS).glob("*.yml")
    names = sorted({name for file in files for name in ENVIRONMENT.findall(file.read_text())})
    if not names or not is_same_repository(subject.target.remote.address, subject.plan.repository):
        return
    if not github.is_ready(subject.settings):
        console.note("gh is not logged in: whether the environments of the workflows have reviewers is not known")
        return
    page = f"{subject.plan.repository}/settings/environments"
    for name in names:
        try:
            reviewers = github.reviewers(name, subject.settings)
        except LookupError:
            yield f"GitHub shows no environment {name}, in which a workflow publishes", f"create it: {page}"
        except ProgramFailed as failure:
            console.note(f"the reviewers of the environment {name} cannot be read: {failure.reason}")
        else:
            if not reviewers:
                yield f"the environment {name} has no required reviewers: every tag is published", f"add some: {page}"


def _module_path(subject: _Subject) -> Found:
    if subject.plan.blocked:
        first, *steps = subject.plan.blocked.splitlines()
        yield first, "\n".join(step.strip() for step in steps)


def _addresses(subject: _Subject) -> Found:
    """npm's provenance fails late on an address that is not the repository's, and users look for the sources there."""
    settings = subject.settings
    npm, python, go = (settings.package(key) for key in ("typescript", "python", "go"))
    manifest_file = f"{npm.folder}/package.json"
    declared = json.loads((workspace.ROOT / manifest_file).read_text()).get("repository", {})
    url, folder = (
        (declared.get("url", ""), declared.get("directory", "")) if isinstance(declared, dict) else (declared, "")
    )
    wanted = f"git+{settings.repository}.git"
    if not is_same_repository(url, settings.repository):
        yield f"repository.url of {manifest_file} is {url or 'missing'}, not the repository", f'write "{wanted}" there'
    if folder != npm.folder:
        yield f"repository.directory of {manifest_file} is {folder or 'missing'}", f'write "{npm.folder}" there'
    project = f"{python.folder}/pyproject.toml"
    urls = tomllib.loads((workspace.ROOT / project).read_text())["project"].get("urls", {})
    if not urls:
        yield f"{project} has no [project.urls]", f'write Source = "{settings.repository}" there'
    for name, address in urls.items():
        if not is_same_repository(address, settings.repository):
            yield (
                f"{name} in {project} is {address}, which is not in the repository",
                f"write an address in {settings.repository}",
            )
    place = settings.repository.removeprefix("https://")
    inside = f"{place}/{go.folder}"
    if go.name != inside and not go.name.startswith(f"{inside}/v"):
        yield (
            f"packages.go.name in release.toml is {go.name}, which is not in the repository",
            f'write "{inside}" there',
        )
    pointer = (workspace.ROOT / "go.mod").read_text()
    if f"module {place}\n" not in pointer or go.name not in pointer:
        yield (
            f"go.mod at the top does not point from {place} to {go.name}",
            f"write `module {place}` there, with `// Deprecated: use {go.name} instead.` above it",
        )


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
    "reviewers": _environments,
    "Go module path": _module_path,
    "addresses": _addresses,
}

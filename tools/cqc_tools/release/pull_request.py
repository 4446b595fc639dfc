"""The pull request that prepares a release: a branch with the changelog, the golden bytes and everything else that
preflight requires. What is left to do is to merge it and to tag."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from cqc_tools.contracts import descriptors, golden_files
from cqc_tools.foundation import configuration, console, git, process, temporary, version, workspace
from cqc_tools.foundation.configuration import Configuration, Patience
from cqc_tools.foundation.errors import ProgramFailed, StageFailed, UserError
from cqc_tools.foundation.version import Version, parse_release
from cqc_tools.generation import module_path
from cqc_tools.packages import sources
from cqc_tools.packages.git_remote import GitRemote
from cqc_tools.release import candidate, changelog, github

# There is one branch for each release branch, which every run writes anew.
PREFIX = "release-pr/"
TITLE = "Release "
# By this line in its message the tool knows a commit of its own, which it may replace.
OWN = "Written by make release-pr, which replaces this commit."
# Folders of the cache that a clone needs for itself.
OF_CHECKOUT = ("peers", "python-runtimes", "foreign-toolchains", "rehearsal")
# GitHub takes 65,536 characters.
LONGEST_TEXT = 60_000


@dataclass(frozen=True)
class Prepared:
    """A release that is prepared on `branch`, to be merged into `base`.

    `commit` is empty if nothing was left to prepare, `pull_request` if there is none. `steps` are the next commands.
    """

    version: str
    base: str
    branch: str
    commit: str
    pull_request: str
    steps: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return {
            "version": self.version,
            "base": self.base,
            "branch": self.branch,
            "commit": self.commit or None,
            "pull_request": self.pull_request or None,
            "steps": list(self.steps),
        }

    def show(self) -> None:
        """Print the result for a person."""
        out = console.output
        if not self.commit:
            out.print(f"{self.base} has everything that {self.version} needs. Next:", markup=False)
        elif self.pull_request:
            out.print(f"{self.version} is prepared in {self.pull_request}. Merge it, then:", markup=False)
        else:
            out.print(f"{self.version} is prepared on the branch {self.branch}. Next:", markup=False)
        for step in self.steps:
            out.print(f"  {step}", markup=False)


def prepare(release: str, target: str, settings: Configuration) -> Prepared:
    """Prepare a release, or the next one if none is named, on a branch of its own. The working tree is not touched.

    Where gh is logged in, the branch is pushed and its pull request opened or updated, with the plan for `target` as
    its text. Raises UserError if there are uncommitted changes, if no release branch is checked out, or if the version
    cannot be released from it; StageFailed if a person's commits are on the branch.
    """
    version.require_commits()
    if release:
        parse_release(release)
    repository = git.Repository()
    base = _base(repository, settings)
    head = repository.run("rev-parse", "HEAD").strip()
    branch = PREFIX + base
    hub = _Hub(settings, base, branch) if github.is_ready(settings) else None
    chosen = _chosen(release, base, hub, settings)
    remote = _remote(repository, base)
    with temporary.folder("release-pr") as scratch, console.step(f"prepare {chosen.tag}"):
        clone = _checkout(scratch / "source", base, settings)
        written = _write(chosen, clone)
        if not written:
            return Prepared(chosen.npm, base, branch, "", "", _to_tag(chosen, base, remote, target))
        text = _text(chosen, base, remote, target, clone) if hub else ""
        repository.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(clone.folder), "HEAD")
    commit = _commit(repository, chosen, head, repository.tree(written, "") or "", branch, remote)
    repository.run("branch", "--quiet", "--force", "--no-track", branch, commit)
    if not hub:
        return Prepared(chosen.npm, base, branch, commit, "", _by_hand(chosen, base, branch, remote, target, settings))
    with console.step(f"push {branch}"):
        _push(repository, commit, branch, remote)
    with console.step("open the pull request"):
        address = hub.open(f"{TITLE}{chosen.npm}", text)
    return Prepared(chosen.npm, base, branch, commit, address, _to_tag(chosen, base, remote, target))


def _base(repository: git.Repository, settings: Configuration) -> str:
    """The release branch that is checked out, without changes."""
    if changes := repository.changes():
        raise UserError(
            f"{len(changes)} uncommitted changes, such as {changes[0]}, would not be part of the release",
            "git commit or git stash them",
        )
    base = repository.branch()
    if base != settings.branch and settings.line_of(base) is None:
        raise UserError(
            f"{base or 'a commit without a branch'} is checked out, from which nothing is released",
            f"git switch {settings.branch}, or the branch of an older line such as {settings.line_branch('0.1')}",
        )
    return base


def _chosen(release: str, base: str, hub: "_Hub | None", settings: Configuration) -> Version:
    """The release to prepare: the named one, or else the next one, unless a person chose a higher one before: by a
    section of the changelog that is not tagged yet, or by the title of the open pull request."""
    past, end = version.released(), version.end_of_checkout()
    if release:
        chosen = parse_release(release)
    else:
        here = git.Repository().tags(points_at="HEAD")
        if done := version.last_final([item for item in past if item.tag in here]):
            raise UserError(f"{base} is {done.tag}: there is nothing to release", "name a version with VERSION=x.y.z")
        proposed = [candidate.upcoming(), *changelog.pending(past), *(hub.titled() if hub else [])]
        chosen = max(version.before(end, proposed), key=lambda item: item.semver)
    if chosen in past:
        raise UserError(f"{chosen.tag} is already released", "choose another version: make release-pr VERSION=x.y.z")
    if end and chosen.final.semver >= end.semver:
        raise UserError(
            f"{chosen.npm} cannot be released from {base}, whose line {end.npm} ended", f"git switch {settings.branch}"
        )
    if not end and (newer := version.end_of(chosen.line, past)):
        lines = settings.line_branch("{}.{}".format(*chosen.line)), settings.line_branch(str(chosen.semver.major))
        raise UserError(
            f"{chosen.npm} cannot be released from {base}, which has {newer.npm}", f"git switch {' or '.join(lines)}"
        )
    return chosen


def _remote(repository: git.Repository, base: str) -> str:
    """The remote that a branch is pulled from."""
    try:
        return repository.run("config", f"branch.{base}.remote").strip() or "origin"
    except ProgramFailed:
        return "origin"


def _checkout(folder: Path, base: str, settings: Configuration) -> git.Repository:
    """A clone of what is checked out, on the same branch, in which the tool runs with this checkout's toolchain."""
    sources.clone(folder)
    clone = git.Repository(folder)
    clone.run("switch", "--quiet", "--force-create", base)
    linked = [workspace.VENV, workspace.NODE_TOOLS / "node_modules"]
    # What is made from a checkout's own sources names its folder.
    linked += [path for path in workspace.CACHE.iterdir() if path.is_dir() and path.name not in OF_CHECKOUT]
    if "typescript" in settings.packages:
        linked.append(settings.folder("typescript") / "node_modules")
    names = [path.relative_to(workspace.ROOT) for path in linked if path.exists()]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(workspace.ROOT / name)
    # The patterns in .gitignore match folders, not links.
    (folder / ".git" / "info" / "exclude").write_text("".join(f"/{name}\n" for name in (*names, workspace.CACHE.name)))
    return clone


def _write(chosen: Version, clone: git.Repository) -> str:
    """Write what the release needs and commit it; returns the commit, or nothing if all of it is there."""
    settings = configuration.load(clone.folder / configuration.FILE)
    if module_path.steps_to(chosen, settings, clone.folder):
        _name_module(clone.folder / configuration.FILE, module_path.needed(chosen, settings))
        _cqc(clone, "module-path")
        settings = configuration.load(clone.folder / configuration.FILE)
    _cqc(clone, "generate")
    _cqc(clone, "changelog", "--release", chosen.npm)
    contracts = golden_files.fingerprint(descriptors.generated(settings, clone.folder))
    if settings.cqc_code and chosen == chosen.final and not golden_files.is_current(chosen, contracts, clone.folder):
        _cqc(clone, "golden", chosen.npm)
    if not clone.changes():
        return ""
    clone.run("add", "--all")
    clone.run("commit", "--quiet", "--message", TITLE + chosen.npm, env=sources.nobody())
    return clone.run("rev-parse", "HEAD").strip()


def _name_module(file: Path, path: str) -> None:
    content = tomlkit.parse(file.read_text())
    content["packages"]["go"]["name"] = path
    file.write_text(tomlkit.dumps(content))


def _cqc(clone: git.Repository, *words: str) -> str:
    """Run a command of the clone's own tool."""
    environment = workspace.tool_environment(PYTHONPATH=str(clone.folder / "tools"))
    command = [sys.executable, "-m", "cqc_tools", *words]
    return process.run(command, cwd=clone.folder, env=environment, what=f"{words[0]} in a clone")


def _text(chosen: Version, base: str, remote: str, target: str, clone: git.Repository) -> str:
    """The text of the pull request."""
    steps = "\n".join(_to_tag(chosen, base, remote, target))
    plan = _cqc(clone, "plan", "--release", chosen.npm, "--target", target)
    if len(plan) > LONGEST_TEXT:
        plan = f"{plan[:LONGEST_TEXT]}\n\n... make plan VERSION={chosen.npm} prints the rest.\n"
    return (
        f"Everything that {chosen.npm} needs. This branch is written anew whenever {base} moves: write notes for users "
        f"under *Unreleased* in CHANGELOG.md of {base}, not here.\n\nOnce it is merged:\n\n"
        f"```sh\n{steps}\n```\n\n{plan}"
    )


def _commit(repository: git.Repository, chosen: Version, head: str, tree: str, branch: str, remote: str) -> str:
    """The prepared tree as one commit on top of HEAD; the same one as before if nothing has changed."""
    for known in (f"refs/remotes/{remote}/{branch}", f"refs/heads/{branch}"):
        commit = repository.commit(known)
        if commit and (repository.commit(f"{commit}^"), repository.tree(commit, "")) == (head, tree):
            return commit
    # The user's own identity; no hook runs.
    message = ("-m", TITLE + chosen.npm, "-m", OWN)
    return repository.run("commit-tree", tree, "-p", head, *message).strip()


def _push(repository: git.Repository, commit: str, branch: str, remote: str) -> None:
    """Push the branch in place of what an earlier run pushed, and of nothing else."""
    there = GitRemote(remote, Patience())
    old = there.branches([branch]).get(branch, "")
    if old == commit:
        return
    if old:
        there.run("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", remote, f"refs/heads/{branch}")
        if OWN not in repository.run("log", "-1", "--format=%B", old):
            raise StageFailed(
                f"{branch} on {remote} has commits that this tool did not write, such as {old[:12]}",
                f"merge them elsewhere, or give them up: git push {remote} --delete {branch}",
            )
    lease = f"--force-with-lease=refs/heads/{branch}:{old}"
    there.run("push", "--quiet", lease, remote, f"{commit}:refs/heads/{branch}")


def _to_tag(chosen: Version, base: str, remote: str, target: str) -> tuple[str, ...]:
    return (
        f"git switch {base} && git pull {remote} {base}",
        f"git tag {chosen.tag}",
        f"make preflight VERSION={chosen.npm} TARGET={target}",
        f"git push {remote} {chosen.tag}",
    )


def _by_hand(
    chosen: Version, base: str, branch: str, remote: str, target: str, settings: Configuration
) -> tuple[str, ...]:
    """What to do where no pull request can be opened from here."""
    return (
        f"git push --force-with-lease {remote} {branch}",
        f"open {settings.repository}/compare/{base}...{branch}?expand=1, and merge it",
        *_to_tag(chosen, base, remote, target),
    )


class _Hub:
    """The pull request from one branch to another on GitHub."""

    def __init__(self, settings: Configuration, base: str, branch: str) -> None:
        self.repository = github.name(settings)
        self.address = f"{settings.repository}/compare/{base}...{branch}?expand=1"
        self.ends = ("--base", base, "--head", branch)

    def titled(self) -> list[Version]:
        """The version in the title of the open pull request, if there is one."""
        found = []
        for item in self._listed():
            try:
                found.append(parse_release(str(item["title"]).removeprefix(TITLE)))
            except UserError:
                continue
        past = version.released()
        return [item for item in found if item not in past]

    def open(self, title: str, text: str) -> str:
        """Open the pull request, or update the one that is open; returns its address."""
        with temporary.folder("pull-request") as scratch:
            body = scratch / "body.md"
            body.write_text(text)
            content = ("--title", title, "--body-file", body)
            if listed := self._listed():
                self._gh("edit", str(listed[0]["number"]), *content)
                return str(listed[0]["url"])
            try:
                return self._gh("create", *self.ends, *content).strip()
            except ProgramFailed as failure:
                raise StageFailed(
                    f"the branch is pushed, but its pull request was not opened: {failure.reason}",
                    "a workflow needs Settings, Actions, General: Allow GitHub Actions to create and approve pull "
                    f"requests. By hand: {self.address}",
                    str(failure),
                ) from failure

    def _listed(self) -> list[dict[str, object]]:
        fields = "number,title,url,isCrossRepository"
        listed = json.loads(self._gh("list", *self.ends, "--state", "open", "--json", fields))
        # A fork may have a branch of the same name: it must not choose our version.
        return [item for item in listed if not item["isCrossRepository"]]

    def _gh(self, verb: str, *words: str | Path) -> str:
        return github.run("pr", verb, *words, "--repo", self.repository)

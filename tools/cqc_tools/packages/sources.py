"""Clean clones of what is to be built: a tag, or what is checked out together with its uncommitted changes."""

import shutil
from collections.abc import Callable
from pathlib import Path

from cqc_tools.foundation import configuration, console, git, version, workspace
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.foundation.version import Version
from cqc_tools.generation import module_path
from cqc_tools.packages import Source


def of_tag(folder: Path, released: Version) -> Source:
    """Clone a released version, whatever is checked out.

    Raises UserError if it has no tag here or the Go module has the path of another major version, and StageFailed if
    hatch-vcs computes another version than the tag's.
    """
    version.require_commits()
    commit = git.Repository().tag_commit(released.tag)
    if commit is None:
        raise UserError(
            f"there is no tag {released.tag} here",
            "fetch it with git fetch --tags, or list the tags with git tag --list 'v*'",
        )
    clone = _clone_at(folder, commit)
    # The commit may carry another release's tag too, such as that of its release candidate.
    clone.delete_tags([tag for tag in clone.tags("v*", points_at=commit) if tag != released.tag])
    return _required(released, Source(folder, commit, released, configuration.load(folder / configuration.FILE)))


def of_checkout(folder: Path) -> Source:
    """Clone what is checked out: at a tag the release, otherwise a development version. See `clone`."""
    commit = clone(folder)
    settings = configuration.load(folder / configuration.FILE)
    return Source(folder, commit, version.of_checkout(folder), settings)


def tagged(folder: Path, chosen: Version) -> Source:
    """Clone what is checked out and give the clone both tags of a release.

    Raises UserError if the Go module has the path of another major version, and StageFailed if hatch-vcs then computes
    another version.
    """
    commit = clone(folder)
    settings = configuration.load(folder / configuration.FILE)
    repository = git.Repository(folder)
    # If HEAD is already a release, the clone must know it by one version only.
    repository.delete_tags(repository.tags(points_at=commit))
    for tag in version.release_tags(chosen, settings):
        repository.tag(tag, commit)
    return _required(chosen, Source(folder, commit, chosen, settings))


def altered(source: Source, folder: Path, chosen: Version, alter: Callable[[Source], None]) -> Source:
    """Clone a source, let `alter` change the files of the clone, and give the result both tags of another release."""
    cloned = _clone_at(folder, source.commit, source.folder)
    cloned.delete_tags(cloned.tags(points_at=source.commit))
    made = Source(folder, source.commit, chosen, source.configuration)
    alter(made)
    commit = _commit(cloned, f"What {chosen.tag} would have been")
    for tag in version.release_tags(chosen, source.configuration):
        cloned.tag(tag, commit)
    return _required(chosen, Source(folder, commit, chosen, source.configuration))


def clone(folder: Path) -> str:
    """Clone what is checked out, with its tags, into `folder`; returns the commit to build.

    If the working tree differs from HEAD, the clone gets one more commit with the differences, and a note says so: a
    build of it is a development version, even at a tag. Raises UserError if there is no commit yet.
    """
    version.require_commits()
    checkout = git.Repository()
    commit = checkout.run("rev-parse", "HEAD").strip()
    cloned = _clone_at(folder, commit)
    changes = checkout.changes()
    if not changes:
        return commit
    console.note(f"{len(changes)} uncommitted changes are included, such as {changes[0]}")
    return _commit_working_tree(checkout, cloned)


def _required(wanted: Version, source: Source) -> Source:
    if steps := module_path.steps_to(wanted, source.configuration, source.folder):
        problem, _, fix = steps.partition("\n")
        raise UserError(problem, fix)
    computed = version.of_checkout(source.folder)
    if computed != wanted:
        raise StageFailed(
            f"the tag says {wanted.pypi}, but hatch-vcs computes {computed.pypi}",
            f"check the tags of that commit: git tag --points-at {source.commit[:12]}",
        )
    return source


def _clone_at(folder: Path, commit: str, origin: Path = workspace.ROOT) -> git.Repository:
    cloned = git.clone(origin, folder, "--no-hardlinks", "--no-checkout")
    # Line endings and modes are the repository's, whatever the user's own settings are.
    for setting in ("core.autocrlf=false", "core.fileMode=true", "commit.gpgSign=false", "core.hooksPath=/dev/null"):
        cloned.run("config", *setting.split("="))
    cloned.run("checkout", "--quiet", "--detach", commit)
    return cloned


def _commit_working_tree(checkout: git.Repository, cloned: git.Repository) -> str:
    """Bring a clone to the state of the working tree, as a commit dated like the one before it."""
    for name in cloned.files():
        (cloned.folder / name).unlink()
    for name in checkout.files(untracked=True):
        path = checkout.folder / name
        if path.is_symlink() or path.is_file():
            (cloned.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, cloned.folder / name, follow_symlinks=False)
    return _commit(cloned, "Uncommitted changes")


def _commit(cloned: git.Repository, message: str) -> str:
    """Commit everything in a clone, dated like the commit before it."""
    date = cloned.run("log", "-1", "--format=%cI").strip()
    cloned.run("add", "--all")
    cloned.run("commit", "--quiet", "--message", message, env=nobody(DATE=date))
    return cloned.run("rev-parse", "HEAD").strip()


def nobody(**more: str) -> dict[str, str]:
    """An environment in which git commits for nobody, so that none of the user's settings is needed."""
    values = {"NAME": "uncommitted", "EMAIL": "uncommitted@localhost", **more}
    identity = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in values.items()}
    return workspace.tool_environment(**identity)

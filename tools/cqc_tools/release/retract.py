"""After a mistake: what each registry lets one do about a release that must not be used any more."""

import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cqc_tools.foundation import configuration, console, process, version, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.foundation.version import Version
from cqc_tools.generation import module_path
from cqc_tools.packages import Registry, targets
from cqc_tools.release import changelog


@dataclass(frozen=True)
class Step:
    """What to do in one place, in words, and the command that does it where there is one."""

    where: str
    what: str
    command: str = ""


@dataclass(frozen=True)
class Retraction:
    """All that can be done about a release. `applied` names the files that were written."""

    release: Version
    reason: str
    target: str
    steps: tuple[Step, ...]
    applied: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The steps for a program."""
        return {
            "version": self.release.npm,
            "reason": self.reason,
            "target": self.target,
            "steps": [{"where": step.where, "what": step.what, "command": step.command or None} for step in self.steps],
            "applied": list(self.applied),
        }

    def show(self) -> None:
        """Print the steps for a person."""
        out = console.output
        out.print(
            f"To withdraw {self.release.npm} ({self.reason}); nothing that is published disappears:\n", markup=False
        )
        for number, step in enumerate(self.steps, 1):
            out.print(f"{number}. {step.where}: {step.what}", markup=False)
            if step.command:
                out.print(f"     {step.command}", markup=False)
        if self.applied:
            out.print(f"\nwrote {' and '.join(self.applied)}: commit them and release the next version", markup=False)


def retract(release: str, reason: str, target: str, apply: bool) -> Retraction:
    """What to do about a release in every registry of a target; with `apply`, the files of the next release that tell
    of it (the module's go.mod and CHANGELOG.md) are written as well. No registry is.

    Raises UserError for a version that was never released, or a reason that is none.
    """
    settings = configuration.load()
    chosen = version.parse_release(release)
    if not reason.strip() or not reason.isprintable():
        raise UserError(
            f"{reason!r} tells users nothing: give one line, such as "
            f"make retract VERSION={chosen.npm} REASON='orders of zero quantity pass validation'"
        )
    with targets.opened(target, settings) as registries:
        held = {
            language: registry.spell(chosen) in registry.holdings().versions
            for language, registry in registries.items()
        }
        tags = version.released()
        if chosen not in tags and not any(held.values()):
            known = f"the releases are {', '.join(item.npm for item in tags)}" if tags else "there is no release yet"
            raise UserError(f"{chosen.npm} was never released, here or in target {target}: {known}")
        steps = [_step(registry, chosen, reason, held[language]) for language, registry in registries.items()]
    steps.append(_files(chosen, reason, settings))
    applied = _apply(chosen, reason, settings) if apply else ()
    return Retraction(chosen, reason, target, tuple(steps), applied)


def _step(registry: Registry, chosen: Version, reason: str, is_held: bool) -> Step:
    where = f"{registry.ecosystem} at {registry.address}"
    if not is_held:
        return Step(where, f"it has no {registry.package} {registry.spell(chosen)}, there is nothing to do")
    what, command = registry.withdrawal(chosen, reason)
    return Step(where, what, command)


def _files(chosen: Version, reason: str, settings: Configuration) -> Step:
    if not _is_of_module(chosen, settings):
        return Step(
            "this repository",
            f"go.mod is of {module_path.declared(settings)}, which {chosen.go} is no version of: write the retraction "
            "on a branch with the path of then, and release its next version from there",
        )
    command = f"make retract VERSION={chosen.npm} REASON=... APPLY=1"
    return Step(
        "this repository",
        f"write `retract {chosen.go}` into {settings.package('go').folder}/go.mod "
        f"and {changelog.YANKED} into CHANGELOG.md, "
        "commit, and release the next version: go reads retractions from the highest one",
        command,
    )


def _apply(chosen: Version, reason: str, settings: Configuration) -> tuple[str, ...]:
    if not _is_of_module(chosen, settings):
        raise UserError(
            f"{settings.package('go').name} has no version {chosen.go} to retract: go.mod names another major version"
        )
    applied = []
    manifest = workspace.ROOT / settings.package("go").folder / "go.mod"
    with tempfile.TemporaryDirectory(prefix="cqc-retract-", dir=workspace.CACHE) as scratch:
        part = Path(scratch, "go.mod")
        shutil.copy(manifest, part)
        if chosen.go not in _retracted(part):
            process.run(["go", "mod", "edit", f"-retract={chosen.go}", part], what="go mod edit")
            # go shows users the comment beside a retraction as its reason.
            line = re.compile(rf"^(retract |\t){re.escape(chosen.go)}$", re.MULTILINE)
            part.write_text(line.sub(lambda found: f"{found.group()} // {reason}", part.read_text()))
            if _retracted(part).get(chosen.go) != reason:
                raise StageFailed(f"go.mod would not say {reason!r} of {chosen.go}: write it there by hand")
            part.replace(manifest)
            applied.append(str(manifest.relative_to(workspace.ROOT)))
    text = changelog.FILE.read_text() if changelog.FILE.exists() else ""
    try:
        marked = changelog.with_yanked(text, chosen)
    except LookupError:
        marked = text
    if marked != text:
        part = changelog.FILE.with_suffix(".part")
        part.write_text(marked)
        part.replace(changelog.FILE)
        applied.append(changelog.FILE.name)
    return tuple(applied)


def _retracted(manifest: Path) -> dict[str, str]:
    """The versions that a go.mod retracts, and why."""
    printed = process.run(["go", "mod", "edit", "-json", manifest], what="read the module's go.mod")
    return {item["Low"]: item.get("Rationale", "") for item in json.loads(printed).get("Retract") or []}


def _is_of_module(chosen: Version, settings: Configuration) -> bool:
    return not module_path.steps_to(chosen, settings)

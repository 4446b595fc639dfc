"""After a mistake: what each registry allows for a release that must not be used any more."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cqc_tools.foundation import console, files, process, temporary, version, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.foundation.version import Version
from cqc_tools.generation import module_path
from cqc_tools.packages import Registry, reading
from cqc_tools.packages.targets import OpenTarget
from cqc_tools.release import changelog


@dataclass(frozen=True)
class Step:
    """What to do in one place, in words, and the command that does it if there is one."""

    where: str
    what: str
    command: str = ""


@dataclass(frozen=True)
class Retraction:
    """Everything that can be done about a release. `applied` names the files that were written."""

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
            f"To withdraw {self.release.npm} ({self.reason}). Nothing that is published disappears:\n", markup=False
        )
        for number, step in enumerate(self.steps, 1):
            out.print(f"{number}. {step.where}: {step.what}", markup=False)
            if step.command:
                out.print(f"     {step.command}", markup=False)
        if self.applied:
            out.print(f"\nwrote {' and '.join(self.applied)}: commit them and release the next version", markup=False)


def require_reason(chosen: Version, reason: str) -> None:
    """Raise UserError unless the reason is one printable line."""
    if not reason.strip() or not reason.isprintable():
        raise UserError(
            f"{reason!r} is not a reason that helps users",
            f"give one line: make retract VERSION={chosen.npm} REASON='orders of zero quantity pass validation'",
        )


def retract(chosen: Version, reason: str, target: OpenTarget, settings: Configuration, *, apply: bool) -> Retraction:
    """What to do about a release in every registry of a target. With `apply`, the files that announce the retraction in
    the next release, the module's go.mod and CHANGELOG.md, are written. No registry is.

    Raises UserError if the version was never released, or the reason is not one printable line.
    """
    require_reason(chosen, reason)
    held = {registry.key: registry.spell(chosen) in registry.holdings().versions for registry in target.registries}
    tags = version.released()
    if chosen not in tags and not any(held.values()):
        known = f"the releases are {', '.join(item.npm for item in tags)}" if tags else "there is no release yet"
        raise UserError(f"{chosen.npm} was never released, neither here nor to target {target.name}", known)
    steps = [_step(registry, chosen, reason, held[registry.key]) for registry in target.registries]
    steps.append(_files(chosen, settings))
    applied = _apply(chosen, reason, settings) if apply else ()
    return Retraction(chosen, reason, target.name, tuple(steps), applied)


def _step(registry: Registry, chosen: Version, reason: str, is_held: bool) -> Step:
    where = reading.where(registry)
    if not is_held:
        return Step(where, f"nothing to do, it does not have {registry.package} {registry.spell(chosen)}")
    what, command = registry.withdrawal(chosen, reason)
    return Step(where, what, command)


def _elsewhere(chosen: Version, settings: Configuration) -> tuple[str, str] | None:
    """Why a version cannot be retracted in what is checked out, and what to do instead; None if it can."""
    declared = module_path.declared(settings)
    if declared != module_path.needed(chosen, settings):
        return (
            f"go.mod is module {declared}, so {chosen.go} cannot be retracted here",
            "Add the retraction on the branch for that major version, and release that branch's next version",
        )
    end = version.end_of_checkout()
    if end and module_path.needed(end, settings) == declared:
        return (
            f"go reads retractions from the highest version of {declared}, and {end.go} ended the line that is checked "
            "out",
            "Add the retraction on the branch of the highest version, and release that branch's next version",
        )
    return None


def _files(chosen: Version, settings: Configuration) -> Step:
    if reason := _elsewhere(chosen, settings):
        return Step("this repository", ". ".join(reason))
    return Step(
        "this repository",
        f"write `retract {chosen.go}` into {settings.package('go').folder}/go.mod, and {changelog.YANKED} with the "
        "reason into CHANGELOG.md, commit, and release the next version: go reads retractions from the highest one",
        f"make retract VERSION={chosen.npm} REASON=... APPLY=1",
    )


def _apply(chosen: Version, reason: str, settings: Configuration) -> tuple[str, ...]:
    if refusal := _elsewhere(chosen, settings):
        raise UserError(*refusal)
    applied = []
    go_mod = settings.folder("go") / "go.mod"
    with temporary.folder("retract") as scratch:
        edited = scratch / "go.mod"
        shutil.copy(go_mod, edited)
        if chosen.go not in _retracted(edited):
            process.run(["go", "mod", "edit", f"-retract={chosen.go}", edited], what="go mod edit")
            # go shows users the comment beside a retraction as its reason.
            line = re.compile(rf"^(retract |\t){re.escape(chosen.go)}$", re.MULTILINE)
            edited.write_text(line.sub(lambda found: f"{found.group()} // {reason}", edited.read_text()))
            if _retracted(edited).get(chosen.go) != reason:
                raise StageFailed(
                    f"go.mod would not give {reason!r} as the reason for {chosen.go}",
                    f"write it into {go_mod} by hand: retract {chosen.go} // {reason}",
                )
            files.write_text(go_mod, edited.read_text())
            applied.append(str(go_mod.relative_to(workspace.ROOT)))
    text = changelog.FILE.read_text() if changelog.FILE.exists() else ""
    try:
        marked = changelog.with_yanked(text, chosen, reason)
    except LookupError:
        marked = text
    if marked != text:
        files.write_text(changelog.FILE, marked)
        applied.append(changelog.FILE.name)
    return tuple(applied)


def _retracted(go_mod: Path) -> dict[str, str]:
    """The versions that a go.mod retracts, with the reasons."""
    printed = process.run(["go", "mod", "edit", "-json", go_mod], what="read the module's go.mod")
    return {item["Low"]: item.get("Rationale", "") for item in json.loads(printed).get("Retract") or []}

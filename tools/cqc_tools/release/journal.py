"""What a publishing run meant to do and saw, kept beside the build, so that the next run knows where this one ended.

The record is never trusted over a registry: it only says which write may still be on its way.
"""

import json
import os
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cqc_tools.foundation.errors import UserError


class State(StrEnum):
    """What is known of one file in one registry."""

    ABSENT = "absent"
    ATTEMPTED = "attempted"
    VERIFIED = "verified"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"


@dataclass
class Record:
    """The state of each file of a release in the registries of one target, by ecosystem and name; each change is on
    disk before `note` returns."""

    path: Path
    states: dict[str, dict[str, State]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, ecosystem: str, states: dict[str, State]) -> None:
        """Take over and keep the states of some files of an ecosystem."""
        # Registries are read at the same time.
        with self.lock:
            before = self.states.get(ecosystem, {})
            if before | states == before:
                return
            self.states[ecosystem] = before | states
            part = self.path.with_suffix(".part")
            with part.open("w") as file:
                json.dump(self.states, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)

    def attempted(self, ecosystem: str) -> set[str]:
        """The files whose write may still be on its way."""
        return {name for name, state in self.states.get(ecosystem, {}).items() if state is State.ATTEMPTED}


def load(folder: Path, target: str) -> Record:
    """The record of publishing the build in `folder` to a target; empty when there is none.

    Raises UserError when it cannot be read.
    """
    path = folder / f"state-{target}.json"
    try:
        content = json.loads(path.read_text())
        states = {
            str(ecosystem): {str(name): State(state) for name, state in files.items()}
            for ecosystem, files in content.items()
        }
    except FileNotFoundError:
        return Record(path)
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}): remove it, the registries say what is published: rm {path}"
        ) from None
    return Record(path, states)

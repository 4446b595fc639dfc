"""What a publishing run intended and saw, kept beside the build, so that the next run knows where this one stopped.

The journal is never trusted over a registry: it only says which write may still be in progress.
"""

import json
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from cqc_tools.foundation import files
from cqc_tools.foundation.errors import UserError


class State(StrEnum):
    """What is known about one file in one registry."""

    ABSENT = "absent"
    ATTEMPTED = "attempted"
    VERIFIED = "verified"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"


@dataclass
class Journal:
    """The state of each file of a release in the registries of one target, by ecosystem and file name. Every change is
    on disk before `note` returns."""

    path: Path
    states: dict[str, dict[str, State]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def note(self, ecosystem: str, states: dict[str, State]) -> None:
        """Record the states of some files of an ecosystem."""
        # Registries are read at the same time.
        with self.lock:
            before = self.states.get(ecosystem, {})
            if before | states == before:
                return
            self.states[ecosystem] = before | states
            files.write_text(self.path, json.dumps(self.states, indent=2) + "\n", durable=True)

    def attempted(self, ecosystem: str) -> set[str]:
        """The files whose write may still be in progress."""
        return {name for name, state in self.states.get(ecosystem, {}).items() if state is State.ATTEMPTED}


def load(folder: Path, target: str) -> Journal:
    """The journal of publishing the build in `folder` to a target; empty if there is none.

    Raises UserError if it cannot be read.
    """
    path = folder / f"state-{target}.json"
    try:
        content = json.loads(path.read_text())
        states = {
            str(ecosystem): {str(name): State(state) for name, state in found.items()}
            for ecosystem, found in content.items()
        }
    except FileNotFoundError:
        return Journal(path)
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read: {error}",
            f"remove it, the registries themselves show what is published: rm {path}",
        ) from None
    return Journal(path, states)

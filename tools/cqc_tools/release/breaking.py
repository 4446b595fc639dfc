"""Whether the contracts may change as they do: after 1.0 what breaks users needs the next major version."""

from cqc_tools.foundation import configuration
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.generation import module_path
from cqc_tools.release import candidate
from cqc_tools.release.candidate import Candidate


def find() -> Candidate:
    """What changed in the contracts since the last release, and the version that comes of it."""
    return candidate.choose()


def refuse(found: Candidate) -> None:
    """Raise StageFailed when the change asks for a major version that the tree is not prepared for."""
    if found.changes.breaks and (steps := module_path.steps_to(found.version, configuration.load())):
        since = found.last.tag if found.last else "the last release"
        raise StageFailed(
            f"what changed since {since} breaks {', '.join(found.changes.breaks)}.\n"
            f"Change it in another way, see docs/changing-a-contract.md, or:\n{steps}"
        )

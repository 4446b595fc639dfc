"""Whether the contracts may change as they do: from 1.0 on, a breaking change needs the next major version. An older
line takes no change that needs a version after its end."""

from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.generation import module_path
from cqc_tools.release.candidate import Candidate


def refusal(found: Candidate, settings: Configuration) -> StageFailed | None:
    """Why the changes since the last release are not allowed: they need a major version that the Go module's path does
    not have, or a higher version than an older line can have. None if they are allowed."""
    since = found.last.tag if found.last else "the last release"
    if found.end and found.is_too_low:
        return StageFailed(
            f"the contract changes since {since} need {found.least.npm}, but {found.end.npm} ended this line",
            f"make them on {settings.branch}, and only smaller ones here: see docs/changing-a-contract.md",
        )
    steps = module_path.steps_to(found.version, settings)
    if not found.changes.breaks or not steps:
        return None
    return StageFailed(
        f"the contract changes since {since} break {', '.join(found.changes.breaks)}",
        f"change the contracts compatibly, see docs/changing-a-contract.md, or release a major version:\n{steps}",
    )

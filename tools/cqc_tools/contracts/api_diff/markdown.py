"""The differences between two revisions of the contracts, for a person to read."""

from collections.abc import Iterator, Sequence

from cqc_tools.contracts.api_diff.diff import ApiDiff, Change

# In reading order; all names but the last come from Keep a Changelog.
HEADINGS = {
    "added": "Added",
    "changed": "Changed",
    "deprecated": "Deprecated",
    "removed": "Removed",
    "commented": "Documentation",
}


def render(found: ApiDiff, level: int = 3) -> str:
    """The differences under headings of the given level; breaking changes come first below each heading."""
    if not found.changes:
        return "No changes to the contracts.\n"
    sections = []
    if found.breaks:
        sections.append(f"**Breaking** for {', '.join(found.breaks)}.\n")
    for action, heading in HEADINGS.items():
        changes = [change for change in found.changes if change.action == action]
        if changes:
            lines = _documented(changes) if action == "commented" else _listed(changes)
            sections.append("\n".join([f"{'#' * level} {heading}", "", *lines, ""]))
    return "\n".join(sections)


def _listed(changes: Sequence[Change]) -> Iterator[str]:
    for change in sorted(changes, key=lambda change: not change.breaks):
        summary = f": {change.summary}" if change.summary else ""
        broken = f" **Breaks {', '.join(change.breaks)}.**" if change.breaks else ""
        yield f"- {change.kind} `{change.name}`{summary}{broken}"
        yield from (f"  - {detail}" for detail in change.details)


def _documented(changes: Sequence[Change]) -> Iterator[str]:
    """One line per message, enum or service: a release can change hundreds of comments."""
    parts: dict[str, list[str]] = {}
    for change in changes:
        whole, _, part = change.name.rpartition(".")
        if change.kind in ("field", "value", "rpc", "oneof"):
            parts.setdefault(whole, []).append(part)
        else:
            parts.setdefault(change.name, [])
    for whole, names in sorted(parts.items()):
        yield f"- `{whole}`" + (f": {', '.join(f'`{name}`' for name in names)}" if names else "")

"""Trees of files that are kept by a digest of what they are made from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cqc_tools.foundation import kept_trees, workspace


def test_a_tree_is_made_once_for_the_same_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "CACHE", tmp_path)
    made: list[bytes] = []

    def tree(*sources: bytes) -> dict[Path, bytes]:
        def make() -> dict[Path, bytes]:
            made.append(b"".join(sources))
            return {Path("dist", "a.js"): made[-1]}

        return kept_trees.tree("compiled", sources, make)

    assert tree(b"ab") == tree(b"ab") == {Path("dist", "a.js"): b"ab"}
    assert tree(b"a", b"b") == {Path("dist", "a.js"): b"ab"}
    assert made == [b"ab", b"ab"], "the same bytes in other pieces are other sources"
    for kept in tmp_path.glob("compiled/*.zip"):
        kept.write_bytes(b"half written")
    assert tree(b"ab") == {Path("dist", "a.js"): b"ab"}
    assert len(made) == 3


def test_old_trees_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "CACHE", tmp_path)
    for number in range(kept_trees.KEPT + 5):
        kept_trees.tree("compiled", [bytes([number])], lambda: {Path("a"): b""})
    assert len(list(tmp_path.glob("compiled/*.zip"))) == kept_trees.KEPT


def test_processes_may_share_the_folder(tmp_path: Path) -> None:
    """Each process removes what the others list."""
    code = (
        "import sys; from pathlib import Path; from cqc_tools.foundation import kept_trees, workspace\n"
        "workspace.CACHE, kept_trees.KEPT = Path(sys.argv[1]), 2\n"
        "for number in range(60):\n"
        "    found = kept_trees.tree('compiled', [bytes([number % 7])], lambda: {Path('a'): b'x'})\n"
        "    assert found == {Path('a'): b'x'}"
    )
    environment = {**os.environ, "PYTHONPATH": str(workspace.ROOT / "tools")}
    running = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    errors = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0] * 4, errors

"""Which parts of the tests run, and how their results are reported."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cqc_tools.cli import output
from cqc_tools.cli.output import ResultFailed
from cqc_tools.foundation import configuration, workspace
from cqc_tools.foundation.errors import ProgramFailed, StageFailed, UserError
from cqc_tools.proof import check, kept, menu, suites, tools_tests
from cqc_tools.proof.menu import Part
from cqc_tools.proof.outcomes import Once
from cqc_tools.proof.subject import Subject
from cqc_tools.proof.suites import MeasuredTest, Suite, Suites

CQC = configuration.load()
OTHER = replace(CQC, cqc_code=False, root_package="acme", packages={"python": CQC.package("python")})


@dataclass(frozen=True)
class Sample:
    """The result of a part that ran and failed."""

    @property
    def failure(self) -> StageFailed:
        return StageFailed("two languages differ", "read the docs")

    def to_json(self) -> dict[str, Any]:
        return {"languages": 2}

    def show(self) -> None:
        pass


def raising(subject: Subject, live: bool) -> None:
    raise ProgramFailed(["go", "vet"], 1, stderr="undefined: x")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Parts that only record that they ran; two of them fail."""
    names: list[str] = []

    def passing(name: str, **needs: Any) -> Part:
        return Part(name, lambda subject, live: names.append(f"{name}{' live' if live else ''}"), **needs)

    tools = Suites((Suite("pytest", 2, slowest=(MeasuredTest("test_a", 9.0), MeasuredTest("test_b", 1.0))),))
    phases = (
        (passing("check"), passing("go", needs_package="go"), passing("lossless", needs_cqc_code=True)),
        (Part("interop", lambda subject, live: Sample()), Part("vet", raising)),
        (Part("tools", lambda subject, live: tools),),
    )
    monkeypatch.setattr(menu, "PHASES", phases)
    monkeypatch.setattr(menu, "PARTS", tuple(part.name for phase in phases for part in phase))
    return names


def test_failed_parts_do_not_stop_the_others(ran: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    tests = menu.run("all", Subject(CQC))
    assert sorted(ran) == ["check", "go", "lossless"]
    assert [outcome.title for outcome in tests.parts] == ["check", "go", "lossless", "interop", "vet", "tools"]
    with pytest.raises(ResultFailed) as failed:
        output.emit(tests, as_json=False)
    assert failed.value.failure.problem == "tests failed: interop, vet"
    printed = capsys.readouterr()
    assert "undefined: x" in printed.err
    assert "two languages differ" in printed.err
    assert "test_a" in printed.out


@pytest.mark.parametrize(("name", "expected"), [("all", "sample"), ("tools", "whole")])
def test_a_part_that_runs_alone_runs_whole(monkeypatch: pytest.MonkeyPatch, name: str, expected: str) -> None:
    ran: list[str] = []

    def noting(what: str) -> Callable[[Subject, bool], None]:
        return lambda subject, live: ran.append(what)

    part = Part("tools", noting("sample"), whole=noting("whole"))
    monkeypatch.setattr(menu, "PHASES", ((part, Part("other", lambda subject, live: None)),))
    monkeypatch.setattr(menu, "PARTS", ("tools", "other"))
    menu.run(name, Subject(CQC))
    assert ran == [expected]


def test_every_part_is_reported_as_json(ran: list[str]) -> None:
    found = menu.run("all", Subject(CQC)).to_json()
    assert not found["passed"]
    parts = {part["part"]: part for part in found["parts"]}
    assert (parts["check"]["passed"], parts["check"]["failure"]) == (True, None)
    assert parts["interop"]["failure"]["problem"] == "two languages differ"
    assert parts["interop"]["result"] == {"languages": 2}
    assert (parts["vet"]["failure"]["kind"], parts["vet"]["failure"]["returncode"]) == ("program", 1)
    assert all(part["seconds"] >= 0 for part in found["parts"])


def test_single_part_prints_live_and_fails_with_its_own_failure(ran: list[str]) -> None:
    assert menu.run("check", Subject(CQC)).failure is None
    assert ran == ["check live"]
    failure = menu.run("vet", Subject(CQC)).failure
    assert isinstance(failure, ProgramFailed)


def test_project_without_cqc_code_leaves_parts_out(ran: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    tests = menu.run("all", Subject(OTHER))
    assert ran == ["check"]
    tests.show()
    assert capsys.readouterr().out.count("left out, because release.toml has cqc_code = false") == 1


def test_project_without_cqc_code_is_not_checked_for_it() -> None:
    ours, theirs = ({item.title for item in check.checks(settings)} for settings in (CQC, OTHER))
    assert ours - theirs == {"tsc --strict"}
    assert check._go_folders(OTHER) == ["tools/go", "tools/interop/go"]
    assert not any(source.startswith("examples") for source in check._python_sources(OTHER))


def test_unknown_part_is_rejected(ran: list[str]) -> None:
    with pytest.raises(UserError, match=r"no tests called 'rust'") as stopped:
        menu.run("rust", Subject(CQC))
    assert "fast" in stopped.value.fix


@pytest.mark.parametrize(
    ("settings", "quick", "expected"),
    [(CQC, False, None), (CQC, True, "not slow"), (OTHER, True, "not slow and not cqc_code")],
)
def test_marks_choose_the_tests(
    monkeypatch: pytest.MonkeyPatch, settings: configuration.Configuration, quick: bool, expected: str | None
) -> None:
    asked: list[str] = []

    def run_pytest(title: str, python: Path, tests: Path, *options: str, **_: Any) -> Suite:
        asked.extend(options)
        return Suite(title)

    monkeypatch.setattr(suites, "run_pytest", run_pytest)
    tools_tests.run(settings, live=False, quick=quick)
    assert (asked[asked.index("-m") + 1] if "-m" in asked else None) == expected


SAMPLE = """import pytest

def test_fine(): pass

def test_wrong(): assert False

@pytest.mark.skip
def test_not(): pass
"""


def test_pytest_results_are_counted(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    python = workspace.venv_bin(workspace.VENV, "python")
    suite = suites.run_pytest("pytest", python, tmp_path, live=False)
    assert (suite.tests, suite.skipped) == (3, 1)
    assert isinstance(suite.failure, ProgramFailed)
    assert "test_sample::test_wrong" in {test.name for test in suite.slowest}


def test_formatter_failure_names_the_fix(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text("x=1\n")
    with pytest.raises(ProgramFailed) as stopped:
        check._formatted([check.RUFF, "format", "--check", "--isolated", "--no-cache", tmp_path])
    assert stopped.value.fix == "run make format"
    with pytest.raises(ProgramFailed) as stopped:
        check._formatted([tmp_path / "missing"])
    assert stopped.value.fix == ""


def test_cached_folder_is_remade_only_when_its_sources_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "CACHE", tmp_path)
    source = tmp_path / "source"
    made: list[Path] = []

    def make(folder: Path) -> None:
        assert list(folder.iterdir()) == []
        (folder / "result").write_text(source.read_text())
        made.append(folder)

    for content in ("one", "one", "two"):
        source.write_text(content)
        folder = kept.folder("peers/sample", [source, b"go1.26"], make)
        assert (folder / "result").read_text() == content
    assert len(made) == 2


def test_interrupted_folder_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "CACHE", tmp_path)

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise StageFailed("no space left")

    with pytest.raises(StageFailed):
        kept.folder("peers/sample", [b"same"], fail)
    folder = kept.folder("peers/sample", [b"same"], lambda folder: (folder / "whole").touch())
    assert (folder / "whole").exists()
    assert not (folder / "half").exists()


def test_failed_build_fails_every_part_that_needs_it_without_another_attempt() -> None:
    attempts: list[int] = []

    def build() -> int:
        attempts.append(1)
        raise StageFailed("tsc failed")

    built = Once(build)
    for _ in range(2):
        with pytest.raises(StageFailed, match="tsc failed"):
            built.get()
    assert len(attempts) == 1

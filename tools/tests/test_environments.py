"""The environments: which run, what pins them, and what a failure shows."""

import json
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cqc_tools.foundation import configuration, process, workspace
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.proof.environments import environment, go, installs, matrix, pins, services
from cqc_tools.proof.environments.environment import SOURCES, Environment, Figures
from cqc_tools.proof.outcomes import Once
from cqc_tools.proof.subject import Subject

pytestmark = pytest.mark.cqc_code
# In one folder the optional peer dependencies are missing on purpose.
NPM_FOLDERS = sorted({path.parent for path in SOURCES.glob("*/package-lock.json")} - {SOURCES / "connect"})


def test_the_table_in_the_documentation_is_that_of_the_code() -> None:
    page = (workspace.ROOT / "docs" / "environments.md").read_text()
    written = [line for line in page.splitlines() if line.startswith("|")]
    assert written == matrix.described(), "write the new rows into docs/environments.md"


def test_quick_and_slow_environments_are_all() -> None:
    assert len(set(matrix.NAMES)) == len(matrix.NAMES)
    quick, slow = ([item.name for item in matrix.chosen([], slow)] for slow in (False, True))
    assert slow
    assert sorted(quick + slow) == sorted(matrix.NAMES)


def test_an_environment_runs_by_its_name_however_slow() -> None:
    assert [item.name for item in matrix.chosen(["outage", "vite"])] == ["vite", "outage"]
    assert {item.name for item in matrix.chosen(matrix.TESTED)} == set(matrix.TESTED)
    with pytest.raises(UserError, match="no environment called 'vit'"):
        matrix.chosen(["vit"])


@pytest.mark.parametrize("item", matrix.ALL, ids=lambda item: item.name)
def test_everything_an_environment_installs_is_pinned_with_a_hash(item: Environment) -> None:
    lock = SOURCES / item.lock
    assert all(item.versions.values())
    if lock.suffix == ".json":
        packages = json.loads(lock.read_text())["packages"]
        assert all(found.get("integrity") for path, found in packages.items() if path)
    elif lock.name == "go.mod":
        assert " h1:" in lock.with_name("go.sum").read_text()
    else:
        requirements = re.split(r"\n(?=\S)", re.sub(r"^ *#.*\n", "", lock.read_text(), flags=re.MULTILINE))
        assert all("--hash=sha256:" in found for found in requirements if found.strip())


@pytest.mark.parametrize("folder", NPM_FOLDERS, ids=lambda folder: folder.name)
def test_each_npm_folder_has_all_that_our_package_needs(folder: Path) -> None:
    """Our package is unpacked beside what the lock pins, so npm resolves nothing else."""
    ours = json.loads((workspace.TYPESCRIPT_PACKAGE / "package.json").read_text())
    needed = {*ours.get("dependencies", {}), *ours["peerDependencies"]}
    assert needed - {*json.loads((folder / "package.json").read_text())["dependencies"]} == set()


def test_the_lowest_go_is_the_one_that_our_module_names() -> None:
    assert f"\ngo {go.LOWEST}\n" in (workspace.GO_MODULE / "go.mod").read_text()


def test_output_that_is_no_json_is_a_failure_of_the_environment(subject: Subject) -> None:
    item = running("", run=lambda subject: json.loads("Usage: grpcurl"))
    with pytest.raises(StageFailed, match="sample: a program printed no JSON") as failed:
        environment.use(item, subject)
    assert failed.value.details == "Usage: grpcurl"


def test_a_tool_that_no_lock_pins_is_a_mistake() -> None:
    with pytest.raises(UserError, match="pins no left-pad"):
        pins.pinned(SOURCES / "bundlers" / "package-lock.json", "left-pad")


def running(code: str, **fields: object) -> Environment:
    """An environment that runs a Python program."""

    def run(subject: Subject) -> Figures:
        environment.program(sys.executable, "-c", code)
        return {"size": "1 kB"}

    made = Environment("sample", "A sample", "bundlers/package-lock.json", {"esbuild": "esbuild"}, ("typescript",), run)
    return replace(made, **fields)  # type: ignore[arg-type]


@pytest.fixture
def subject() -> Subject:
    """A subject whose build is never used."""
    made = Subject(configuration.load())
    made._built = Once(lambda: None)  # type: ignore[arg-type, return-value]
    return made


def test_a_failure_names_the_environment_the_command_and_the_end_of_the_output(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = running("for number in range(100): print('line', number)\nraise SystemExit(3)")
    monkeypatch.setattr(matrix, "ALL", (item, running("", name="other")))
    monkeypatch.setattr(matrix, "NAMES", ("sample", "other"))
    found = matrix.run(subject)
    failed, passed = found.to_json()["environments"]
    assert failed["failure"]["problem"].startswith(
        f"sample: {sys.executable} failed with exit code 3: {sys.executable}"
    )
    assert failed["failure"]["details"].splitlines()[0] == "... 60 lines"
    assert failed["failure"]["details"].endswith("line 99")
    assert passed["result"] == {"esbuild": item.versions["esbuild"], "size": "1 kB"}
    assert isinstance(found.failure, StageFailed)


def test_a_client_that_receives_nothing_after_a_moment_fails_with_its_last_lines() -> None:
    code = "import sys, time; print('item 1'); print('lost END', flush=True); sys.stdin.read(); print('item 2')"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        follower = services.Follower("python", child)
        reader = threading.Thread(target=follower.read)
        reader.start()
        first = follower.item_after(0, 20)
        with pytest.raises(StageFailed, match=r"the python client received nothing within 0\.1 s") as failed:
            follower.item_after(time.monotonic(), 0.1)
        assert failed.value.details == "item 1\nlost END"
        assert child.stdin
        child.stdin.close()
        assert follower.item_after(first, 20) > first
        reader.join(20)


def test_a_scratch_folder_is_empty_but_for_its_programs(tmp_path: Path) -> None:
    made = installs.scratch(tmp_path, "vite")
    (made / "left over").touch()
    again = installs.scratch(tmp_path, "vite", SOURCES / "programs" / "javascript" / "check.cjs")
    assert [path.name for path in again.iterdir()] == ["check.cjs"]


def test_a_platform_that_a_lock_lacks_is_a_mistake_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no bun for") as missing:
        installs.platform_program(tmp_path, "bun")
    assert "optionalDependencies" in missing.value.fix


def test_the_entry_points_are_what_a_program_imports(tmp_path: Path) -> None:
    installed = tmp_path / "node_modules" / "@cq" / "cqc"
    installed.mkdir(parents=True)
    exported = {".": {}, "./markets/v1": {}, "./package.json": "./package.json"}
    (installed / "package.json").write_text(json.dumps({"exports": exported}))
    assert installs.entry_points(tmp_path, "@cq/cqc") == ["@cq/cqc", "@cq/cqc/markets/v1"]


def test_a_project_without_the_code_that_they_use_has_none(subject: Subject) -> None:
    subject.settings = replace(subject.settings, cqc_code=False)
    found = matrix.run(subject)
    assert (found.outcomes, found.failure) == ((), None)
    assert "environments" in found.to_json()["left_out"]


def test_environments_of_packages_that_a_project_lacks_are_left_out(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "ALL", (running(""),))
    subject.settings = replace(subject.settings, packages={"python": subject.settings.package("python")})
    assert matrix.run(subject).outcomes == ()


def test_a_program_that_runs_too_long_is_stopped() -> None:
    with pytest.raises(StageFailed, match=r"did not end within 0\.2 s") as failed:
        process.run(
            [sys.executable, "-uc", "import time; print('waiting'); time.sleep(60)"], limit=0.2, what="a sleeper"
        )
    assert failed.value.problem.startswith("a sleeper did")

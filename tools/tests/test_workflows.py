"""The CI workflows: every step is a target of the Makefile, actions are pinned, permissions are minimal."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cqc_tools.foundation import configuration, workspace

WORKFLOWS = sorted((workspace.ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (workspace.ROOT / "Makefile").read_text(), re.MULTILINE))
ALLOWED = (
    re.compile(r'make ("\$RUN"|[a-z-]+)( >> "\$GITHUB_STEP_SUMMARY")?'),
    # make would turn the exit code of a conflict into its own. gh is git's credential helper for the push.
    re.compile(r"gh auth setup-git\nmake (release-pr)\n"),
    re.compile(
        r'gh auth setup-git\ntools/cqc (publish) --release "\$VERSION" --target "\$TARGET" && exit\n.*', re.DOTALL
    ),
)


def loaded(path: Path) -> dict[str, Any]:
    content = YAML(typ="safe").load(path)
    assert isinstance(content, dict)
    return content


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.stem)
def workflow(request: pytest.FixtureRequest) -> dict[str, Any]:
    return loaded(request.param)


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def targets_of(step: dict[str, Any]) -> list[str]:
    return [found[1] for form in ALLOWED if (found := form.fullmatch(step["run"]))]


def test_every_step_is_a_target_of_the_makefile(workflow: dict[str, Any]) -> None:
    named = set()
    for step in steps(workflow):
        if "run" in step:
            matched = targets_of(step)
            assert matched, step["run"]
            named.update(matched)
    for job in workflow["jobs"].values():
        for case in job.get("strategy", {}).get("matrix", {}).get("include", []):
            named.add(case["run"])
    assert named - {'"$RUN"'} <= TARGETS
    assert named


def test_actions_are_pinned_and_permissions_are_empty_by_default(workflow: dict[str, Any]) -> None:
    assert workflow["permissions"] == {}
    for step in steps(workflow):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", step["uses"])
            assert "cache" not in step.get("with", {}) or step["with"]["cache"] is False
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"] == {"fetch-depth": 0, "persist-credentials": False}


def test_only_the_publishing_job_has_an_identity() -> None:
    for path in WORKFLOWS:
        for name, job in loaded(path)["jobs"].items():
            publishes = (path.stem, name) == ("release", "publish")
            assert ("id-token" in job["permissions"]) == publishes
            assert ("environment" in job) == publishes
        assert "secrets." not in path.read_text()


def test_what_writes_or_has_an_identity_runs_in_this_repository_only(workflow: dict[str, Any]) -> None:
    ours = configuration.load().repository.removeprefix("https://github.com/")
    for name, job in workflow["jobs"].items():
        if "write" in job["permissions"].values():
            assert job.get("if") == f"github.repository == '{ours}'", name


def test_the_pull_request_follows_every_branch_of_releases() -> None:
    settings = configuration.load()
    for name in ("ci", "release-pr"):
        branches = loaded(workspace.ROOT / ".github" / "workflows" / f"{name}.yml")["on"]["push"]["branches"]
        assert branches == [settings.branch, settings.line_branches]


def test_the_steps_of_a_release_are_in_order() -> None:
    release = loaded(workspace.ROOT / ".github" / "workflows" / "release.yml")
    order = [target for step in steps(release) if "run" in step for target in targets_of(step)]
    wanted = ["plan", "preflight", "build", "test-python", "draft", "attest", "publish", "verify", "announce"]
    assert [target for target in dict.fromkeys(order) if target in wanted] == wanted
    assert release["concurrency"]["cancel-in-progress"] is False
    assert release["jobs"]["publish"]["needs"] == ["build", "check"]
    # The state is kept after a failure too.
    (saved,) = (step for step in release["jobs"]["publish"]["steps"] if step.get("run") == "make draft-save")
    assert saved["if"] == "always()"


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_conflict_is_marked_and_keeps_its_exit_code(tmp_path: Path, code: int) -> None:
    release = loaded(workspace.ROOT / ".github" / "workflows" / "release.yml")
    (script,) = (step["run"] for step in steps(release) if "tools/cqc publish" in step.get("run", ""))
    for name, exits in {"tools/cqc": code, "bin/gh": 0}.items():
        program = tmp_path / name
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\nexit {exits}\n")
        program.chmod(0o755)
    environment = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == code
    assert done.stdout.startswith("::error title=Conflict::") == (code == 3)


def test_the_example_for_gitlab_names_only_targets_of_the_makefile() -> None:
    example = loaded(workspace.ROOT / "docs" / "gitlab-ci.example.yml")
    words = {"stages", "default", "variables"}
    jobs = {name: job for name, job in example.items() if name not in words and not name.startswith(".")}
    named: list[str] = []
    for name, job in jobs.items():
        assert job["stage"] in example["stages"], name
        assert set(job.get("needs", [])) <= jobs.keys(), name
        parts = [part for case in job.get("parallel", {}).get("matrix", []) for part in case["PART"]]
        for line in job["script"]:
            found = re.fullmatch(r'make ("\$PART"|[a-z-]+)', line)
            assert found or line.startswith("git config "), line
            named += [] if not found else parts if found[1] == '"$PART"' else [found[1]]
    assert set(named) <= TARGETS
    release = loaded(workspace.ROOT / ".github" / "workflows" / "release.yml")
    only_github = {"setup", "draft", "attest", "draft-save", "announce"}
    order = [target for step in steps(release) if "run" in step for target in targets_of(step)]
    assert [target for target in named if target != "test"] == [
        target for target in dict.fromkeys(order) if target not in only_github
    ]

"""Following the start of a README literally."""

import os
from pathlib import Path

import pytest

from cqc_tools.foundation.errors import ProgramFailed, StageFailed
from cqc_tools.packages import Installation, quickstart

README = """\
# package

## Start

Save this as `service.py`:

```python
import http.server

address = "localhost:50051"
http.server.test(http.server.SimpleHTTPRequestHandler, port=int(address.partition(":")[2]), bind="localhost")
```

Start it.

<!-- keeps running -->

```sh
python3 service.py
```

In a second terminal:

```sh
echo first
python3 -c 'import urllib.request; print(urllib.request.urlopen("http://localhost:50051/service.py").status)'
```

```text
first
200
```

## Later

```sh
exit 7
```
"""


def follow(readme: str, folder: Path) -> None:
    path = folder / "README.md"
    path.write_text(readme)
    quickstart.follow(path, Installation(folder, dict(os.environ), 0, ()), folder / "user")


def test_each_fence_is_a_step() -> None:
    found = quickstart.steps(README)
    assert [(step.language, step.name, step.keeps_running) for step in found] == [
        ("python", "service.py", False),
        ("sh", "", True),
        ("sh", "", False),
        ("text", "", False),
    ]
    assert found[0].line == 7
    assert quickstart.steps("# package\n\n```sh\nexit 7\n```\n") == []


def test_the_steps_are_followed_on_a_free_port(tmp_path: Path) -> None:
    follow(README, tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "problem", "error"),
    [
        ("\n200\n", "\n201\n", "README.md, line 29: the commands before it print something else", StageFailed),
        ("echo first", "exit 3", "README.md, line 24 failed with exit code 3", ProgramFailed),
    ],
)
def test_a_step_that_does_not_work_is_named(
    tmp_path: Path, old: str, new: str, problem: str, error: type[StageFailed]
) -> None:
    assert old in README
    with pytest.raises(error, match=problem):
        follow(README.replace(old, new), tmp_path)


@pytest.mark.parametrize(
    ("command", "package", "expected"),
    [
        ('.venv/bin/pip install "cqc[server]"', "cqc", True),
        ('.venv/bin/pip install "cqc[server]"', "acme-cqc", False),
        ('.venv/bin/pip install "acme-cqc[server]"', "cqc", False),
        ("npm install @cq/cqc @grpc/grpc-js", "@cq/cqc", True),
        ("npm install @cq/cqc-next", "@cq/cqc", False),
        ("npm install @cq/cqc", "@other/cqc", False),
        ("go get github.com/a/b/packages/go-cqc/...@latest", "github.com/a/b/packages/go-cqc", True),
        ("go get github.com/a/b/packages/go-cqc/v2/...@latest", "github.com/a/b/packages/go-cqc", False),
    ],
)
def test_a_start_is_followed_only_under_the_name_of_the_package(command: str, package: str, expected: bool) -> None:
    assert quickstart.installs(f"## Start\n\n```sh\n{command}\n```\n", package) == expected

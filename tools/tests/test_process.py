"""Programs that the tool runs do not outlive their limit."""

import sys
import time

import pytest

from cqc_tools.foundation import process
from cqc_tools.foundation.errors import StageFailed

SLEEPY = [sys.executable, "-c", "import time; print('started', flush=True); time.sleep(600)"]


def test_a_program_that_does_not_end_is_stopped() -> None:
    started = time.monotonic()
    with pytest.raises(StageFailed, match="the sleepy program did not end within 2 s") as failed:
        process.run(SLEEPY, what="the sleepy program", limit=2)
    assert failed.value.details == "started"
    assert time.monotonic() - started < 60


def test_a_program_within_its_limit_is_not_disturbed() -> None:
    assert process.run([sys.executable, "-c", "print('done')"], limit=60) == "done\n"

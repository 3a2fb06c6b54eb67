"""The console's tests are run where there is a Chromium; where there is none, that is said with what to get."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.chromium import find_chromium

ROOT = Path(__file__).parents[2]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.browser", *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("arguments", "code", "what"), [((), 1, "cannot run"), (("--short",), 0, "were not run")])
def test_machine_without_chromium_is_told_what_to_get(tmp_path: Path, arguments: tuple[str, ...], code: int, what: str):
    ran = run(tmp_path, *arguments)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.startswith(f"the console's tests {what}: there is no Chromium in PATH; on Debian and Ubuntu: apt")


def test_first_name_that_is_there_is_taken(tmp_path: Path):
    assert find_chromium(str(tmp_path)) is None
    for name in ("google-chrome", "chromium-browser"):
        program = tmp_path / name
        program.touch()
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        assert find_chromium(str(tmp_path)) == str(program)

